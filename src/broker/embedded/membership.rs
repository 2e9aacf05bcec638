//! The member of the group that owns tasks. Callbacks run without the cluster's lock, so that they may
//! commit; the partitions they revoke are given up when they have returned.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::group::{Served, Standing, Subscription};
use super::{Embedded, State, Wake};
use crate::broker::{
    Call, Code, Failure, GroupMetadata, Join, Membership, OnRebalance, Position, Rebalance,
};
use crate::record::{Timestamp, TopicPartition};

pub(super) struct EmbeddedMembership {
    cluster: Embedded,
    _alive: Arc<()>,
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
        let alive = Arc::new(());
        let subscription = Subscription {
            handle: Arc::downgrade(&alive),
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
        Self { cluster, _alive: alive, subscription, view, owned: BTreeSet::new(), ended: None }
    }

    fn tell_lost(&mut self, on: &mut OnRebalance<'_>) {
        let lost: Vec<i32> = std::mem::take(&mut self.owned).into_iter().collect();
        if !lost.is_empty() {
            on(Rebalance::Lost(lost), &self.view);
        }
    }

    fn tell(&mut self, served: Served, on: &mut OnRebalance<'_>) {
        self.view.generation = served.generation.unwrap_or(self.view.generation);
        let numbers =
            |of: &[TopicPartition]| of.iter().map(|of| of.partition).collect::<Vec<i32>>();
        if !served.revoked.is_empty() {
            let revoked = numbers(&served.revoked);
            self.owned.retain(|owned| !revoked.contains(owned));
            on(Rebalance::Revoked(revoked), &self.view);
            self.cluster.with(|state, _| {
                state.groups.of(&self.view.group).give_up(&self.view.member, &served.revoked);
            });
            self.cluster.wake(Wake::Groups);
        }
        if !served.assigned.is_empty() {
            let assigned = numbers(&served.assigned);
            self.owned.extend(&assigned);
            on(Rebalance::Assigned(assigned), &self.view);
        }
    }

    fn end(&mut self, failure: Failure) -> Failure {
        self.ended.get_or_insert(failure).clone()
    }
}

impl Membership for EmbeddedMembership {
    fn poll(&mut self, wait: Duration, on: &mut OnRebalance<'_>) -> Result<(), Failure> {
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

    fn commit(&mut self, positions: &[(TopicPartition, Position)]) -> Result<(), Failure> {
        self.cluster.with(|state, _| {
            state.faults.refusal(Call::GroupCommit, &self.view.group)?;
            let group = state.groups.of(&self.view.group);
            group.admit(Call::GroupCommit, &self.view)?;
            group.offsets.commit(positions.iter().cloned());
            Ok(())
        })
    }

    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Position>>, Failure> {
        self.cluster.with(|state, _| {
            state.faults.refusal(Call::Committed, &self.view.group)?;
            let offsets = &state.groups.of(&self.view.group).offsets;
            Ok(of.iter().map(|of| offsets.position(of).cloned()).collect())
        })
    }

    fn close(&mut self, on: &mut OnRebalance<'_>) -> Result<(), Failure> {
        let owned: Vec<i32> = std::mem::take(&mut self.owned).into_iter().collect();
        if !owned.is_empty() {
            on(Rebalance::Revoked(owned), &self.view);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::embedded::random::Random;
    use crate::broker::{Broker, Cleanup, TopicSpec};
    use crate::clock::ManualClock;

    const PARTITIONS: i32 = 7;
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];

    /// Four processes that come, poll, stall, crash and restart by chance.
    struct Town {
        cluster: Embedded,
        clock: Arc<ManualClock>,
        members: [Option<(EmbeddedMembership, BTreeSet<i32>)>; 4],
        /// What happened, in order.
        told: Vec<String>,
    }

    impl Town {
        fn new() -> Self {
            let clock = Arc::new(ManualClock::at(Timestamp(0)));
            let cluster = Embedded::new(clock.clone());
            let (name, cleanup) = ("tasks".into(), Cleanup::Compact);
            let spec = TopicSpec { name, partitions: PARTITIONS, cleanup };
            cluster.admin().unwrap().create(&[spec]).unwrap();
            Self { cluster, clock, members: [None, None, None, None], told: Vec::new() }
        }

        fn start(&mut self, at: usize) {
            let join = Join {
                group: "app".into(),
                topic: "tasks".into(),
                instance: NAMES[at].into(),
                session_timeout: Duration::from_secs(6),
            };
            let member = EmbeddedMembership::new(self.cluster.clone(), &join);
            self.members[at] = Some((member, BTreeSet::new()));
        }

        fn poll(&mut self, at: usize) {
            let Some((member, owned)) = &mut self.members[at] else { return };
            member
                .poll(Duration::ZERO, &mut |change, _| {
                    self.told.push(format!("{} {change:?}", NAMES[at]));
                    match change {
                        Rebalance::Assigned(gained) => owned.extend(gained),
                        Rebalance::Revoked(gone) | Rebalance::Lost(gone) => {
                            owned.retain(|owned| !gone.contains(owned));
                        }
                    }
                })
                .unwrap();
        }

        /// Those whose commits the group would take, with what they believe to own.
        fn believed(&self) -> Vec<&BTreeSet<i32>> {
            let members = self.members.iter().flatten();
            let admitted = members.filter(|(member, _)| {
                let group = &Arc::from("app");
                let view = member.metadata();
                let call = Call::SendOffsets;
                view.is_member()
                    && self
                        .cluster
                        .with(|state, _| state.groups.of(group).admit(call, &view))
                        .is_ok()
            });
            admitted.map(|(_, owned)| owned).collect()
        }

        fn assert_single_owners(&self) {
            let believed = self.believed();
            let claims: usize = believed.iter().map(|owned| owned.len()).sum();
            let owned: BTreeSet<i32> = believed.into_iter().flatten().copied().collect();
            assert_eq!(claims, owned.len(), "two owners: {:?}", self.told);
        }
    }

    fn scenario(seed: u64) -> Vec<String> {
        let (mut random, mut town) = (Random::new(seed), Town::new());
        for _ in 0..300 {
            let at = random.below(4);
            match random.below(20) {
                0 => town.members[at] = None,
                1..3 if town.members[at].is_none() => town.start(at),
                3 => town.clock.advance(Duration::from_secs(random.below(5) as u64)),
                _ => town.poll(at),
            }
            town.clock.advance(Duration::from_millis(50));
            town.assert_single_owners();
        }
        (town.members[0], town.members[2]) = (None, None);
        for _ in 0..400 {
            for at in [1, 3] {
                if town.members[at].is_none() {
                    town.start(at);
                }
                town.poll(at);
            }
            town.clock.advance(Duration::from_millis(50));
            town.assert_single_owners();
        }
        let mut shares: Vec<usize> = town.believed().iter().map(|owned| owned.len()).collect();
        shares.sort_unstable();
        assert_eq!(shares, [3, 4], "seed {seed}: {:?}", town.told);
        town.told
    }

    #[test]
    fn whatever_happens_nobody_commits_for_anothers_partition_and_all_get_owned_again() {
        for seed in 0..60 {
            scenario(seed);
        }
    }

    #[test]
    fn a_clock_that_jumps_over_a_session_takes_nothing_from_the_living() {
        let mut town = Town::new();
        for at in [0, 1] {
            town.start(at);
        }
        let settle = |town: &mut Town| {
            for at in [0, 1, 0, 1, 0, 1] {
                town.poll(at);
            }
        };
        settle(&mut town);
        town.told.clear();
        town.clock.advance(Duration::from_secs(60));
        settle(&mut town);
        assert_eq!(town.told, [] as [String; 0]);
        town.members[1] = None;
        town.clock.advance(Duration::from_secs(60));
        settle(&mut town);
        assert_eq!(town.told, ["a Assigned([4, 5, 6])"]);
    }

    #[test]
    fn the_same_seed_tells_the_same_story() {
        assert_eq!(scenario(7), scenario(7));
    }
}
