//! Which tasks work in a round, in which order, and for how long.
//!
//! A round ends when a commit is due, and long before the coordinator would give the transaction up, whatever a
//! record, a timer or a change costs: work that takes longer would be aborted, done again and aborted for ever. Who
//! did not get a turn is the first in the next round, so nobody starves.

use std::time::Instant;

use super::opening::Slot;
use super::recovery::RETRY_AFTER;
use super::{Activity, Stop, Worker};
use crate::fail::Point;
use crate::record::{TaskId, Timestamp};
use crate::task::Turn;

/// Records a task works off before the next one gets its turn and the clock is read again.
const TURN_RECORDS: usize = 512;
/// This part of the transaction's timeout is the longest a round should take.
const ROUND_PART: u32 = 10;

impl Worker {
    /// Lets the tasks work, each for a turn, as long as the round lasts.
    pub(super) fn run(&mut self, now: Timestamp) -> Result<Activity, Stop> {
        self.paused.retain(|_, since| !now.has_passed(*since, RETRY_AFTER));
        let round = self.instance.transaction_timeout / ROUND_PART;
        let until = Instant::now() + round.min(self.instance.config.commit_interval);
        let turn = Turn { records: TURN_RECORDS, until };
        let (mut busy, mut turns) = (false, 0);
        let mut ids: Vec<_> = self.running().map(|(id, _)| id.clone()).collect();
        if let Some(first) = self.next_turn.take() {
            let place = ids.partition_point(|id| *id < first);
            ids.rotate_left(place);
        }
        for id in ids {
            if self.paused.contains_key(&id) {
                continue;
            }
            if turns > 0 && turn.is_over() {
                self.next_turn = Some(id);
                break;
            }
            turns += 1;
            busy |= self.take_turn(&id, &turn, now)?;
        }
        Ok(Activity::of(busy))
    }

    fn take_turn(&mut self, id: &TaskId, turn: &Turn, now: Timestamp) -> Result<bool, Stop> {
        let Some(Slot::Running(task)) = self.slots.get_mut(id) else { return Ok(false) };
        match task.run(now, turn) {
            Ok(records) => {
                if task.has_worked() {
                    self.transaction.touch(id, task, now);
                    self.instance.fail.pass(Point::Processed)?;
                    let handed_over = self.transaction.hand_over_if_large(task);
                    self.recovered(handed_over, now)?;
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
