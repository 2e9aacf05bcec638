//! Which tasks are open: each at most once in a process.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{Fault, Result};
use crate::record::TaskId;

/// The tasks that are open.
#[derive(Clone, Debug, Default)]
pub(super) struct Held(Arc<Mutex<BTreeSet<TaskId>>>);

/// The right to one task's state; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Hold {
    task: TaskId,
    held: Held,
}

impl Held {
    /// Takes `task`, or tells that somebody has it.
    pub(super) fn take(&self, task: &TaskId) -> Result<Hold> {
        if !self.0.lock().insert(task.clone()) {
            return Err(Fault::Retry(format!("the state of {task} is open already")));
        }
        Ok(Hold { task: task.clone(), held: self.clone() })
    }
}

#[cfg(feature = "rocksdb")]
impl Hold {
    pub(super) fn task(&self) -> &TaskId {
        &self.task
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.0.lock().remove(&self.task);
    }
}
