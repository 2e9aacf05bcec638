//! How a task comes to run: committed positions, then the logs' ends, then the state brought up to them.
//!
//! The order matters. Positions are asked for with `require_stable`, so an open transaction of the last owner
//! is over before the changelogs' ends are looked at; the ends are high watermarks, so nothing committed lies
//! beyond them. Then the state is restored, and only then do records flow.

use super::transaction::TransactionError;
use super::{Stop, Worker};
use crate::broker::{Bounds, Code, Failure, Reaction, classify};
use crate::error::{Exit, Fault};
use crate::fail_points::FailPoint;
use crate::metrics::Counter;
use crate::record::{Offset, TaskId, Timestamp, TopicPartition};
use crate::store::{Checkpoint, TaskStore};
use crate::task::{RestoreError, RestoreJob, Restored, Task, TaskStart};

/// What a worker has of a task.
pub(crate) enum TaskState {
    /// It is to be opened; it could not be at this time.
    Waiting(Timestamp),
    /// Its store is being restored; these are its committed positions.
    Restoring(Vec<(TopicPartition, Option<Offset>)>),
    /// It runs.
    Running(Box<Task>),
    /// It was stopped by a fault.
    Stopped,
}

impl TaskState {
    pub(crate) fn task(&self) -> Option<&Task> {
        match self {
            Self::Running(task) => Some(task),
            Self::Waiting(_) | Self::Restoring(_) | Self::Stopped => None,
        }
    }

    /// Whether it does not run yet.
    pub(crate) fn is_opening(&self) -> bool {
        match self {
            Self::Waiting(_) | Self::Restoring(_) => true,
            Self::Running(_) | Self::Stopped => false,
        }
    }
}

/// How long to wait before a task that could not be opened is tried again.
const OPEN_RETRY_AFTER: std::time::Duration = std::time::Duration::from_millis(100);

/// How long a task may take to be opened before that is told, and how often it is told from then on.
const DELAY_TOLD_EVERY: std::time::Duration = std::time::Duration::from_secs(15);

/// Why a task was not opened.
enum OpenError {
    /// Try again later.
    Later(String),
    /// No retry can help this task; the others go on.
    Fatal(String),
    /// The process must end.
    Stop(Stop),
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        match classify(&failure) {
            Reaction::Die => Self::Stop(Stop::Exit(Exit::Failed, failure.to_string())),
            Reaction::Retry | Reaction::AbortAndRewind | Reaction::RebuildProducer => {
                Self::Later(failure.to_string())
            }
        }
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Retry(words) => Self::Later(words),
            Fault::Reject(words) | Fault::Fatal(words) => Self::Fatal(words),
        }
    }
}

impl Worker {
    /// Opens what waits, and starts what was restored. Answers whether anything moved.
    pub(super) fn open_waiting(&mut self, now: Timestamp) -> Result<bool, Stop> {
        if !self.instance.broadcasts_are_loaded() {
            return Ok(false);
        }
        let mut moved = false;
        // Who was tried last comes last: one that can never be opened keeps no other from it.
        let since = |state: &TaskState| match state {
            TaskState::Waiting(since) => *since,
            TaskState::Restoring(_) | TaskState::Running(_) | TaskState::Stopped => Timestamp::MIN,
        };
        let mut ids: Vec<_> =
            self.tasks.iter().map(|(id, state)| (since(state), id.clone())).collect();
        ids.sort();
        for (_, id) in ids {
            // Each may take its time to be opened, and none has anything to commit yet.
            if self.instance.is_stopping() {
                break;
            }
            let outcome = match self.tasks.get(&id) {
                Some(TaskState::Waiting(since)) if now.has_passed(*since, OPEN_RETRY_AFTER) => {
                    self.open(&id, now)
                }
                Some(TaskState::Restoring(positions)) => match self.instance.take_restored(&id) {
                    Some(restored) => {
                        let positions = positions.clone();
                        match restored {
                            Ok(done) => self.start_restored(&id, positions, done),
                            Err(why) => Err(self.restore_failed(&id, why)),
                        }
                    }
                    None => {
                        self.warn_of_hanging_transactions(&id, now);
                        continue;
                    }
                },
                Some(TaskState::Waiting(_) | TaskState::Running(_) | TaskState::Stopped) | None => {
                    continue;
                }
            };
            match outcome {
                Ok(()) => moved = true,
                Err(OpenError::Later(why)) => {
                    self.tell_if_delayed(&id, &why, now);
                    self.tasks.insert(id, TaskState::Waiting(now));
                    // It may have waited for its answer: who runs comes first, and a worker that waits for
                    // all of them in one round would pass for one that hangs.
                    break;
                }
                Err(OpenError::Fatal(why)) => self.stop_task(&id, why)?,
                Err(OpenError::Stop(stop)) => return Err(stop),
            }
        }
        Ok(moved)
    }

    /// A start, a move and another's open transaction delay an opening; one that takes longer is told, now and then.
    fn tell_if_delayed(&mut self, id: &TaskId, why: &str, now: Timestamp) {
        let Some(told) = self.delayed.get_mut(id) else {
            self.delayed.insert(id.clone(), now);
            return;
        };
        if now.has_passed(*told, DELAY_TOLD_EVERY) {
            *told = now;
            tracing::warn!(task = %id, why, "the task cannot be opened; trying again");
            self.instance.ailments.delayed.tell(id.clone(), why.to_owned());
        }
    }

    /// Asks for positions and ends, opens the store, and has it restored if it is behind.
    fn open(&mut self, id: &TaskId, now: Timestamp) -> Result<(), OpenError> {
        // What was restored for an earlier opening: its store would be in the way.
        drop(self.instance.take_restored(id));
        // And what was kept of it when it was given up here.
        self.instance.shown.hide(id);
        self.transaction.init_producer()?;
        let sources = self.sources_of(id);
        let committed = match self.consumer.committed(&sources) {
            Ok(committed) => committed,
            Err(failure) if failure.code == Code::UnstableOffsets => {
                return Err(self.wait_for_stable_offsets(id, &sources, now));
            }
            Err(failure) => return Err(failure.into()),
        };
        self.unstable_since.remove(id);
        let positions: Vec<_> = sources.into_iter().zip(committed).collect();
        self.check_lost_positions(&positions)?;
        let columns = self.columns_of(id);
        let Some(changelog) = self.bounds_of_changelog(id)? else {
            return self.start_task(id, positions, None, (Checkpoint::default(), 0));
        };
        let store = self.instance.stores.open(id, &columns)?;
        let checkpoint = store.checkpoint()?;
        let mut job = RestoreJob {
            id: id.clone(),
            store,
            columns,
            checkpoint,
            changelog,
            positions: positions.clone(),
            now,
        };
        if job.start().is_err() {
            drop(job.store);
            self.wipe(id)?;
            let store = self.instance.stores.open(id, &job.columns)?;
            job = RestoreJob { checkpoint: Checkpoint::default(), store, ..job };
        }
        if job.is_done() {
            return self.start_task(id, positions, Some(job.store), (job.checkpoint, 0));
        }
        if let Err(crashed) = self.instance.fail_points.pass(FailPoint::Restoring) {
            return Err(OpenError::Stop(crashed.into()));
        }
        self.instance.restore(job);
        self.tasks.insert(id.clone(), TaskState::Restoring(positions));
        Ok(())
    }

    /// Ends the process if a position that was read in vain is the committed one.
    fn check_lost_positions(
        &mut self,
        positions: &[(TopicPartition, Option<Offset>)],
    ) -> Result<(), OpenError> {
        for (source, committed) in positions {
            let (Some(committed), true) = (committed, self.lost.contains(source)) else { continue };
            let bounds = self.instance.high_watermarks().bounds(source)?;
            if *committed < bounds.start || *committed > bounds.end {
                return Err(mismatch(format!(
                    "the committed position of {source} is {committed}, its log has {} to {}",
                    bounds.start, bounds.end
                )));
            }
            self.lost.remove(source);
        }
        Ok(())
    }

    /// Removes state that cannot be brought up to date.
    fn wipe(&self, id: &TaskId) -> Result<(), Fault> {
        tracing::warn!(task = %id, "state is too old or of another log; it is built anew");
        self.instance.stores.wipe(id)
    }

    fn restore_failed(&self, id: &TaskId, why: RestoreError) -> OpenError {
        match why {
            RestoreError::Fault(fault) => fault.into(),
            RestoreError::Stale => match self.wipe(id) {
                Ok(()) => OpenError::Later("its changelog is another".into()),
                Err(fault) => fault.into(),
            },
        }
    }

    /// A transaction that would change the positions is open. If it stays so for longer than any transaction may
    /// last it hangs: the broker died with a transaction of this very worker half known, and never ends it.
    fn wait_for_stable_offsets(
        &mut self,
        id: &TaskId,
        sources: &[TopicPartition],
        now: Timestamp,
    ) -> OpenError {
        // A silent coordinator passes for unstable positions: where nobody answers, nothing is known to hang.
        if let Some(Err(failure)) = sources.first().map(|source| self.consumer.bounds(source)) {
            self.unstable_since.remove(id);
            return failure.into();
        }
        let since = *self.unstable_since.entry(id.clone()).or_insert(now);
        // What is being proven ends them itself, with all else that hangs of the same transaction.
        let is_nobodys = self.transaction.proof.is_complete();
        if is_nobodys && now.since(since) >= self.instance.transaction_timeout * 2 {
            self.unstable_since.remove(id);
            tracing::warn!(task = %id, "positions stay unstable; ending what hangs");
            match self.transaction.abort_hanging(&[], sources) {
                Ok(()) => {}
                Err(TransactionError::Failed(failure)) => return failure.into(),
                Err(TransactionError::Stop(stop)) => return OpenError::Stop(stop),
            }
        }
        OpenError::Later("a transaction of the last owner is open".into())
    }

    /// A task that is restored writes to no changelog; if a transaction stays open in it all the same, Kafka has lost
    /// its end. Whether that was a commit nobody can know any more, so it is told and left to the operator.
    fn warn_of_hanging_transactions(&mut self, id: &TaskId, now: Timestamp) {
        let since = *self.unstable_since.entry(id.clone()).or_insert(now);
        if now.since(since) < self.instance.transaction_timeout * 2 {
            return;
        }
        self.unstable_since.insert(id.clone(), now);
        if let Ok(Some((log, whole))) = self.bounds_of_changelog(id)
            && let Ok(committed) = self.consumer.bounds(&log)
            && committed.end < whole.end
        {
            tracing::error!(task = %id, %log, from = committed.end.0, "a transaction hangs in a changelog and \
                the task waits for its end: see `kafka-transactions find-hanging --max-transaction-timeout 1` and \
                `abort`");
            self.instance
                .ailments
                .delayed
                .tell(id.clone(), format!("a transaction hangs in {log}"));
        }
    }

    fn start_restored(
        &mut self,
        id: &TaskId,
        positions: Vec<(TopicPartition, Option<Offset>)>,
        restored: Restored,
    ) -> Result<(), OpenError> {
        let Restored { store, checkpoint, records, .. } = restored;
        self.unstable_since.remove(id);
        self.instance.metrics.add(Counter::Restored, records);
        // A start over state that is complete has nothing to tell of its many tasks.
        match records {
            0 => tracing::debug!(task = %id, "state is complete"),
            _ => tracing::info!(task = %id, records, "state restored"),
        }
        self.start_task(id, positions, Some(store), (checkpoint, records))
    }

    fn start_task(
        &mut self,
        id: &TaskId,
        positions: Vec<(TopicPartition, Option<Offset>)>,
        store: Option<Box<dyn TaskStore>>,
        (checkpoint, restored): (Checkpoint, u64),
    ) -> Result<(), OpenError> {
        let nothing_committed = positions.iter().all(|(_, at)| at.is_none());
        let has_history = restored > 0 || !checkpoint.inputs.is_empty();
        let mut concrete = Vec::new();
        for (source, committed) in positions {
            let stored = checkpoint.inputs.iter().find(|(of, _)| *of == source).map(|(_, at)| *at);
            let at = match (committed, stored) {
                (Some(committed), Some(stored)) if stored > committed => {
                    return Err(mismatch(format!(
                        "{id}: state has read {source} up to {stored}, the group has committed {committed}"
                    )));
                }
                (Some(committed), _) => committed,
                (None, Some(stored)) if restored == 0 => stored,
                (None, Some(stored)) => {
                    return Err(mismatch(format!(
                        "{id}: state has read {source} up to {stored} and more, the group has no committed position"
                    )));
                }
                (None, None) if nothing_committed && has_history => {
                    return Err(mismatch(format!(
                        "{id}: there is state, but the group has no committed position of {source}"
                    )));
                }
                (None, None) => self.consumer.bounds(&source)?.start,
            };
            concrete.push((source, at));
        }
        let reader = store.as_ref().map(|store| store.reader());
        let fresh = nothing_committed && !has_history;
        let start = TaskStart { store, checkpoint, positions: concrete, fresh };
        let task = Task::new(self.instance.context.clone(), id.clone(), start)?;
        self.consumer.assign(&task.offsets())?;
        self.delayed.remove(id);
        self.instance.ailments.delayed.clear(id);
        if let Some(reader) = reader {
            self.instance.shown.show(id, reader, task.standing());
        }
        self.tasks.insert(id.clone(), TaskState::Running(Box::new(task)));
        Ok(())
    }

    fn sources_of(&self, id: &TaskId) -> Vec<TopicPartition> {
        let context = &self.instance.context;
        let sub = context.topology.built().sub_of(id);
        let sources = sub.map(|sub| sub.sources.as_slice()).unwrap_or_default();
        sources
            .iter()
            .filter(|source| {
                context.partitions.get(&source.topic).is_some_and(|n| id.partition < *n)
            })
            .map(|source| TopicPartition::new(source.topic.clone(), id.partition))
            .collect()
    }

    /// The names of a task's columns; none if it keeps no state.
    fn columns_of(&self, id: &TaskId) -> Vec<std::sync::Arc<str>> {
        let built = self.instance.context.topology.built();
        built.sub_of(id).map(|sub| built.columns_of(sub)).unwrap_or_default()
    }

    /// The changelog of a task and its bounds; none if it keeps no state.
    fn bounds_of_changelog(
        &self,
        id: &TaskId,
    ) -> Result<Option<(TopicPartition, Bounds)>, OpenError> {
        let built = self.instance.context.topology.built();
        let changelog = built.sub_of(id).and_then(|sub| built.changelog_of(sub));
        let Some(changelog) = changelog else { return Ok(None) };
        let log = TopicPartition::new(changelog, id.partition);
        let bounds = self.instance.high_watermarks().bounds(&log)?;
        Ok(Some((log, bounds)))
    }
}

fn mismatch(words: String) -> OpenError {
    OpenError::Stop(Stop::Exit(Exit::Mismatch, words))
}
