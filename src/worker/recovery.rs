//! What a worker does when a task's run or a call of its transaction failed.
//!
//! Everything the open transaction holds is undone first; then the fault or the failure says what follows:
//! a record is set aside, a task rests or stops, a producer is built anew and its tasks restore.

use std::time::Duration;

use super::opening::TaskState;
use super::transaction::TransactionError;
use super::{Stop, Worker};
use crate::broker::{Failure, Reaction, classify};
use crate::error::{Exit, Fault};
use crate::metrics::{Aborted, Counter};
use crate::record::{Offset, TaskId, Timestamp, TopicPartition};
use crate::task::{Blame, Task, TaskFailure};

/// Faults without a record to blame that stop a task, within [`FAULTS_WITHIN`].
const FAULTS_MAX: usize = 3;
const FAULTS_WITHIN: Duration = Duration::from_secs(300);
/// How long a task rests that asked to try again, or whose state the disk refused.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Worker {
    /// A task's run ended early: undoes the transaction, and does what the fault asks for.
    pub(super) fn failed(
        &mut self,
        id: &TaskId,
        failed: TaskFailure,
        now: Timestamp,
    ) -> Result<(), Stop> {
        self.abort(Aborted::Task)?;
        let Some(TaskState::Running(task)) = self.tasks.get_mut(id) else { return Ok(()) };
        match (failed.fault, failed.blame) {
            (Fault::Reject(why), Blame::Record(source, offset)) => {
                // What is wrong may be told in words of the record, which are somebody's: the letter has them.
                let reason = failed.reason.name();
                tracing::warn!(task = %id, at = %source, %offset, reason, "record dead-lettered");
                tracing::debug!(at = %source, %offset, why, "record dead-lettered");
                task.skip((source, offset), (failed.reason, why));
            }
            (Fault::Reject(why), Blame::Bisect) => {
                tracing::warn!(task = %id, why, "a commit failed; bisecting the record to blame");
            }
            (Fault::Retry(why), _) => {
                tracing::warn!(task = %id, why, "trying again");
                self.paused.insert(id.clone(), now);
            }
            (Fault::Reject(why), Blame::NoRecord) => self.blameless(id, why, now)?,
            (Fault::Fatal(why), _) => self.stop_task(id, why)?,
        }
        Ok(())
    }

    /// A fault that no record is to blame for: tried again, but not for ever.
    fn blameless(&mut self, id: &TaskId, why: String, now: Timestamp) -> Result<(), Stop> {
        let faults = self.faults.entry(id.clone()).or_default();
        faults.retain(|at| !now.has_passed(*at, FAULTS_WITHIN));
        faults.push(now);
        if faults.len() >= FAULTS_MAX {
            return self.stop_task(id, why);
        }
        tracing::warn!(task = %id, why, "a timer or a broadcast change failed, trying again");
        Ok(())
    }

    /// Opens tasks anew whose state was found damaged since, by themselves or by a query: what was stored is in their
    /// changelogs.
    pub(super) fn reopen_damaged(&mut self) -> Result<(), Stop> {
        if !self.running().any(|(_, task)| task.is_damaged()) {
            return Ok(());
        }
        self.abort(Aborted::Damaged)?;
        // Looked for after the abort, which may have stopped one of them.
        let damaged = self.running().filter(|(_, task)| task.is_damaged());
        let damaged: Vec<_> = damaged.map(|(id, _)| id.clone()).collect();
        for id in damaged {
            tracing::warn!(task = %id, "its state is damaged; it is opened anew");
            self.paused.remove(&id);
            self.replace(&id, TaskState::Waiting(Timestamp::MIN))?;
        }
        Ok(())
    }

    /// The positions of these partitions are not in their logs any more. For a task of this process that is the end;
    /// but it may be another's by now, who has committed and had records deleted. So the task is opened anew, from
    /// the positions that are committed now.
    pub(super) fn reopen_lost(&mut self, lost: &[TopicPartition]) -> Result<(), Stop> {
        let reads = |task: &Task| task.sources().iter().any(|source| lost.contains(source));
        let ids: Vec<_> =
            self.running().filter(|(_, task)| reads(task)).map(|(id, _)| id.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.abort(Aborted::OutOfRange)?;
        for id in ids {
            tracing::warn!(task = %id, ?lost, "out of range; looking at its positions anew");
            self.replace(&id, TaskState::Waiting(Timestamp::MIN))?;
        }
        self.lost.extend(lost.iter().cloned());
        Ok(())
    }

    pub(super) fn stop_task(&mut self, id: &TaskId, why: String) -> Result<(), Stop> {
        tracing::error!(task = %id, why, "task stopped; the others go on");
        self.instance.metrics.add(Counter::StoppedTasks, 1);
        self.instance.ailments.stopped.tell(id.clone(), why);
        self.replace(id, TaskState::Stopped)
    }

    /// Undoes the open transaction: every task that worked stands at its committed positions again.
    pub(super) fn abort(&mut self, why: Aborted) -> Result<(), Stop> {
        self.instance.metrics.aborted(why);
        if let Err(failure) = self.transaction.abort() {
            return match classify(&failure) {
                Reaction::Die => Err(self.died(&failure)),
                Reaction::Retry | Reaction::AbortAndRewind | Reaction::RebuildProducer => {
                    self.rebuild(&failure)
                }
            };
        }
        let mut back: Vec<(TopicPartition, Offset)> = Vec::new();
        let mut broken = Vec::new();
        for (id, state) in &mut self.tasks {
            let TaskState::Running(task) = state else { continue };
            if !task.has_worked() {
                continue;
            }
            match task.rewind() {
                Ok(()) => {
                    self.full.remove(id);
                    back.extend(task.offsets());
                }
                Err(fault) => broken.push((id.clone(), fault)),
            }
        }
        self.consumer.assign(&back).map_err(|failure| self.died(&failure))?;
        broken.into_iter().try_for_each(|(id, fault)| match fault {
            Fault::Retry(why) => {
                tracing::warn!(task = %id, why, "its state cannot be read; it is opened anew");
                self.replace(&id, TaskState::Waiting(Timestamp::MIN))
            }
            Fault::Reject(why) | Fault::Fatal(why) => self.stop_task(&id, why),
        })
    }

    /// Recovers from what a step of the transaction failed with, if it did.
    pub(super) fn recovered(
        &mut self,
        step: Result<(), TransactionError>,
        now: Timestamp,
    ) -> Result<(), Stop> {
        match step {
            Ok(()) => Ok(()),
            Err(TransactionError::Failed(failure)) => self.recover(&failure, now),
            Err(TransactionError::Stop(stop)) => Err(stop),
        }
    }

    /// Does what a failed call of the transaction asks for.
    fn recover(&mut self, failure: &Failure, now: Timestamp) -> Result<(), Stop> {
        tracing::warn!(%failure, reaction = ?classify(failure), "transaction failed");
        match classify(failure) {
            Reaction::Die => Err(self.died(failure)),
            Reaction::AbortAndRewind => self.abort(Aborted::Failed),
            Reaction::Retry | Reaction::RebuildProducer => {
                if self.transaction.fenced_too_often(failure, now) {
                    let words = format!(
                        "fenced three times in a minute, another process has this identity: {failure}"
                    );
                    return Err(Stop::Exit(Exit::Duplicate, words));
                }
                self.rebuild(failure)
            }
        }
    }

    /// The outcome is unknown or the producer dead: a new one, and every task goes back to restoring, because
    /// Kafka may hold changelog records that the stores do not have.
    fn rebuild(&mut self, failure: &Failure) -> Result<(), Stop> {
        tracing::warn!(%failure, "building a new producer; tasks restore");
        self.instance.metrics.add(Counter::Rebuilds, 1);
        self.transaction.drop_producer();
        let ids: Vec<_> = self.tasks.keys().cloned().collect();
        for id in ids {
            if matches!(self.tasks.get(&id), Some(TaskState::Running(_))) {
                self.replace(&id, TaskState::Waiting(Timestamp::MIN))?;
            }
        }
        Ok(())
    }
}
