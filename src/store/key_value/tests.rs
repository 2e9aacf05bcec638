//! What a typed store promises one call at a time; histories are in `store/model.rs`.

use super::super::memory::MemoryStores;
use super::super::{Checkpoint, Committed, Stores, TaskStore};
use super::*;
use crate::record::TaskId;
use crate::serde::{I64, Utf8};

const COLUMN: Column = Column(0);

/// A reader that has nothing and refuses to be asked.
struct Unasked;

impl StateReader for Unasked {
    fn fetch(&self, _column: Column, _key: &[u8], _into: &mut Vec<u8>) -> Result<bool> {
        Err(Fault::Retry("asked".into()))
    }

    fn scan(
        &self,
        _column: Column,
        _from: &[u8],
        _to: Option<&[u8]>,
        _visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<()> {
        Err(Fault::Retry("asked".into()))
    }

    fn bytes(&self, _column: Column) -> Result<u64> {
        Err(Fault::Retry("asked".into()))
    }
}

fn counts(reader: Arc<dyn StateReader>, cache_bytes_max: usize) -> KeyValue<String, i64> {
    KeyValue::new(COLUMN, reader, Arc::new(Utf8), Arc::new(I64), &CacheBudget::new(cache_bytes_max))
}

fn opened() -> Result<Box<dyn TaskStore>> {
    let task = TaskId { sub_topology: "counts".into(), partition: 0 };
    MemoryStores::default().open(&task, &["counts".into()])
}

fn dirty(counts: &mut KeyValue<String, i64>) -> Result<Vec<(String, Option<i64>, i64)>> {
    let mut dirty = Vec::new();
    counts.for_each_dirty(|key, value, at| {
        dirty.push((key.clone(), value.copied(), at.0));
        Ok(())
    })?;
    Ok(dirty)
}

#[test]
fn what_the_transaction_wrote_shows_once_in_the_order_of_keys() -> Result<()> {
    let store = opened()?;
    let mut counts = counts(store.reader(), 1 << 20);
    counts.at(Timestamp(5));
    for key in ["b", "a", "aaaaaaaab", "aaaaaaaaa", "b"] {
        counts.update(&key.into(), |count| *count += 1)?;
    }
    counts.at(Timestamp(3));
    counts.put(&"a".into(), 9)?;
    counts.delete(&"aaaaaaaab".into())?;
    let row = |key: &str, value, at| (key.to_owned(), value, at);
    let expected = [
        row("a", Some(9), 3),
        row("aaaaaaaaa", Some(1), 5),
        row("aaaaaaaab", None, 3),
        row("b", Some(2), 5),
    ];
    assert_eq!(dirty(&mut counts)?, expected);
    Ok(())
}

#[test]
fn a_change_is_written_if_it_says_that_it_changed_anything() -> Result<()> {
    let store = opened()?;
    let mut counts = counts(store.reader(), 1 << 20);
    let count = |count: &mut i64| {
        *count += 1;
        true
    };
    counts.at(Timestamp(5));
    assert!(counts.update_if(&"a".into(), count)?);
    counts.at(Timestamp(3));
    assert!(counts.update_if(&"a".into(), count)?);
    assert!(!counts.update_if(&"a".into(), |_| false)?);
    assert!(!counts.update_if(&"b".into(), |_| false)?);
    assert_eq!(dirty(&mut counts)?, [("a".to_owned(), Some(2), 5)]);
    Ok(())
}

#[test]
fn a_store_is_dirty_by_what_its_changed_entries_take() -> Result<()> {
    let store = opened()?;
    let mut counts = counts(store.reader(), 1 << 20);
    counts.put(&"a".into(), 1)?;
    counts.put(&"b".into(), 2)?;
    let bytes = counts.dirty_bytes();
    assert_eq!(counts.get(&"c".into())?, None);
    assert_eq!((bytes, counts.entries.bytes() > bytes), (counts.dirty_bytes(), true));
    counts.delete(&"a".into())?;
    assert_eq!(counts.dirty_bytes(), bytes - size_of::<i64>());
    Ok(())
}

#[test]
fn a_put_and_a_delete_do_not_read() -> Result<()> {
    let mut counts = counts(Arc::new(Unasked), 1 << 20);
    counts.put(&"a".into(), 1)?;
    counts.delete(&"b".into())?;
    assert_eq!(counts.get(&"a".into())?, Some(&1));
    assert_eq!(counts.get(&"c".into()), Err(Fault::Retry("asked".into())));
    Ok(())
}

#[test]
fn deleting_what_is_known_to_be_absent_writes_nothing() -> Result<()> {
    let store = opened()?;
    let mut counts = counts(store.reader(), 1 << 20);
    assert_eq!(counts.get(&"a".into())?, None);
    counts.delete(&"a".into())?;
    assert_eq!((dirty(&mut counts)?, counts.dirty_bytes()), (vec![], 0));
    Ok(())
}

#[test]
fn clean_entries_keep_to_the_bound_and_dirty_ones_stay() -> Result<()> {
    let (mut store, bound) = (opened()?, 10_000);
    let mut counts = counts(store.reader(), bound);
    for number in 0..1000 {
        counts.put(&format!("{number:04}"), number)?;
    }
    assert!(counts.entries.bytes() > 5 * bound);
    let mut changes = StateChanges::default();
    counts.stage(&mut changes)?;
    store.apply(&changes, &Checkpoint::default(), &Committed::mint())?;
    counts.settle();
    assert!(counts.entries.bytes() <= bound);
    for number in 0..1000 {
        assert_eq!(counts.get(&format!("{number:04}"))?, Some(&number));
    }
    assert!(counts.entries.bytes() <= bound + 200, "reads make room too");
    Ok(())
}

#[test]
fn staging_again_says_the_same() -> Result<()> {
    let store = opened()?;
    let mut counts = counts(store.reader(), 1 << 20);
    counts.put(&"b".into(), 1)?;
    counts.put(&"a".into(), 2)?;
    let (mut first, mut second) = (StateChanges::default(), StateChanges::default());
    counts.stage(&mut first)?;
    counts.stage(&mut second)?;
    assert!(first.iter().eq(second.iter()));
    Ok(())
}

#[test]
fn state_that_does_not_decode_stops_the_task() -> Result<()> {
    let mut store = opened()?;
    let mut changes = StateChanges::default();
    changes.push(COLUMN, b"a", Some(&[1; 12]));
    changes.push(COLUMN, b"b", Some(b""));
    store.apply(&changes, &Checkpoint::default(), &Committed::mint())?;
    let mut counts = counts(store.reader(), 1 << 20);
    let words = "column 0: i64 has 8 bytes, found 3";
    assert_eq!(counts.get(&"a".into()), Err(Fault::Fatal(words.into())));
    assert!(matches!(counts.get(&"b".into()), Err(Fault::Fatal(_))));
    let scanned = counts.scan_bytes(&[], None, |_, _| true);
    assert_eq!(scanned, Err(Fault::Fatal(words.into())));
    Ok(())
}

#[test]
fn an_entry_weighs_itself_its_place_in_the_table_and_what_its_key_has_beside_it() -> Result<()> {
    let mut counts = counts(opened()?.reader(), 1 << 20);
    counts.put(&"a".into(), 1)?;
    let short = counts.entries.bytes();
    let itself = size_of::<super::super::entries::Entry<i64>>() * 9 / 8;
    assert!(short > itself && short < 2 * itself, "{short} of {itself}");
    counts.put(&"b".repeat(300), 1)?;
    let long = counts.entries.bytes() - short;
    assert!((300..400).contains(&(long - short)), "{long} beside {short}");
    counts.put(&"c".into(), 1)?;
    assert_eq!(counts.entries.bytes(), 2 * short + long);
    Ok(())
}

#[test]
fn a_read_only_view_shows_what_the_store_does() -> Result<()> {
    let store = opened()?;
    let mut counts = counts(store.reader(), 1 << 20);
    counts.at(Timestamp(5));
    for (key, count) in [("a", 1), ("ab", 2), ("b", 3), ("c", 4)] {
        counts.put(&key.into(), count)?;
    }
    let mut view = counts.read_only();
    assert_eq!(view.get(&"b".into())?, Some(&3));
    assert_eq!(view.get(&"x".into())?, None);
    assert_eq!(view.timed(&"a".into())?, Some((&1, Timestamp(5))));
    let mut shown = Vec::new();
    let mut show = |key: &String, count: &i64| {
        shown.push((key.clone(), *count));
        true
    };
    view.scan(&"ab".into()..&"c".into(), &mut show)?;
    view.scan_prefix(b"a", &mut show)?;
    let expected = [("ab", 2), ("b", 3), ("a", 1), ("ab", 2)];
    assert_eq!(shown, expected.map(|(key, count)| (key.to_owned(), count)));
    Ok(())
}
