//! State that outlives its process as a disk does: a crash leaves what some earlier batch left, whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use millstream::store::memory::MemoryStores;
use millstream::store::{
    Checkpoint, Column, Committed, StateChanges, StateReader, Stores, TaskStore,
};
use millstream::{Result, TaskId};

/// How many batches a crash may take back.
const UNFLUSHED_MAX: usize = 4;

#[derive(Clone, Default)]
struct Kept {
    rows: BTreeMap<(u16, Vec<u8>), Vec<u8>>,
    checkpoint: Checkpoint,
}

type Disk = Arc<Mutex<BTreeMap<TaskId, Vec<Kept>>>>;

/// The disk of one process. Clones share it.
#[derive(Clone, Default)]
pub struct KeptStores {
    disk: Disk,
    /// Which of the last batches the next crash leaves, by turns.
    turn: Arc<Mutex<usize>>,
}

impl KeptStores {
    /// The stores of a process that starts now.
    pub fn open(&self) -> Arc<dyn Stores> {
        Arc::new(Opened { disk: self.clone(), live: MemoryStores::default() })
    }
}

struct Opened {
    disk: KeptStores,
    live: MemoryStores,
}

struct KeptStore {
    task: TaskId,
    disk: Disk,
    live: Box<dyn TaskStore>,
}

impl Stores for Opened {
    fn open(&self, task: &TaskId, columns: &[Arc<str>]) -> Result<Box<dyn TaskStore>> {
        let mut live = self.live.open(task, columns)?;
        let mut disk = self.disk.disk.lock().unwrap();
        let kept = disk.entry(task.clone()).or_insert_with(|| vec![Kept::default()]);
        let mut turn = self.disk.turn.lock().unwrap();
        *turn += 1;
        let lost = *turn % UNFLUSHED_MAX.min(kept.len());
        kept.truncate(kept.len() - lost);
        let left = kept.last().cloned().unwrap_or_default();
        let mut changes = StateChanges::default();
        for ((column, key), value) in &left.rows {
            changes.push(Column(*column), key, Some(value));
        }
        live.restore(&changes, &left.checkpoint)?;
        Ok(Box::new(KeptStore { task: task.clone(), disk: self.disk.disk.clone(), live }))
    }

    fn wipe(&self, task: &TaskId) -> Result<()> {
        self.disk.disk.lock().unwrap().remove(task);
        self.live.wipe(task)
    }
}

impl KeptStore {
    fn keep(&self, changes: &StateChanges, checkpoint: &Checkpoint) {
        let mut disk = self.disk.lock().unwrap();
        let kept = disk.entry(self.task.clone()).or_default();
        let mut next = kept.last().cloned().unwrap_or_default();
        for change in changes.iter() {
            let key = (change.column.0, change.key.to_vec());
            drop(match change.value {
                Some(value) => next.rows.insert(key, value.to_vec()),
                None => next.rows.remove(&key),
            });
        }
        next.checkpoint = checkpoint.clone();
        kept.push(next);
        let old = kept.len().saturating_sub(UNFLUSHED_MAX);
        kept.drain(..old);
    }
}

impl TaskStore for KeptStore {
    fn reader(&self) -> Arc<dyn StateReader> {
        self.live.reader()
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        self.live.checkpoint()
    }

    fn apply(
        &mut self,
        changes: &StateChanges,
        checkpoint: &Checkpoint,
        permit: &Committed,
    ) -> Result<()> {
        self.live.apply(changes, checkpoint, permit)?;
        self.keep(changes, checkpoint);
        Ok(())
    }

    fn restore(&mut self, changes: &StateChanges, checkpoint: &Checkpoint) -> Result<()> {
        self.live.restore(changes, checkpoint)?;
        self.keep(changes, checkpoint);
        Ok(())
    }

    fn flusher(&self) -> Box<dyn FnOnce() -> Result<()> + Send> {
        Box::new(|| Ok(()))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
