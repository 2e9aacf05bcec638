//! State in memory, lost when its store goes: it is restored from the changelogs' beginning.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;

use super::task_lock::{TaskLock, TaskLocks};
use super::{Checkpoint, Column, Committed, StateChanges, StateReader, Stores, TaskStore};
use crate::error::{Fault, Result};
use crate::record::TaskId;

type Rows = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// Opens state that lives in memory.
#[derive(Debug, Default)]
pub struct MemoryStores {
    locks: TaskLocks,
}

impl Stores for MemoryStores {
    fn open(&self, task: &TaskId, columns: &[Arc<str>]) -> Result<Box<dyn TaskStore>> {
        let lock = self.locks.take(task)?;
        let state =
            State { columns: vec![Rows::new(); columns.len()], checkpoint: Checkpoint::default() };
        let shared = Shared(Arc::new(RwLock::new(Some(state))));
        Ok(Box::new(MemoryStore { shared, _lock: lock }))
    }

    fn wipe(&self, task: &TaskId) -> Result<()> {
        self.locks.take(task).map(drop)
    }
}

struct State {
    columns: Vec<Rows>,
    checkpoint: Checkpoint,
}

impl State {
    fn rows(&self, column: Column) -> Result<&Rows> {
        self.columns.get(usize::from(column.0)).ok_or_else(|| no_column(column))
    }
}

#[derive(Clone)]
struct Shared(Arc<RwLock<Option<State>>>);

/// The state of one task.
struct MemoryStore {
    shared: Shared,
    _lock: TaskLock,
}

impl MemoryStore {
    fn put(&mut self, changes: &StateChanges, checkpoint: &Checkpoint) -> Result<()> {
        let mut held = self.shared.0.write();
        let state = held.as_mut().ok_or_else(closed)?;
        let columns = state.columns.len();
        let unknown = changes.iter().find(|change| usize::from(change.column.0) >= columns);
        if let Some(change) = unknown {
            return Err(no_column(change.column));
        }
        for change in changes.iter() {
            let Some(rows) = state.columns.get_mut(usize::from(change.column.0)) else { continue };
            match change.value {
                Some(value) => rows.insert(change.key.into(), value.into()),
                None => rows.remove(change.key),
            };
        }
        state.checkpoint = checkpoint.clone();
        Ok(())
    }
}

impl TaskStore for MemoryStore {
    fn reader(&self) -> Arc<dyn StateReader> {
        Arc::new(self.shared.clone())
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        self.shared.0.read().as_ref().map(|state| state.checkpoint.clone()).ok_or_else(closed)
    }

    fn apply(
        &mut self,
        changes: &StateChanges,
        checkpoint: &Checkpoint,
        _permit: &Committed,
    ) -> Result<()> {
        self.put(changes, checkpoint)
    }

    fn restore(&mut self, changes: &StateChanges, checkpoint: &Checkpoint) -> Result<()> {
        self.put(changes, checkpoint)
    }

    fn flusher(&self) -> Box<dyn FnOnce() -> Result<()> + Send> {
        Box::new(|| Ok(()))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.shared.0.write().take();
    }
}

impl StateReader for Shared {
    fn fetch(&self, column: Column, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        let held = self.0.read_recursive();
        let rows = held.as_ref().ok_or_else(closed)?.rows(column)?;
        into.clear();
        let value = rows.get(key);
        into.extend_from_slice(value.map_or(&[], |value| value));
        Ok(value.is_some())
    }

    fn scan(
        &self,
        column: Column,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<()> {
        // The visitor may read on: a second lock of this thread must not wait behind a writer.
        let held = self.0.read_recursive();
        let rows = held.as_ref().ok_or_else(closed)?.rows(column)?;
        if to.is_some_and(|to| to <= from) {
            return Ok(());
        }
        let range = (Bound::Included(from), to.map_or(Bound::Unbounded, Bound::Excluded));
        for (key, value) in rows.range::<[u8], _>(range) {
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn bytes(&self, column: Column) -> Result<u64> {
        let held = self.0.read_recursive();
        let rows = held.as_ref().ok_or_else(closed)?.rows(column)?;
        Ok(rows.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum())
    }
}

fn closed() -> Fault {
    Fault::Retry("the store is closed".into())
}

fn no_column(column: Column) -> Fault {
    Fault::Fatal(format!("the store has no column {}", column.0))
}
