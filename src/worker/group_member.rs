//! The membership loop: follows the group's rebalances, and gives partitions up only when their work is committed or void.
//!
//! On a revoke the workers are asked to commit and close; after that, or after a bounded time, the assignment epochs are
//! removed and the partitions given up. Whatever was not committed by then is void.

use std::sync::Arc;
use std::time::Duration;

use super::instance::Instance;
use super::{Stop, log_and_go_on};
use crate::broker::{Code, Failure, GroupMetadata, Join, Membership, Rebalance};
use crate::error::Exit;

/// See the module.
pub(crate) struct GroupMember {
    instance: Arc<Instance>,
    membership: Box<dyn Membership>,
}

impl GroupMember {
    pub(crate) fn new(instance: Arc<Instance>) -> Result<Self, Failure> {
        let topology = &instance.context.topology;
        let join = Join {
            group: topology.app().into(),
            topic: topology.task_topic(),
            instance: instance.name().into(),
            session_timeout: instance.config.session_timeout,
        };
        let membership = instance.broker.membership(&join)?;
        Ok(Self { instance, membership })
    }

    /// Serves the group for at most `wait`. `on_revoke` is called while partitions are wanted back: it must
    /// bring the workers to give them up, in bounded time.
    pub(crate) fn step(
        &mut self,
        wait: Duration,
        on_revoke: &mut dyn FnMut(&[i32]),
    ) -> Result<(), Stop> {
        let instance = self.instance.clone();
        let mut on = |change, view: &GroupMetadata| {
            instance.set_membership(view.clone());
            follow(&instance, change, on_revoke);
        };
        let polled = self.membership.poll(wait, &mut on);
        self.instance.set_membership(self.membership.metadata());
        match polled {
            Ok(()) => Ok(()),
            Err(failure) if failure.code == Code::FencedInstance => Err(Stop::Exit(
                Exit::Duplicate,
                format!("another process has the name {}: {failure}", self.instance.name()),
            )),
            Err(failure) => log_and_go_on(failure, "membership").map(drop),
        }
    }

    /// Gives everything back and ends the membership.
    pub(crate) fn close(&mut self, on_revoke: &mut dyn FnMut(&[i32])) {
        let instance = self.instance.clone();
        let closed = self.membership.close(&mut |change, _| follow(&instance, change, on_revoke));
        if let Err(failure) = closed {
            tracing::warn!(%failure, "membership did not close cleanly");
        }
    }
}

fn follow(instance: &Instance, change: Rebalance, on_revoke: &mut dyn FnMut(&[i32])) {
    match change {
        Rebalance::Assigned(partitions) => {
            tracing::info!(?partitions, "assigned");
            instance.ownership().assign(&partitions, instance.config.workers);
        }
        Rebalance::Revoked(partitions) => {
            tracing::info!(?partitions, "revoked");
            instance.ownership().revoke(&partitions);
            on_revoke(&partitions);
            instance.ownership().remove(&partitions);
        }
        Rebalance::Lost(partitions) => {
            tracing::warn!(?partitions, "lost");
            instance.ownership().remove(&partitions);
        }
    }
}
