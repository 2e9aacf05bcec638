//! One process of a driver: the parts of a real one, which its threads would run, taken in turn.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Exit, Fault, Result};
use crate::fail_points::FailPoint;
use crate::record::Timestamp;
use crate::worker::{
    Activity, BroadcastLoader, GroupMember, Instance, RestoreThread, Stop, Worker,
};

/// How often the workers are let go on until they have given back what is revoked.
const RELEASE_ROUNDS: usize = 20;

/// See the module.
pub(super) struct Process {
    pub(super) instance: Arc<Instance>,
    pub(super) broadcasts: BroadcastLoader,
    members: GroupMember,
    restoring: RestoreThread,
    workers: Vec<Worker>,
}

impl Process {
    /// The parts of a prepared instance.
    pub(super) fn start(instance: Arc<Instance>) -> Result<Self> {
        let workers = (0..instance.config.workers)
            .map(|index| Worker::new(instance.clone(), index))
            .collect::<Result<_, _>>()
            .map_err(fatal)?;
        Ok(Self {
            members: GroupMember::new(instance.clone()).map_err(fatal)?,
            broadcasts: BroadcastLoader::new(instance.clone()).map_err(fatal)?,
            restoring: RestoreThread::new(instance.clone()).map_err(fatal)?,
            workers,
            instance,
        })
    }

    /// One round of every part; of the broadcasts only if they are not `late`.
    pub(super) fn round(&mut self, now: Timestamp, late: bool) -> Result<Activity, Stop> {
        self.follow_group(now)?;
        let mut activity = Activity::Idle;
        if !late {
            activity = self.broadcasts.step(now, Duration::ZERO)?;
        }
        activity = activity.and(self.restoring.step(Duration::ZERO)?);
        for worker in &mut self.workers {
            activity = activity.and(worker.step(now, Duration::ZERO)?);
        }
        for flush in self.instance.wait_for_flushes(Duration::ZERO) {
            self.instance.fail_points.pass(FailPoint::BeforeFlush)?;
            flush().map_err(|fault| Stop::Exit(Exit::Failed, fault.to_string()))?;
        }
        Ok(activity)
    }

    fn follow_group(&mut self, now: Timestamp) -> Result<(), Stop> {
        let Self { instance, members, workers, .. } = self;
        let mut stop = None;
        members.step(Duration::ZERO, &mut |partitions| {
            for _ in 0..RELEASE_ROUNDS {
                for worker in workers.iter_mut() {
                    if let Err(why) = worker.step(now, Duration::ZERO) {
                        stop.get_or_insert(why);
                        return;
                    }
                }
                if instance.ownership().all_released(partitions) {
                    return;
                }
            }
        })?;
        stop.map_or(Ok(()), Err)
    }

    /// Whether nothing is open or due in it.
    pub(super) fn is_settled(&mut self, now: Timestamp) -> Result<bool> {
        let is_due = |worker: &Worker| worker.next_due().is_some_and(|due| due <= now);
        let settled = self.workers.iter_mut().all(|worker| worker.is_settled() && !is_due(worker));
        let caught_up = self.broadcasts.is_caught_up().map_err(fatal)?;
        Ok(settled && caught_up && !self.restoring.is_busy())
    }

    /// What keeps it from being settled, in words.
    pub(super) fn unrest(&mut self) -> String {
        let owned = self.instance.ownership().partitions();
        let settled: Vec<_> = self.workers.iter_mut().map(Worker::is_settled).collect();
        let caught_up = self.broadcasts.is_caught_up();
        let restoring = self.restoring.is_busy();
        format!(
            "owns {owned:?}, workers settled {settled:?}, broadcasts {caught_up:?}, restoring {restoring}"
        )
    }

    /// How many tasks run in it.
    pub(super) fn tasks(&self) -> usize {
        self.workers.iter().map(Worker::tasks).sum()
    }
}

/// A fault that no test goes on after.
pub(super) fn fatal(words: impl fmt::Display) -> Fault {
    Fault::Fatal(words.to_string())
}

/// The same, of what ended a part.
pub(super) fn stopped(stop: Stop) -> Fault {
    match stop {
        Stop::Exit(exit, words) => Fault::Fatal(format!("{exit:?} ({}): {words}", exit.code())),
        Stop::Crashed(point) => Fault::Fatal(format!("crashed at {point:?}")),
    }
}
