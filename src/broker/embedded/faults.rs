//! What a test may make go wrong, exactly once each and in the order it was asked for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::log::Budget;
use super::{Embedded, Wake};
use crate::broker::{Call, Failure};

const FETCH: Budget = Budget { records: 8192, bytes: 4 << 20 };

/// How an answer to a commit gets lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The transaction is committed; nobody was told.
    Answer,
    /// The coordinator never heard of it; the transaction stays open.
    Request,
}

/// The faults that are still to happen.
#[derive(Debug)]
pub(super) struct Planned {
    refusals: VecDeque<(Arc<str>, Failure)>,
    commits: VecDeque<(Arc<str>, Lost)>,
    fetch: Budget,
    marker_delay: Duration,
}

impl Default for Planned {
    fn default() -> Self {
        Self {
            refusals: VecDeque::new(),
            commits: VecDeque::new(),
            fetch: FETCH,
            marker_delay: Duration::ZERO,
        }
    }
}

impl Planned {
    /// Fails if this call of `whose` handle was to be refused.
    pub fn refusal(&mut self, call: Call, whose: &str) -> Result<(), Failure> {
        let planned = |(of, failure): &(Arc<str>, Failure)| &**of == whose && failure.call == call;
        match self.refusals.iter().position(planned).and_then(|at| self.refusals.remove(at)) {
            Some((_, failure)) => Err(failure),
            None => Ok(()),
        }
    }

    /// Whether this commit of `id` was to be lost, and how.
    pub fn lost(&mut self, id: &str) -> Option<Lost> {
        let at = self.commits.iter().position(|(of, _)| &**of == id)?;
        self.commits.remove(at).map(|(_, lost)| lost)
    }

    /// How long after a transaction's end its markers are written.
    pub fn marker_delay(&self) -> Duration {
        self.marker_delay
    }

    /// How much one poll brings.
    pub fn budget(&self) -> Budget {
        self.fetch
    }
}

/// Makes things go wrong on an [`Embedded`] cluster.
#[derive(Clone)]
pub struct Faults(pub(super) Embedded);

impl Faults {
    /// The next commit of this transactional id takes effect, but its producer hears a timeout and is dead.
    pub fn lose_next_commit_answer(&self, transactional_id: &str) {
        self.lose(transactional_id, Lost::Answer);
    }

    /// The next commit of this transactional id is never heard of: its transaction stays open, its producer
    /// hears a timeout and is dead.
    pub fn lose_next_commit_request(&self, transactional_id: &str) {
        self.lose(transactional_id, Lost::Request);
    }

    /// The next call of kind `failure.call` by a handle of `whose` (a transactional id, or a group) fails so
    /// and has no effect.
    pub fn refuse_next(&self, whose: &str, failure: Failure) {
        self.0.with(|state, _| state.faults.refusals.push_back((whose.into(), failure)));
    }

    /// The group forgets this static member, as if its session's time had passed.
    pub fn expire_session(&self, group: &str, instance: &str) {
        self.0.with(|state, _| state.groups.of(&group.into()).expire_instance(instance));
        self.0.wake(Wake::Groups);
    }

    /// Markers are written so long after `commit` or `abort` has answered, from here on; earlier if the same
    /// id goes on. Until then readers and `committed` see the transaction as open, as they may on Kafka.
    pub fn delay_markers(&self, by: Duration) {
        self.0.with(|state, _| state.faults.marker_delay = by);
    }

    /// A poll brings at most so many records, from here on.
    pub fn limit_fetch(&self, records_max: usize) {
        self.0.with(|state, _| state.faults.fetch.records = records_max.max(1));
    }

    fn lose(&self, id: &str, lost: Lost) {
        self.0.with(|state, _| state.faults.commits.push_back((id.into(), lost)));
    }
}
