//! State: bytes below, types on top.
//!
//! Always so: what lies on disk is a prefix of what Kafka committed, never more. The writes of an open
//! transaction live in the typed stores ([`KeyValue`], [`TimerQueue`]) as dirty entries; only with a
//! [`Committed`] in hand do they reach a [`TaskStore`], all columns and the [`Checkpoint`] in one step.
//!
//! The order of a transaction: the typed stores change, `stage` writes what is dirty to [`StateChanges`] in the
//! order of the keys, the caller logs those changes and commits, `apply` puts them down, `settle` makes the
//! dirty entries clean. If the transaction aborts, `discard` forgets them instead.
//!
//! [`View`] is apart from this: the broadcast store that the tasks of a process share, and nobody commits.

mod broadcast;
mod cache_budget;
mod checkpoint;
mod column_form;
mod entries;
mod envelope;
mod key_bytes;
mod key_value;
mod logged_key;
pub mod memory;
mod read_only;
#[cfg(feature = "rocksdb")]
pub mod rocks;
mod scan;
mod state_changes;
mod task_lock;
mod timers;
mod view;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod model;

use std::any::Any;
use std::sync::Arc;

pub use broadcast::{BroadcastSnapshot, BroadcastStore, Rejected, SharedView, Snapshot};
pub(crate) use cache_budget::{CacheBudget, Reservation};
pub use checkpoint::Checkpoint;
pub(crate) use column_form::{ColumnForm, RowForm, TimerForm};
pub(crate) use envelope::seal_with;
pub use envelope::{Envelope, seal};
pub use key_value::KeyValue;
pub use logged_key::LoggedKey;
pub use read_only::ReadOnlyStore;
pub use state_changes::{StateChange, StateChanges};
pub(crate) use timers::Popped;
pub use timers::TimerQueue;
pub use view::{Index, View};

use crate::error::Result;
use crate::memory::MemoryUse;
use crate::record::{TaskId, Timestamp};

/// A column of a task's state: one store of the topology, by its place among the task's stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column(pub u16);

/// Proof that Kafka said "committed". Only `task/` may mint it.
#[derive(Debug)]
pub struct Committed(());

impl Committed {
    /// Attests that the transaction whose changes are about to be applied is committed.
    pub(crate) fn mint() -> Self {
        Self(())
    }
}

/// Reads committed state, from any thread, while the owner writes.
///
/// # Contract
/// 1. It sees what was applied or restored, whole batches only where one call is concerned.
/// 2. Values are in changelog form: an [`Envelope`].
/// 3. Once its store is closed every call answers [`Fault::Retry`](crate::Fault::Retry).
pub trait StateReader: Send + Sync {
    /// Replaces `into` by the value of `key`; tells whether there is one.
    fn fetch(&self, column: Column, key: &[u8], into: &mut Vec<u8>) -> Result<bool>;

    /// Shows keys and values from `from` up to, not including, `to`, in the order of the bytes, until
    /// `visit` answers false.
    fn scan(
        &self,
        column: Column,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<()>;

    /// About how many bytes a column has.
    fn bytes(&self, column: Column) -> Result<u64>;
}

/// The bytes of one task: all its columns, changed together.
///
/// # Contract
/// 1. A batch and its checkpoint are there together or not at all, after a crash too.
/// 2. After a crash the state is that of some earlier batch (at least the last flushed), with its checkpoint.
/// 3. Among changes of one key in a batch the last one holds.
/// 4. A failed `apply` changed nothing; it may be tried again if the fault is a
///    [`Fault::Retry`](crate::Fault::Retry).
/// 5. What is found damaged says so in `is_damaged` from then on, and asks for another opening: its calls fail with a
///    [`Fault::Retry`](crate::Fault::Retry), and the next opening is empty, or fatal where that happens again and again.
/// 6. After `restore` alone the data may be ahead of the checkpoint when a crash comes, never behind: replaying
///    the changelog from the checkpoint to its end heals it.
pub trait TaskStore: Send {
    /// Reads what was applied. It does not keep the store open.
    fn reader(&self) -> Arc<dyn StateReader>;

    /// What the last batch marked; the default if there was none.
    fn checkpoint(&self) -> Result<Checkpoint>;

    /// Puts down the changes of a committed transaction.
    fn apply(
        &mut self,
        changes: &StateChanges,
        checkpoint: &Checkpoint,
        permit: &Committed,
    ) -> Result<()>;

    /// Puts down records read back from the changelog, committed by their nature, in the order of the log.
    /// Large batches (from 4 MiB on) are much cheaper per record than small ones.
    fn restore(&mut self, changes: &StateChanges, checkpoint: &Checkpoint) -> Result<()>;

    /// A call that brings everything applied so far to disk, to be made on another thread. If the store is
    /// closed first, it does nothing.
    fn flusher(&self) -> Box<dyn FnOnce() -> Result<()> + Send>;

    /// Whether a call of it or of its readers has found it damaged.
    fn is_damaged(&self) -> bool {
        false
    }

    /// Flushes, waits for it and closes: when this returns, another may open the task, even if the flush
    /// failed; what it left is then as after a crash.
    fn close(self: Box<Self>) -> Result<()>;
}

/// Opens the state of tasks.
///
/// # Contract
/// 1. A task is open once at a time; a second opening is [`Fault::Retry`](crate::Fault::Retry).
/// 2. Columns are found by name: their order and number may change between two openings. A column that is
///    new is empty, with no changelog offset.
/// 3. Dropping a store without `close` is a crash.
pub trait Stores: Send + Sync {
    /// Opens the state of `task`, empty if there is none, with these columns.
    fn open(&self, task: &TaskId, columns: &[Arc<str>]) -> Result<Box<dyn TaskStore>>;

    /// Removes the state of `task`, which must not be open.
    fn wipe(&self, task: &TaskId) -> Result<()>;

    /// What all of it takes in memory, by parts.
    fn memory(&self) -> Vec<MemoryUse> {
        Vec::new()
    }
}

/// The first key after all keys that begin with `prefix`, if there is one.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = Vec::new();
    key_bytes::prefix_end(prefix, &mut end).then_some(end)
}

/// What timers wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WaitsFor {
    /// The earliest deadline.
    pub(crate) next: Option<Timestamp>,
    /// How many stand for something that is owed.
    pub(crate) owed: usize,
}

/// What a task does with every store of its own, whatever the types.
///
/// # Contract
/// 1. `stage` shows every dirty entry once, in the order of the keys; it changes nothing, so that a failed
///    commit can stage again.
/// 2. After `settle` nothing is dirty and reads answer as before; the caller has applied what was staged.
/// 3. After `discard` reads answer as after the last `settle`, even if a panic cut a write short.
pub(crate) trait StateStore: Any {
    /// Appends what is dirty to `changes`.
    fn stage(&mut self, changes: &mut StateChanges) -> Result<()>;

    /// What was staged is committed and applied: dirty becomes clean, and the cache shrinks to its share.
    fn settle(&mut self);

    /// The transaction is aborted: forgets what is dirty.
    fn discard(&mut self);

    /// About how many bytes are dirty.
    fn dirty_bytes(&self) -> usize;

    /// What its timers wait for; nothing, if it has none.
    fn waits_for(&self) -> WaitsFor {
        WaitsFor::default()
    }

    /// Of timers: removes the earliest that is due, and answers it.
    fn pop_due(&mut self, _now: Timestamp) -> Result<Option<Popped>> {
        Ok(None)
    }

    /// The store itself, to be downcast.
    fn as_any(&mut self) -> &mut dyn Any;
}
