//! Takes over the partitions that the group assigned to a worker, and releases those it revoked.
//!
//! A revoked partition is committed first; work on a lost one is undone by an abort. A partition is released only when
//! its tasks are closed: nobody else may open them before.

use super::opening::TaskState;
use super::ownership::{Assignment, AssignmentEpoch};
use super::{Stop, Worker};
use crate::fail_points::FailPoint;
use crate::metrics::Aborted;
use crate::record::{TaskId, Timestamp};
use crate::store::TaskStore;
use crate::task::Reason;

impl Worker {
    /// Takes over what the group gave this worker, gives back what it wants.
    pub(super) fn follow_assignments(&mut self, now: Timestamp) -> Result<bool, Stop> {
        let assignments = self.instance.ownership().assignments(self.index);
        let mut gone = Vec::new();
        let mut revoked = false;
        for (partition, epoch) in &self.assigned {
            match assignments.iter().find(|assignment| assignment.partition == *partition) {
                Some(assignment) if assignment.epoch == *epoch && !assignment.revoked => {}
                Some(assignment) if assignment.epoch == *epoch => {
                    revoked = true;
                    gone.push(*partition);
                }
                Some(_) | None => gone.push(*partition),
            }
        }
        if !gone.is_empty() {
            if revoked {
                self.instance.fail_points.pass(FailPoint::Revoked)?;
                self.commit(Reason::Revoked, now)?;
            }
            self.release(&gone, now)?;
        }
        let mut taken = false;
        for Assignment { partition, epoch, .. } in
            assignments.iter().filter(|assignment| !assignment.revoked)
        {
            if !self.assigned.contains_key(partition) {
                taken |= self.take_over(*partition, *epoch);
            }
        }
        Ok(taken || !gone.is_empty())
    }

    fn take_over(&mut self, partition: i32, epoch: AssignmentEpoch) -> bool {
        // Before anybody can take it for taken over: what this worker told of itself last knows nothing of it.
        self.instance.set_opening(self.index);
        if !self.instance.ownership().claim(partition, epoch, self.index) {
            return false;
        }
        self.assigned.insert(partition, epoch);
        let context = self.instance.context.clone();
        let built = context.topology.built();
        for sub in &built.subs {
            if partition < built.partitions_of(sub, &context.partitions) {
                let id = TaskId { sub_topology: sub.name.clone(), partition };
                self.tasks.insert(id, TaskState::Waiting(Timestamp::MIN));
            }
        }
        true
    }

    /// Closes the tasks of these partitions; what they have not committed is undone by the abort. What they have committed is
    /// shown for a while longer, unless the process stops.
    pub(super) fn release(&mut self, partitions: &[i32], now: Timestamp) -> Result<(), Stop> {
        let of_those = |id: &TaskId| partitions.contains(&id.partition);
        if self.running().any(|(id, task)| of_those(id) && task.has_worked()) {
            self.abort(Aborted::Moved)?;
        }
        let closing: Vec<_> = self.tasks.keys().filter(|id| of_those(id)).cloned().collect();
        for id in closing {
            let state = self.tasks.remove(&id);
            self.paused.remove(&id);
            self.faults.remove(&id);
            self.unstable_since.remove(&id);
            self.delayed.remove(&id);
            self.instance.ailments.delayed.clear(&id);
            self.instance.ailments.stopped.clear(&id);
            match self.give_up(&id, state)? {
                Some(store) if !self.instance.is_stopping() => {
                    // Should it be closed before, its tail will be restored.
                    self.instance.flush_later(store.flusher());
                    self.instance.shown.keep(&id, store, now);
                }
                store => self.close(&id, store),
            }
        }
        for partition in partitions {
            self.assigned.remove(partition);
            self.instance.release(*partition, self.index);
        }
        Ok(())
    }

    /// Puts a task into this state, and closes it if it runs.
    pub(super) fn replace(&mut self, id: &TaskId, by: TaskState) -> Result<(), Stop> {
        let state = self.tasks.insert(id.clone(), by);
        let store = self.give_up(id, state)?;
        self.close(id, store);
        Ok(())
    }

    /// Has a task run no more; answers its store.
    fn give_up(
        &mut self,
        id: &TaskId,
        state: Option<TaskState>,
    ) -> Result<Option<Box<dyn TaskStore>>, Stop> {
        // Its sources are resumed where it is opened again: who stayed marked as full would never be paused.
        self.full.remove(id);
        // A store that was restored for this task must not stay open: nobody else could open it.
        drop(self.instance.take_restored(id));
        let Some(TaskState::Running(task)) = state else { return Ok(None) };
        self.consumer.unassign(&task.sources()).map_err(|failure| self.died(&failure))?;
        Ok(task.into_store())
    }

    fn close(&self, id: &TaskId, store: Option<Box<dyn TaskStore>>) {
        self.instance.shown.hide(id);
        if let Some(Err(fault)) = store.map(TaskStore::close) {
            tracing::warn!(task = %id, %fault, "state was not flushed; its tail will be restored");
        }
    }
}
