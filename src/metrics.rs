//! What is counted, flushed per commit, never per record; and how long the parts of a record's way take.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::dead_letter::Origin;
use crate::histogram::{Durations, Histogram};
use crate::record::Topic;

/// Counters of one process. Relaxed: they are read by people.
#[derive(Debug, Default)]
pub struct Metrics {
    records: AtomicU64,
    commits: AtomicU64,
    aborts: AtomicU64,
    dead_letters: AtomicU64,
    restored: AtomicU64,
    rebuilds: AtomicU64,
    stopped_tasks: AtomicU64,
    broadcast_rejects: AtomicU64,
    restoring: AtomicU64,
    dead_letters_by: Mutex<BTreeMap<Origin, u64>>,
    aborts_by: [AtomicU64; Aborted::ALL.len()],
    named: Mutex<BTreeMap<Family, u64>>,
    open: Histogram,
    commit: Histogram,
    hops: Mutex<BTreeMap<Topic, Histogram>>,
}

/// A family of metrics as Prometheus has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family {
    /// Its name: `feedmill_reranks_total`.
    pub name: &'static str,
    /// What it tells people.
    pub help: &'static str,
}

impl Family {
    /// A family of this name that tells this.
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help }
    }
}

/// How long a part of a record's way takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// From the writing of a record of this topic until a task has it: for what a transaction wrote, its commit and the
    /// fetch; of the oldest record of each batch.
    Hop(Topic),
    /// From the first thing that a transaction does until its commit begins.
    Open,
    /// The commit.
    Commit,
}

/// Why a transaction is aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aborted {
    /// A task could not go on: a record is set aside, or it tries again.
    Task,
    /// A call to the cluster failed.
    Failed,
    /// A task that had worked is another process's from now on.
    Moved,
    /// The state of a task is damaged.
    Damaged,
    /// What a task was to read next is not in its log any more.
    OutOfRange,
}

impl Aborted {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Task, Self::Failed, Self::Moved, Self::Damaged, Self::OutOfRange];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Failed => "failed",
            Self::Moved => "moved",
            Self::Damaged => "damaged",
            Self::OutOfRange => "out_of_range",
        }
    }
}

/// A counter of the engine's own.
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
    /// Producers rebuilt after an unknown outcome.
    Rebuilds,
    /// Tasks stopped by a fault.
    StoppedTasks,
    /// Broadcast records that could not be decoded.
    BroadcastRejects,
}

impl Counter {
    /// Every counter but those that have labels ([`Metrics::dead_letters`], [`Metrics::aborts`]).
    pub const ALL: [Self; 6] = [
        Self::Records,
        Self::Commits,
        Self::Restored,
        Self::Rebuilds,
        Self::StoppedTasks,
        Self::BroadcastRejects,
    ];

    /// What Prometheus is told of it.
    pub const fn family(self) -> Family {
        match self {
            Self::Records => {
                Family::new("millstream_records_total", "Records processed and committed.")
            }
            Self::Commits => Family::new("millstream_commits_total", "Transactions committed."),
            Self::Aborts => {
                Family::new("millstream_aborts_total", "Transactions aborted, by the reason.")
            }
            Self::DeadLetters => Family::new(
                "millstream_dead_letters_total",
                "Records set aside, by where they come from, who refused them and why.",
            ),
            Self::Restored => Family::new(
                "millstream_restored_records_total",
                "Changelog records read to restore state.",
            ),
            Self::Rebuilds => Family::new(
                "millstream_producer_rebuilds_total",
                "Producers made anew because it was not known whether a commit happened.",
            ),
            Self::StoppedTasks => Family::new(
                "millstream_stopped_tasks_total",
                "Tasks that a fault has stopped until the next start.",
            ),
            Self::BroadcastRejects => Family::new(
                "millstream_broadcast_rejects_total",
                "Broadcast records that could not be decoded.",
            ),
        }
    }
}

impl Metrics {
    fn cell(&self, counter: Counter) -> &AtomicU64 {
        match counter {
            Counter::Records => &self.records,
            Counter::Commits => &self.commits,
            Counter::Aborts => &self.aborts,
            Counter::DeadLetters => &self.dead_letters,
            Counter::Restored => &self.restored,
            Counter::Rebuilds => &self.rebuilds,
            Counter::StoppedTasks => &self.stopped_tasks,
            Counter::BroadcastRejects => &self.broadcast_rejects,
        }
    }

    /// Adds `n`.
    pub(crate) fn add(&self, counter: Counter, n: u64) {
        self.cell(counter).fetch_add(n, Ordering::Relaxed);
    }

    /// Counts a transaction that is aborted.
    pub(crate) fn aborted(&self, why: Aborted) {
        self.add(Counter::Aborts, 1);
        if let Some(by) = self.aborts_by.get(why as usize) {
            by.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Transactions that were aborted, by the reason.
    pub fn aborts(&self) -> Vec<(Aborted, u64)> {
        let by = Aborted::ALL.into_iter().zip(&self.aborts_by);
        by.map(|(why, n)| (why, n.load(Ordering::Relaxed))).collect()
    }

    /// Counts dead letters; 0 makes their origin appear.
    pub(crate) fn add_dead_letters(&self, counts: &BTreeMap<Origin, u64>) {
        if counts.is_empty() {
            return;
        }
        self.add(Counter::DeadLetters, counts.values().sum());
        let mut by = self.dead_letters_by.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().for_each(|(origin, n)| *by.entry(origin.clone()).or_default() += n);
    }

    /// Records that were dead-lettered, by where they come from and why; every origin that the topology has from the start.
    pub fn dead_letters(&self) -> Vec<(Origin, u64)> {
        let by = self.dead_letters_by.lock().unwrap_or_else(PoisonError::into_inner);
        by.iter().map(|(origin, n)| (origin.clone(), *n)).collect()
    }

    /// Adds to what processors count.
    pub(crate) fn add_named(&self, counted: &[(Family, u64)]) {
        if counted.is_empty() {
            return;
        }
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        counted.iter().for_each(|(of, n)| *named.entry(*of).or_default() += n);
    }

    /// Notes how long a transaction was open, and how long its commit took.
    pub(crate) fn transaction(&self, open: Duration, commit: Duration) {
        self.open.observe(open);
        self.commit.observe(commit);
    }

    /// Notes how long a record of `topic` was under way.
    pub(crate) fn hop(&self, topic: &Topic, took: Duration) {
        let mut hops = self.hops.lock().unwrap_or_else(PoisonError::into_inner);
        match hops.get(topic) {
            Some(hop) => hop.observe(took),
            None => hops.entry(topic.clone()).or_default().observe(took),
        }
    }

    /// How long each part of a record's way takes.
    pub fn durations(&self) -> Vec<(Part, Durations)> {
        let hops = self.hops.lock().unwrap_or_else(PoisonError::into_inner);
        let hops = hops.iter().map(|(topic, hop)| (Part::Hop(topic.clone()), hop.durations()));
        let own = [(Part::Open, self.open.durations()), (Part::Commit, self.commit.durations())];
        hops.chain(own).collect()
    }

    /// What processors have counted in committed transactions, ascending by name.
    pub fn named(&self) -> Vec<(Family, u64)> {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.iter().map(|(of, n)| (*of, *n)).collect()
    }

    /// Notes how many changelog records are still to be read by the restores that run.
    pub(crate) fn set_restoring(&self, records: u64) {
        self.restoring.store(records, Ordering::Relaxed);
    }

    /// How many changelog records are still to be read before all tasks of this process are restored; the ends of
    /// transactions among them.
    pub fn restoring(&self) -> u64 {
        self.restoring.load(Ordering::Relaxed)
    }

    /// What it stands at.
    pub fn read(&self, counter: Counter) -> u64 {
        self.cell(counter).load(Ordering::Relaxed)
    }
}
