//! Locks on the state of tasks: each is open at most once in a process.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{Fault, Result};
use crate::record::TaskId;

/// The tasks that are open.
#[derive(Clone, Debug, Default)]
pub(super) struct TaskLocks(Arc<Mutex<BTreeSet<TaskId>>>);

/// The right to one task's state; dropping it gives it back.
#[derive(Debug)]
pub(super) struct TaskLock {
    task: TaskId,
    locks: TaskLocks,
}

impl TaskLocks {
    /// Takes `task`, or tells that somebody has it.
    pub(super) fn take(&self, task: &TaskId) -> Result<TaskLock> {
        if !self.0.lock().insert(task.clone()) {
            return Err(Fault::Retry(format!("the state of {task} is open already")));
        }
        Ok(TaskLock { task: task.clone(), locks: self.clone() })
    }
}

impl Drop for TaskLock {
    fn drop(&mut self) {
        self.locks.0.lock().remove(&self.task);
    }
}
