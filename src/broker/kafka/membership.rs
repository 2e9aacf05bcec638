//! The member of the group that owns tasks.
//!
//! Rebalances come as events, and this reader applies them: `on` hears of a revoke before librdkafka may give the
//! partition up, and of an assignment after it took it. The task topic carries no records to read, so its
//! partitions are paused as soon as they are assigned.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ffi::{Client, Event, Kind, List, OffsetSpec, Queue};
use super::settings::KafkaSettings;
use crate::broker::{
    Call, Code, Failure, GroupMetadata, Join, Membership, OnRebalance, Position, Rebalance,
};
use crate::record::{Topic, TopicPartition};

/// How long closing may take; then the group is left to notice by the session's timeout.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// A member.
#[derive(Debug)]
pub(super) struct KafkaMembership {
    queue: Queue,
    client: Client,
    topic: Topic,
    metadata: GroupMetadata,
    answer_timeout: Duration,
}

impl KafkaMembership {
    pub(super) fn open(settings: &KafkaSettings, join: &Join) -> Result<Self, Failure> {
        let mut client = Client::open(Kind::Member, &settings.member(join))?;
        let topic = TopicPartition::new(join.topic.clone(), -1);
        client.subscribe(&List::new(Call::Open, [(&topic, OffsetSpec::Unset)])?)?;
        Ok(Self {
            queue: Queue::of(&client)?,
            client,
            topic: join.topic.clone(),
            metadata: GroupMetadata {
                group: Arc::clone(&join.group),
                generation: -1,
                member: String::new(),
                instance: Arc::clone(&join.instance),
            },
            answer_timeout: settings.answer_timeout(),
        })
    }

    fn refresh(&mut self) {
        let (generation, member) = self.client.membership().unwrap_or((-1, String::new()));
        self.metadata.generation = generation;
        self.metadata.member = member;
    }
}

impl Drop for KafkaMembership {
    fn drop(&mut self) {
        self.client.let_go();
    }
}

/// Does what the group asked for, telling `on` at the right moment.
fn apply(client: &mut Client, event: Event, on: &mut dyn FnMut(Rebalance)) -> Result<(), Failure> {
    match event {
        Event::Assign(given) => {
            let list = List::new(Call::Assign, given.iter().map(|of| (of, OffsetSpec::End)))?;
            client.assign(&list)?;
            if !given.is_empty() {
                client.pause(&list)?;
                on(Rebalance::Assigned(numbers(&given)));
            }
            Ok(())
        }
        Event::Revoke(wanted) => {
            if !wanted.is_empty() {
                let numbers = numbers(&wanted);
                let lost = client.is_assignment_lost();
                on(if lost { Rebalance::Lost(numbers) } else { Rebalance::Revoked(numbers) });
            }
            let list = List::new(Call::Assign, wanted.iter().map(|of| (of, OffsetSpec::Unset)))?;
            client.unassign(&list)
        }
        Event::Failed(failed) => match client.fatal(Call::Poll) {
            Some(fatal) => Err(fatal),
            None if failed.retriable => {
                tracing::debug!(%failed, "the group is out of reach; librdkafka tries again");
                Ok(())
            }
            None => Err(failed),
        },
        Event::Nothing => Ok(()),
    }
}

/// The partitions' numbers, sorted: the group names them in no order.
fn numbers(partitions: &[TopicPartition]) -> Vec<i32> {
    let mut numbers: Vec<_> = partitions.iter().map(|of| of.partition).collect();
    numbers.sort_unstable();
    numbers
}

impl Client {
    /// Closes a consumer within `wait`, handing what it gives up to `on`.
    pub(super) fn close(
        &mut self,
        wait: Duration,
        on: &mut dyn FnMut(Rebalance),
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + wait;
        let mut queue = Queue::new(self)?;
        self.close_to(&queue)?;
        while !self.is_closed() {
            if Instant::now() >= deadline {
                let words = "the group did not let go in time";
                return Err(Failure::new(Call::Poll, Code::TimedOut, words));
            }
            if let Some(event) = queue.event(Duration::from_millis(50)) {
                apply(self, event, on)?;
            }
        }
        Ok(())
    }
}

impl Membership for KafkaMembership {
    fn poll(&mut self, wait: Duration, on: &mut OnRebalance<'_>) -> Result<(), Failure> {
        let mut told = Ok(());
        let mut next = self.queue.event(wait);
        while let Some(event) = next {
            self.refresh();
            let Self { client, metadata, .. } = self;
            told = told.and(apply(client, event, &mut |change| on(change, metadata)));
            next = self.queue.event(Duration::ZERO);
        }
        self.refresh();
        told
    }

    fn metadata(&self) -> GroupMetadata {
        self.metadata.clone()
    }

    fn commit(&mut self, positions: &[(TopicPartition, Position)]) -> Result<(), Failure> {
        self.refresh();
        if !self.metadata.is_member() {
            // A group without members takes it of whoever is none.
            let words = "it is no member at the moment";
            return Err(Failure::new(Call::GroupCommit, Code::UnknownMember, words).abortable());
        }
        let places = positions
            .iter()
            .map(|(of, position)| (of, OffsetSpec::At(position.next), &*position.metadata));
        let list = List::with_metadata(Call::GroupCommit, places)?;
        self.client.commit_offsets(&list, self.answer_timeout)
    }

    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Position>>, Failure> {
        let list = List::new(Call::Committed, of.iter().map(|of| (of, OffsetSpec::Unset)))?;
        self.client.committed(&list, self.answer_timeout)?;
        list.positions()
    }

    fn close(&mut self, on: &mut OnRebalance<'_>) -> Result<(), Failure> {
        tracing::debug!(topic = %self.topic, "closing the membership");
        let Self { client, metadata, .. } = self;
        let closed = client.close(CLOSE_WAIT, &mut |change| on(change, metadata));
        self.metadata.generation = -1;
        self.metadata.member.clear();
        closed
    }
}
