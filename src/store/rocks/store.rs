//! One task's database.
//!
//! Readers and flushers share it without keeping it open: closing takes it from under them, and waits only
//! for the calls that are under way.

use std::sync::Arc;

use parking_lot::RwLock;
use rocksdb::{
    ColumnFamily, DB, FlushOptions, Options, ReadOptions, WriteBatch, WriteOptions, properties,
};

use super::super::task_lock::TaskLock;
use super::super::{Checkpoint, Column, Committed, StateChanges, StateReader, TaskStore};
use super::damage::Damage;
use super::{MARKS_FAMILY, ingest};
use crate::error::{Fault, Result};

const CHECKPOINT_KEY: &[u8] = b"marks";

/// The state of one task.
pub(super) struct RocksStore {
    shared: Shared,
    _lock: TaskLock,
    options: Options,
    checkpoint: Vec<u8>,
}

impl RocksStore {
    pub(super) fn new(
        db: DB,
        (lock, damage): (TaskLock, Arc<Damage>),
        columns: &[Arc<str>],
        options: Options,
    ) -> Self {
        let db = Arc::new(RwLock::new(Some(db)));
        let shared = Shared { db, columns: columns.into(), damage };
        Self { shared, _lock: lock, options, checkpoint: Vec::new() }
    }

    fn write(&mut self, changes: &StateChanges, checkpoint: &Checkpoint) -> Result<()> {
        self.checkpoint.clear();
        checkpoint.encode(&self.shared.columns, &mut self.checkpoint);
        self.shared.with(|db| {
            let families = self.shared.families(db)?;
            let size = changes.bytes() + self.checkpoint.len() + 16 * (changes.len() + 1);
            let mut batch = WriteBatch::with_capacity_bytes(size);
            for change in changes.iter() {
                let family = families
                    .get(usize::from(change.column.0))
                    .ok_or_else(|| no_column(change.column))?;
                match change.value {
                    Some(value) => batch.put_cf(family, change.key, value),
                    None => batch.delete_cf(family, change.key),
                }
            }
            batch.put(CHECKPOINT_KEY, &self.checkpoint);
            db.write_opt(batch, &no_log())
                .map_err(|error| self.shared.damage.fault("write state", &error))
        })
    }
}

impl TaskStore for RocksStore {
    fn reader(&self) -> Arc<dyn StateReader> {
        Arc::new(self.shared.clone())
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        let held = self.shared.with(|db| {
            db.get_pinned(CHECKPOINT_KEY)
                .map_err(|error| self.shared.damage.fault("read checkpoint", &error))?
                .map(|bytes| Checkpoint::decode(&bytes, &self.shared.columns))
                .transpose()
        })?;
        Ok(held.unwrap_or_default())
    }

    fn apply(
        &mut self,
        changes: &StateChanges,
        checkpoint: &Checkpoint,
        _permit: &Committed,
    ) -> Result<()> {
        self.write(changes, checkpoint)
    }

    fn restore(&mut self, changes: &StateChanges, checkpoint: &Checkpoint) -> Result<()> {
        if changes.bytes() < ingest::BYTES_MIN {
            return self.write(changes, checkpoint);
        }
        self.shared.with(|db| {
            let families = self.shared.families(db)?;
            ingest::ingest(db, &families, (&self.options, &self.shared.damage), changes)
        })?;
        // The checkpoint follows its data: a crash in between leaves it behind them, never ahead.
        self.write(&StateChanges::default(), checkpoint)?;
        self.shared.flush(Wait::No)
    }

    fn flusher(&self) -> Box<dyn FnOnce() -> Result<()> + Send> {
        let shared = self.shared.clone();
        Box::new(move || match &*shared.db.read_recursive() {
            None => Ok(()),
            Some(db) => shared.flush_all(db, Wait::Yes),
        })
    }

    fn is_damaged(&self) -> bool {
        self.shared.damage.is_found()
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.shared.flush(Wait::Yes)
    }
}

impl Drop for RocksStore {
    fn drop(&mut self) {
        self.shared.db.write().take();
    }
}

/// Whether a flush is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Yes,
    No,
}

/// The database while it is open, and which family each column is.
#[derive(Clone)]
struct Shared {
    db: Arc<RwLock<Option<DB>>>,
    columns: Arc<[Arc<str>]>,
    damage: Arc<Damage>,
}

impl Shared {
    /// Runs `on` on the open database.
    fn with<R>(&self, on: impl FnOnce(&DB) -> Result<R>) -> Result<R> {
        // Who scans may read on: a second lock of this thread must not wait behind a closer.
        match &*self.db.read_recursive() {
            None => Err(Fault::Retry("the store is closed".into())),
            Some(db) => on(db),
        }
    }

    fn families<'a>(&self, db: &'a DB) -> Result<Vec<&'a ColumnFamily>> {
        self.columns.iter().map(|name| family(db, name)).collect()
    }

    fn family<'a>(&self, db: &'a DB, column: Column) -> Result<&'a ColumnFamily> {
        let name = self.columns.get(usize::from(column.0)).ok_or_else(|| no_column(column))?;
        family(db, name)
    }

    fn flush(&self, wait: Wait) -> Result<()> {
        self.with(|db| self.flush_all(db, wait))
    }

    fn flush_all(&self, db: &DB, wait: Wait) -> Result<()> {
        let mut families = self.families(db)?;
        families.push(family(db, MARKS_FAMILY)?);
        let mut options = FlushOptions::default();
        options.set_wait(wait == Wait::Yes);
        let flushed = db.flush_cfs_opt(&families, &options);
        flushed.map_err(|error| self.damage.fault("flush state", &error))
    }
}

impl StateReader for Shared {
    fn fetch(&self, column: Column, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        self.with(|db| {
            let found = db
                .get_pinned_cf(self.family(db, column)?, key)
                .map_err(|error| self.damage.fault("read state", &error))?;
            into.clear();
            into.extend_from_slice(found.as_deref().unwrap_or_default());
            Ok(found.is_some())
        })
    }

    fn scan(
        &self,
        column: Column,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<()> {
        if to.is_some_and(|to| to <= from) {
            return Ok(());
        }
        self.with(|db| {
            let mut options = ReadOptions::default();
            if let Some(to) = to {
                options.set_iterate_upper_bound(to);
            }
            let mut rows = db.raw_iterator_cf_opt(self.family(db, column)?, options);
            rows.seek(from);
            while let Some((key, value)) = rows.item() {
                if !visit(key, value) {
                    break;
                }
                rows.next();
            }
            rows.status().map_err(|error| self.damage.fault("scan state", &error))
        })
    }

    fn bytes(&self, column: Column) -> Result<u64> {
        self.with(|db| {
            let family = self.family(db, column)?;
            let of = |name| db.property_int_value_cf(family, name).ok().flatten().unwrap_or(0);
            Ok(of(properties::ESTIMATE_LIVE_DATA_SIZE) + of(properties::CUR_SIZE_ALL_MEM_TABLES))
        })
    }
}

fn family<'a>(db: &'a DB, name: &str) -> Result<&'a ColumnFamily> {
    db.cf_handle(name).ok_or_else(|| Fault::Fatal(format!("the state has no family {name}")))
}

fn no_column(column: Column) -> Fault {
    Fault::Fatal(format!("the state has no column {}", column.0))
}

/// The changelog is the log.
fn no_log() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}
