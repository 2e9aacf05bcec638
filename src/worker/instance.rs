//! What the threads of one process share, and nothing else of them.
//!
//! Everything here is behind a lock that is held for a few instructions, but `high_watermarks`, whose calls go to
//! the broker; it is used only while tasks are opened.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ailments::Ailments;
use super::memory::WorkerMemory;
use super::ownership::{AssignmentEpoch, Ownership};
use super::shown::ShownTasks;
use crate::broker::{Broker, Consumer, GroupMetadata, Producer};
use crate::config::Config;
use crate::fail_points::FailPoints;
use crate::metrics::Metrics;
use crate::record::{TaskId, Timestamp, Topic};
use crate::store::Stores;
use crate::task::{AppContext, Lag, RestoreError, RestoreJob, Restored};

/// See the module.
pub(crate) struct Instance {
    name: String,
    pub config: Config,
    pub context: Arc<AppContext>,
    pub broker: Arc<dyn Broker>,
    pub stores: Arc<dyn Stores>,
    /// The topics producers may send to, in the order of their indexes.
    pub topics: Arc<[Topic]>,
    pub fail_points: FailPoints,
    /// After so long the coordinator aborts a transaction.
    pub transaction_timeout: Duration,
    pub metrics: Arc<Metrics>,
    /// Tells logs' ends, open transactions included.
    pub high_watermarks: Mutex<Box<dyn Consumer>>,
    ownership: Mutex<Ownership>,
    released: Condvar,
    group: Mutex<Option<GroupMetadata>>,
    restore_jobs: Mutex<Vec<RestoreJob>>,
    has_job: Condvar,
    flushes: Mutex<Vec<Flush>>,
    has_flush: Condvar,
    restored: Mutex<BTreeMap<TaskId, Result<Restored, RestoreError>>>,
    /// The tasks whose state can be read.
    pub shown: ShownTasks,
    /// What ails tasks and workers.
    pub ailments: Ailments,
    heartbeats: Vec<AtomicI64>,
    /// How many ms each worker is behind; `i64::MAX` if that is unknown.
    lags: Vec<AtomicI64>,
    /// Whether a worker has tasks that do not run yet.
    opening: Vec<AtomicBool>,
    /// Whether a worker has done all that it owes.
    settled: Vec<AtomicBool>,
    /// How many partitions of each worker wait until their next record can be decoded.
    waiting: Vec<AtomicUsize>,
    /// What each worker holds in memory.
    pub(super) worker_memory: Vec<WorkerMemory>,
    broadcasts_loaded: AtomicBool,
    /// Up to when everything is known that broadcasts said, ms UTC; `i64::MAX` if there are none.
    broadcasts_known: AtomicI64,
    stopping: AtomicBool,
}

/// What an instance is made from.
pub(crate) struct InstanceParts {
    pub name: String,
    pub config: Config,
    pub context: Arc<AppContext>,
    pub broker: Arc<dyn Broker>,
    pub stores: Arc<dyn Stores>,
    pub topics: Arc<[Topic]>,
    pub fail_points: FailPoints,
    pub high_watermarks: Box<dyn Consumer>,
}

/// Brings a store to disk.
pub(crate) type Flush = Box<dyn FnOnce() -> crate::error::Result<()> + Send>;

/// A lock whose holder panicked is taken all the same: what it guards is replaced whole, never left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a worker tells of its tasks.
pub(super) struct Progress {
    /// How far those that run are behind.
    pub(super) lag: Lag,
    /// Whether some do not run yet.
    pub(super) is_opening: bool,
    /// Whether all that they owe is done.
    pub(super) is_settled: bool,
    /// How many partitions wait until their next record can be decoded.
    pub(super) waiting: usize,
}

impl Instance {
    pub(crate) fn new(parts: InstanceParts) -> Self {
        let InstanceParts {
            name,
            config,
            context,
            broker,
            stores,
            topics,
            fail_points,
            high_watermarks,
        } = parts;
        let heartbeats = (0..config.workers).map(|_| AtomicI64::new(i64::MIN)).collect();
        let lags = (0..config.workers).map(|_| AtomicI64::new(0)).collect();
        let workers = config.workers;
        let flags = || (0..workers).map(|_| AtomicBool::new(false)).collect();
        let worker_memory = (0..config.workers).map(|_| WorkerMemory::default()).collect();
        let without = context.broadcasts.is_empty();
        let broadcasts_known = AtomicI64::new(if without { i64::MAX } else { i64::MIN });
        let broadcasts_loaded = AtomicBool::new(without);
        let metrics = Metrics::default();
        metrics.add_dead_letters(&context.topology.dead_letter_origins());
        Self {
            name,
            transaction_timeout: broker.transaction_timeout(),
            config,
            context,
            broker,
            stores,
            topics,
            fail_points,
            metrics: Arc::new(metrics),
            high_watermarks: Mutex::new(high_watermarks),
            ownership: Mutex::default(),
            released: Condvar::new(),
            group: Mutex::default(),
            restore_jobs: Mutex::default(),
            has_job: Condvar::new(),
            flushes: Mutex::default(),
            has_flush: Condvar::new(),
            restored: Mutex::default(),
            shown: ShownTasks::default(),
            ailments: Ailments::default(),
            heartbeats,
            lags,
            opening: flags(),
            settled: flags(),
            waiting: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            worker_memory,
            broadcasts_loaded,
            broadcasts_known,
            stopping: AtomicBool::new(false),
        }
    }

    /// The static name of this process.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn ownership(&self) -> MutexGuard<'_, Ownership> {
        lock(&self.ownership)
    }

    pub(crate) fn high_watermarks(&self) -> MutexGuard<'_, Box<dyn Consumer>> {
        lock(&self.high_watermarks)
    }

    /// A worker has closed the tasks of a partition.
    pub(crate) fn release(&self, partition: i32, worker: usize) {
        self.ownership().release(partition, worker);
        self.released.notify_all();
    }

    /// Waits until no worker holds these, at most `most`; answers whether it is so.
    pub(crate) fn wait_until_released(&self, partitions: &[i32], most: Duration) -> bool {
        let held = self.ownership();
        let waited = self
            .released
            .wait_timeout_while(held, most, |ownership| !ownership.all_released(partitions));
        waited.is_ok_and(|(_, timeout)| !timeout.timed_out())
    }

    /// The group's view of this process, if it is a member that a broker will fence by.
    pub(crate) fn membership(&self) -> Option<GroupMetadata> {
        lock(&self.group).clone().filter(GroupMetadata::is_member)
    }

    pub(crate) fn set_membership(&self, metadata: GroupMetadata) {
        *lock(&self.group) = Some(metadata);
    }

    /// Whether every one of these partitions is still owned under its epoch; one without an epoch is not.
    pub(crate) fn still_owns(
        &self,
        partitions: impl IntoIterator<Item = i32>,
        epochs: &BTreeMap<i32, AssignmentEpoch>,
    ) -> bool {
        self.ownership().are_current(partitions, epochs)
    }

    pub(crate) fn restore(&self, job: RestoreJob) {
        lock(&self.restore_jobs).push(job);
        self.has_job.notify_all();
    }

    /// Waits for a job, at most `most`.
    pub(crate) fn wait_for_jobs(&self, most: Duration) {
        let jobs = lock(&self.restore_jobs);
        drop(self.has_job.wait_timeout_while(jobs, most, |jobs| jobs.is_empty()));
    }

    /// Has a store brought to disk by another thread.
    pub(crate) fn flush_later(&self, flush: Flush) {
        lock(&self.flushes).push(flush);
        self.has_flush.notify_all();
    }

    /// What is to be brought to disk; waits for it at most `most`.
    pub(crate) fn wait_for_flushes(&self, most: Duration) -> Vec<Flush> {
        let flushes = lock(&self.flushes);
        let waited = self.has_flush.wait_timeout_while(flushes, most, |flushes| flushes.is_empty());
        let mut flushes = waited.unwrap_or_else(PoisonError::into_inner).0;
        std::mem::take(&mut *flushes)
    }

    pub(crate) fn take_restore_jobs(&self) -> Vec<RestoreJob> {
        std::mem::take(&mut *lock(&self.restore_jobs))
    }

    pub(crate) fn has_jobs(&self) -> bool {
        !lock(&self.restore_jobs).is_empty()
    }

    pub(crate) fn was_restored(&self, id: TaskId, outcome: Result<Restored, RestoreError>) {
        lock(&self.restored).insert(id, outcome);
    }

    pub(crate) fn take_restored(&self, id: &TaskId) -> Option<Result<Restored, RestoreError>> {
        lock(&self.restored).remove(id)
    }

    pub(crate) fn heartbeat(&self, worker: usize, now: Timestamp) {
        if let Some(beat) = self.heartbeats.get(worker) {
            beat.store(now.0, Ordering::Relaxed);
        }
    }

    /// When each worker came round last, by the clock it works by; none that has not begun.
    pub(crate) fn heartbeats(&self) -> Vec<Option<Timestamp>> {
        let heartbeats = self.heartbeats.iter().map(|beat| Timestamp(beat.load(Ordering::Relaxed)));
        heartbeats.map(|at| Some(at).filter(|at| *at > Timestamp::MIN)).collect()
    }

    /// What a worker tells of itself.
    pub(super) fn set_progress(&self, worker: usize, progress: Progress) {
        for (all, is) in
            [(&self.opening, progress.is_opening), (&self.settled, progress.is_settled)]
        {
            if let Some(of) = all.get(worker) {
                of.store(is, Ordering::Relaxed);
            }
        }
        if let Some(of) = self.waiting.get(worker) {
            of.store(progress.waiting, Ordering::Relaxed);
        }
        if let Some(of) = self.lags.get(worker) {
            let millis = match progress.lag {
                Lag::Behind(time) => i64::try_from(time.as_millis()).unwrap_or(i64::MAX),
                Lag::Unknown => i64::MAX,
            };
            of.store(millis, Ordering::Relaxed);
        }
    }

    /// A worker is about to take over a partition; how far that is, it tells when it comes round.
    pub(super) fn set_opening(&self, worker: usize) {
        if let Some(opening) = self.opening.get(worker) {
            opening.store(true, Ordering::Relaxed);
        }
    }

    /// Whether this process has done all that it owes.
    pub(crate) fn is_settled(&self) -> bool {
        !self.lag_of_all().is_lagging()
            && self.settled.iter().all(|settled| settled.load(Ordering::Relaxed))
    }

    /// How many partitions wait until their next record can be decoded.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.load(Ordering::Relaxed)).sum()
    }

    /// How far this process is behind with all that it is given: nobody knows before that is known and open.
    pub(crate) fn lag_of_all(&self) -> Lag {
        let is_known = self.membership().is_some() && self.ownership().is_taken_over();
        let is_opening = self.opening.iter().any(|opening| opening.load(Ordering::Relaxed));
        if is_known && !is_opening { self.lag() } else { Lag::Unknown }
    }

    /// How far the worker that is furthest behind is so, with the tasks that run: those of one feed those of another.
    pub(crate) fn lag(&self) -> Lag {
        let lags = self.lags.iter().map(|lag| lag.load(Ordering::Relaxed));
        match lags.max().unwrap_or(0) {
            i64::MAX => Lag::Unknown,
            millis => Lag::Behind(Duration::from_millis(millis.unsigned_abs())),
        }
    }

    pub(crate) fn broadcasts_are_loaded(&self) -> bool {
        self.broadcasts_loaded.load(Ordering::Acquire)
    }

    pub(crate) fn broadcasts_loaded(&self) {
        self.broadcasts_loaded.store(true, Ordering::Release);
    }

    /// How far this process is behind with its broadcasts.
    pub(super) fn broadcast_lag(&self, now: Timestamp) -> Lag {
        match self.broadcasts_known.load(Ordering::Relaxed) {
            i64::MIN => Lag::Unknown,
            at => Lag::Behind(now.since(Timestamp(at))),
        }
    }

    /// Everything is known that broadcasts said up to `at`.
    pub(super) fn set_broadcasts_known(&self, at: Timestamp) {
        self.broadcasts_known.store(at.0, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// A producer for one worker.
    pub(crate) fn producer(
        &self,
        worker: usize,
    ) -> Result<Box<dyn Producer>, crate::broker::Failure> {
        let app = self.context.topology.app();
        let id = format!("{app}-{}-{worker}", self.name());
        self.broker.producer(Some(&id), self.topics.clone())
    }
}
