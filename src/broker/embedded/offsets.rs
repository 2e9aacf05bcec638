//! The positions a group has committed, and those that open transactions would commit.
//!
//! A transaction's positions become the group's when it commits and are forgotten when it aborts. Until
//! then whoever asks is told that the answer is unstable: an older position would make two owners
//! work on the same records.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::log::Ending;
use crate::broker::Position;
use crate::record::{Offset, TopicPartition};

type Positions = BTreeMap<TopicPartition, Position>;

#[derive(Debug, Default)]
pub(super) struct Offsets {
    committed: Positions,
    pending: BTreeMap<Arc<str>, Positions>,
}

impl Offsets {
    /// Commits positions outside a transaction.
    pub fn commit(&mut self, positions: impl IntoIterator<Item = (TopicPartition, Position)>) {
        self.committed.extend(positions);
    }

    /// Adds positions to the open transaction of `transactional_id`.
    pub fn pend(&mut self, transactional_id: &Arc<str>, offsets: &[(TopicPartition, Offset)]) {
        let pending = self.pending.entry(transactional_id.clone()).or_default();
        pending.extend(offsets.iter().map(|(of, next)| (of.clone(), Position::from(*next))));
    }

    /// Ends the transaction of `transactional_id`.
    pub fn end(&mut self, transactional_id: &str, ending: Ending) {
        let pending = self.pending.remove(transactional_id).unwrap_or_default();
        match ending {
            Ending::Committed => self.committed.extend(pending),
            Ending::Aborted => {}
        }
    }

    /// Forgets the positions in a topic.
    pub fn forget(&mut self, topic: &str) {
        self.committed.retain(|of, _| *of.topic != *topic);
        self.pending.values_mut().for_each(|pending| pending.retain(|of, _| *of.topic != *topic));
    }

    /// The partition among `of` that an open transaction would move.
    pub fn unstable<'a>(&self, of: &'a [TopicPartition]) -> Option<&'a TopicPartition> {
        of.iter().find(|of| self.pending.values().any(|pending| pending.contains_key(of)))
    }

    pub fn position(&self, of: &TopicPartition) -> Option<&Position> {
        self.committed.get(of)
    }

    pub fn committed(&self, of: &TopicPartition) -> Option<Offset> {
        self.position(of).map(|position| position.next)
    }
}
