//! The delivery reports of a producer: the last acknowledged offset of each partition, and the first failure.
//!
//! The callback writes here for every record, so it is two array look-ups: topic, then partition. A record's tag
//! is 0 for those nobody asks about, else its topic's index and one.

use crate::broker::{Failure, TopicIndex};
use crate::record::Offset;

/// The delivery reports since they were last taken.
#[derive(Debug, Default)]
pub(super) struct DeliveryReports {
    /// By topic, by partition: the last acknowledged offset, or `NONE`.
    last: Vec<Vec<i64>>,
    failed: Option<Failure>,
}

const NONE: i64 = -1;

/// The tag of a logged record of `topic`.
pub(super) fn tag(topic: TopicIndex) -> usize {
    usize::from(topic.0) + 1
}

impl DeliveryReports {
    /// A record with `tag` is at `offset` of its partition.
    pub(super) fn acknowledge(&mut self, tag: usize, partition: i32, offset: i64) {
        let (Some(topic), Ok(partition)) = (tag.checked_sub(1), usize::try_from(partition)) else {
            return;
        };
        if self.last.len() <= topic {
            self.last.resize_with(topic + 1, Vec::new);
        }
        let Some(partitions) = self.last.get_mut(topic) else { return };
        if partitions.len() <= partition {
            partitions.resize(partition + 1, NONE);
        }
        if let Some(last) = partitions.get_mut(partition) {
            *last = offset.max(*last);
        }
    }

    /// A record did not arrive. The first failure is the one told.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.failed.get_or_insert(failure);
    }

    /// Forgets everything, keeping memory.
    pub(super) fn clear(&mut self) {
        self.failed = None;
        self.last.iter_mut().for_each(|partitions| partitions.fill(NONE));
    }

    /// The first failure since it was last taken.
    pub(super) fn take_failure(&mut self) -> Option<Failure> {
        self.failed.take()
    }

    /// Topic, partition and last offset of everything acknowledged, in order, and forgets them.
    pub(super) fn take(&mut self) -> Vec<(usize, i32, Offset)> {
        let mut taken = Vec::new();
        for (topic, partitions) in self.last.iter_mut().enumerate() {
            for (partition, last) in (0..).zip(partitions.iter_mut()) {
                if *last != NONE {
                    taken.push((topic, partition, Offset(*last)));
                    *last = NONE;
                }
            }
        }
        taken
    }
}
