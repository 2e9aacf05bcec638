//! A walk over keys in order: the committed state and, over it, what the open transaction wrote.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::entries::{Entry, Place, at_place};
use super::key_bytes::KeyBytes;
use super::{Column, Envelope, StateReader};
use crate::error::Result;
use crate::serde::Serde;

/// Which keys: from the first up to, not including, the second.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    pub(super) from: &'a [u8],
    pub(super) to: Option<&'a [u8]>,
}

/// Decodes keys and values into slots that are reused, and shows them.
pub(super) struct Show<'a, K, V, F> {
    pub(super) keys: &'a dyn Serde<K>,
    pub(super) values: &'a dyn Serde<V>,
    pub(super) slab: &'a [Entry<V>],
    pub(super) key: &'a mut Option<K>,
    pub(super) value: &'a mut Option<V>,
    pub(super) visit: F,
}

impl<K: 'static, V: 'static, F: FnMut(&K, &V) -> bool> Show<'_, K, V, F> {
    /// Shows an entry; tells whether to go on.
    fn dirty(&mut self, key: &KeyBytes, place: Place) -> Result<bool> {
        let Some(value) = at_place(self.slab, place).and_then(|entry| entry.value.as_ref()) else {
            return Ok(true);
        };
        self.keys.decode(key.as_slice(), self.keys.version(), self.key)?;
        Ok(self.key.as_ref().is_none_or(|key| (self.visit)(key, value)))
    }

    /// Shows a row of the committed state; tells whether to go on.
    fn committed(&mut self, key: &[u8], bytes: &[u8]) -> Result<bool> {
        let held = Envelope::open(bytes)?;
        self.values.decode(held.value, held.version, self.value)?;
        self.keys.decode(key, self.keys.version(), self.key)?;
        let (Some(key), Some(value)) = (&self.key, &self.value) else { return Ok(true) };
        Ok((self.visit)(key, value))
    }
}

/// Walks `keys` of `column`, each key once, a dirty entry before the row of its key.
pub(super) fn scan<K: 'static, V: 'static, F: FnMut(&K, &V) -> bool>(
    mut show: Show<'_, K, V, F>,
    reader: &dyn StateReader,
    column: Column,
    dirty: &BTreeMap<KeyBytes, Place>,
    keys: Keys<'_>,
) -> Result<()> {
    if keys.to.is_some_and(|to| to <= keys.from) {
        return Ok(());
    }
    let range = (Bound::Included(keys.from), keys.to.map_or(Bound::Unbounded, Bound::Excluded));
    let mut ahead = dirty.range::<[u8], _>(range).peekable();
    let mut outcome = Ok(true);
    reader.scan(column, keys.from, keys.to, &mut |key, bytes| {
        while let Some((written, place)) = ahead.next_if(|(written, _)| written.as_slice() < key) {
            outcome = show.dirty(written, *place);
            if outcome != Ok(true) {
                return false;
            }
        }
        outcome = match ahead.next_if(|(written, _)| written.as_slice() == key) {
            Some((written, place)) => show.dirty(written, *place),
            None => show.committed(key, bytes),
        };
        outcome == Ok(true)
    })?;
    while outcome? {
        let Some((written, place)) = ahead.next() else { break };
        outcome = show.dirty(written, *place);
    }
    Ok(())
}
