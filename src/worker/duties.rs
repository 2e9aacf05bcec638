//! Which partitions a worker takes over and gives back, as the group wants it.
//!
//! What is wanted back is committed first; what is lost is not, and its work is undone by an abort. A partition is given
//! back only when its tasks are closed: nobody else may open them before.

use super::opening::Slot;
use super::ownership::{Duty, Number};
use super::{Stop, Worker};
use crate::fail::Point;
use crate::record::{TaskId, Timestamp};
use crate::task::Reason;

impl Worker {
    /// Takes over what the group gave this worker, gives back what it wants.
    pub(super) fn follow_duties(&mut self, now: Timestamp) -> Result<bool, Stop> {
        let duties = self.instance.ownership().duties(self.index);
        let mut gone = Vec::new();
        let mut releasing = false;
        for (partition, number) in &self.held {
            match duties.iter().find(|duty| duty.partition == *partition) {
                Some(duty) if duty.number == *number && !duty.releasing => {}
                Some(duty) if duty.number == *number => {
                    releasing = true;
                    gone.push(*partition);
                }
                Some(_) | None => gone.push(*partition),
            }
        }
        if !gone.is_empty() {
            if releasing {
                self.instance.fail.pass(Point::Revoked)?;
                self.commit(Reason::Revoked, now)?;
            }
            self.give_back(&gone)?;
        }
        let mut taken = false;
        for Duty { partition, number, .. } in duties.iter().filter(|duty| !duty.releasing) {
            if !self.held.contains_key(partition) {
                taken |= self.take_over(*partition, *number);
            }
        }
        Ok(taken || !gone.is_empty())
    }

    fn take_over(&mut self, partition: i32, number: Number) -> bool {
        if !self.instance.ownership().hold(partition, number, self.index) {
            return false;
        }
        self.held.insert(partition, number);
        let ground = self.instance.ground.clone();
        let built = ground.topology.built();
        for sub in &built.subs {
            if partition < built.partitions_of(sub, &ground.partitions) {
                let id = TaskId { sub_topology: sub.name.clone(), partition };
                self.slots.insert(id, Slot::Waiting(Timestamp::MIN));
            }
        }
        true
    }

    /// Closes the tasks of these partitions; what they have not committed is undone by the abort.
    pub(super) fn give_back(&mut self, partitions: &[i32]) -> Result<(), Stop> {
        let of_those = |id: &TaskId| partitions.contains(&id.partition);
        if self.running().any(|(id, task)| of_those(id) && task.has_worked()) {
            self.abort()?;
        }
        let closing: Vec<_> = self.slots.keys().filter(|id| of_those(id)).cloned().collect();
        for id in closing {
            let slot = self.slots.remove(&id);
            self.paused.remove(&id);
            self.full.remove(&id);
            self.faults.remove(&id);
            self.unstable_since.remove(&id);
            self.close(&id, slot)?;
        }
        for partition in partitions {
            self.held.remove(partition);
            self.instance.give_back(*partition, self.index);
        }
        Ok(())
    }

    /// Puts a task into this state, and closes it if it runs.
    pub(super) fn replace(&mut self, id: &TaskId, by: Slot) -> Result<(), Stop> {
        let slot = self.slots.insert(id.clone(), by);
        self.close(id, slot)
    }

    fn close(&mut self, id: &TaskId, slot: Option<Slot>) -> Result<(), Stop> {
        self.instance.publish(id, None);
        // A store that was restored for this task must not stay open: nobody else could open it.
        drop(self.instance.take_restored(id));
        let Some(Slot::Running(task)) = slot else { return Ok(()) };
        self.consumer.unassign(&task.sources()).map_err(|failure| self.died(&failure))?;
        if let Some(store) = task.into_store()
            && let Err(fault) = store.close()
        {
            tracing::warn!(task = %id, %fault, "state was not flushed; its tail will be restored");
        }
        Ok(())
    }
}
