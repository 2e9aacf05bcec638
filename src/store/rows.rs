//! A store that is only read: what a query is shown, where a write would be lost.

use std::ops::Range;

use super::KeyValue;
use crate::error::Result;
use crate::record::Timestamp;

/// A store that is only read.
pub struct Rows<'a, K, V>(&'a mut KeyValue<K, V>);

impl<'a, K: 'static, V: 'static> Rows<'a, K, V> {
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
