//! The floor's state: a count per key, and which keys changed since the last commit.
//!
//! One table from a key's bytes to the place of its entry; keys lie end to end in one buffer. No allocation
//! for a key that is known.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

/// One key's count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    key_from: usize,
    key_to: usize,
    /// Where its records go.
    pub(crate) partition: i32,
    /// How many records it had.
    pub(crate) count: i64,
    /// The latest timestamp of them, in ms.
    pub(crate) at: i64,
    is_changed: bool,
}

/// The counts of all keys.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    places: HashTable<u32>,
    entries: Vec<Entry>,
    keys: Vec<u8>,
    changed: Vec<u32>,
}

impl Tally {
    /// Counts one record.
    pub(crate) fn count(&mut self, key: &[u8], partition: i32, at: i64) {
        let place = self.place(key, partition);
        let Some(entry) = self.entries.get_mut(place as usize) else { return };
        entry.count += 1;
        entry.at = entry.at.max(at);
        if !entry.is_changed {
            entry.is_changed = true;
            self.changed.push(place);
        }
    }

    /// Takes the entries that changed since the last time, with their keys.
    pub(crate) fn take_changed(&mut self, mut visit: impl FnMut(&[u8], &Entry)) {
        for place in self.changed.drain(..) {
            let Some(entry) = self.entries.get_mut(place as usize) else { continue };
            entry.is_changed = false;
            visit(self.keys.get(entry.key_from..entry.key_to).unwrap_or_default(), entry);
        }
    }

    fn place(&mut self, key: &[u8], partition: i32) -> u32 {
        let Self { places, entries, keys, .. } = self;
        let bytes = |place: &u32| {
            let entry = entries.get(*place as usize);
            entry.and_then(|entry| keys.get(entry.key_from..entry.key_to)).unwrap_or_default()
        };
        let hashed = hash(key);
        if let Some(place) = places.find(hashed, |place| bytes(place) == key) {
            return *place;
        }
        let place = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        places.insert_unique(hashed, place, |place| hash(bytes(place)));
        let key_from = keys.len();
        keys.extend_from_slice(key);
        let (key_to, at) = (keys.len(), i64::MIN);
        entries.push(Entry { key_from, key_to, partition, count: 0, at, is_changed: false });
        place
    }
}

fn hash(key: &[u8]) -> u64 {
    FxBuildHasher.hash_one(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(tally: &mut Tally) -> Vec<(String, i64, i64)> {
        let mut changed = Vec::new();
        tally.take_changed(|key, entry| {
            changed.push((String::from_utf8_lossy(key).into_owned(), entry.count, entry.at));
        });
        changed
    }

    #[test]
    fn a_key_is_given_once_however_often_it_changed() {
        let mut tally = Tally::default();
        for (key, at) in [("a", 5), ("b", 6), ("a", 4)] {
            tally.count(key.as_bytes(), 0, at);
        }
        assert_eq!(changed(&mut tally), [("a".into(), 2, 5), ("b".into(), 1, 6)]);
        tally.count(b"b", 0, 9);
        assert_eq!(changed(&mut tally), [("b".into(), 2, 9)]);
    }
}
