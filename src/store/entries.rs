//! Overlay and cache in one: what a store knows of its keys, clean or dirty.
//!
//! An entry is *clean* when it says what the committed state says (absence too) and *dirty* when the open
//! transaction wrote it. Clean entries may go at any time, by a clock hand, while the store exceeds its share
//! of the budget; dirty ones stay until they are settled or discarded. Entries lie in a slab; the table holds
//! their hashes and places, so that it grows without touching them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashTable;

use super::cache_budget::{CacheBudget, CacheShare};
use super::key_bytes::{self, KeyBytes};
use crate::capacity::push_within_an_eighth;
use crate::error::{Fault, Result};
use crate::record::Timestamp;

/// How many entries a miss looks at to make room: bounds what one read costs when most are dirty.
const LOOKS_PER_MISS: usize = 8;

/// One key's entry.
pub(super) struct Entry<V> {
    pub(super) key: KeyBytes,
    pub(super) value: Option<V>,
    pub(super) at: Timestamp,
    weight: u32,
    state: State,
    referenced: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Vacant,
    Clean,
    Dirty,
}

/// Where an entry lies in the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

struct Bucket {
    hash: u32,
    place: Place,
}

/// A dirty entry, with the start of its key: most comparisons of a sort need no more.
struct Dirty {
    prefix: u64,
    place: Place,
}

/// All entries of one store.
pub(super) struct Entries<V> {
    table: HashTable<Bucket>,
    slab: Vec<Entry<V>>,
    vacant: Vec<Place>,
    dirty: Vec<Dirty>,
    dirty_sorted: bool,
    /// The dirty entries by key, kept from the first scan on.
    ordered: Option<BTreeMap<KeyBytes, Place>>,
    hand: usize,
    bytes: usize,
    share: CacheShare,
    dirty_bytes: usize,
}

impl<V> Entries<V> {
    pub(super) fn new(budget: &Arc<CacheBudget>) -> Self {
        Self {
            table: HashTable::new(),
            slab: Vec::new(),
            vacant: Vec::new(),
            dirty: Vec::new(),
            dirty_sorted: true,
            ordered: None,
            hand: 0,
            bytes: 0,
            share: CacheShare::of(budget),
            dirty_bytes: 0,
        }
    }

    /// The entry of `key`, if there is one; it counts as used.
    pub(super) fn find(&mut self, key: &[u8]) -> Option<Place> {
        let hash = hash_of(key);
        let found = self.table.find(spread(hash), |bucket| {
            bucket.hash == hash
                && self
                    .slab
                    .get(bucket.place.0 as usize)
                    .is_some_and(|entry| entry.key.as_slice() == key)
        });
        let place = found?.place;
        if let Some(entry) = self.slab.get_mut(place.0 as usize) {
            entry.referenced = true;
        }
        Some(place)
    }

    pub(super) fn entry(&self, place: Place) -> Result<&Entry<V>> {
        self.slab.get(place.0 as usize).ok_or_else(lost)
    }

    pub(super) fn entry_mut(&mut self, place: Place) -> Result<&mut Entry<V>> {
        self.slab.get_mut(place.0 as usize).ok_or_else(lost)
    }

    /// Adds a clean entry for a key that has none, making room first.
    pub(super) fn insert(
        &mut self,
        key: &[u8],
        value: Option<V>,
        at: Timestamp,
        weight: usize,
    ) -> Result<Place> {
        self.shrink(LOOKS_PER_MISS);
        let hash = hash_of(key);
        let entry = Entry {
            key: KeyBytes::new(key),
            value,
            at,
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
            state: State::Clean,
            // Counted as used from the second time on: a walk over cold keys leaves the warm ones in.
            referenced: false,
        };
        self.bytes += cost(&entry);
        let place = match self.vacant.pop() {
            Some(place) => {
                *self.entry_mut(place)? = entry;
                place
            }
            None => {
                let full = |_| Fault::Fatal("a store keeps more than 2^32 entries".into());
                let place = Place(u32::try_from(self.slab.len()).map_err(full)?);
                push_within_an_eighth(&mut self.slab, entry);
                place
            }
        };
        self.table.insert_unique(spread(hash), Bucket { hash, place }, |b| spread(b.hash));
        Ok(place)
    }

    /// Makes an entry dirty; tells whether it was clean. To be called *before* its value changes: a panic
    /// in between must leave it where `discard` finds it.
    pub(super) fn soil(&mut self, place: Place) -> Result<bool> {
        let entry = self.slab.get_mut(place.0 as usize).ok_or_else(lost)?;
        if entry.state == State::Dirty {
            return Ok(false);
        }
        entry.state = State::Dirty;
        let prefix = key_bytes::sort_prefix(entry.key.as_slice());
        self.dirty_bytes += cost(entry);
        if let Some(ordered) = &mut self.ordered {
            ordered.insert(entry.key.clone(), place);
        }
        self.dirty.push(Dirty { prefix, place });
        self.dirty_sorted = false;
        Ok(true)
    }

    /// Takes back the last `soil`, of this entry, which did not change after all.
    pub(super) fn unsoil(&mut self, place: Place) -> Result<()> {
        let entry = self.slab.get_mut(place.0 as usize).ok_or_else(lost)?;
        entry.state = State::Clean;
        self.dirty_bytes = self.dirty_bytes.saturating_sub(cost(entry));
        if let Some(ordered) = &mut self.ordered {
            ordered.remove(entry.key.as_slice());
        }
        self.dirty.pop();
        Ok(())
    }

    /// Gives a dirty entry a weight that is known already.
    pub(super) fn weigh(&mut self, place: Place, weight: usize) -> Result<()> {
        let entry = self.slab.get_mut(place.0 as usize).ok_or_else(lost)?;
        let before = cost(entry);
        entry.weight = u32::try_from(weight).unwrap_or(u32::MAX);
        let after = cost(entry);
        self.bytes = (self.bytes + after).saturating_sub(before);
        self.dirty_bytes = (self.dirty_bytes + after).saturating_sub(before);
        Ok(())
    }

    pub(super) fn dirty_bytes(&self) -> usize {
        self.dirty_bytes
    }

    /// The dirty entries, in the order of their keys.
    pub(super) fn dirty(&mut self) -> impl ExactSizeIterator<Item = Option<&Entry<V>>> {
        let Self { dirty, slab, .. } = self;
        if !self.dirty_sorted {
            let key = |dirty: &Dirty| slab.get(dirty.place.0 as usize).map(|e| e.key.as_slice());
            dirty
                .sort_unstable_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| key(a).cmp(&key(b))));
            self.dirty_sorted = true;
        }
        dirty.iter().map(|dirty| slab.get(dirty.place.0 as usize))
    }

    /// The dirty entries by key, and the entries to look them up in. The first call makes the index.
    pub(super) fn ordered(&mut self) -> (&BTreeMap<KeyBytes, Place>, &[Entry<V>]) {
        let Self { dirty, slab, ordered, .. } = self;
        let ordered = ordered.get_or_insert_with(|| {
            let places = dirty.iter().map(|dirty| dirty.place);
            let keyed = places.filter_map(|place| {
                slab.get(place.0 as usize).map(|entry| (entry.key.clone(), place))
            });
            keyed.collect()
        });
        (ordered, slab)
    }

    /// Dirty becomes clean, weighed anew; then clean entries go until the share is kept.
    pub(super) fn settle(&mut self, weight: impl Fn(&V) -> usize) {
        for dirty in self.dirty.drain(..) {
            let Some(entry) = self.slab.get_mut(dirty.place.0 as usize) else { continue };
            let before = cost(entry);
            let weight = entry.value.as_ref().map_or(0, &weight);
            entry.weight = u32::try_from(weight).unwrap_or(u32::MAX);
            entry.state = State::Clean;
            self.bytes = (self.bytes + cost(entry)).saturating_sub(before);
        }
        self.forget_dirty();
        self.shrink(2 * self.slab.len());
        self.close_ranks();
    }

    /// Removes what is dirty.
    pub(super) fn discard(&mut self) {
        for dirty in std::mem::take(&mut self.dirty) {
            self.remove(dirty.place);
        }
        self.forget_dirty();
        self.share.tell(self.bytes);
        self.close_ranks();
    }

    fn forget_dirty(&mut self) {
        self.dirty.clear();
        self.dirty_sorted = true;
        self.dirty_bytes = 0;
        if let Some(ordered) = &mut self.ordered {
            ordered.clear();
        }
    }

    /// Removes clean entries not used since the hand last passed, looking at no more than `looks`.
    fn shrink(&mut self, looks: usize) {
        for _ in 0..looks {
            if !self.share.is_exceeded(self.bytes) {
                break;
            }
            self.hand = if self.hand + 1 < self.slab.len() { self.hand + 1 } else { 0 };
            let Some(entry) = self.slab.get_mut(self.hand) else { break };
            if entry.state != State::Clean {
                continue;
            }
            if entry.referenced {
                entry.referenced = false;
                continue;
            }
            self.remove(Place(self.hand as u32));
        }
        self.share.tell(self.bytes);
    }

    /// Moves the entries together when more than an eighth of the places is vacant, so that rows that were given up do
    /// not keep their memory, nor the hand search in vain. Nothing may be dirty: places change.
    fn close_ranks(&mut self) {
        if self.vacant.len() <= self.slab.len() / 8 {
            return;
        }
        let live = self.slab.len() - self.vacant.len();
        let slab = std::mem::replace(&mut self.slab, Vec::with_capacity(live));
        self.table = HashTable::with_capacity(live);
        self.vacant = Vec::new();
        self.hand = 0;
        for entry in slab.into_iter().filter(|entry| entry.state != State::Vacant) {
            let (hash, place) = (hash_of(entry.key.as_slice()), Place(self.slab.len() as u32));
            self.slab.push(entry);
            self.table.insert_unique(spread(hash), Bucket { hash, place }, |b| spread(b.hash));
        }
    }

    fn remove(&mut self, place: Place) {
        let Some(entry) = self.slab.get_mut(place.0 as usize) else { return };
        self.bytes = self.bytes.saturating_sub(cost(entry));
        entry.state = State::Vacant;
        entry.value = None;
        let key = std::mem::replace(&mut entry.key, KeyBytes::new(&[]));
        let hash = hash_of(key.as_slice());
        if let Ok(bucket) = self.table.find_entry(spread(hash), |bucket| bucket.place == place) {
            bucket.remove();
        }
        self.vacant.push(place);
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The entry at a place that [`Entries::ordered`] gave.
pub(super) fn at_place<V>(slab: &[Entry<V>], place: Place) -> Option<&Entry<V>> {
    slab.get(place.0 as usize)
}

/// What an entry takes: itself and its bucket, with the share of the free places beside them (up to an eighth of the slab is
/// spare, a third of the table on average), its key's and value's memory.
fn cost<V>(entry: &Entry<V>) -> usize {
    let slab = size_of::<Entry<V>>() * 9 / 8;
    let table = size_of::<Bucket>() * 2;
    slab + table + entry.key.heap_bytes() + entry.weight as usize
}

fn hash_of(key: &[u8]) -> u32 {
    (key_bytes::hash(key) >> 32) as u32
}

/// The table takes its tag from the upper bits and its index from the lower ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cold]
fn lost() -> Fault {
    Fault::Fatal("an entry of a store is not where its table says".into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ROOMY: usize = 1 << 20;
    const AT: Timestamp = Timestamp(0);

    fn entries(bytes_max: usize) -> Entries<String> {
        Entries::new(&CacheBudget::new(bytes_max))
    }

    /// What an entry takes whose key is short and whose value weighs nothing.
    fn least() -> usize {
        size_of::<Entry<String>>() * 9 / 8 + 2 * size_of::<Bucket>()
    }

    fn clean(entries: &mut Entries<String>, key: u32) -> Result<Place> {
        entries.insert(&key.to_be_bytes(), None, AT, 0)
    }

    fn dirty(entries: &mut Entries<String>, key: u32) -> Result<Place> {
        let place = clean(entries, key)?;
        entries.soil(place)?;
        Ok(place)
    }

    fn found(entries: &mut Entries<String>, keys: u32) -> usize {
        (0..keys).filter(|key| entries.find(&key.to_be_bytes()).is_some()).count()
    }

    #[test]
    fn an_entry_takes_its_place_two_buckets_its_long_key_and_its_weight() -> Result<()> {
        let mut entries = entries(ROOMY);
        clean(&mut entries, 1)?;
        assert_eq!(entries.bytes(), least());
        entries.insert(&[b'k'; 300], None, AT, 7)?;
        assert_eq!(entries.bytes(), 2 * least() + 307);
        Ok(())
    }

    #[test]
    fn what_is_dirty_takes_what_its_entries_do() -> Result<()> {
        let mut entries = entries(ROOMY);
        let place = dirty(&mut entries, 1)?;
        assert!(!entries.soil(place)?, "it counts once");
        assert_eq!(entries.dirty_bytes(), least());
        entries.weigh(place, 50)?;
        assert_eq!((entries.dirty_bytes(), entries.bytes()), (least() + 50, least() + 50));
        let other = dirty(&mut entries, 2)?;
        entries.unsoil(other)?;
        assert_eq!((entries.dirty_bytes(), entries.bytes()), (least() + 50, 2 * least() + 50));
        Ok(())
    }

    #[test]
    fn entries_that_were_used_go_too_where_room_is_short_and_the_others_move_together() -> Result<()>
    {
        let mut entries = entries(20 * least());
        for key in 0..100 {
            dirty(&mut entries, key)?;
        }
        assert_eq!(found(&mut entries, 100), 100);
        entries.settle(String::len);
        assert_eq!((entries.bytes(), found(&mut entries, 100)), (20 * least(), 20));
        let lengths = (entries.slab.len(), entries.slab.capacity(), entries.table.len());
        assert_eq!((lengths, entries.vacant.len()), ((20, 20, 20), 0));
        Ok(())
    }

    #[test]
    fn entries_stay_where_they_are_while_few_places_are_vacant() -> Result<()> {
        let mut entries = entries(ROOMY);
        for key in 0..91 {
            clean(&mut entries, key)?;
        }
        for key in 91..96 {
            dirty(&mut entries, key)?;
        }
        entries.discard();
        assert_eq!((entries.slab.len(), entries.table.len(), entries.vacant.len()), (96, 91, 5));
        assert_eq!((found(&mut entries, 96), entries.bytes()), (91, 91 * least()));
        clean(&mut entries, 1_000)?;
        assert_eq!((entries.slab.len(), entries.vacant.len()), (96, 4), "a vacant place is taken");
        Ok(())
    }

    #[test]
    fn keys_of_the_same_hash_are_told_apart() -> Result<()> {
        let (one, other) = (b"17342", b"106572");
        assert_eq!(hash_of(one), hash_of(other));
        let mut entries = entries(ROOMY);
        let place = entries.insert(one, None, AT, 0)?;
        assert_eq!(entries.find(other), None);
        let beside = entries.insert(other, None, AT, 0)?;
        assert_eq!((entries.find(one), entries.find(other)), (Some(place), Some(beside)));
        Ok(())
    }

    #[test]
    fn keys_spread_over_the_tags_and_the_places_of_the_table() {
        let hashes: BTreeSet<u32> = (0..1_000_u32).map(|key| hash_of(&key.to_be_bytes())).collect();
        assert_eq!(hashes.len(), 1_000);
        assert_eq!(spread(0x8000_0001), 0x8000_0001_8000_0001);
    }
}
