//! Deletes what internal topics hold behind the committed positions: nobody reads it again.
//!
//! It asks twice a minute, on the disk's thread, for what has moved since; a call that fails is made up for
//! by the next one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Worker;
use crate::error::Fault;
use crate::record::{Offset, Timestamp, TopicPartition};

const EVERY: Duration = Duration::from_secs(30);

/// When it was asked last, and for what.
#[derive(Debug)]
pub(super) struct Purge {
    last: Timestamp,
    asked: BTreeMap<TopicPartition, Offset>,
}

impl Purge {
    /// One that is due half a minute from its first look at the clock.
    pub(super) fn new() -> Self {
        Self { last: Timestamp::MIN, asked: BTreeMap::new() }
    }

    fn is_due(&mut self, now: Timestamp) -> bool {
        let first = self.last == Timestamp::MIN;
        let due = !first && now.has_passed(self.last, EVERY);
        if first || due {
            self.last = now;
        }
        due
    }

    /// Of these positions those that moved.
    fn moved(
        &mut self,
        committed: impl Iterator<Item = (TopicPartition, Offset)>,
    ) -> Vec<(TopicPartition, Offset)> {
        let now: BTreeMap<_, _> = committed.collect();
        let asked = std::mem::replace(&mut self.asked, now);
        let moved = self.asked.iter().filter(|(of, at)| asked.get(of) < Some(at));
        moved.map(|(of, at)| (of.clone(), *at)).collect()
    }
}

impl Worker {
    /// Has the records behind the committed positions of internal topics deleted, if it is time.
    pub(super) fn purge_if_due(&mut self, now: Timestamp) {
        if !self.purge.is_due(now) {
            return;
        }
        let internals = self.instance.context.topology.internals();
        let tasks = self.tasks.values().filter_map(|state| state.task());
        let committed = tasks.flat_map(|task| task.committed());
        let committed = committed.filter(|(of, _)| internals.contains(&of.topic));
        let behind = self.purge.moved(committed);
        if behind.is_empty() {
            return;
        }
        let broker = self.instance.broker.clone();
        self.instance.flush_later(Box::new(move || {
            let deleted = broker.admin().and_then(|mut admin| admin.delete_before(&behind));
            deleted.map_err(|failure| Fault::Retry(failure.to_string()))
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_moved_since_is_asked_for() {
        let mut purge = Purge::new();
        let at = |partition, offset| (TopicPartition::new("t", partition), Offset(offset));
        assert_eq!(purge.moved([at(0, 5), at(1, 0)].into_iter()), [at(0, 5), at(1, 0)]);
        assert_eq!(purge.moved([at(0, 5), at(1, 3)].into_iter()), [at(1, 3)]);
        assert_eq!(purge.moved([at(0, 5)].into_iter()), []);
        assert_eq!(purge.moved([at(0, 5), at(1, 3)].into_iter()), [at(1, 3)]);
    }

    #[test]
    fn it_is_due_half_a_minute_after_the_first_look() {
        let mut purge = Purge::new();
        let due: Vec<_> =
            [7, 7 + 29_999, 7 + 30_000, 7 + 30_001].map(|at| purge.is_due(Timestamp(at))).into();
        assert_eq!(due, [false, false, true, false]);
    }
}
