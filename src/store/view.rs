//! What a broadcast topic says: the last value of every key, and where in the log it was said.
//!
//! Always so: a key has one row, and a row stands in the order of its partition at the offset of its last
//! record, so that whoever remembers a position can ask what changed from there on. Values in between are
//! not kept. A removed key keeps its row, without a value, until [`View::forget`].

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::capacity::push_within_an_eighth;
use crate::record::Offset;

/// Something kept beside the rows, told of every change: a second way to find them.
pub trait Index<K, V>: Default + Send + Sync + 'static {
    /// `key` had the value `old` and has `new`; at least one of them is there.
    fn changed(&mut self, key: &K, old: Option<&V>, new: Option<&V>);

    /// About how many bytes it takes; asked after every batch, so not to be counted anew.
    fn bytes(&self) -> usize;
}

impl<K, V> Index<K, V> for () {
    fn changed(&mut self, _key: &K, _old: Option<&V>, _new: Option<&V>) {}

    fn bytes(&self) -> usize {
        0
    }
}

/// The rows of one broadcast topic.
pub struct View<K, V, I = ()> {
    table: HashTable<u32>,
    rows: Vec<Option<Row<K, V>>>,
    vacant: Vec<u32>,
    logs: BTreeMap<i32, Log>,
    index: I,
    live: usize,
    /// What the values weigh.
    value_bytes: usize,
}

struct Row<K, V> {
    key: K,
    hash: u64,
    partition: i32,
    offset: Offset,
    value: Option<V>,
}

/// One partition: its rows by offset, where it ends, from where on its removals are complete.
#[derive(Default)]
struct Log {
    rows: BTreeMap<Offset, u32>,
    end: Offset,
    horizon: Offset,
}

impl<K, V, I: Default> Default for View<K, V, I> {
    fn default() -> Self {
        Self {
            table: HashTable::new(),
            rows: Vec::new(),
            vacant: Vec::new(),
            logs: BTreeMap::new(),
            index: I::default(),
            live: 0,
            value_bytes: 0,
        }
    }
}

impl<K: Hash + Eq, V, I: Index<K, V>> View<K, V, I> {
    /// The value of `key`, if it has one.
    pub fn get(&self, key: &K) -> Option<&V> {
        let place = self.find(hash_of(key), key)?;
        self.row(place)?.value.as_ref()
    }

    /// The index beside the rows.
    pub fn index(&self) -> &I {
        &self.index
    }

    /// How many keys have a value.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether no key has a value.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The offset after the last that was applied of `partition`.
    pub fn end(&self, partition: i32) -> Offset {
        self.logs.get(&partition).map_or(Offset(0), |log| log.end)
    }

    /// The first position of `partition` from which every removal is still known: who stands before it must
    /// look at everything anew.
    pub fn horizon(&self, partition: i32) -> Offset {
        self.logs.get(&partition).map_or(Offset(0), |log| log.horizon)
    }

    /// Shows the keys whose last record in `partition` stands at `from` or later, with its offset, in the
    /// order of the log, removed keys too, until `visit` answers false.
    pub fn changed_from(
        &self,
        partition: i32,
        from: Offset,
        mut visit: impl FnMut(&K, Offset) -> bool,
    ) {
        let Some(log) = self.logs.get(&partition) else { return };
        for (offset, place) in log.rows.range(from..) {
            let Some(row) = self.row(*place) else { continue };
            if !visit(&row.key, *offset) {
                return;
            }
        }
    }

    /// About what all of it takes: a row has a slot, a place in the table and one in its log, a third of which is spare, beside
    /// what its value weighs.
    pub(super) fn bytes(&self) -> usize {
        let log = size_of::<(Offset, u32)>() * 3 / 2;
        let rows = self.rows.capacity() * size_of::<Option<Row<K, V>>>() + self.rows.len() * log;
        rows + self.table.allocation_size() + self.value_bytes + self.index.bytes()
    }

    /// Applies one record, whose value weighs what `weight` says. One that was applied before changes nothing.
    pub(super) fn apply(
        &mut self,
        partition: i32,
        offset: Offset,
        (key, value): (K, Option<V>),
        weight: impl Fn(Option<&V>) -> usize,
    ) {
        if offset < self.end(partition) {
            return;
        }
        let hash = hash_of(&key);
        let place = match self.find(hash, &key) {
            Some(place) => place,
            None => self.insert(Row { key, hash, partition, offset, value: None }),
        };
        let Some(row) = self.rows.get_mut(place as usize).and_then(Option::as_mut) else { return };
        if let Some(log) = self.logs.get_mut(&row.partition) {
            log.rows.remove(&row.offset);
        }
        let old = std::mem::replace(&mut row.value, value);
        self.value_bytes =
            (self.value_bytes + weight(row.value.as_ref())).saturating_sub(weight(old.as_ref()));
        (row.partition, row.offset) = (partition, offset);
        if old.is_some() || row.value.is_some() {
            self.index.changed(&row.key, old.as_ref(), row.value.as_ref());
        }
        self.live = self.live + usize::from(row.value.is_some()) - usize::from(old.is_some());
        let log = self.logs.entry(partition).or_default();
        log.rows.insert(offset, place);
        log.end = offset.next();
    }

    /// Moves the end of `partition` over offsets that held nothing to apply.
    pub(super) fn advance(&mut self, partition: i32, end: Offset) {
        let log = self.logs.entry(partition).or_default();
        log.end = log.end.max(end);
    }

    /// Drops the removed keys of `partition` whose removal stands before `before`; the horizon moves behind
    /// the last that was dropped.
    pub(super) fn forget(&mut self, partition: i32, before: Offset) {
        let Some(log) = self.logs.get_mut(&partition) else { return };
        let removed = log.rows.range(..before).filter(|(_, place)| {
            self.rows
                .get(**place as usize)
                .and_then(Option::as_ref)
                .is_some_and(|r| r.value.is_none())
        });
        let removed: Vec<(Offset, u32)> =
            removed.map(|(offset, place)| (*offset, *place)).collect();
        for (offset, place) in removed {
            log.rows.remove(&offset);
            log.horizon = offset.next();
            let Some(row) = self.rows.get_mut(place as usize).and_then(Option::take) else {
                continue;
            };
            if let Ok(found) = self.table.find_entry(row.hash, |held| *held == place) {
                found.remove();
            }
            self.vacant.push(place);
        }
    }

    fn find(&self, hash: u64, key: &K) -> Option<u32> {
        let same =
            |place: &u32| self.row(*place).is_some_and(|row| row.hash == hash && row.key == *key);
        self.table.find(hash, same).copied()
    }

    fn row(&self, place: u32) -> Option<&Row<K, V>> {
        self.rows.get(place as usize)?.as_ref()
    }

    fn insert(&mut self, row: Row<K, V>) -> u32 {
        let hash = row.hash;
        let place = match self.vacant.pop() {
            Some(place) => place,
            None => {
                push_within_an_eighth(&mut self.rows, None);
                (self.rows.len() - 1) as u32
            }
        };
        if let Some(vacant) = self.rows.get_mut(place as usize) {
            *vacant = Some(row);
        }
        let rows = &self.rows;
        self.table.insert_unique(hash, place, |place| {
            rows.get(*place as usize).and_then(Option::as_ref).map_or(0, |row| row.hash)
        });
        place
    }
}

fn hash_of<K: Hash>(key: &K) -> u64 {
    FxBuildHasher.hash_one(key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Keys by the first letter of their value.
    #[derive(Default)]
    struct ByLetter(BTreeSet<(char, u32)>);

    impl Index<u32, String> for ByLetter {
        fn changed(&mut self, key: &u32, old: Option<&String>, new: Option<&String>) {
            let entry = |value: &String| (value.chars().next().unwrap_or(' '), *key);
            old.map(|old| self.0.remove(&entry(old)));
            self.0.extend(new.map(entry));
        }

        fn bytes(&self) -> usize {
            self.0.len()
        }
    }

    type Words = View<u32, String, ByLetter>;

    fn say(view: &mut Words, partition: i32, offset: i64, key: u32, value: Option<&str>) {
        let row = (key, value.map(str::to_owned));
        view.apply(partition, Offset(offset), row, |value| value.map_or(0, String::len));
    }

    fn changed(view: &Words, partition: i32, from: i64) -> Vec<(u32, i64)> {
        let mut changed = Vec::new();
        view.changed_from(partition, Offset(from), |key, offset| {
            changed.push((*key, offset.0));
            true
        });
        changed
    }

    #[test]
    fn the_last_record_of_a_key_says_its_value_and_place() {
        let mut view = Words::default();
        say(&mut view, 0, 0, 1, Some("a"));
        say(&mut view, 0, 1, 2, Some("b"));
        say(&mut view, 0, 5, 1, Some("c"));
        assert_eq!((view.get(&1), view.get(&2)), (Some(&"c".into()), Some(&"b".into())));
        assert_eq!((view.get(&3), view.len()), (None, 2));
        assert_eq!(changed(&view, 0, 0), [(2, 1), (1, 5)]);
        assert_eq!(changed(&view, 0, 2), [(1, 5)]);
        assert_eq!((view.end(0), view.end(1)), (Offset(6), Offset(0)));
    }

    #[test]
    fn a_record_that_comes_again_changes_nothing() {
        let mut view = Words::default();
        say(&mut view, 0, 3, 1, Some("a"));
        say(&mut view, 0, 4, 1, Some("b"));
        say(&mut view, 0, 3, 1, Some("a"));
        assert_eq!((view.get(&1), view.end(0)), (Some(&"b".into()), Offset(5)));
    }

    #[test]
    fn partitions_have_ends_and_changes_of_their_own() {
        let mut view = Words::default();
        say(&mut view, 0, 7, 1, Some("a"));
        say(&mut view, 1, 2, 2, Some("b"));
        view.advance(1, Offset(9));
        view.advance(1, Offset(4));
        assert_eq!((changed(&view, 0, 0), changed(&view, 1, 0)), (vec![(1, 7)], vec![(2, 2)]));
        assert_eq!((view.end(0), view.end(1)), (Offset(8), Offset(9)));
    }

    #[test]
    fn a_removed_key_is_a_change_until_it_is_forgotten() {
        let mut view = Words::default();
        say(&mut view, 0, 0, 1, Some("a"));
        say(&mut view, 0, 1, 1, None);
        say(&mut view, 0, 2, 2, Some("b"));
        say(&mut view, 0, 3, 3, None);
        assert_eq!((view.get(&1), view.len()), (None, 1));
        assert_eq!(changed(&view, 0, 0), [(1, 1), (2, 2), (3, 3)]);
        view.forget(0, Offset(3));
        assert_eq!(changed(&view, 0, 0), [(2, 2), (3, 3)]);
        assert_eq!((view.horizon(0), view.end(0)), (Offset(2), Offset(4)));
        say(&mut view, 0, 4, 1, Some("again"));
        assert_eq!((view.get(&1), view.get(&2)), (Some(&"again".into()), Some(&"b".into())));
    }

    #[test]
    fn a_value_weighs_until_another_takes_its_place() {
        let mut view = Words::default();
        say(&mut view, 0, 0, 1, Some("a"));
        let small = view.bytes();
        say(&mut view, 0, 1, 1, Some(&"a".repeat(1_000)));
        assert_eq!(view.bytes(), small + 999);
        say(&mut view, 0, 2, 1, None);
        assert_eq!(view.bytes(), small - 2, "nor does the index keep it");
    }

    #[test]
    fn a_view_takes_its_slots_its_logs_its_table_its_values_and_its_index() {
        let mut view = Words::default();
        assert_eq!((view.bytes(), View::<u32, String, ()>::default().bytes()), (0, 0));
        for key in 0..3 {
            say(&mut view, 0, key.into(), key, Some("seven b"));
        }
        let slots = view.rows.capacity() * size_of::<Option<Row<u32, String>>>();
        let logs = 3 * 24;
        assert_eq!(view.bytes(), slots + logs + view.table.allocation_size() + 3 * 7 + 3);
    }

    #[test]
    fn a_view_is_empty_while_no_key_has_a_value() {
        let mut view = Words::default();
        assert!(view.is_empty());
        say(&mut view, 0, 0, 1, Some("a"));
        assert!(!view.is_empty());
        say(&mut view, 0, 1, 1, None);
        assert!(view.is_empty());
    }

    #[test]
    fn what_is_forgotten_leaves_nothing_in_the_table_and_its_slot_to_the_next() {
        let mut view = Words::default();
        say(&mut view, 0, 0, 1, None);
        say(&mut view, 0, 1, 2, Some("b"));
        view.forget(0, Offset(2));
        assert_eq!((view.table.len(), view.rows.len()), (1, 2));
        say(&mut view, 0, 2, 3, Some("c"));
        assert_eq!((view.table.len(), view.rows.len()), (2, 2));
        assert_eq!((view.get(&1), view.get(&3)), (None, Some(&"c".into())));
    }

    #[test]
    fn changes_are_shown_until_the_visitor_has_enough() {
        let mut view = Words::default();
        for key in 0..3 {
            say(&mut view, 0, key.into(), key, Some("a"));
        }
        let mut shown = Vec::new();
        view.changed_from(0, Offset(0), |key, _| {
            shown.push(*key);
            shown.len() < 2
        });
        assert_eq!(shown, [0, 1]);
    }

    /// Keys that all hash alike.
    #[derive(PartialEq, Eq)]
    struct Alike(u32);

    impl Hash for Alike {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            state.write_u8(0);
        }
    }

    #[test]
    fn keys_are_told_apart_by_themselves_and_found_by_their_hash() {
        let mut view = View::<Alike, u32, ()>::default();
        for key in 0..3 {
            view.apply(0, Offset(key.into()), (Alike(key), Some(key)), |_| 0);
        }
        assert_eq!(
            [0, 1, 2, 3].map(|key| view.get(&Alike(key))),
            [Some(&0), Some(&1), Some(&2), None]
        );
        assert_ne!(hash_of(&1_u32), hash_of(&2_u32));
    }

    #[test]
    fn forgetting_nothing_leaves_the_horizon() {
        let mut view = Words::default();
        say(&mut view, 0, 0, 1, Some("a"));
        view.forget(0, Offset(9));
        assert_eq!((view.horizon(0), view.len()), (Offset(0), 1));
    }

    #[test]
    fn the_index_hears_every_change() {
        let mut view = Words::default();
        say(&mut view, 0, 0, 1, Some("apple"));
        say(&mut view, 0, 1, 2, Some("ant"));
        say(&mut view, 0, 2, 1, Some("bee"));
        say(&mut view, 0, 3, 2, None);
        say(&mut view, 0, 4, 3, None);
        assert_eq!(view.index().0, BTreeSet::from([('b', 1)]));
    }
}
