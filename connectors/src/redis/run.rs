//! The sink's loop: poll `feeds` and `trending`, keep the newest of each key, apply, then commit.
//!
//! A batch is applied completely before its position is committed, once a second, so a crash applies some of it twice,
//! which the versions make harmless. While Redis is away the same batch is tried again, ever more slowly,
//! and Kafka holds the rest; also while it refuses (a wrong password, a right that is missing), because whoever
//! mends that mends the server and not this process, but then it is said again and again. A record that is no feed
//! is counted and left behind: it would be no feed for ever.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream::broker::{Batch, Failure, GroupConsumer, Polled};
use millstream::{Clock, Histogram, RawRecord, SystemClock, Timestamp};
use schemas::{FEEDS_EPOCH, FeedVersion, Trending, UserId, VERSION, Wire, topic};
use tokio::runtime::Handle;

use super::{Applied, RedisFault, Sink, Write};
use crate::backoff::Backoff;
use crate::group::{Positions, survive};
use crate::outage::Outage;

const POLL: Duration = Duration::from_millis(100);
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What a running sink has done, for metrics and readiness.
#[derive(Debug, Default)]
pub struct Progress {
    /// Feeds written.
    pub written: AtomicU64,
    /// Feeds that were there already, or newer.
    pub older: AtomicU64,
    /// Records that are no feed.
    pub foreign: AtomicU64,
    /// Attempts that failed.
    pub failed: AtomicU64,
    /// The words of the last attempt if it failed.
    pub fault: Mutex<Option<String>>,
    /// The time of the oldest record that was polled and is not applied, ms UTC; 0 if there is none.
    pub in_hand: AtomicI64,
    /// From the time of a record, when it was ranked, until Redis has it; of the oldest of each batch.
    pub took: Histogram,
}

impl Progress {
    /// What ails Redis, if the last attempt failed.
    pub fn fault(&self) -> Option<String> {
        self.last().clone()
    }

    fn last(&self) -> MutexGuard<'_, Option<String>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sink at work, and who may stop it.
pub struct Sinking<'a> {
    /// The subscribed consumer of `feeds`.
    pub consumer: Box<dyn GroupConsumer>,
    /// Where to.
    pub sink: Sink,
    /// Counts as it goes.
    pub progress: &'a Progress,
    /// Set by somebody else: come to an end.
    pub stop: &'a AtomicBool,
}

/// Runs on the calling thread until `stop` is set. A failure of Kafka that no retry helps ends it.
pub fn run(mut sinking: Sinking<'_>, runtime: &Handle) -> Result<(), Failure> {
    let mut applied = Positions::default();
    while !sinking.stop.load(Ordering::Relaxed) {
        if let Some(positions) = applied.due(Instant::now()) {
            sinking.consumer.commit(&positions).or_else(|failure| survive("redis", failure))?;
        }
        let polled = match sinking.consumer.poll(POLL) {
            Ok(polled) => polled,
            Err(failure) => {
                survive("redis", failure)?;
                continue;
            }
        };
        if polled.batches.is_empty() {
            continue;
        }
        let (work, foreign) = newest(&polled);
        sinking.progress.foreign.fetch_add(foreign, Ordering::Relaxed);
        sinking.progress.in_hand.store(oldest(&polled), Ordering::Relaxed);
        if !apply(&mut sinking, &work, runtime) {
            break;
        }
        sinking.progress.in_hand.store(0, Ordering::Relaxed);
        sinking.progress.took.observe(SystemClock.now().since(Timestamp(oldest(&polled))));
        applied.note(&polled, Instant::now());
    }
    match applied.all() {
        positions if positions.is_empty() => Ok(()),
        positions => {
            sinking.consumer.commit(&positions).or_else(|failure| survive("redis", failure))
        }
    }
}

/// Tries until it is done; `false` if it was asked to stop before.
fn apply(sinking: &mut Sinking<'_>, work: &Work<'_>, runtime: &Handle) -> bool {
    let (mut backoff, mut outage) = (Backoff::new(PAUSE_MIN, PAUSE_MAX), Outage::default());
    loop {
        match runtime.block_on(work.done_by(&mut sinking.sink)) {
            Ok(applied) => {
                sinking.progress.written.fetch_add(applied.written, Ordering::Relaxed);
                sinking.progress.older.fetch_add(applied.older, Ordering::Relaxed);
                *sinking.progress.last() = None;
                return true;
            }
            Err(fault) => {
                sinking.progress.failed.fetch_add(1, Ordering::Relaxed);
                *sinking.progress.last() = Some(fault.to_string());
                outage.log("redis", (fault.kind(), &fault.to_string()), Instant::now());
            }
        }
        if !backoff.pause(sinking.stop) {
            return false;
        }
    }
}

/// What a poll brought, as it goes to Redis.
struct Work<'a> {
    /// The newest feed of each user.
    feeds: Vec<Write<'a>>,
    /// The newest lists of what trends.
    trending: Option<Trending>,
}

impl Work<'_> {
    async fn done_by(&self, sink: &mut Sink) -> Result<Applied, RedisFault> {
        let applied = sink.apply(&self.feeds).await?;
        if let Some(trending) = &self.trending {
            sink.trending(trending).await?;
        }
        Ok(applied)
    }
}

/// What a poll brought; and how many records are none of it.
fn newest(polled: &Polled) -> (Work<'_>, u64) {
    let mut newest: BTreeMap<UserId, Write<'_>> = BTreeMap::new();
    let (mut trending, mut foreign) = (None, 0);
    let trends = |batch: &&Batch| *batch.source().topic == *topic::TRENDING.name;
    for batch in polled.batches.iter().filter(trends) {
        let last = batch.iter().last().and_then(|record| record.value);
        match last.map(Trending::decode) {
            Some(Ok(last)) => trending = Some(last),
            Some(Err(_)) => foreign += 1,
            None => {}
        }
    }
    let feeds = polled.batches.iter().filter(|batch| !trends(batch));
    for record in feeds.flat_map(|batch| batch.iter()) {
        let Some(write) = decode(&record) else {
            foreign += 1;
            continue;
        };
        let held = newest.entry(write.user).or_insert_with(|| write.clone());
        if held.version <= write.version {
            *held = write;
        }
    }
    (Work { feeds: newest.into_values().collect(), trending }, foreign)
}

fn decode<'a>(record: &RawRecord<'a>) -> Option<Write<'a>> {
    let headers = record.headers;
    Some(Write {
        user: UserId::decode(record.key?).ok()?,
        version: FeedVersion::from_headers(headers.last(FEEDS_EPOCH), headers.last(VERSION))
            .ok()?,
        body: record.value,
    })
}

fn oldest(polled: &Polled) -> i64 {
    let records = polled.batches.iter().flat_map(|batch| batch.iter());
    records.map(|record| record.timestamp.0).min().unwrap_or(0)
}
