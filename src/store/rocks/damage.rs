//! Whether the database of a task was found damaged while it was open.
//!
//! Whoever meets the damage says so here, be it the task, a query, or RocksDB behind the scenes whose failure a write hears
//! of. The worker looks, and opens the task anew; the next opening sets the database aside.

use std::sync::atomic::{AtomicBool, Ordering};

use rocksdb::{Error, ErrorKind};

use crate::error::Fault;
use crate::record::TaskId;

/// See the module.
pub(super) struct Damage {
    task: TaskId,
    found: AtomicBool,
}

impl Damage {
    pub(super) fn of(task: TaskId) -> Self {
        Self { task, found: AtomicBool::new(false) }
    }

    pub(super) fn is_found(&self) -> bool {
        self.found.load(Ordering::Relaxed)
    }

    /// What a call that failed with `error` answers.
    pub(super) fn fault(&self, doing: &str, error: &Error) -> Fault {
        if error.kind() == ErrorKind::Corruption && !self.found.swap(true, Ordering::Relaxed) {
            tracing::error!(task = %self.task, %error, doing, "state is damaged");
        }
        super::fault(doing, error)
    }
}
