//! The sink's loop: poll `feeds`, keep each user's newest, apply, then commit.
//!
//! A batch is applied completely before its position is committed, so a crash applies some of it twice,
//! which the versions make harmless. While Redis is away the same batch is tried again, ever more slowly,
//! and Kafka holds the rest. A record that is no feed is counted and left behind: it would be no feed for ever.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use millstream::broker::{Failure, GroupConsumer, Polled, Reaction, classify};
use millstream::{Offset, RawRecord, TopicPartition};
use schemas::{FEEDS_EPOCH, FeedVersion, UserId, VERSION, Wire};
use tokio::runtime::Handle;

use super::{RedisFault, Sink, Write};

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
    /// Whether the last attempt failed.
    pub down: AtomicBool,
    /// The time of the oldest record that was polled and is not applied, ms UTC; 0 if there is none.
    pub in_hand: AtomicI64,
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
pub fn run(mut at: Sinking<'_>, runtime: &Handle) -> Result<(), Failure> {
    while !at.stop.load(Ordering::Relaxed) {
        let polled = match at.consumer.poll(POLL) {
            Ok(polled) => polled,
            Err(failure) => {
                survive(failure)?;
                continue;
            }
        };
        if polled.batches.is_empty() {
            continue;
        }
        let (writes, foreign) = newest(&polled);
        at.progress.foreign.fetch_add(foreign, Ordering::Relaxed);
        at.progress.in_hand.store(oldest(&polled), Ordering::Relaxed);
        if !apply(&mut at, &writes, runtime) {
            return Ok(());
        }
        at.progress.in_hand.store(0, Ordering::Relaxed);
        if let Err(failure) = at.consumer.commit(&positions(&polled)) {
            survive(failure)?;
        }
    }
    Ok(())
}

/// Tries until it is done; `false` if it was asked to stop before.
fn apply(at: &mut Sinking<'_>, writes: &[Write<'_>], runtime: &Handle) -> bool {
    let mut pause = PAUSE_MIN;
    loop {
        match runtime.block_on(at.sink.apply(writes)) {
            Ok(applied) => {
                at.progress.written.fetch_add(applied.written, Ordering::Relaxed);
                at.progress.older.fetch_add(applied.older, Ordering::Relaxed);
                at.progress.down.store(false, Ordering::Relaxed);
                return true;
            }
            Err(RedisFault::Unavailable(words) | RedisFault::Refused(words)) => {
                at.progress.failed.fetch_add(1, Ordering::Relaxed);
                if !at.progress.down.swap(true, Ordering::Relaxed) {
                    tracing::warn!(error = words, "redis sink waits");
                }
            }
        }
        let Some(next) = wait(pause, at.stop) else { return false };
        pause = next;
    }
}

/// Waits, in steps short enough to notice a stop; answers the next, longer pause.
fn wait(pause: Duration, stop: &AtomicBool) -> Option<Duration> {
    let mut left = pause;
    while !left.is_zero() {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let step = left.min(Duration::from_millis(50));
        thread::sleep(step);
        left = left.saturating_sub(step);
    }
    Some((pause * 2).min(PAUSE_MAX))
}

/// A commit that was lost only repeats work; a handle that is dead ends the sink.
fn survive(failure: Failure) -> Result<(), Failure> {
    match classify(&failure) {
        Reaction::Retry | Reaction::AbortAndRewind => {
            tracing::warn!(%failure, "redis sink goes on");
            thread::sleep(PAUSE_MIN);
            Ok(())
        }
        Reaction::RebuildProducer | Reaction::Die => Err(failure),
    }
}

/// The newest write of each user, by user; and how many records are no feed.
fn newest(polled: &Polled) -> (Vec<Write<'_>>, u64) {
    let mut newest: BTreeMap<UserId, Write<'_>> = BTreeMap::new();
    let mut foreign = 0;
    for record in polled.batches.iter().flat_map(|batch| batch.iter()) {
        let Some(write) = decode(&record) else {
            foreign += 1;
            continue;
        };
        let held = newest.entry(write.user).or_insert_with(|| write.clone());
        if held.version <= write.version {
            *held = write;
        }
    }
    (newest.into_values().collect(), foreign)
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

/// The next position of every partition that brought something.
fn positions(polled: &Polled) -> Vec<(TopicPartition, Offset)> {
    let mut next: BTreeMap<TopicPartition, Offset> = BTreeMap::new();
    for batch in &polled.batches {
        let Some(last) = batch.len().checked_sub(1).and_then(|index| batch.get(index)) else {
            continue;
        };
        next.insert(batch.source().clone(), last.offset.next());
    }
    next.into_iter().collect()
}
