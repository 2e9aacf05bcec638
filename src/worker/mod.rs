//! One thread's loop: a consumer, a producer, and the tasks of the partitions it works.
//!
//! A worker is a value with [`Worker::step`]: take over or give back partitions, poll, run tasks, commit if
//! it is time. It waits nowhere but in `poll`. One transaction at a time covers everything its tasks do; what
//! ends a transaction is decided in `task/commit.rs`, how it is ended stands in `transaction.rs`.

mod abort_proof;
mod ailments;
mod assignments;
mod broadcast_loader;
mod found;
mod group_member;
mod instance;
mod manifest;
mod memory;
mod opening;
pub(crate) mod orphans;
mod ownership;
mod partition_watch;
mod purge;
mod recovery;
mod restore_thread;
mod retry;
mod scheduling;
mod shown;
mod start_plan;
mod startup;
mod topics;
mod transaction;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use broadcast_loader::BroadcastLoader;
pub(crate) use group_member::GroupMember;
pub(crate) use instance::Instance;
pub(crate) use partition_watch::PartitionWatch;
pub(crate) use restore_thread::RestoreThread;
pub use start_plan::StartPlan;
pub(crate) use startup::{create_topics, plan, prepare};

use self::instance::Progress;
use self::opening::TaskState;
use self::ownership::AssignmentEpoch;
use self::purge::Purge;
use self::transaction::Transaction;
use crate::broker::{Batch, Consumer, Failure, Isolation, Reaction, classify};
use crate::error::{Exit, Fault};
use crate::fail_points::{Crashed, FailPoint};
use crate::record::{TaskId, Timestamp, TopicPartition};
use crate::task::{Lag, Open, Reason, Task};

/// A worker that knows everything there was so long ago, and has done it, is settled: ends are noted ten times a second.
const SETTLED_WITHIN: Lag = Lag::Behind(Duration::from_secs(1));
/// A store that refuses for so long does not heal by itself: RocksDB keeps some failures until it is opened anew.
const BROKEN_AFTER: Duration = Duration::from_secs(30);

/// Why a thread of the engine ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The process must end with this code.
    Exit(Exit, String),
    /// A test ended it here.
    Crashed(FailPoint),
}

impl From<Crashed> for Stop {
    fn from(crashed: Crashed) -> Self {
        Self::Crashed(crashed.0)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Exit(failure.exit(), failure.to_string())
    }
}

/// Whether a step found anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    Busy,
    Idle,
}

impl Activity {
    pub(crate) fn of(busy: bool) -> Self {
        if busy { Self::Busy } else { Self::Idle }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self::of(self == Self::Busy || other == Self::Busy)
    }
}

/// A failed read of `what`: ends the process if no retry can help; else it is told, and the loop goes on.
fn log_and_go_on(failure: Failure, what: &str) -> Result<Activity, Stop> {
    match classify(&failure) {
        Reaction::Die => Err(failure.into()),
        Reaction::Retry | Reaction::AbortAndRewind | Reaction::RebuildProducer => {
            tracing::warn!(%failure, "{what} failed, going on");
            Ok(Activity::Idle)
        }
    }
}

/// See the module.
pub(crate) struct Worker {
    instance: Arc<Instance>,
    index: usize,
    consumer: Box<dyn Consumer>,
    transaction: Transaction,
    tasks: BTreeMap<TaskId, TaskState>,
    /// Since when the positions of a task that is to be opened are unstable.
    unstable_since: BTreeMap<TaskId, Timestamp>,
    /// Tasks that could not be opened at the first try: since when, or when that was told last.
    delayed: BTreeMap<TaskId, Timestamp>,
    /// Source partitions whose positions were not in their logs when they were last read.
    lost: BTreeSet<TopicPartition>,
    assigned: BTreeMap<i32, AssignmentEpoch>,
    /// The tasks that rest, and since when.
    paused: BTreeMap<TaskId, Timestamp>,
    full: BTreeSet<TaskId>,
    faults: BTreeMap<TaskId, Vec<Timestamp>>,
    /// The task that runs first in the next round, if the last one was cut short.
    next_task: Option<TaskId>,
    purge: Purge,
    /// When its memory was looked at last.
    tended: Timestamp,
}

impl Worker {
    pub(crate) fn new(instance: Arc<Instance>, index: usize) -> Result<Self, Failure> {
        let app = instance.context.topology.app();
        let consumer = instance.broker.consumer(app, Isolation::ReadCommitted)?;
        Ok(Self {
            transaction: Transaction::new(instance.clone(), index),
            instance,
            index,
            consumer,
            tasks: BTreeMap::new(),
            unstable_since: BTreeMap::new(),
            delayed: BTreeMap::new(),
            lost: BTreeSet::new(),
            assigned: BTreeMap::new(),
            paused: BTreeMap::new(),
            full: BTreeSet::new(),
            faults: BTreeMap::new(),
            next_task: None,
            purge: Purge::new(),
            tended: Timestamp::MIN,
        })
    }

    /// One round; waits at most `wait` if there is nothing to do.
    pub(crate) fn step(&mut self, now: Timestamp, wait: Duration) -> Result<Activity, Stop> {
        self.instance.heartbeat(self.index, now);
        let moved = self.follow_assignments(now)?;
        self.reopen_damaged()?;
        let opened = self.open_waiting(now)?;
        let may_begin = self.prove_aborts(now)?;
        let busy = Activity::of(moved || opened || may_begin && self.has_work(now));
        let wait = if busy == Activity::Busy { Duration::ZERO } else { wait };
        let polled = self.poll(wait, now)?;
        self.tell_progress(now);
        let ran = if may_begin { self.run(now)? } else { Activity::Idle };
        let committed = self.commit_if_due(now)?;
        self.balance_flow()?;
        self.tend_memory(now);
        self.purge_if_due(now);
        Ok(busy.and(polled).and(ran).and(committed))
    }

    /// Whether nothing of it is open, waiting or restoring: what it was given is committed.
    #[cfg(feature = "testing")]
    pub(crate) fn is_settled(&mut self) -> bool {
        self.rests(|task| !task.has_worked() && !task.is_behind_broadcasts())
    }

    /// The earliest deadline of any task.
    #[cfg(feature = "testing")]
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.running().filter_map(|(_, task)| task.next_due()).min()
    }

    /// How many tasks run.
    #[cfg(feature = "testing")]
    pub(crate) fn tasks(&self) -> usize {
        self.running().count()
    }

    fn running(&self) -> impl Iterator<Item = (&TaskId, &Task)> {
        self.tasks.iter().filter_map(|(id, state)| state.task().map(|task| (id, task)))
    }

    fn has_work(&mut self, now: Timestamp) -> bool {
        let paused = &self.paused;
        self.tasks.iter_mut().any(|(id, state)| match state {
            TaskState::Running(task) => {
                !paused.contains_key(id)
                    && task.unapplied_since().is_none()
                    && (task.has_records()
                        || task.is_behind_broadcasts()
                        || task.next_due().is_some_and(|due| due <= now))
            }
            TaskState::Waiting(_) | TaskState::Restoring(_) | TaskState::Stopped => false,
        })
    }

    fn poll(&mut self, wait: Duration, now: Timestamp) -> Result<Activity, Stop> {
        let began = Instant::now();
        let polled = match self.consumer.poll(wait) {
            Ok(polled) => polled,
            Err(failure) if classify(&failure) == Reaction::Die => return Err(self.died(&failure)),
            Err(failure) => return log_and_go_on(failure, "poll"),
        };
        if !polled.batches.is_empty() {
            self.instance.fail_points.pass(FailPoint::Polled)?;
        }
        let busy = !polled.batches.is_empty();
        self.measure_hops(&polled.batches, now, began.elapsed());
        'batches: for mut batch in polled.batches {
            for state in self.tasks.values_mut() {
                let TaskState::Running(task) = state else { continue };
                match task.add(batch) {
                    None => continue 'batches,
                    Some(foreign) => batch = foreign,
                }
            }
        }
        for (source, end) in &polled.ends {
            for state in self.tasks.values_mut() {
                if let TaskState::Running(task) = state {
                    task.ended(source, *end);
                }
            }
        }
        // Last: it rewinds tasks, and what this poll brought them comes again from where they stand then.
        self.reopen_lost(&polled.out_of_range)?;
        Ok(Activity::of(busy))
    }

    /// Notes how long what was polled was under way: the oldest record of each batch stands for it.
    fn measure_hops(&self, batches: &[Batch], now: Timestamp, waited: Duration) {
        for batch in batches {
            let Some(first) = batch.get(0) else { continue };
            let took = now.since(first.timestamp) + waited;
            self.instance.metrics.hop(&batch.source().topic, took);
        }
    }

    /// Tells the process how far the tasks are behind, whether some open, and whether all is done. Neither those that open
    /// nor those that rest count in how far the others are: nothing that others do would wait for them.
    fn tell_progress(&mut self, now: Timestamp) {
        let (consumer, paused, shown) = (&self.consumer, &self.paused, &self.instance.shown);
        let end_of = |source: &TopicPartition| consumer.end_seen(source);
        let lags = self.tasks.iter_mut().filter(|(id, _)| !paused.contains_key(id));
        let lags = lags.filter_map(|(id, state)| match state {
            TaskState::Running(task) => {
                let lag = task.lag(now, end_of);
                if let Some(standing) = task.moved(now, end_of) {
                    shown.moved(id, standing);
                }
                Some(lag)
            }
            TaskState::Waiting(_) | TaskState::Restoring(_) | TaskState::Stopped => None,
        });
        let lag = lags.max().unwrap_or(Lag::Behind(Duration::ZERO));
        let is_opening = self.tasks.values().any(TaskState::is_opening);
        let known = lag.max(self.instance.broadcast_lag(now));
        // What a stopped task has not done is owed.
        let is_stopped = self.tasks.values().any(|state| matches!(state, TaskState::Stopped));
        let is_settled =
            known <= SETTLED_WITHIN && !is_stopped && self.rests(|task| task.is_at_rest(now));
        let running = self.tasks.values().filter_map(TaskState::task);
        let waiting = running.map(Task::waiting).sum();
        let progress = Progress { lag, is_opening, is_settled, waiting };
        self.instance.set_progress(self.index, progress);
    }

    /// Whether nothing is open or has to wait, and every task runs and does what `rests` asks.
    fn rests(&mut self, mut rests: impl FnMut(&mut Task) -> bool) -> bool {
        !self.transaction.is_open()
            && self.transaction.proof.is_complete()
            && self.paused.is_empty()
            && self.tasks.values_mut().all(|state| match state {
                TaskState::Running(task) => rests(task),
                TaskState::Stopped => true,
                TaskState::Waiting(_) | TaskState::Restoring(_) => false,
            })
    }

    fn commit_if_due(&mut self, now: Timestamp) -> Result<Activity, Stop> {
        self.apply_again(now)?;
        let closing = self.instance.is_stopping();
        let drained = !self.has_work(now);
        let bisecting = self.running().any(|(_, task)| task.is_bisecting());
        let open = Open { drained, bisecting, closing, ..Open::default() };
        match self.transaction.due(open, now) {
            None => Ok(Activity::Idle),
            Some(why) => self.commit(why, now).map(|()| Activity::Busy),
        }
    }

    /// Commits what is open, if anything is; recovers if it fails.
    fn commit(&mut self, why: Reason, now: Timestamp) -> Result<(), Stop> {
        let mut working: Vec<(&TaskId, &mut Task)> = Vec::new();
        for (id, state) in &mut self.tasks {
            if let TaskState::Running(task) = state
                && task.has_worked()
            {
                working.push((id, task));
            }
        }
        if working.is_empty() {
            return Ok(());
        }
        let epochs = &self.assigned;
        for (id, task) in &mut working {
            if let Err(broken_off) = task.stage() {
                let (id, failure) = ((*id).clone(), broken_off.blamed_on(task.blame()));
                return self.failed(&id, failure, now);
            }
        }
        tracing::debug!(?why, tasks = working.len(), "committing");
        let committed = self.transaction.commit(&mut working, epochs, now);
        self.recovered(committed, now)
    }

    /// Puts down what the disk refused before, and has old state brought to disk. A store that cannot take it at all is
    /// opened anew: what it lacks is in the changelogs.
    fn apply_again(&mut self, now: Timestamp) -> Result<(), Stop> {
        let mut broken = Vec::new();
        for (id, state) in &mut self.tasks {
            let TaskState::Running(task) = state else { continue };
            if let Some(flush) = task.flush_due(now) {
                self.instance.flush_later(flush);
            }
            let Some(since) = task.unapplied_since() else { continue };
            if self.paused.contains_key(id) {
                continue;
            }
            match task.applied(&Vec::new(), now) {
                Ok(()) => {}
                Err(Fault::Retry(why)) if !now.has_passed(since, BROKEN_AFTER) => {
                    tracing::warn!(task = %id, why, "committed state cannot be stored yet");
                    self.paused.insert(id.clone(), now);
                }
                Err(Fault::Retry(why) | Fault::Reject(why) | Fault::Fatal(why)) => {
                    broken.push((id.clone(), why));
                }
            }
        }
        for (id, why) in broken {
            tracing::error!(task = %id, why, "its store is broken; it is opened anew");
            self.replace(&id, TaskState::Waiting(now))?;
        }
        Ok(())
    }

    fn died(&self, failure: &Failure) -> Stop {
        Stop::Exit(Exit::Failed, format!("worker {}: {failure}", self.index))
    }

    /// Commits, gives everything back, and ends.
    pub(crate) fn close_all(&mut self, now: Timestamp) -> Result<(), Stop> {
        self.commit(Reason::Closing, now)?;
        let assigned: Vec<_> = self.assigned.keys().copied().collect();
        self.release(&assigned, now)?;
        self.instance.shown.close_all_kept();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
