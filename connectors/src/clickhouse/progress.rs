//! What a sink has done, for metrics and readiness.

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// See the module.
#[derive(Debug, Default)]
pub struct Progress {
    /// Rows inserted.
    pub rows: AtomicU64,
    /// Inserts.
    pub inserts: AtomicU64,
    /// Records that are no rows.
    pub none: AtomicU64,
    /// Records that ClickHouse does not take.
    pub dead_letters: AtomicU64,
    /// Inserts that failed.
    pub failed: AtomicU64,
    /// How long the record has waited that has waited longest, ms; 0 if none does.
    pub waiting_ms: AtomicI64,
    fault: Mutex<Option<String>>,
}

impl Progress {
    /// Why records wait, if they do.
    pub fn fault(&self) -> Option<String> {
        self.last().clone()
    }

    pub(super) fn set_fault(&self, words: Option<String>) {
        *self.last() = words;
    }

    fn last(&self) -> MutexGuard<'_, Option<String>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
