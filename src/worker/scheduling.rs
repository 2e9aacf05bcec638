//! Round-robin scheduling: which tasks run in a round, in which order, and for how long.
//!
//! A round ends when a commit is due, and long before the coordinator would time the transaction out, whatever a
//! record, a timer or a broadcast change costs: work that takes longer would be aborted, repeated and aborted for ever. A
//! task that did not run is the first in the next round, so none starves.

use std::time::Instant;

use super::opening::TaskState;
use super::recovery::RETRY_AFTER;
use super::{Activity, Stop, Worker};
use crate::fail_points::FailPoint;
use crate::record::{TaskId, Timestamp};
use crate::task::TimeSlice;

/// Records that a task processes before the next one runs and the clock is read again.
const SLICE_RECORDS: usize = 512;
/// This part of the transaction's timeout is the longest a round should take.
const ROUND_PART: u32 = 10;

impl Worker {
    /// Lets the tasks work, each for a time slice, as long as the round lasts.
    pub(super) fn run(&mut self, now: Timestamp) -> Result<Activity, Stop> {
        self.paused.retain(|_, since| !now.has_passed(*since, RETRY_AFTER));
        let round = self.instance.transaction_timeout / ROUND_PART;
        let until = Instant::now() + round.min(self.instance.config.commit_interval);
        let slice = TimeSlice { records: SLICE_RECORDS, until };
        let (mut busy, mut turns) = (false, 0);
        let mut ids: Vec<_> = self.running().map(|(id, _)| id.clone()).collect();
        if let Some(first) = self.next_task.take() {
            let place = ids.partition_point(|id| *id < first);
            ids.rotate_left(place);
        }
        for id in ids {
            if self.paused.contains_key(&id) {
                continue;
            }
            if turns > 0 && slice.is_over() {
                self.next_task = Some(id);
                break;
            }
            turns += 1;
            busy |= self.run_task(&id, &slice, now)?;
        }
        Ok(Activity::of(busy))
    }

    fn run_task(&mut self, id: &TaskId, slice: &TimeSlice, now: Timestamp) -> Result<bool, Stop> {
        let Some(TaskState::Running(task)) = self.tasks.get_mut(id) else { return Ok(false) };
        task.set_lagging(self.instance.lag().is_lagging());
        match task.run(now, slice) {
            Ok(records) => {
                if task.has_worked() {
                    self.transaction.track(id, task, now);
                    self.instance.fail_points.pass(FailPoint::Processed)?;
                    let sent = self.transaction.send_if_large(task);
                    self.recovered(sent, now)?;
                }
                Ok(records > 0)
            }
            Err(failed) => {
                self.failed(id, failed, now)?;
                Ok(true)
            }
        }
    }
}
