//! A read-only view of a key-value store, for queries.

use std::ops::Range;

use super::KeyValue;
use crate::error::Result;
use crate::record::Timestamp;

/// A store that can only be read: a write from a query would be lost.
pub struct ReadOnlyStore<'a, K, V>(&'a mut KeyValue<K, V>);

impl<'a, K: 'static, V: 'static> ReadOnlyStore<'a, K, V> {
    pub(super) fn of(store: &'a mut KeyValue<K, V>) -> Self {
        Self(store)
    }

    /// The value of `key`, if it has one.
    pub fn get(&mut self, key: &K) -> Result<Option<&V>> {
        self.0.get(key)
    }

    /// The value of `key` with its time, if it has one.
    pub fn timed(&mut self, key: &K) -> Result<Option<(&V, Timestamp)>> {
        self.0.timed(key)
    }

    /// Shows the keys from `keys.start` up to, not including, `keys.end` with their values, in the order of the
    /// keys' bytes, until `visit` answers false.
    pub fn scan(&mut self, keys: Range<&K>, visit: impl FnMut(&K, &V) -> bool) -> Result<()> {
        self.0.scan(keys, visit)
    }

    /// As [`Self::scan`], the keys whose bytes begin with `prefix`.
    pub fn scan_prefix(&mut self, prefix: &[u8], visit: impl FnMut(&K, &V) -> bool) -> Result<()> {
        self.0.scan_prefix(prefix, visit)
    }
}
