//! How one record changes: the processor a user writes, and the context it works in.
//!
//! A record runs depth-first, by reference, through every node of its sub-topology before the next one
//! starts: one virtual call an edge, no allocation, no serialisation. A node is made once per task, on the
//! thread that owns the task, and made anew after an abort, so that its fields keep no effect of what was
//! undone. One file per verb.

mod aggregate;
mod core;
mod flat_map;
mod process;
mod sink;
mod source;
mod wiring;

use std::rc::Rc;

pub(crate) use self::aggregate::aggregate;
pub use self::core::{Broadcast, Handle, Store, Timers};
pub(crate) use self::core::{Core, Destination};
pub use self::flat_map::Out;
pub(crate) use self::flat_map::flat_map;
pub(crate) use self::process::Uses;
pub(crate) use self::process::process;
pub(crate) use self::sink::{Encoded, sink};
pub(crate) use self::source::{
    Decoded, Extractor, MakeSource, RecordQueues, Source, Taken, source,
};
pub use self::wiring::Edge;
pub(crate) use self::wiring::{BroadcastListener, EmitOnCommit, FireTimers, Wiring};
use crate::dead_letter::Reason;
use crate::error::Result;
use crate::metrics::Family;
use crate::record::{RawRecord, Rec, TaskId, Timestamp};
use crate::store::{KeyValue, Snapshot, TimerQueue};

/// When a stateful operator forwards what changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emit {
    /// Every change, at once.
    EveryUpdate,
    /// The last value of each key that changed, when the transaction commits.
    #[default]
    OnCommit,
}

/// Changes records one at a time, with state, timers and broadcasts.
///
/// # Contract
/// 1. One record is processed to its end, and everything it forwards too, before the next one starts.
/// 2. What a call did is committed with the position behind its record, or undone with it.
/// 3. After an abort a new processor is made: fields must hold only what `new` gives them, or caches.
/// 4. A [`Fault`](crate::Fault) or a panic undoes the record, and dead-letters it or tries again as the fault says.
pub trait Processor: 'static {
    /// The key that comes in.
    type KeyIn;
    /// The value that comes in.
    type ValueIn;
    /// The key that goes out.
    type KeyOut;
    /// The value that goes out.
    type ValueOut;

    /// A record arrived.
    fn process(
        &mut self,
        record: Rec<'_, Self::KeyIn, Self::ValueIn>,
        cx: &mut Context<'_, Self::KeyOut, Self::ValueOut>,
    ) -> Result<()>;

    /// The deadline of `key` has come; it is not set any more.
    fn on_timer(
        &mut self,
        _due: Due<'_>,
        _cx: &mut Context<'_, Self::KeyOut, Self::ValueOut>,
    ) -> Result<()> {
        Ok(())
    }

    /// A key of a broadcast changed; its value now is in the view. Intermediate values may be skipped.
    fn on_change(
        &mut self,
        _change: BroadcastChange<'_>,
        _cx: &mut Context<'_, Self::KeyOut, Self::ValueOut>,
    ) -> Result<()> {
        Ok(())
    }

    /// The task starts, moves here or was aborted: called once before the first record.
    fn on_start(&mut self, _cx: &mut Context<'_, Self::KeyOut, Self::ValueOut>) -> Result<()> {
        Ok(())
    }

    /// The process does not lag any more ([`Context::is_lagging`]): called after every start too, once that is known.
    fn on_caught_up(&mut self, _cx: &mut Context<'_, Self::KeyOut, Self::ValueOut>) -> Result<()> {
        Ok(())
    }
}

/// A deadline that has come.
pub struct Due<'a> {
    pub(crate) timers: u16,
    pub(crate) key: &'a dyn std::any::Any,
    /// The time it was set to; the wall time may be later.
    pub at: Timestamp,
}

impl<'a> Due<'a> {
    /// The key, if the deadline is one of `timers`.
    pub fn of<K: 'static>(&self, timers: Timers<K>) -> Option<&'a K> {
        (self.timers == timers.index()).then(|| self.key.downcast_ref())?
    }
}

/// A key of a broadcast that changed.
pub struct BroadcastChange<'a> {
    pub(crate) broadcast: u16,
    pub(crate) key: Option<&'a dyn std::any::Any>,
}

impl<'a> BroadcastChange<'a> {
    /// What changed, if it is of `broadcast`.
    pub fn of<K: 'static, V, I>(&self, broadcast: Broadcast<K, V, I>) -> Option<ChangedKey<'a, K>> {
        if self.broadcast != broadcast.index() {
            return None;
        }
        match self.key {
            None => Some(ChangedKey::Resync),
            Some(key) => key.downcast_ref().map(ChangedKey::Key),
        }
    }
}

/// What changed in a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangedKey<'a, K> {
    /// This key: it has a new value, or none.
    Key(&'a K),
    /// Unknown keys: the task was away for longer than deletions are remembered.
    Resync,
}

/// Where a node pushes: the next node, a fan of nodes, or an encoder.
pub trait Next<K, V> {
    /// Takes `record` to its end.
    fn push(&mut self, record: Rec<'_, K, V>, core: &mut Core) -> Result<()>;
}

/// Nothing is attached.
struct Nowhere;

impl<K, V> Next<K, V> for Nowhere {
    fn push(&mut self, _record: Rec<'_, K, V>, _core: &mut Core) -> Result<()> {
        Ok(())
    }
}

/// Several nodes, in the order in which they were attached.
struct Fan<K, V>(Vec<Box<dyn Next<K, V>>>);

impl<K, V> Next<K, V> for Fan<K, V> {
    fn push(&mut self, record: Rec<'_, K, V>, core: &mut Core) -> Result<()> {
        self.0.iter_mut().try_for_each(|next| next.push(record, core))
    }
}

/// What a processor works with while one record, timer or change is in hand.
pub struct Context<'a, K, V> {
    core: &'a mut Core,
    next: &'a mut dyn Next<K, V>,
    at: Timestamp,
}

impl<'a, K, V> Context<'a, K, V> {
    pub(crate) fn new(core: &'a mut Core, next: &'a mut dyn Next<K, V>, at: Timestamp) -> Self {
        Self { core, next, at }
    }

    /// Hands a record on, with the time of the one in hand.
    pub fn forward(&mut self, key: &K, value: &V) -> Result<()> {
        self.next.push(Rec { key, value, at: self.at }, self.core)
    }

    /// The store behind `handle`; what is written now has the time of the record in hand.
    pub fn store<A: 'static, B: 'static>(
        &mut self,
        handle: Store<A, B>,
    ) -> Result<&mut KeyValue<A, B>> {
        let at = self.at;
        let store = self.core.slot(handle)?;
        store.at(at);
        Ok(store)
    }

    /// The timers behind `handle`.
    pub fn timers<A: 'static>(&mut self, handle: Timers<A>) -> Result<&mut TimerQueue<A>> {
        // A timer that a timer sets is of no trace: it would go on for ever.
        let trace = self.core.trace.filter(|_| self.core.has_record());
        let timers = self.core.slot(handle)?;
        timers.in_trace(trace);
        Ok(timers)
    }

    /// The broadcast behind `handle`, as it was when this batch began.
    pub fn view<A: 'static, B: 'static, I: 'static>(
        &mut self,
        handle: Broadcast<A, B, I>,
    ) -> Result<Rc<Snapshot<A, B, I>>> {
        self.core.view(handle)
    }

    /// Sends the record in hand to the dead letters, as rejected and with these words, and keeps its effects.
    pub fn dead_letter(&mut self, why: &str) -> Result<()> {
        self.dead_letter_for(Reason::Rejected, why)
    }

    /// The same for another reason: where a processor decodes by itself.
    pub fn dead_letter_for(&mut self, reason: Reason, why: &str) -> Result<()> {
        self.core.dead_letter(reason, why)
    }

    /// Counts `n` more in a counter of the processor's own, once the transaction is committed; 0 makes it appear.
    pub fn count(&mut self, of: Family, n: u64) {
        self.core.count(of, n);
    }

    /// The record in hand as it was fetched; none in a timer or a change.
    pub fn origin(&self) -> Option<RawRecord<'_>> {
        self.core.origin()
    }

    /// The greatest record time this task has seen.
    pub fn stream_time(&self) -> Timestamp {
        self.core.stream_time()
    }

    /// The wall time, as it was when this batch began.
    pub fn wall_time(&self) -> Timestamp {
        self.core.wall_time()
    }

    /// Whether this process has much to catch up with, as it was when this batch began: what is made now is soon made
    /// anew. When it ends, [`Processor::on_caught_up`] is called.
    pub fn is_lagging(&self) -> bool {
        self.core.lagging
    }

    /// The task this runs in.
    pub fn task(&self) -> &TaskId {
        self.core.task()
    }
}
