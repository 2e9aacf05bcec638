//! A sink as a member of a consumer group: what it has applied, when it commits that, and which failures it outlives.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use millstream::broker::{Failure, Polled, Reaction, classify};
use millstream::{Offset, TopicPartition};

/// How often positions are committed: a commit is a write of the broker that the next record would wait for.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

/// A commit that was lost only repeats work; a handle that is dead ends the sink.
pub(crate) fn survive(sink: &str, failure: Failure) -> Result<(), Failure> {
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
pub(crate) struct Positions {
    next: BTreeMap<TopicPartition, Offset>,
    /// When the first of them was noted.
    since: Option<Instant>,
}

impl Positions {
    pub(crate) fn note(&mut self, polled: &Polled, now: Instant) {
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
    pub(crate) fn due(&mut self, now: Instant) -> Option<Vec<(TopicPartition, Offset)>> {
        self.since.filter(|since| now.duration_since(*since) >= COMMIT_EVERY)?;
        Some(self.all())
    }

    pub(crate) fn all(&mut self) -> Vec<(TopicPartition, Offset)> {
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
