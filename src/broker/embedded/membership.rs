//! The member of the group that owns tasks. Callbacks run without the cluster's lock, so that they may
//! commit; the partitions they revoke are given up when they have returned.

use std::collections::BTreeSet;
use std::time::Duration;

use super::group::{Served, Standing, Subscription};
use super::{Embedded, State, Wake};
use crate::broker::{Call, Change, Code, Failure, GroupMetadata, Join, Membership};
use crate::record::{Timestamp, TopicPartition};

pub(super) struct EmbeddedMembership {
    cluster: Embedded,
    subscription: Subscription,
    view: GroupMetadata,
    owned: BTreeSet<i32>,
    ended: Option<Failure>,
}

/// What a look at the group brought, before the member's owner is told.
enum Seen {
    Served(Served),
    /// The group has forgotten the member.
    Lost,
    Fenced,
    Refused(Failure),
}

impl EmbeddedMembership {
    pub fn new(cluster: Embedded, join: &Join) -> Self {
        let subscription = Subscription {
            instance: Some(join.instance.clone()),
            topics: vec![join.topic.clone()],
            session_timeout: join.session_timeout,
        };
        let view = GroupMetadata {
            group: join.group.clone(),
            generation: -1,
            member: String::new(),
            instance: join.instance.clone(),
        };
        Self { cluster, subscription, view, owned: BTreeSet::new(), ended: None }
    }

    fn tell_lost(&mut self, on: &mut dyn FnMut(Change)) {
        let lost: Vec<i32> = std::mem::take(&mut self.owned).into_iter().collect();
        if !lost.is_empty() {
            on(Change::Lost(lost));
        }
    }

    fn tell(&mut self, served: Served, on: &mut dyn FnMut(Change)) {
        self.view.generation = served.generation.unwrap_or(self.view.generation);
        let numbers =
            |of: &[TopicPartition]| of.iter().map(|of| of.partition).collect::<Vec<i32>>();
        if !served.revoked.is_empty() {
            let revoked = numbers(&served.revoked);
            self.owned.retain(|owned| !revoked.contains(owned));
            on(Change::Revoked(revoked));
            self.cluster.with(|state, _| {
                state.groups.of(&self.view.group).give_up(&self.view.member, &served.revoked);
            });
            self.cluster.wake(Wake::Groups);
        }
        if !served.assigned.is_empty() {
            let assigned = numbers(&served.assigned);
            self.owned.extend(&assigned);
            on(Change::Assigned(assigned));
        }
    }

    fn end(&mut self, failure: Failure) -> Failure {
        self.ended.get_or_insert(failure).clone()
    }
}

impl Membership for EmbeddedMembership {
    fn poll(&mut self, wait: Duration, on: &mut dyn FnMut(Change)) -> Result<(), Failure> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        let Self { cluster, subscription, view, .. } = self;
        let seen =
            cluster.wait(Wake::Groups, wait, |state, now| look(state, now, subscription, view));
        self.cluster.wake(Wake::Groups);
        match seen {
            None => Ok(()),
            Some(Seen::Served(served)) => {
                self.tell(served, on);
                Ok(())
            }
            Some(Seen::Lost) => {
                self.view.member.clear();
                self.view.generation = -1;
                self.tell_lost(on);
                Ok(())
            }
            Some(Seen::Fenced) => {
                self.tell_lost(on);
                let words = format!("{}: another process has this name", self.view.instance);
                Err(self.end(Failure::new(Call::Poll, Code::FencedInstance, words).fatal()))
            }
            Some(Seen::Refused(failure)) => Err(failure),
        }
    }

    fn metadata(&self) -> GroupMetadata {
        self.view.clone()
    }

    fn close(&mut self, on: &mut dyn FnMut(Change)) -> Result<(), Failure> {
        let owned: Vec<i32> = std::mem::take(&mut self.owned).into_iter().collect();
        if !owned.is_empty() {
            on(Change::Revoked(owned));
        }
        self.end(Failure::new(Call::Poll, Code::InvalidArgument, "the member is closed").fatal());
        Ok(())
    }
}

fn look(
    state: &mut State,
    now: Timestamp,
    subscription: &Subscription,
    view: &mut GroupMetadata,
) -> Option<Seen> {
    if let Err(failure) = state.faults.refusal(Call::Poll, &view.group) {
        return Some(Seen::Refused(failure));
    }
    let group = state.groups.of(&view.group);
    if view.member.is_empty() {
        view.member = group.join(subscription, now);
        state.due_by(now.plus(subscription.session_timeout));
    }
    let group = state.groups.of(&view.group);
    match group.standing(&view.member, Some(&view.instance)) {
        Standing::Fenced => return Some(Seen::Fenced),
        Standing::Unknown => return Some(Seen::Lost),
        Standing::Member => {}
    }
    let served = group.heartbeat(&view.member, &state.topics, now);
    served.generation.is_some().then_some(Seen::Served(served))
}
