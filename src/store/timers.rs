//! Timers: at most one deadline per key, logged, rolled back with the transaction that moved them.
//!
//! All deadlines are in memory, twice: by key and by (time, key), which is the order they fire in; their memory is
//! reserved. The column holds key -> deadline, which is the entry's time too. A deadline that has fired is gone; firing is a
//! write like any other.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::key_bytes::KeyBytes;
use super::{
    CacheBudget, Column, Envelope, Reservation, StateChanges, StateReader, StateStore, WaitsFor,
    seal,
};
use crate::error::{Fault, Result};
use crate::record::Timestamp;
use crate::serde::{I64, Serde};
use crate::trace::TraceContext;

/// The versions of the form of a deadline: the time alone, and the time of what is owed.
const SET: u8 = 1;
const OWED: u8 = 2;
/// About what a changed timer takes in a changelog beside its key.
const CHANGE_BYTES: usize = 32;

/// One key's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadline {
    pub(super) at: Timestamp,
    pub(super) is_owed: bool,
}

/// The timers of one column.
pub struct TimerQueue<K> {
    column: Column,
    keys: Arc<dyn Serde<K>>,
    /// Asked by key only; its order never shows.
    deadlines: HashMap<KeyBytes, Timestamp, FxBuildHasher>,
    due: BTreeSet<(Timestamp, KeyBytes)>,
    /// Those of them by which something is owed: few, and none at rest.
    owed: HashSet<KeyBytes, FxBuildHasher>,
    /// What the open transaction moved, with what was so before it.
    moved: BTreeMap<KeyBytes, Option<Deadline>>,
    moved_bytes: usize,
    /// What the keys have outside of the maps.
    long_key_bytes: usize,
    reservation: Reservation,
    key: Vec<u8>,
    /// The step that goes on, if it is of a trace.
    trace: Option<TraceContext>,
    /// The steps that set timers last, of those that were of a trace.
    traces: HashMap<KeyBytes, TraceContext, FxBuildHasher>,
}

/// A timer that was due, and is not set any more.
pub(crate) struct Popped {
    /// Its deadline.
    pub(crate) at: Timestamp,
    /// Its key.
    pub(crate) key: Box<dyn Any>,
    /// The step that set it.
    pub(crate) trace: Option<TraceContext>,
}

impl<K> TimerQueue<K> {
    /// The newest form of a deadline that is written.
    pub(crate) const VERSION: u8 = OWED;
}

impl<K: 'static> TimerQueue<K> {
    /// The timers that `column` holds.
    pub(crate) fn open(
        column: Column,
        reader: &dyn StateReader,
        keys: Arc<dyn Serde<K>>,
        budget: &Arc<CacheBudget>,
    ) -> Result<Self> {
        let mut queue = Self {
            column,
            keys,
            deadlines: HashMap::default(),
            due: BTreeSet::new(),
            owed: HashSet::default(),
            moved: BTreeMap::new(),
            moved_bytes: 0,
            long_key_bytes: 0,
            reservation: Reservation::of(budget),
            key: Vec::new(),
            trace: None,
            traces: HashMap::default(),
        };
        let mut outcome = Ok(());
        reader.scan(column, &[], None, &mut |key, bytes| {
            outcome = deadline(bytes).map(|to| queue.place(KeyBytes::new(key), Some(to)));
            outcome.is_ok()
        })?;
        let damaged = |fault| Fault::Fatal(format!("timers, column {}: {fault}", column.0));
        outcome.map_err(damaged)?;
        queue.reserve();
        Ok(queue)
    }

    /// What is set from now on is set by this step.
    pub(crate) fn in_trace(&mut self, trace: Option<TraceContext>) {
        self.trace = trace;
    }

    /// Sets the deadline of `key`, in place of the one it had: a time at which the clock changes something.
    pub fn set(&mut self, key: &K, at: Timestamp) -> Result<()> {
        self.encode(key);
        self.shift(Some(Deadline { at, is_owed: false }));
        Ok(())
    }

    /// As [`Self::set`], for a time by which something is done that is owed already: before it has fired, the process is
    /// not settled.
    pub fn owe(&mut self, key: &K, at: Timestamp) -> Result<()> {
        self.encode(key);
        self.shift(Some(Deadline { at, is_owed: true }));
        Ok(())
    }

    /// Sets the deadline of `key`, unless it has one that comes sooner. What was owed is owed by the sooner one.
    pub fn set_sooner(&mut self, key: &K, at: Timestamp) -> Result<()> {
        self.sooner(key, Deadline { at, is_owed: false })
    }

    /// As [`Self::set_sooner`], for something that is owed.
    pub fn owe_sooner(&mut self, key: &K, at: Timestamp) -> Result<()> {
        self.sooner(key, Deadline { at, is_owed: true })
    }

    fn sooner(&mut self, key: &K, new: Deadline) -> Result<()> {
        self.encode(key);
        let sooner = self.held(&self.key).map_or(new, |held| Deadline {
            at: held.at.min(new.at),
            is_owed: held.is_owed || new.is_owed,
        });
        self.shift(Some(sooner));
        Ok(())
    }

    /// Removes the deadline of `key`, if it has one.
    pub fn cancel(&mut self, key: &K) -> Result<()> {
        self.encode(key);
        self.shift(None);
        Ok(())
    }

    /// The deadline of `key`.
    pub fn deadline(&mut self, key: &K) -> Option<Timestamp> {
        self.encode(key);
        self.deadlines.get(self.key.as_slice()).copied()
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Removes the earliest timer whose deadline is not after `now`, by (deadline, key): decodes its key into
    /// `slot` and answers its deadline.
    pub(crate) fn pop_due(
        &mut self,
        now: Timestamp,
        slot: &mut Option<K>,
    ) -> Result<Option<Timestamp>> {
        let Some((at, key)) = self.due.first().filter(|(at, _)| *at <= now) else {
            return Ok(None);
        };
        let at = *at;
        self.keys.decode(key.as_slice(), self.keys.version(), slot)?;
        self.key.clear();
        self.key.extend_from_slice(key.as_slice());
        self.shift(None);
        Ok(Some(at))
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    fn held(&self, key: &[u8]) -> Option<Deadline> {
        let at = *self.deadlines.get(key)?;
        Some(Deadline { at, is_owed: self.owed.contains(key) })
    }

    fn encode(&mut self, key: &K) {
        self.key.clear();
        self.keys.encode(key, &mut self.key);
    }

    /// Moves the timer of `self.key`, remembering what was so before the transaction.
    fn shift(&mut self, to: Option<Deadline>) {
        self.keep_trace(to.is_some());
        let before = self.held(&self.key);
        if before == to {
            return;
        }
        let key = KeyBytes::new(&self.key);
        if !self.moved.contains_key(self.key.as_slice()) {
            self.moved_bytes += CHANGE_BYTES + self.key.len();
            self.moved.insert(key.clone(), before);
        }
        self.place(key, to);
    }

    /// Remembers which step set the timer of `self.key`, until it is set no more.
    fn keep_trace(&mut self, is_set: bool) {
        match (self.trace, is_set) {
            (Some(trace), true) => drop(self.traces.insert(KeyBytes::new(&self.key), trace)),
            (None, true) => {}
            (_, false) if self.traces.is_empty() => {}
            (_, false) => drop(self.traces.remove(self.key.as_slice())),
        }
    }

    /// Makes `at` the deadline of `key`, in both orders.
    fn place(&mut self, key: KeyBytes, to: Option<Deadline>) {
        if to.is_some_and(|to| to.is_owed) {
            self.owed.insert(key.clone());
        } else {
            self.owed.remove(key.as_slice());
        }
        let at = to.map(|to| to.at);
        let long = 2 * key.heap_bytes();
        let before = match at {
            Some(at) => self.deadlines.insert(key.clone(), at),
            None => self.deadlines.remove(key.as_slice()),
        };
        match (before, at) {
            (None, Some(_)) => self.long_key_bytes += long,
            (Some(_), None) => self.long_key_bytes = self.long_key_bytes.saturating_sub(long),
            (None, None) | (Some(_), Some(_)) => {}
        }
        if let Some(before) = before {
            self.due.remove(&(before, key.clone()));
        }
        if let Some(at) = at {
            self.due.insert((at, key));
        }
    }

    /// Reserves about what both orders take: an eighth of a map's places is spare at least, a third of a tree's on average.
    fn reserve(&mut self) {
        let by_key = (size_of::<(KeyBytes, Timestamp)>() + 1) * self.deadlines.capacity() * 8 / 7;
        let by_time = size_of::<(Timestamp, KeyBytes)>() * self.due.len() * 3 / 2;
        self.reservation.tell(by_key + by_time + self.long_key_bytes);
    }
}

/// Reads what `stage` wrote.
pub(super) fn deadline(bytes: &[u8]) -> Result<Deadline> {
    let held = Envelope::open(bytes)?;
    let mut slot = None;
    I64.decode(held.value, held.version, &mut slot)?;
    let at = slot.map(Timestamp).ok_or_else(|| Fault::Reject("no deadline".into()))?;
    Ok(Deadline { at, is_owed: held.version == OWED })
}

impl<K: 'static> StateStore for TimerQueue<K> {
    fn stage(&mut self, changes: &mut StateChanges) -> Result<()> {
        for (key, before) in &self.moved {
            match self.held(key.as_slice()) {
                after if after == *before => {}
                None => changes.push(self.column, key.as_slice(), None),
                Some(after) => changes.push_with(self.column, key.as_slice(), |out| {
                    seal(if after.is_owed { OWED } else { SET }, after.at, out);
                    I64.encode(&after.at.0, out);
                }),
            }
        }
        Ok(())
    }

    fn settle(&mut self) {
        self.moved.clear();
        self.moved_bytes = 0;
        self.reserve();
    }

    fn discard(&mut self) {
        for (key, before) in std::mem::take(&mut self.moved) {
            self.place(key, before);
        }
        self.traces.clear();
        self.moved_bytes = 0;
        self.reserve();
    }

    fn dirty_bytes(&self) -> usize {
        self.moved_bytes
    }

    fn waits_for(&self) -> WaitsFor {
        WaitsFor { next: self.next(), owed: self.owed.len() }
    }

    fn pop_due(&mut self, now: Timestamp) -> Result<Option<Popped>> {
        let mut slot = None;
        let due = self.due.first().filter(|_| !self.traces.is_empty());
        let trace = due.and_then(|(_, key)| self.traces.get(key.as_slice()).copied());
        let popped = TimerQueue::pop_due(self, now, &mut slot)?;
        Ok(popped.zip(slot).map(|(at, key)| Popped { at, key: Box::new(key), trace }))
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryStores;
    use super::super::{Checkpoint, Committed, Stores, TaskStore};
    use super::*;
    use crate::record::TaskId;
    use crate::serde::Utf8;

    const COLUMN: Column = Column(0);

    fn opened() -> Result<Box<dyn TaskStore>> {
        let task = TaskId { sub_topology: "reader".into(), partition: 0 };
        MemoryStores::default().open(&task, &["due".into()])
    }

    fn timers(store: &dyn TaskStore) -> Result<TimerQueue<String>> {
        TimerQueue::open(COLUMN, &*store.reader(), Arc::new(Utf8), &CacheBudget::new(0))
    }

    fn commit(store: &mut dyn TaskStore, timers: &mut TimerQueue<String>) -> Result<Vec<String>> {
        let mut changes = StateChanges::default();
        timers.stage(&mut changes)?;
        store.apply(&changes, &Checkpoint::default(), &Committed::mint())?;
        timers.settle();
        let keys = changes.iter().map(|change| String::from_utf8_lossy(change.key).into_owned());
        Ok(keys.collect())
    }

    fn fire(timers: &mut TimerQueue<String>, now: i64) -> Result<Vec<(i64, String)>> {
        let (mut fired, mut key) = (Vec::new(), None);
        while let Some(at) = timers.pop_due(Timestamp(now), &mut key)? {
            fired.push((at.0, key.clone().unwrap_or_default()));
        }
        Ok(fired)
    }

    #[test]
    fn timers_fire_by_deadline_and_key_and_only_when_due() -> Result<()> {
        let store = opened()?;
        let mut timers = timers(&*store)?;
        for (key, at) in [("b", 5), ("c", 3), ("a", 5), ("d", 9), ("c", 6)] {
            timers.set(&key.into(), Timestamp(at))?;
        }
        assert_eq!((timers.next(), timers.len()), (Some(Timestamp(5)), 4));
        assert!(!timers.is_empty());
        let due = |at, key: &str| (at, key.to_owned());
        assert_eq!(fire(&mut timers, 6)?, [due(5, "a"), due(5, "b"), due(6, "c")]);
        assert_eq!((timers.deadline(&"d".into()), timers.len()), (Some(Timestamp(9)), 1));
        Ok(())
    }

    #[test]
    fn timers_are_there_again_when_their_store_is_opened() -> Result<()> {
        let mut store = opened()?;
        let mut before = timers(&*store)?;
        before.set(&"a".into(), Timestamp(-5))?;
        before.set(&"b".into(), Timestamp(7))?;
        commit(&mut *store, &mut before)?;
        before.cancel(&"b".into())?;
        assert_eq!(commit(&mut *store, &mut before)?, ["b"]);
        let mut after = timers(&*store)?;
        assert_eq!(fire(&mut after, 100)?, [(-5, "a".to_owned())]);
        Ok(())
    }

    #[test]
    fn a_timer_that_fired_is_due_again_after_an_abort() -> Result<()> {
        let mut store = opened()?;
        let mut timers = timers(&*store)?;
        timers.set(&"a".into(), Timestamp(5))?;
        commit(&mut *store, &mut timers)?;
        fire(&mut timers, 5)?;
        timers.set(&"a".into(), Timestamp(50))?;
        timers.discard();
        assert_eq!((fire(&mut timers, 5)?, timers.is_empty()), (vec![(5, "a".to_owned())], true));
        Ok(())
    }

    #[test]
    fn a_timer_set_back_to_what_it_was_is_not_written() -> Result<()> {
        let mut store = opened()?;
        let mut timers = timers(&*store)?;
        timers.set(&"a".into(), Timestamp(5))?;
        timers.set(&"b".into(), Timestamp(5))?;
        timers.cancel(&"b".into())?;
        assert_eq!(commit(&mut *store, &mut timers)?, ["a"]);
        timers.set(&"a".into(), Timestamp(6))?;
        timers.set(&"a".into(), Timestamp(5))?;
        assert_eq!(commit(&mut *store, &mut timers)?, Vec::<String>::new());
        assert_eq!(timers.dirty_bytes(), 0);
        Ok(())
    }

    #[test]
    fn what_is_owed_is_so_until_it_fires_also_after_a_restart_and_an_abort() -> Result<()> {
        let mut store = opened()?;
        let mut before = timers(&*store)?;
        before.set(&"a".into(), Timestamp(3))?;
        before.owe(&"b".into(), Timestamp(5))?;
        assert_eq!(before.waits_for(), WaitsFor { next: Some(Timestamp(3)), owed: 1 });
        commit(&mut *store, &mut before)?;
        before.owe(&"a".into(), Timestamp(3))?;
        assert_eq!(commit(&mut *store, &mut before)?, ["a"], "at the same time, but owed");
        fire(&mut before, 5)?;
        assert_eq!(before.waits_for(), WaitsFor::default());
        before.discard();
        let mut after = timers(&*store)?;
        for timers in [&mut before, &mut after] {
            assert_eq!(timers.waits_for().owed, 2);
            timers.cancel(&"a".into())?;
            timers.set(&"b".into(), Timestamp(9))?;
            assert_eq!(timers.waits_for(), WaitsFor { next: Some(Timestamp(9)), owed: 0 });
        }
        Ok(())
    }

    #[test]
    fn of_two_deadlines_the_sooner_holds_and_what_either_owes_is_owed() -> Result<()> {
        let store = opened()?;
        for (first_is_owed, second_is_owed) in [(false, false), (true, false), (false, true)] {
            for (first, second) in [(3, 7), (7, 3)] {
                let mut timers = timers(&*store)?;
                let key = "a".to_owned();
                match first_is_owed {
                    true => timers.owe(&key, Timestamp(first))?,
                    false => timers.set(&key, Timestamp(first))?,
                }
                match second_is_owed {
                    true => timers.owe_sooner(&key, Timestamp(second))?,
                    false => timers.set_sooner(&key, Timestamp(second))?,
                }
                let owed = usize::from(first_is_owed || second_is_owed);
                assert_eq!(timers.waits_for(), WaitsFor { next: Some(Timestamp(3)), owed });
            }
        }
        Ok(())
    }

    #[test]
    fn the_memory_of_timers_is_reserved_and_given_back() -> Result<()> {
        let (mut store, budget) = (opened()?, CacheBudget::new(0));
        let mut timers = TimerQueue::open(COLUMN, &*store.reader(), Arc::new(Utf8), &budget)?;
        let empty = budget.reserved();
        let key = |n: usize| format!("{n:0100}");
        for n in 0..1_000 {
            timers.set(&key(n), Timestamp(1))?;
        }
        commit(&mut *store, &mut timers)?;
        // A key and a deadline stand in both orders, and a key of this length beside each.
        let least = 2 * (size_of::<(KeyBytes, Timestamp)>() + 100);
        let each = (budget.reserved() - empty) / 1_000;
        assert!((least..2 * least).contains(&each), "{each} a timer, {least} at least");
        for n in 0..1_000 {
            timers.cancel(&key(n))?;
        }
        commit(&mut *store, &mut timers)?;
        let kept = budget.reserved() / 1_000;
        assert!(kept < each / 2, "{kept} of {each}: room that the map keeps, and no keys");
        Ok(())
    }

    #[test]
    fn short_keys_take_their_place_in_the_map_and_one_and_a_half_in_the_tree() -> Result<()> {
        let (mut store, budget) = (opened()?, CacheBudget::new(0));
        let mut timers = TimerQueue::open(COLUMN, &*store.reader(), Arc::new(Utf8), &budget)?;
        for n in 0..1_000 {
            timers.set(&n.to_string(), Timestamp(1))?;
        }
        commit(&mut *store, &mut timers)?;
        // A map of a thousand has two thousand places, each with a byte of its own.
        let each = size_of::<(KeyBytes, Timestamp)>();
        assert_eq!(budget.reserved(), 2_048 * (each + 1) + 1_500 * each);
        Ok(())
    }

    #[test]
    fn a_key_that_moved_is_dirty_once_however_often_it_moves() -> Result<()> {
        let store = opened()?;
        let mut timers = timers(&*store)?;
        for (key, at) in [("a", 5), ("a", 6), ("bcd", 5)] {
            timers.set(&key.into(), Timestamp(at))?;
        }
        assert_eq!(timers.dirty_bytes(), 2 * CHANGE_BYTES + "abcd".len());
        timers.discard();
        assert_eq!(timers.dirty_bytes(), 0);
        Ok(())
    }

    #[test]
    fn timers_that_do_not_decode_stop_the_task() -> Result<()> {
        let mut store = opened()?;
        let mut changes = StateChanges::default();
        changes.push(COLUMN, b"a", Some(b"?"));
        store.apply(&changes, &Checkpoint::default(), &Committed::mint())?;
        assert!(matches!(timers(&*store).map(drop), Err(Fault::Fatal(_))));
        Ok(())
    }
}
