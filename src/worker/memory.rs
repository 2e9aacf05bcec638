//! Keeps a worker within its parts of the memory, and tells what they take.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::opening::TaskState;
use super::{Instance, Stop, Worker};
use crate::broker::Flow;
use crate::memory::MemoryUse;
use crate::record::Timestamp;

/// How often idle caches are looked at and parts are told.
const EVERY: Duration = Duration::from_secs(1);
/// A task may hold this much of what waits, however many tasks there are: a fetch brings as much at once.
const TASK_QUEUE_BYTES_MIN: usize = 256 << 10;

/// What a worker holds, as it told last.
#[derive(Debug, Default)]
pub(super) struct WorkerMemory {
    queued: AtomicUsize,
    transaction: AtomicUsize,
}

impl Worker {
    /// Pauses the sources of tasks with much to do, resumes those with little.
    pub(super) fn balance_flow(&mut self) -> Result<(), Stop> {
        let tasks = self.running().count().max(1);
        let most = (self.instance.config.queue_bytes_max / tasks).max(TASK_QUEUE_BYTES_MIN);
        let mut turns = Vec::new();
        for (id, state) in &self.tasks {
            let TaskState::Running(task) = state else { continue };
            let is_full = self.full.contains(id);
            let flow = match task.queued_bytes() {
                bytes if bytes >= most && !is_full => Flow::Paused,
                bytes if bytes < most / 2 && is_full => Flow::Resumed,
                _ => continue,
            };
            turns.push((id.clone(), task.sources(), flow));
        }
        for (id, sources, flow) in turns {
            self.consumer.flow(&sources, flow).map_err(|failure| self.died(&failure))?;
            match flow {
                Flow::Paused => self.full.insert(id),
                Flow::Resumed => self.full.remove(&id),
            };
        }
        Ok(())
    }

    /// Makes idle caches as small as they are to be by now, and tells what this worker holds.
    pub(super) fn tend_memory(&mut self, now: Timestamp) {
        if !now.has_passed(self.tended, EVERY) {
            return;
        }
        self.tended = now;
        self.instance.shown.close_kept(now);
        let mut queued = 0;
        for state in self.tasks.values_mut() {
            if let TaskState::Running(task) = state {
                task.trim_caches();
                queued += task.queued_bytes();
            }
        }
        if let Some(told) = self.instance.worker_memory.get(self.index) {
            told.queued.store(queued, Ordering::Relaxed);
            told.transaction.store(self.transaction.bytes(), Ordering::Relaxed);
        }
    }
}

impl Instance {
    /// What the broadcasts take, which rows may not have.
    pub(super) fn broadcast_bytes(&self) -> usize {
        self.context.broadcasts.values().map(|broadcast| broadcast.bytes()).sum()
    }

    /// What the parts of this process take, those of all workers together.
    pub(crate) fn memory(&self) -> Vec<MemoryUse> {
        let Self { config, context, .. } = self;
        let sum = |of: fn(&WorkerMemory) -> &AtomicUsize| {
            self.worker_memory.iter().map(|told| of(told).load(Ordering::Relaxed)).sum()
        };
        let (rows, rows_max) = context.record_caches.taken();
        let queued_max = config.queue_bytes_max * config.workers;
        let open_max = config.transaction_bytes_max * config.workers;
        let mut parts = vec![
            MemoryUse::bounded("record_caches", rows, rows_max),
            MemoryUse::bounded("queued", sum(|told| &told.queued), queued_max),
            MemoryUse::bounded("transactions", sum(|told| &told.transaction), open_max),
        ];
        parts.extend(self.stores.memory());
        let broadcasts = self.broadcast_bytes();
        let timers = context.record_caches.reserved().saturating_sub(broadcasts);
        parts.push(MemoryUse::unbounded("broadcasts", broadcasts));
        parts.push(MemoryUse::unbounded("timers", timers));
        parts
    }
}
