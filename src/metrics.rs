//! What is counted, flushed per commit, never per record.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counters of one process. Relaxed: they are read by people.
#[derive(Debug, Default)]
pub struct Metrics {
    records: AtomicU64,
    commits: AtomicU64,
    aborts: AtomicU64,
    dead_letters: AtomicU64,
    restored: AtomicU64,
    commit_micros: AtomicU64,
    rebuilds: AtomicU64,
    stopped_tasks: AtomicU64,
    broadcast_rejects: AtomicU64,
    named: Mutex<BTreeMap<&'static str, u64>>,
}

/// A counter by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Records processed and committed.
    Records,
    /// Transactions committed.
    Commits,
    /// Transactions aborted.
    Aborts,
    /// Records dead-lettered.
    DeadLetters,
    /// Changelog records restored.
    Restored,
    /// Time spent committing, in microseconds.
    CommitMicros,
    /// Producers rebuilt after an unknown outcome.
    Rebuilds,
    /// Tasks stopped by a fault.
    StoppedTasks,
    /// Broadcast records that could not be decoded.
    BroadcastRejects,
}

impl Counter {
    /// Every counter, with its Prometheus name.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Records, "millstream_records_total"),
        (Self::Commits, "millstream_commits_total"),
        (Self::Aborts, "millstream_aborts_total"),
        (Self::DeadLetters, "millstream_dead_letters_total"),
        (Self::Restored, "millstream_restored_records_total"),
        (Self::CommitMicros, "millstream_commit_microseconds_total"),
        (Self::Rebuilds, "millstream_producer_rebuilds_total"),
        (Self::StoppedTasks, "millstream_stopped_tasks_total"),
        (Self::BroadcastRejects, "millstream_broadcast_rejects_total"),
    ];
}

impl Metrics {
    fn cell(&self, counter: Counter) -> &AtomicU64 {
        match counter {
            Counter::Records => &self.records,
            Counter::Commits => &self.commits,
            Counter::Aborts => &self.aborts,
            Counter::DeadLetters => &self.dead_letters,
            Counter::Restored => &self.restored,
            Counter::CommitMicros => &self.commit_micros,
            Counter::Rebuilds => &self.rebuilds,
            Counter::StoppedTasks => &self.stopped_tasks,
            Counter::BroadcastRejects => &self.broadcast_rejects,
        }
    }

    /// Adds `n`.
    pub(crate) fn add(&self, counter: Counter, n: u64) {
        self.cell(counter).fetch_add(n, Ordering::Relaxed);
    }

    /// Adds to what processors count, by name.
    pub(crate) fn add_named(&self, counted: &[(&'static str, u64)]) {
        if counted.is_empty() {
            return;
        }
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        counted.iter().for_each(|(name, n)| *named.entry(name).or_default() += n);
    }

    /// What processors have counted in committed transactions, ascending by name.
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.iter().map(|(name, n)| (*name, *n)).collect()
    }

    /// What it stands at.
    pub fn read(&self, counter: Counter) -> u64 {
        self.cell(counter).load(Ordering::Relaxed)
    }
}
