//! What every [`Stores`] promises, run on each of them.

use std::sync::Arc;

use super::{Checkpoint, Column, Committed, StateChanges, StateReader, Stores, TaskStore};
use crate::error::{Fault, Result};
use crate::record::{Offset, TaskId, Timestamp};

const A: Column = Column(0);
const B: Column = Column(1);

pub(super) fn task() -> TaskId {
    TaskId { sub_topology: "counts".into(), partition: 2 }
}

pub(super) fn columns(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

pub(super) fn checkpoint(at: i64) -> Checkpoint {
    Checkpoint {
        changelog: Some(Offset(at)),
        genesis: Some([7; 16]),
        committed_at: Timestamp(at),
        ..Checkpoint::default()
    }
}

pub(super) fn changes(of: &[(Column, &str, Option<&str>)]) -> StateChanges {
    let mut changes = StateChanges::default();
    for (column, key, value) in of {
        changes.push(*column, key.as_bytes(), value.map(str::as_bytes));
    }
    changes
}

pub(super) fn open(stores: &dyn Stores) -> Result<Box<dyn TaskStore>> {
    stores.open(&task(), &columns(&["a", "b"]))
}

/// The rows of a column as text, `key=value`, a blank between two.
pub(super) fn rows(reader: &dyn StateReader, column: Column) -> Result<String> {
    between(reader, column, "", None)
}

fn between(
    reader: &dyn StateReader,
    column: Column,
    from: &str,
    to: Option<&str>,
) -> Result<String> {
    let mut rows = Vec::new();
    reader.scan(column, from.as_bytes(), to.map(str::as_bytes), &mut |key, value| {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        rows.push(format!("{}={}", text(key), text(value)));
        true
    })?;
    Ok(rows.join(" "))
}

fn permit() -> Committed {
    Committed::mint()
}

fn a_batch_and_its_marks_are_there_together(stores: &dyn Stores) -> Result<()> {
    let mut store = open(stores)?;
    assert_eq!(store.checkpoint()?, Checkpoint::default());
    let batch = changes(&[(A, "k", Some("1")), (B, "k", Some("2")), (A, "l", Some(""))]);
    store.apply(&batch, &checkpoint(5), &permit())?;
    let reader = store.reader();
    let mut value = b"stale".to_vec();
    assert!(reader.fetch(A, b"l", &mut value)?);
    assert_eq!(value, b"");
    assert!(!reader.fetch(B, b"l", &mut value)?);
    assert_eq!((rows(&*reader, A)?, rows(&*reader, B)?), ("k=1 l=".into(), "k=2".into()));
    assert_eq!((store.checkpoint()?, store.is_damaged()), (checkpoint(5), false));
    Ok(())
}

fn the_last_change_of_a_key_holds(stores: &dyn Stores) -> Result<()> {
    let mut store = open(stores)?;
    let of = [(A, "k", Some("1")), (A, "l", Some("1")), (A, "k", Some("2")), (A, "l", None)];
    store.apply(&changes(&of), &checkpoint(1), &permit())?;
    assert_eq!(rows(&*store.reader(), A)?, "k=2");
    store.restore(&changes(&[(A, "k", None), (A, "m", Some("3"))]), &checkpoint(2))?;
    assert_eq!((rows(&*store.reader(), A)?, store.checkpoint()?), ("m=3".into(), checkpoint(2)));
    Ok(())
}

fn a_scan_shows_its_range_in_order_until_told_to_stop(stores: &dyn Stores) -> Result<()> {
    let mut store = open(stores)?;
    let of = [(A, "c", Some("3")), (A, "", Some("0")), (A, "b", Some("2")), (A, "a", Some("1"))];
    store.apply(&changes(&of), &checkpoint(1), &permit())?;
    let reader = store.reader();
    assert_eq!(rows(&*reader, A)?, "=0 a=1 b=2 c=3");
    assert_eq!(between(&*reader, A, "a", Some("c"))?, "a=1 b=2");
    assert_eq!(between(&*reader, A, "c", Some("a"))?, "");
    let mut seen = 0;
    reader.scan(A, b"", None, &mut |_, _| {
        seen += 1;
        seen < 2
    })?;
    assert_eq!(seen, 2);
    Ok(())
}

fn a_batch_with_an_unknown_column_changes_nothing(stores: &dyn Stores) -> Result<()> {
    let mut store = open(stores)?;
    let batch = changes(&[(A, "k", Some("1")), (Column(2), "k", Some("1"))]);
    let outcome = store.apply(&batch, &checkpoint(1), &permit());
    assert!(matches!(outcome, Err(Fault::Fatal(_))));
    assert_eq!(
        (rows(&*store.reader(), A)?, store.checkpoint()?),
        (String::new(), Checkpoint::default())
    );
    Ok(())
}

fn a_task_is_open_once_at_a_time(stores: &dyn Stores) -> Result<()> {
    let store = open(stores)?;
    assert!(matches!(open(stores).map(drop), Err(Fault::Retry(_))));
    assert!(matches!(stores.wipe(&task()), Err(Fault::Retry(_))));
    let other = TaskId { partition: 3, ..task() };
    stores.open(&other, &columns(&["a"]))?.close()?;
    store.close()?;
    open(stores)?.close()
}

fn readers_and_flushers_do_not_keep_a_store_open(stores: &dyn Stores) -> Result<()> {
    let store = open(stores)?;
    let (reader, flush) = (store.reader(), store.flusher());
    store.close()?;
    let fetched = reader.fetch(A, b"k", &mut Vec::new());
    assert_eq!(fetched, Err(Fault::Retry("the store is closed".into())));
    flush()?;
    open(stores)?.close()
}

fn a_scan_may_read_on(stores: &dyn Stores) -> Result<()> {
    let mut store = open(stores)?;
    store.apply(
        &changes(&[(A, "k", Some("1")), (B, "k", Some("2"))]),
        &checkpoint(1),
        &permit(),
    )?;
    let reader = store.reader();
    let (mut value, mut found) = (Vec::new(), Ok(false));
    reader.scan(A, b"", None, &mut |key, _| {
        found = reader.fetch(B, key, &mut value);
        true
    })?;
    assert_eq!((found, value), (Ok(true), b"2".to_vec()));
    Ok(())
}

/// Runs each clause on a fresh store of each kind.
macro_rules! clauses {
    ($($clause:ident)*) => {
        mod memory_keeps {
            use crate::store::memory::MemoryStores;
            $(#[test]
            fn $clause() -> crate::Result<()> {
                super::$clause(&MemoryStores::default())
            })*
        }

        #[cfg(feature = "rocksdb")]
        mod rocks_keeps {
            use crate::store::rocks::RocksStores;
            $(#[test]
            fn $clause() -> crate::Result<()> {
                let dir = tempfile::tempdir().unwrap();
                super::$clause(&RocksStores::new(dir.path(), 8 << 20))
            })*
        }
    };
}

clauses! {
    a_batch_and_its_marks_are_there_together
    the_last_change_of_a_key_holds
    a_scan_shows_its_range_in_order_until_told_to_stop
    a_batch_with_an_unknown_column_changes_nothing
    a_task_is_open_once_at_a_time
    readers_and_flushers_do_not_keep_a_store_open
    a_scan_may_read_on
}
