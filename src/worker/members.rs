//! The membership loop: follows the group, and lets go of partitions only when their work is committed or void.
//!
//! A revoke asks the workers to commit and close, waits a bounded time, then takes the numbers away and
//! returns; only then are the partitions given up. Whatever was not committed by then is void.

use std::sync::Arc;
use std::time::Duration;

use super::instance::Instance;
use super::{Stop, ride_out};
use crate::broker::{Change, Code, Failure, GroupMetadata, Join, Membership};
use crate::error::Exit;

/// See the module.
pub(crate) struct Members {
    instance: Arc<Instance>,
    membership: Box<dyn Membership>,
}

impl Members {
    pub(crate) fn new(instance: Arc<Instance>) -> Result<Self, Failure> {
        let topology = &instance.ground.topology;
        let join = Join {
            group: topology.app().into(),
            topic: topology.task_topic(),
            instance: instance.name().into(),
            session_timeout: instance.config.session_timeout,
        };
        let membership = instance.broker.membership(&join)?;
        Ok(Self { instance, membership })
    }

    /// Serves the group for at most `wait`. `release` is called while partitions are wanted back: it must
    /// bring the workers to give them up, in bounded time.
    pub(crate) fn step(
        &mut self,
        wait: Duration,
        release: &mut dyn FnMut(&[i32]),
    ) -> Result<(), Stop> {
        let instance = self.instance.clone();
        let mut on = |change, view: &GroupMetadata| {
            instance.set_membership(view.clone());
            follow(&instance, change, release);
        };
        let polled = self.membership.poll(wait, &mut on);
        self.instance.set_membership(self.membership.metadata());
        match polled {
            Ok(()) => Ok(()),
            Err(failure) if failure.code == Code::FencedInstance => Err(Stop::Exit(
                Exit::Duplicate,
                format!("another process has the name {}: {failure}", self.instance.name()),
            )),
            Err(failure) => ride_out(failure, "membership").map(drop),
        }
    }

    /// Gives everything back and ends the membership.
    pub(crate) fn close(&mut self, release: &mut dyn FnMut(&[i32])) {
        let instance = self.instance.clone();
        let closed = self.membership.close(&mut |change, _| follow(&instance, change, release));
        if let Err(failure) = closed {
            tracing::warn!(%failure, "membership did not close cleanly");
        }
    }
}

fn follow(instance: &Instance, change: Change, release: &mut dyn FnMut(&[i32])) {
    match change {
        Change::Assigned(partitions) => {
            tracing::info!(?partitions, "assigned");
            instance.ownership().assign(&partitions, instance.config.workers);
        }
        Change::Revoked(partitions) => {
            tracing::info!(?partitions, "revoked");
            instance.ownership().release(&partitions);
            release(&partitions);
            instance.ownership().remove(&partitions);
        }
        Change::Lost(partitions) => {
            tracing::warn!(?partitions, "lost");
            instance.ownership().remove(&partitions);
        }
    }
}
