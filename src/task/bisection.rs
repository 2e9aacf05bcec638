//! Poison-record bisection: which record makes a commit impossible. State or an output may have become too large, or the
//! operators may panic while they emit for the commit; no record is in hand then. So the same records are processed again
//! in smaller and smaller transactions, until one that holds a single record fails: that record is to blame, and the
//! others are kept.

use crate::record::{Offset, TopicPartition};

/// By this the transactions shrink with each failure.
const SHRINK: usize = 8;
/// By this they grow with each commit of records, until what could not be committed is behind.
const GROW: usize = 2;

/// Who is to blame for a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// This record.
    Record(TopicPartition, Offset),
    /// One of several; smaller transactions will tell which.
    Bisect,
    /// No record: a timer, a change of a broadcast, a start.
    NoRecord,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Bisection {
    /// The records a transaction may hold; nothing is sought while it is 0.
    limit: usize,
    /// Up to these positions it is sought.
    until: Vec<Offset>,
    /// The records of the open transaction, and the last of them.
    open: usize,
    last: Option<(TopicPartition, Offset)>,
}

impl Bisection {
    /// Whether a record is sought.
    pub(super) fn is_on(&self) -> bool {
        self.limit > 0
    }

    /// Whether the next transaction shall hold a single record and nothing else.
    pub(super) fn wants_single_record(&self) -> bool {
        self.limit == 1 && self.open == 0
    }

    /// How many records the open transaction has room for while one is sought. A single record must not share it
    /// with `other` work, which might be at fault itself.
    pub(super) fn room(&self, other: bool) -> usize {
        if self.limit == 1 && other { 0 } else { self.limit.saturating_sub(self.open) }
    }

    /// A record was worked off.
    pub(super) fn processed(&mut self, source: &TopicPartition, offset: Offset) {
        self.open += 1;
        if self.limit == 1 {
            self.last = Some((source.clone(), offset));
        }
    }

    /// The transaction is committed, and the task stands at `next`.
    pub(super) fn committed(&mut self, next: impl Iterator<Item = Offset>) {
        let grow = if self.open == 0 { 1 } else { GROW };
        self.aborted();
        let is_behind = self.until.iter().zip(next).any(|(until, next)| next < *until);
        self.limit = if is_behind { self.limit.saturating_mul(grow) } else { 0 };
    }

    /// The transaction is aborted.
    pub(super) fn aborted(&mut self) {
        (self.open, self.last) = (0, None);
    }

    /// The transaction that ends at `next` cannot be committed.
    pub(super) fn failed(&mut self, next: impl Iterator<Item = Offset>) -> Blame {
        match (self.open, self.last.take()) {
            (0, _) => Blame::NoRecord,
            (1, Some((source, offset))) => Blame::Record(source, offset),
            (records, _) => {
                if !self.is_on() {
                    self.until = next.collect();
                }
                self.limit = (records / SHRINK).max(1);
                Blame::Bisect
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many transactions fail until the record at `culprit` of `count` is found.
    fn failures_until_found(culprit: u64, count: u64) -> Option<usize> {
        let mut bisection = Bisection::default();
        let source = TopicPartition::new("t", 0);
        let (mut committed, mut failures) = (0, 0);
        while committed <= culprit {
            let left = (count - committed) as usize;
            let room = if bisection.is_on() { bisection.room(false).min(left) } else { left };
            let next = committed + room as u64;
            (committed..next)
                .for_each(|offset| bisection.processed(&source, Offset(offset as i64)));
            let at = std::iter::once(Offset(next as i64));
            if culprit >= next {
                bisection.committed(at);
                committed = next;
                continue;
            }
            failures += 1;
            let blame = bisection.failed(at);
            bisection.aborted();
            match blame {
                Blame::Record(_, offset) => {
                    return (offset.0 as u64 == culprit).then_some(failures);
                }
                Blame::Bisect => {}
                Blame::NoRecord => return None,
            }
        }
        None
    }

    #[test]
    fn the_record_is_found_wherever_it_is() {
        for culprit in 0..100 {
            assert!(failures_until_found(culprit, 100).is_some(), "{culprit}");
        }
    }

    #[test]
    fn among_many_records_it_takes_few_failures() {
        let most = [0, 1, 77_777, 99_999].map(|culprit| failures_until_found(culprit, 100_000));
        assert!(most.iter().flatten().all(|failures| *failures <= 12), "{most:?}");
        assert_eq!(most.iter().flatten().count(), most.len());
    }

    #[test]
    fn work_without_a_record_is_nobodys_fault_and_a_single_record_does_not_share_it() {
        let mut bisection = Bisection::default();
        assert_eq!(bisection.failed(std::iter::once(Offset(0))), Blame::NoRecord);
        bisection.processed(&TopicPartition::new("t", 0), Offset(0));
        assert_eq!(bisection.failed(std::iter::once(Offset(1))), Blame::Bisect);
        bisection.aborted();
        assert_eq!((bisection.room(true), bisection.room(false)), (0, 1));
    }

    #[test]
    fn a_commit_of_other_work_leaves_it_as_it_was() {
        let mut bisection = Bisection::default();
        bisection.processed(&TopicPartition::new("t", 0), Offset(0));
        assert_eq!(bisection.failed(std::iter::once(Offset(1))), Blame::Bisect);
        bisection.aborted();
        bisection.committed(std::iter::once(Offset(0)));
        assert_eq!(bisection.room(false), 1);
    }

    #[test]
    fn it_is_over_when_all_that_could_not_be_committed_is_behind() {
        let mut bisection = Bisection::default();
        let source = TopicPartition::new("t", 0);
        (0..16).for_each(|offset| bisection.processed(&source, Offset(offset)));
        assert_eq!(bisection.failed(std::iter::once(Offset(16))), Blame::Bisect);
        bisection.aborted();
        bisection.committed(std::iter::once(Offset(2)));
        assert!(bisection.is_on());
        bisection.committed(std::iter::once(Offset(16)));
        assert!(!bisection.is_on());
    }
}
