//! One consumer group: who is in it, in which generation, and who owns what.
//!
//! The classic protocol with cooperative rebalancing. A change of members starts a rebalance; it completes,
//! with the next generation, once every member has polled (joined again) or has been silent for its
//! session's timeout. A partition that moves is first taken from its owner: it is nobody's in the
//! generation that revokes it, and when the owner has given it up and joined again, the generation after
//! that gives it to the new one. So a partition never has two owners that poll.
//!
//! A static member that comes back under its name takes its predecessor's share in the same generation;
//! the predecessor is fenced. A poll is the heartbeat: whoever does not poll dies by the clock. But when the
//! clock jumps over a whole session between two calls, nobody could have polled: that is no silence of
//! those whose handles live, as their clients would have gone on beating.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::assignor::{Claim, assign};
use super::offsets::Offsets;
use super::topics::Topics;
use crate::broker::{Call, Code, Failure, GroupMetadata};
use crate::record::{Timestamp, Topic, TopicPartition};

type Partitions = BTreeSet<TopicPartition>;

#[derive(Debug, Default)]
pub(super) struct Group {
    pub offsets: Offsets,
    generation: i32,
    rebalancing: bool,
    /// Whether the generation keeps a partition from its next owner until the present one gave it up.
    withholding: bool,
    members: BTreeMap<String, Member>,
    joins: u64,
}

#[derive(Debug)]
struct Member {
    subscription: Subscription,
    seen: Timestamp,
    owned: Partitions,
    assigned: Partitions,
    rejoined: bool,
    synced: bool,
}

/// What a member joins with.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    /// The name of a static member; none for a dynamic one.
    pub instance: Option<Arc<str>>,
    pub topics: Vec<Topic>,
    pub session_timeout: Duration,
    /// Lives as long as the member's handle.
    pub handle: Weak<()>,
}

/// How the group sees somebody who says to be a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Member,
    /// Another process has the static name.
    Fenced,
    Unknown,
}

/// What a heartbeat brought.
#[derive(Debug, Default)]
pub(super) struct Served {
    /// The generation, when the member got its assignment of it.
    pub generation: Option<i32>,
    pub revoked: Vec<TopicPartition>,
    pub assigned: Vec<TopicPartition>,
}

impl Group {
    /// Adds a member, or puts it in the place of the static member of the same name.
    pub fn join(&mut self, subscription: &Subscription, now: Timestamp) -> String {
        self.joins += 1;
        let name = subscription.instance.as_deref().unwrap_or("member");
        let id = format!("{name}-{}", self.joins);
        let old = self.static_id(subscription.instance.as_deref()).map(str::to_owned);
        let replaced = old.and_then(|old| self.members.remove(&old));
        let settled = replaced.is_some() && !self.withholding;
        let member = Member {
            subscription: subscription.clone(),
            seen: now,
            owned: Partitions::new(),
            assigned: replaced.map(|old| old.assigned).unwrap_or_default(),
            rejoined: false,
            synced: false,
        };
        self.members.insert(id.clone(), member);
        if !settled {
            self.rebalance();
        }
        id
    }

    pub fn standing(&self, member: &str, instance: Option<&str>) -> Standing {
        if self.members.contains_key(member) {
            return Standing::Member;
        }
        match self.static_id(instance) {
            Some(_) => Standing::Fenced,
            None => Standing::Unknown,
        }
    }

    /// A poll of `member`: it is alive, joins again if asked to, and learns its assignment.
    pub fn heartbeat(&mut self, member: &str, topics: &Topics, now: Timestamp) -> Served {
        let Some(of) = self.members.get_mut(member) else { return Served::default() };
        of.seen = now;
        of.rejoined = true;
        if self.rebalancing && self.members.values().all(|member| member.rejoined) {
            self.complete(topics);
        }
        match self.members.get_mut(member) {
            Some(of) if !self.rebalancing && !of.synced => of.sync(self.generation),
            Some(_) | None => Served::default(),
        }
    }

    /// `member` has given these up; the next generation may hand them to others.
    pub fn give_up(&mut self, member: &str, revoked: &[TopicPartition]) {
        let Some(of) = self.members.get_mut(member) else { return };
        of.owned.retain(|owned| !revoked.contains(owned));
        self.rebalance();
    }

    /// How many members it has.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// Rebalances if anybody subscribes to the new topic.
    pub fn topic_created(&mut self, topic: &Topic) {
        if self.members.values().any(|member| member.subscription.topics.contains(topic)) {
            self.rebalance();
        }
    }

    /// Removes a member that leaves of its own will.
    pub fn leave(&mut self, member: &str) {
        if self.members.remove(member).is_some() {
            self.rebalance();
        }
    }

    /// Ends the session of the static member `instance` as if its time had passed.
    pub fn expire_instance(&mut self, instance: &str) {
        if let Some(id) = self.static_id(Some(instance)).map(str::to_owned) {
            self.leave(&id);
        }
    }

    /// Removes the members that have been silent for too long; nobody asked anything for the last `idle`.
    pub fn expire(&mut self, now: Timestamp, idle: Duration) {
        for member in self.members.values_mut() {
            let jumped = idle >= member.subscription.session_timeout;
            if jumped && member.subscription.handle.strong_count() > 0 {
                member.seen = member.seen.plus(idle);
            }
        }
        let before = self.members.len();
        self.members.retain(|_, member| now < member.due());
        if self.members.len() < before {
            self.rebalance();
        }
    }

    /// When the next member will have been silent for too long.
    pub fn due(&self) -> Option<Timestamp> {
        self.members.values().map(Member::due).min()
    }

    /// Whether a commit with this view of the group is taken.
    pub fn admit(&self, call: Call, by: &GroupMetadata) -> Result<(), Failure> {
        let refused = |code, words: String| Failure::new(call, code, words).abortable();
        let unfenced = by.generation < 0 && by.member.is_empty();
        if unfenced && (call == Call::SendOffsets || self.members.is_empty()) {
            return Ok(());
        }
        let instance = Some(&*by.instance).filter(|instance| !instance.is_empty());
        match self.standing(&by.member, instance) {
            Standing::Member if by.generation == self.generation => Ok(()),
            Standing::Member => {
                let words = format!("generation {}, not {}", self.generation, by.generation);
                Err(refused(Code::IllegalGeneration, words))
            }
            Standing::Fenced => {
                let words = format!("{}: another process has this name", by.instance);
                Err(refused(Code::FencedInstance, words))
            }
            Standing::Unknown => {
                let words = format!("{:?} is not a member", by.member);
                Err(refused(Code::UnknownMember, words))
            }
        }
    }

    fn static_id(&self, instance: Option<&str>) -> Option<&str> {
        let instance = instance?;
        let mut members = self.members.iter();
        members
            .find(|(_, member)| member.subscription.instance.as_deref() == Some(instance))
            .map(|(id, _)| id.as_str())
    }

    /// Asks every member to join again.
    fn rebalance(&mut self) {
        if self.members.is_empty() {
            self.generation += 1;
            self.rebalancing = false;
            return;
        }
        if !self.rebalancing {
            self.rebalancing = true;
            for member in self.members.values_mut() {
                member.rejoined = false;
            }
        }
    }

    fn complete(&mut self, topics: &Topics) {
        self.rebalancing = false;
        self.withholding = false;
        self.generation += 1;
        let claims: BTreeMap<_, _> =
            self.members.iter().map(|(id, member)| (id.clone(), member.claim())).collect();
        let names: BTreeSet<&Topic> = claims.values().flat_map(|claim| &claim.topics).collect();
        let partitions = names
            .into_iter()
            .flat_map(|topic| {
                let count = topics.partitions(topic).unwrap_or_default();
                (0..count).map(|partition| TopicPartition::new(topic.clone(), partition))
            })
            .collect();
        let mut shares = assign(&partitions, &claims);
        for (id, member) in &mut self.members {
            let mut share = shares.remove(id).unwrap_or_default();
            let whole = share.len();
            share.retain(|partition| {
                claims.iter().all(|(other, claim)| other == id || !claim.owned.contains(partition))
            });
            self.withholding |= share.len() < whole;
            member.assigned = share;
            member.synced = false;
        }
    }
}

impl Member {
    fn due(&self) -> Timestamp {
        self.seen.plus(self.subscription.session_timeout)
    }

    fn claim(&self) -> Claim {
        Claim { topics: self.subscription.topics.clone(), owned: self.owned.clone() }
    }

    /// Takes what the generation assigns; what it revokes stays owned until it is given up.
    fn sync(&mut self, generation: i32) -> Served {
        let revoked = self.owned.difference(&self.assigned).cloned().collect();
        let assigned: Vec<_> = self.assigned.difference(&self.owned).cloned().collect();
        self.owned.extend(assigned.iter().cloned());
        self.synced = true;
        Served { generation: Some(generation), revoked, assigned }
    }
}
