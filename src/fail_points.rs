//! Fail points: named places at which a test may end the process, or make as if it had ended.
//!
//! There is one before and one after every step of the commit, one at poll, flush, restore and rebalance. In
//! production nobody listens and a fail point costs one branch.

use std::fmt;
use std::sync::Arc;

/// A place in the life of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailPoint {
    /// Records were taken from the consumer, not yet given to tasks.
    Polled,
    /// A transaction is about to begin.
    BeforeBegin,
    /// A transaction has begun.
    AfterBegin,
    /// Records were processed; nothing is sent.
    Processed,
    /// Outputs, changelog and dead letters are about to be sent.
    BeforeProduce,
    /// They are sent.
    AfterProduce,
    /// The positions are about to be added to the transaction.
    BeforeOffsets,
    /// The positions are added.
    AfterOffsets,
    /// The commit is about to be asked for.
    BeforeCommit,
    /// Kafka said "committed"; the store does not know yet.
    AfterCommit,
    /// The store has the changes of one task.
    AfterApply,
    /// Stores are about to be flushed to disk.
    BeforeFlush,
    /// A store is restoring.
    Restoring,
    /// The group wants partitions back.
    Revoked,
}

impl FailPoint {
    /// Every place, in the order in which a transaction passes them.
    pub const ALL: [Self; 14] = [
        Self::Polled,
        Self::BeforeBegin,
        Self::AfterBegin,
        Self::Processed,
        Self::BeforeProduce,
        Self::AfterProduce,
        Self::BeforeOffsets,
        Self::AfterOffsets,
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::AfterApply,
        Self::BeforeFlush,
        Self::Restoring,
        Self::Revoked,
    ];
}

/// Who listens at the places. It answers whether the process "ends" there.
#[derive(Clone, Default)]
pub struct FailPoints(Option<Arc<dyn Fn(FailPoint) -> bool + Send + Sync>>);

impl FailPoints {
    /// `listen` is called at each place; `true` stops the instance there, as a crash would.
    pub fn new(listen: impl Fn(FailPoint) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listen)))
    }

    /// Passes a place.
    pub(crate) fn pass(&self, point: FailPoint) -> Result<(), Crashed> {
        match &self.0 {
            Some(listen) if listen(point) => Err(Crashed(point)),
            Some(_) | None => Ok(()),
        }
    }
}

impl fmt::Debug for FailPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "FailPoints(heard)" } else { "FailPoints(unheard)" })
    }
}

/// A listener ended the process here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crashed(pub FailPoint);
