//! A sink as a member of a consumer group: poll, apply, then commit.
//!
//! What was polled is applied completely before its position is committed, once a second, so a crash has some of it applied
//! twice. While a server is away, or refuses, the same is tried again, ever more slowly, and Kafka holds the rest.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use millstream::broker::{Failure, GroupConsumer, Polled, Reaction, classify};
use millstream::{Offset, TopicPartition};

use crate::backoff::Backoff;
use crate::outage::{Kind, LastFault, Outage};

const POLL: Duration = Duration::from_millis(100);
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How often positions are committed: a commit is a write of the broker that the next record would wait for.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

/// A sink's name, and who may stop it.
#[derive(Clone, Copy)]
pub(crate) struct Sink<'a> {
    pub(crate) name: &'static str,
    pub(crate) stop: &'a AtomicBool,
}

impl Sink<'_> {
    /// Has `apply` do what is polled, until it is stopped or `apply` says that it was. A failure of Kafka that no retry helps
    /// ends it.
    pub(crate) fn run(
        self,
        consumer: &mut dyn GroupConsumer,
        mut apply: impl FnMut(&Polled) -> bool,
    ) -> Result<(), Failure> {
        let mut applied = Positions::default();
        while !self.stop.load(Ordering::Relaxed) {
            if let Some(positions) = applied.due(Instant::now()) {
                consumer.commit(&positions).or_else(|failure| survive(self.name, failure))?;
            }
            let polled = match consumer.poll(POLL) {
                Ok(polled) => polled,
                Err(failure) => {
                    survive(self.name, failure)?;
                    continue;
                }
            };
            if polled.batches.is_empty() {
                continue;
            }
            if !apply(&polled) {
                break;
            }
            applied.note(&polled, Instant::now());
        }
        match applied.all() {
            positions if positions.is_empty() => Ok(()),
            positions => consumer.commit(&positions).or_else(|failure| survive(self.name, failure)),
        }
    }

    /// Tries until it is done; none if it was asked to stop before.
    pub(crate) fn until_done<T>(
        self,
        (failed, last): (&AtomicU64, &LastFault),
        mut attempt: impl FnMut() -> Result<T, (Kind, String)>,
    ) -> Option<T> {
        let (mut backoff, mut outage) = (Backoff::new(PAUSE_MIN, PAUSE_MAX), Outage::default());
        for number in 1_u64.. {
            // What is told meanwhile of slow calls says which attempt it was.
            let at_hand = tracing::info_span!("attempt", sink = self.name, number);
            match at_hand.in_scope(&mut attempt) {
                Ok(done) => {
                    last.note(None);
                    return Some(done);
                }
                Err((kind, words)) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    outage.log(self.name, (kind, &words), Instant::now());
                    last.note(Some(words));
                }
            }
            if !backoff.pause(self.stop) {
                break;
            }
        }
        None
    }
}

/// The time of the oldest record of a poll, ms UTC; 0 if it brought none.
pub(crate) fn oldest(polled: &Polled) -> i64 {
    let records = polled.batches.iter().flat_map(|batch| batch.iter());
    records.map(|record| record.timestamp.0).min().unwrap_or(0)
}

/// A commit that was lost only repeats work; a handle that is dead ends the sink.
fn survive(sink: &str, failure: Failure) -> Result<(), Failure> {
    match classify(&failure) {
        Reaction::Retry | Reaction::AbortAndRewind => {
            tracing::warn!(sink, %failure, "a sink goes on");
            thread::sleep(PAUSE);
            Ok(())
        }
        Reaction::RebuildProducer | Reaction::Die => Err(failure),
    }
}

/// The positions after what was applied, of the partitions that brought something since the last commit.
#[derive(Default)]
struct Positions {
    next: BTreeMap<TopicPartition, Offset>,
    /// When the first of them was noted.
    since: Option<Instant>,
}

impl Positions {
    fn note(&mut self, polled: &Polled, now: Instant) {
        for batch in &polled.batches {
            let last = batch.len().checked_sub(1).and_then(|index| batch.get(index));
            let Some(last) = last else { continue };
            self.put(batch.source().clone(), last.offset.next(), now);
        }
    }

    fn put(&mut self, of: TopicPartition, next: Offset, now: Instant) {
        self.next.insert(of, next);
        self.since.get_or_insert(now);
    }

    /// All of them, if it is time to commit them.
    fn due(&mut self, now: Instant) -> Option<Vec<(TopicPartition, Offset)>> {
        self.since.filter(|since| now.duration_since(*since) >= COMMIT_EVERY)?;
        Some(self.all())
    }

    fn all(&mut self) -> Vec<(TopicPartition, Offset)> {
        self.since = None;
        std::mem::take(&mut self.next).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_committed_a_second_after_the_first_of_them_and_only_the_last_of_each_partition()
     {
        let (began, mut positions) = (Instant::now(), Positions::default());
        let (first, second) = (TopicPartition::new("feeds", 0), TopicPartition::new("feeds", 1));
        let after = |millis| began + Duration::from_millis(millis);
        assert_eq!(positions.due(after(5_000)), None, "nothing was applied");
        positions.put(first.clone(), Offset(3), began);
        positions.put(second.clone(), Offset(8), after(900));
        positions.put(first.clone(), Offset(4), after(950));
        assert_eq!(positions.due(after(999)), None);
        assert_eq!(
            positions.due(after(1_000)),
            Some(vec![(first, Offset(4)), (second, Offset(8))])
        );
        assert_eq!((positions.due(after(9_000)), positions.all()), (None, vec![]));
    }
}
