//! The sink's loop: poll `feeds` and `trending`, keep the newest of each key, apply, then commit, as a member of a
//! [`group`](crate::group).
//!
//! What a crash has it apply twice, the versions make harmless. It waits also while Redis refuses (a wrong password, a right
//! that is missing), because whoever mends that mends the server and not this process, but then it is said again and again.
//! A record that is no feed is counted and left behind: it would be no feed for ever.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use millstream::broker::{Batch, Failure, GroupConsumer, Polled};
use millstream::{Clock, Histogram, RawRecord, Step, SystemClock, Timestamp, TraceContext, Tracer};
use schemas::{FEEDS_EPOCH, FeedVersion, Trending, UserId, VERSION, Wire, application, topic};
use tokio::runtime::Handle;

use super::{Applied, RedisFault, Sink, Write};
use crate::group;
use crate::outage::LastFault;

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
    pub fault: LastFault,
    /// The time of the oldest record that was polled and is not applied, ms UTC; 0 if there is none.
    pub in_hand: AtomicI64,
    /// From the time of a record, when it was ranked, until Redis has it; of the oldest of each batch.
    pub took: Histogram,
}

impl Progress {
    /// What ails Redis, if the last attempt failed.
    pub fn fault(&self) -> Option<String> {
        self.fault.words()
    }
}

/// A sink at work, and who may stop it.
pub struct Sinking<'a> {
    /// The subscribed consumer of `feeds`.
    pub consumer: Box<dyn GroupConsumer>,
    /// Where to.
    pub sink: Sink,
    /// By how much the epoch of what is published is raised: see [`FeedVersion::raised`].
    pub epoch: u32,
    /// Counts as it goes.
    pub progress: &'a Progress,
    /// Set by somebody else: come to an end.
    pub stop: &'a AtomicBool,
    /// Who is told that feeds of traces are written.
    pub tracer: Option<Arc<dyn Tracer>>,
}

/// Runs on the calling thread until `stop` is set. A failure of Kafka that no retry helps ends it.
pub fn run(sinking: Sinking<'_>, runtime: &Handle) -> Result<(), Failure> {
    let Sinking { mut consumer, sink: mut to, epoch, progress, stop, tracer } = sinking;
    let sink = group::Sink { name: "redis", stop };
    sink.run(&mut *consumer, |polled| {
        let (work, foreign) = newest(polled, epoch);
        progress.foreign.fetch_add(foreign, Ordering::Relaxed);
        progress.in_hand.store(group::oldest(polled), Ordering::Relaxed);
        let _writing = tracer.as_deref().map(|tracer| steps(polled, tracer));
        let done = sink.until_done((&progress.failed, &progress.fault), || {
            let done = runtime.block_on(work.done_by(&mut to));
            done.map_err(|fault| (fault.kind(), fault.to_string()))
        });
        let Some(applied) = done else { return false };
        progress.written.fetch_add(applied.written, Ordering::Relaxed);
        progress.older.fetch_add(applied.older, Ordering::Relaxed);
        progress.in_hand.store(0, Ordering::Relaxed);
        progress.took.observe(SystemClock.now().since(Timestamp(group::oldest(polled))));
        true
    })
}

/// The steps of those records that are traced; they end with the attempts.
fn steps(polled: &Polled, tracer: &dyn Tracer) -> Vec<Box<dyn Step>> {
    let traced = |batch: &Batch| {
        let topic = batch.source().topic.clone();
        let places = batch.iter().filter_map(|record| TraceContext::of(record.headers));
        let begun = places.map(|place| tracer.begin("redis write", place, &[("topic", &*topic)]));
        begun.collect::<Vec<_>>()
    };
    polled.batches.iter().flat_map(traced).collect()
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
fn newest(polled: &Polled, epoch: u32) -> (Work<'_>, u64) {
    let mut newest: BTreeMap<UserId, Write<'_>> = BTreeMap::new();
    let (mut trending, mut foreign) = (None, 0);
    let trends =
        |batch: &&Batch| application::declared(&batch.source().topic) == topic::TRENDING.name;
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
        let Some(write) = decode(&record, epoch) else {
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

fn decode<'a>(record: &RawRecord<'a>, epoch: u32) -> Option<Write<'a>> {
    let headers = record.headers;
    let version = FeedVersion::from_headers(headers.last(FEEDS_EPOCH), headers.last(VERSION));
    Some(Write {
        user: UserId::decode(record.key?).ok()?,
        version: version.ok()?.raised(epoch),
        body: record.value,
    })
}
