//! The disk of a simulated process: state on it outlives the process, and it can refuse to take more.
//!
//! A crash leaves what some earlier batch left, whole. While the disk refuses, so does every store that was open when it began
//! to; one that is opened later takes its batches, as RocksDB does after a failure that stays until it is opened anew.
//! Damage lies in the stores that were open when it came; who reads one of them meets it, and its next opening is empty.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use millstream::store::memory::MemoryStores;
use millstream::store::{
    Checkpoint, Column, Committed, StateChanges, StateReader, Stores, TaskStore,
};
use millstream::{Fault, Result, TaskId};

/// How many batches a crash may take back.
const UNFLUSHED_MAX: usize = 4;

/// See the module. Clones share it.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    tasks: BTreeMap<TaskId, Vec<Batch>>,
    /// How many stores were opened: by it a store knows whether it was open already, and a crash which batches it leaves.
    opened: usize,
    refusal: Option<Refusal>,
    refused: usize,
    /// Stores up to this number are damaged.
    damaged: usize,
    /// Those of them that somebody has read since, by number; and the last store of each task.
    met: BTreeSet<usize>,
    last: BTreeMap<TaskId, usize>,
    /// Whether a crash takes nothing back.
    flushes: bool,
}

/// The state of a task as a batch left it.
#[derive(Clone, Default)]
struct Batch {
    rows: BTreeMap<(u16, Vec<u8>), Vec<u8>>,
    checkpoint: Checkpoint,
}

struct Refusal {
    fault: Fault,
    /// Stores with a higher number were opened later and take what they are given.
    opened: usize,
}

impl Disk {
    /// A disk that has every batch at once.
    pub fn flushing() -> Self {
        let disk = Self::default();
        disk.contents().flushes = true;
        disk
    }

    /// The stores of a process that starts now.
    pub fn open(&self) -> Arc<dyn Stores> {
        Arc::new(DiskStores { disk: self.clone(), live: MemoryStores::default() })
    }

    /// From here on every open store refuses its batches with `fault`.
    pub fn refuse(&self, fault: Fault) {
        let mut contents = self.contents();
        contents.refusal = Some(Refusal { fault, opened: contents.opened });
    }

    /// From here on every store takes its batches.
    pub fn accept(&self) {
        self.contents().refusal = None;
    }

    /// Damages every open store.
    pub fn damage(&self) {
        let mut contents = self.contents();
        contents.damaged = contents.opened;
    }

    /// How many batches were refused.
    pub fn refused(&self) -> usize {
        self.contents().refused
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap()
    }
}

struct DiskStores {
    disk: Disk,
    live: MemoryStores,
}

struct DiskStore {
    task: TaskId,
    number: usize,
    disk: Disk,
    live: Box<dyn TaskStore>,
}

impl Stores for DiskStores {
    fn open(&self, task: &TaskId, columns: &[Arc<str>]) -> Result<Box<dyn TaskStore>> {
        let mut live = self.live.open(task, columns)?;
        let mut contents = self.disk.contents();
        contents.opened += 1;
        let number = contents.opened;
        if let Some(before) = contents.last.insert(task.clone(), number)
            && contents.met.contains(&before)
        {
            contents.tasks.remove(task);
        }
        let lost_max = if contents.flushes { 1 } else { UNFLUSHED_MAX };
        let batches = contents.tasks.entry(task.clone()).or_insert_with(|| vec![Batch::default()]);
        let lost = number % lost_max.min(batches.len());
        batches.truncate(batches.len() - lost);
        let left = batches.last().cloned().unwrap_or_default();
        let mut changes = StateChanges::default();
        for ((column, key), value) in &left.rows {
            changes.push(Column(*column), key, Some(value));
        }
        live.restore(&changes, &left.checkpoint)?;
        Ok(Box::new(DiskStore { task: task.clone(), number, disk: self.disk.clone(), live }))
    }

    fn wipe(&self, task: &TaskId) -> Result<()> {
        self.disk.contents().tasks.remove(task);
        self.live.wipe(task)
    }
}

impl DiskStore {
    fn refused(&self) -> Result<()> {
        let mut contents = self.disk.contents();
        let refusal = contents.refusal.as_ref().filter(|refusal| self.number <= refusal.opened);
        let Some(fault) = refusal.map(|refusal| refusal.fault.clone()) else { return Ok(()) };
        contents.refused += 1;
        Err(fault)
    }

    fn keep(&self, changes: &StateChanges, checkpoint: &Checkpoint) {
        let mut contents = self.disk.contents();
        let batches = contents.tasks.entry(self.task.clone()).or_default();
        let mut next = batches.last().cloned().unwrap_or_default();
        for change in changes.iter() {
            let key = (change.column.0, change.key.to_vec());
            drop(match change.value {
                Some(value) => next.rows.insert(key, value.to_vec()),
                None => next.rows.remove(&key),
            });
        }
        next.checkpoint = checkpoint.clone();
        batches.push(next);
        let old = batches.len().saturating_sub(UNFLUSHED_MAX);
        batches.drain(..old);
    }
}

impl TaskStore for DiskStore {
    fn reader(&self) -> Arc<dyn StateReader> {
        let (number, disk) = (self.number, self.disk.clone());
        Arc::new(DiskReader { number, disk, live: self.live.reader() })
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
        self.refused()?;
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

    fn is_damaged(&self) -> bool {
        self.disk.contents().met.contains(&self.number)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct DiskReader {
    number: usize,
    disk: Disk,
    live: Arc<dyn StateReader>,
}

impl DiskReader {
    fn meet(&self) -> Result<()> {
        let mut contents = self.disk.contents();
        if self.number > contents.damaged {
            return Ok(());
        }
        contents.met.insert(self.number);
        Err(Fault::Retry("a block is damaged".into()))
    }
}

impl StateReader for DiskReader {
    fn fetch(&self, column: Column, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        self.meet()?;
        self.live.fetch(column, key, into)
    }

    fn scan(
        &self,
        column: Column,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<()> {
        self.meet()?;
        self.live.scan(column, from, to, visit)
    }

    fn bytes(&self, column: Column) -> Result<u64> {
        self.live.bytes(column)
    }
}
