//! A store of keys and values, owned by one task: reads and writes in memory, misses from the committed
//! state.
//!
//! Always so: an entry answers for its key until it is settled, discarded or evicted, and a read that finds
//! no entry leaves one behind (absence too). Nothing is encoded but the key until the commit; a warm
//! `update` encodes it into a reused buffer, probes, and changes the value where it lies.

#[cfg(test)]
mod tests;

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

use super::cache_budget::CacheBudget;
use super::entries::{Entries, Place};
use super::scan::{Keys, Show, scan};
use super::{
    Column, Envelope, ReadOnlyStore, StateChanges, StateReader, StateStore, key_bytes, seal,
};
use crate::error::{Fault, Result};
use crate::record::Timestamp;
use crate::serde::Serde;

/// The typed store of one column.
pub struct KeyValue<K, V> {
    column: Column,
    reader: Arc<dyn StateReader>,
    keys: Arc<dyn Serde<K>>,
    values: Arc<dyn Serde<V>>,
    entries: Entries<V>,
    at: Timestamp,
    key: Vec<u8>,
    fetched: Vec<u8>,
    key_slot: Option<K>,
    value_slot: Option<V>,
}

impl<K: 'static, V: 'static> KeyValue<K, V> {
    /// The store of `column`, reading misses from `reader`. Clean entries keep to the store's share of
    /// `budget`; what the open transaction wrote stays whatever it takes.
    pub(crate) fn new(
        column: Column,
        reader: Arc<dyn StateReader>,
        keys: Arc<dyn Serde<K>>,
        values: Arc<dyn Serde<V>>,
        budget: &Arc<CacheBudget>,
    ) -> Self {
        Self {
            column,
            reader,
            keys,
            values,
            entries: Entries::new(budget),
            at: Timestamp::MIN,
            key: Vec::new(),
            fetched: Vec::new(),
            key_slot: None,
            value_slot: None,
        }
    }

    /// What may be read of it, for code that also reads it from outside.
    pub fn read_only(&mut self) -> ReadOnlyStore<'_, K, V> {
        ReadOnlyStore::of(self)
    }

    /// The time that writes get from here on.
    pub(crate) fn at(&mut self, at: Timestamp) {
        self.at = at;
    }

    /// The value of `key`, if it has one.
    pub fn get(&mut self, key: &K) -> Result<Option<&V>> {
        let place = self.load(key)?;
        Ok(self.entries.entry(place)?.value.as_ref())
    }

    /// The value of `key` with its time, if it has one.
    pub fn timed(&mut self, key: &K) -> Result<Option<(&V, Timestamp)>> {
        let place = self.load(key)?;
        let entry = self.entries.entry(place)?;
        Ok(entry.value.as_ref().map(|value| (value, entry.at)))
    }

    /// Gives `key` this value and the time of the access, without reading what it had.
    pub fn put(&mut self, key: &K, value: V) -> Result<()> {
        let weight = self.values.weight(&value);
        let place = self.reach(key)?;
        self.entries.soil(place)?;
        let entry = self.entries.entry_mut(place)?;
        entry.value = Some(value);
        entry.at = self.at;
        self.entries.weigh(place, weight)
    }

    /// Removes `key`. If it is known to have no value nothing is written.
    pub fn delete(&mut self, key: &K) -> Result<()> {
        self.encode(key);
        let place = match self.entries.find(&self.key) {
            Some(place) if self.entries.entry(place)?.value.is_none() => return Ok(()),
            Some(place) => place,
            None => self.entries.insert(&self.key, None, self.at, 0)?,
        };
        self.entries.soil(place)?;
        let entry = self.entries.entry_mut(place)?;
        entry.value = None;
        entry.at = self.at;
        self.entries.weigh(place, 0)
    }

    /// Changes the value of `key` where it lies, the default if it has none, and answers what `change`
    /// does. The value's time becomes the larger of its own and the access's.
    pub fn update<R>(&mut self, key: &K, change: impl FnOnce(&mut V) -> R) -> Result<R>
    where
        V: Default,
    {
        let place = self.load(key)?;
        self.entries.soil(place)?;
        let entry = self.entries.entry_mut(place)?;
        entry.at = if entry.value.is_some() { entry.at.max(self.at) } else { self.at };
        Ok(change(entry.value.get_or_insert_default()))
    }

    /// As [`Self::update`], for a `change` that tells whether it changed anything. If not, it must have left
    /// the value as it was, and nothing is written.
    pub fn update_if(&mut self, key: &K, change: impl FnOnce(&mut V) -> bool) -> Result<bool>
    where
        V: Default,
    {
        let place = self.load(key)?;
        let was_clean = self.entries.soil(place)?;
        let entry = self.entries.entry_mut(place)?;
        let was_absent = entry.value.is_none();
        let changed = change(entry.value.get_or_insert_default());
        if changed {
            entry.at = if was_absent { self.at } else { entry.at.max(self.at) };
            return Ok(true);
        }
        if was_absent {
            entry.value = None;
        }
        if was_clean {
            self.entries.unsoil(place)?;
        }
        Ok(false)
    }

    /// Shows the keys from `keys.start` up to, not including, `keys.end` with their values, in the order of
    /// the keys' bytes, what the open transaction wrote included, until `visit` answers false.
    pub fn scan(&mut self, keys: Range<&K>, visit: impl FnMut(&K, &V) -> bool) -> Result<()> {
        let (mut from, mut to) = (Vec::new(), Vec::new());
        self.keys.encode(keys.start, &mut from);
        self.keys.encode(keys.end, &mut to);
        self.scan_bytes(&from, Some(&to), visit)
    }

    /// As [`Self::scan`], the keys whose bytes begin with `prefix`.
    pub fn scan_prefix(&mut self, prefix: &[u8], visit: impl FnMut(&K, &V) -> bool) -> Result<()> {
        let mut end = Vec::new();
        let bounded = key_bytes::prefix_end(prefix, &mut end);
        self.scan_bytes(prefix, bounded.then_some(&end), visit)
    }

    /// As [`Self::scan`], by the bytes of the keys; without `to` up to the last key.
    pub fn scan_bytes(
        &mut self,
        from: &[u8],
        to: Option<&[u8]>,
        visit: impl FnMut(&K, &V) -> bool,
    ) -> Result<()> {
        let (dirty, slab) = self.entries.ordered();
        let show = Show {
            keys: &*self.keys,
            values: &*self.values,
            slab,
            key: &mut self.key_slot,
            value: &mut self.value_slot,
            visit,
        };
        scan(show, &*self.reader, self.column, dirty, Keys { from, to })
            .map_err(|fault| damaged(self.column, fault))
    }

    /// Shows what the open transaction wrote, last values only, in the order of the keys' bytes.
    pub(crate) fn for_each_dirty(
        &mut self,
        mut f: impl FnMut(&K, Option<&V>, Timestamp) -> Result<()>,
    ) -> Result<()> {
        let (keys, slot, column) = (&*self.keys, &mut self.key_slot, self.column);
        for entry in self.entries.dirty().flatten() {
            keys.decode(entry.key.as_slice(), keys.version(), slot)
                .map_err(|fault| damaged(column, fault))?;
            if let Some(key) = slot {
                f(key, entry.value.as_ref(), entry.at)?;
            }
        }
        Ok(())
    }

    fn encode(&mut self, key: &K) {
        self.key.clear();
        self.keys.encode(key, &mut self.key);
    }

    /// The entry of `key`, made without a look at the committed state if there is none.
    fn reach(&mut self, key: &K) -> Result<Place> {
        self.encode(key);
        match self.entries.find(&self.key) {
            Some(place) => Ok(place),
            None => self.entries.insert(&self.key, None, self.at, 0),
        }
    }

    /// The entry of `key`, as the committed state has it if there was none.
    fn load(&mut self, key: &K) -> Result<Place> {
        self.encode(key);
        match self.entries.find(&self.key) {
            Some(place) => Ok(place),
            None => self.fetch(),
        }
    }

    #[cold]
    fn fetch(&mut self) -> Result<Place> {
        if !self.reader.fetch(self.column, &self.key, &mut self.fetched)? {
            return self.entries.insert(&self.key, None, self.at, 0);
        }
        let mut slot = None;
        let at = Envelope::open(&self.fetched)
            .and_then(|held| {
                self.values.decode(held.value, held.version, &mut slot)?;
                Ok(held.at)
            })
            .map_err(|fault| damaged(self.column, fault))?;
        let weight = slot.as_ref().map_or(0, |value| self.values.weight(value));
        self.entries.insert(&self.key, slot, at, weight)
    }
}

/// A record may be rejected; what the store itself wrote may not: it is damaged, or its serde changed.
fn damaged(column: Column, fault: Fault) -> Fault {
    match fault {
        Fault::Reject(words) => Fault::Fatal(format!("column {}: {words}", column.0)),
        Fault::Retry(_) | Fault::Fatal(_) => fault,
    }
}

impl<K: 'static, V: 'static> StateStore for KeyValue<K, V> {
    fn stage(&mut self, changes: &mut StateChanges) -> Result<()> {
        let (values, column) = (&*self.values, self.column);
        for entry in self.entries.dirty().flatten() {
            let key = entry.key.as_slice();
            match &entry.value {
                None => changes.push(column, key, None),
                Some(value) => changes.push_with(column, key, |out| {
                    seal(values.version(), entry.at, out);
                    values.encode(value, out);
                }),
            }
        }
        Ok(())
    }

    fn settle(&mut self) {
        self.entries.settle(|value| self.values.weight(value));
    }

    fn discard(&mut self) {
        self.entries.discard();
    }

    fn dirty_bytes(&self) -> usize {
        self.entries.dirty_bytes()
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
