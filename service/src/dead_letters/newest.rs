//! Which letters there are, of which only the newest are held. Pure.

use std::collections::BTreeMap;

use millstream::dead_letter::{Letter, Place};

/// What is made of letters: of so many at most, the newest; and how many there were.
#[derive(Debug)]
pub struct Newest<T> {
    limit: usize,
    letters: u64,
    of: BTreeMap<(i64, Place), T>,
}

impl<T> Newest<T> {
    /// None yet.
    pub fn new(limit: usize) -> Self {
        Self { limit, letters: 0, of: BTreeMap::new() }
    }

    /// One more.
    pub fn add(&mut self, letter: &Letter<'_>, made: impl FnOnce() -> T) {
        self.letters += 1;
        let order = (letter.at.0, letter.place);
        let is_full = self.of.len() >= self.limit;
        if is_full && self.of.first_key_value().is_none_or(|(oldest, _)| *oldest > order) {
            return;
        }
        self.of.insert(order, made());
        if is_full {
            self.of.pop_first();
        }
    }

    /// How many there were.
    pub fn letters(&self) -> u64 {
        self.letters
    }

    /// The newest, the oldest of them first.
    pub fn of(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.of.values()
    }
}
