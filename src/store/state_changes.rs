//! What a transaction changes, as bytes: one arena that is reused, so that staging allocates nothing once
//! it is warm.
//!
//! Changes stand in the order in which they were pushed. Values are in changelog form (an
//! [`Envelope`](super::Envelope)); the same bytes go to the changelog and to the store.

use std::ops::Range;

use super::Column;
use crate::capacity::clear_and_forget;

/// One change, borrowed from [`StateChanges`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange<'a> {
    /// The column it belongs to.
    pub column: Column,
    /// The key.
    pub key: &'a [u8],
    /// The new value; `None` removes the key.
    pub value: Option<&'a [u8]>,
}

/// The changes of any number of columns.
#[derive(Clone, Debug, Default)]
pub struct StateChanges {
    arena: Vec<u8>,
    entries: Vec<Entry>,
}

/// Where a change lies in the arena: the key from `start`, the value from `value` to `end`.
#[derive(Clone, Debug)]
struct Entry {
    start: usize,
    value: usize,
    end: usize,
    column: Column,
    removes: bool,
}

impl StateChanges {
    /// Appends one change.
    pub fn push(&mut self, column: Column, key: &[u8], value: Option<&[u8]>) {
        match value {
            None => self.entry(column, key, true, |_| {}),
            Some(value) => self.push_with(column, key, |out| out.extend_from_slice(value)),
        }
    }

    /// Appends one change whose value `encode` appends to what it is given.
    pub fn push_with(&mut self, column: Column, key: &[u8], encode: impl FnOnce(&mut Vec<u8>)) {
        self.entry(column, key, false, encode);
    }

    fn entry(
        &mut self,
        column: Column,
        key: &[u8],
        removes: bool,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.arena.len();
        self.arena.extend_from_slice(key);
        let value = self.arena.len();
        encode(&mut self.arena);
        self.entries.push(Entry { start, value, end: self.arena.len(), column, removes });
    }

    /// The changes, in the order in which they were pushed.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = StateChange<'_>> {
        self.entries.iter().map(|entry| self.change(entry))
    }

    fn change(&self, entry: &Entry) -> StateChange<'_> {
        let bytes = |range: Range<usize>| self.arena.get(range).unwrap_or_default();
        StateChange {
            column: entry.column,
            key: bytes(entry.start..entry.value),
            value: (!entry.removes).then(|| bytes(entry.value..entry.end)),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many bytes their keys and values have.
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Removes all, keeping the memory that such changes need.
    pub fn clear(&mut self) {
        clear_and_forget(&mut self.arena);
        clear_and_forget(&mut self.entries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_in_order_and_an_empty_value_is_not_a_removal() {
        let mut changes = StateChanges::default();
        changes.push(Column(1), b"b", Some(b""));
        changes.push(Column(0), b"", Some(b"xy"));
        changes.push(Column(0), b"a", None);
        let all: Vec<_> = changes.iter().collect();
        let expected = [
            StateChange { column: Column(1), key: b"b", value: Some(b"") },
            StateChange { column: Column(0), key: b"", value: Some(b"xy") },
            StateChange { column: Column(0), key: b"a", value: None },
        ];
        assert_eq!((all, changes.bytes()), (expected.to_vec(), 4));
        assert_eq!((changes.len(), changes.is_empty()), (3, false));
        changes.clear();
        assert_eq!((changes.len(), changes.bytes(), changes.is_empty()), (0, 0, true));
    }
}
