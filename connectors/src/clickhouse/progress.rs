//! What a sink has done, for metrics and readiness.

use std::sync::atomic::{AtomicI64, AtomicU64};

use crate::outage::LastFault;

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
    pub(super) fault: LastFault,
}

impl Progress {
    /// Why records wait, if they do.
    pub fn fault(&self) -> Option<String> {
        self.fault.words()
    }
}
