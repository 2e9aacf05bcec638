//! The thread that restores: takes jobs, reads changelogs, returns the stores to their workers.

use std::sync::Arc;
use std::time::Duration;

use super::instance::Instance;
use super::{Activity, Stop, log_and_go_on};
use crate::broker::{Consumer, Failure, Isolation};
use crate::task::Restorer;

/// See the module.
pub(crate) struct RestoreThread {
    instance: Arc<Instance>,
    restorer: Restorer,
}

impl RestoreThread {
    pub(crate) fn new(instance: Arc<Instance>) -> Result<Self, Failure> {
        let app = instance.context.topology.app();
        let consumer: Box<dyn Consumer> =
            instance.broker.consumer(app, Isolation::ReadCommitted)?;
        Ok(Self { instance, restorer: Restorer::new(consumer) })
    }

    /// One round; waits at most `wait` for records.
    pub(crate) fn step(&mut self, wait: Duration) -> Result<Activity, Stop> {
        for job in self.instance.take_restore_jobs() {
            self.restorer.begin(job)?;
        }
        self.instance.metrics.set_restoring(self.restorer.remaining());
        if !self.restorer.is_busy() {
            return Ok(Activity::Idle);
        }
        let owned = self.instance.ownership().partitions();
        self.restorer.keep(|id| owned.contains(&id.partition))?;
        let done = match self.restorer.step(wait, || self.instance.is_stopping()) {
            Ok(done) => done,
            Err(failure) => {
                let outcome = log_and_go_on(failure, "restoring");
                // A poll that is refused at once is no reason to ask again at once.
                self.instance.wait_for_jobs(wait);
                return outcome;
            }
        };
        let busy = !done.is_empty();
        for outcome in done {
            match outcome {
                Ok(restored) => self.instance.was_restored(restored.id.clone(), Ok(restored)),
                Err((id, fault)) => self.instance.was_restored(id, Err(fault)),
            }
        }
        Ok(Activity::of(busy))
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.restorer.is_busy() || self.instance.has_jobs()
    }
}
