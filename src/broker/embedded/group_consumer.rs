//! The subscribed consumer of sinks. It gives up what is revoked in the poll that learns of it; whatever it
//! handed out and did not commit goes to the next owner again. Dropping it leaves the group unless it is a static
//! member, as librdkafka's does.

use std::sync::Arc;
use std::time::Duration;

use super::group::{Served, Standing, Subscription};
use super::log_reader::LogReader;
use super::{Embedded, State, Wake};
use crate::broker::{Call, Code, Failure, GroupConsumer, GroupMetadata, Isolation, Polled};
use crate::record::{Offset, Timestamp, Topic, TopicPartition};

const SESSION_TIMEOUT: Duration = Duration::from_secs(45);

pub(super) struct EmbeddedGroupConsumer {
    cluster: Embedded,
    _alive: Arc<()>,
    subscription: Subscription,
    view: GroupMetadata,
    reader: LogReader,
}

impl EmbeddedGroupConsumer {
    pub fn new(cluster: Embedded, group: &str, instance: Option<&str>, topics: &[Topic]) -> Self {
        let instance: Option<Arc<str>> = instance.map(Into::into);
        let view = GroupMetadata {
            group: group.into(),
            generation: -1,
            member: String::new(),
            instance: instance.clone().unwrap_or_default(),
        };
        let alive = Arc::new(());
        let subscription = Subscription {
            handle: Arc::downgrade(&alive),
            instance,
            topics: topics.to_vec(),
            session_timeout: SESSION_TIMEOUT,
        };
        Self {
            cluster,
            _alive: alive,
            subscription,
            view,
            reader: LogReader::new(Isolation::ReadCommitted),
        }
    }
}

impl GroupConsumer for EmbeddedGroupConsumer {
    fn poll(&mut self, wait: Duration) -> Result<Polled, Failure> {
        let Self { cluster, subscription, view, reader, .. } = self;
        let mut member = Member { subscription, view, reader };
        let polled = cluster.wait(Wake::Logs, wait, |state, now| {
            if let Err(failure) = state.faults.refusal(Call::Poll, &member.view.group) {
                return Some(Err(failure));
            }
            if let Err(fenced) = member.serve(state, now) {
                return Some(Err(fenced));
            }
            let polled = member.reader.read(&state.topics, state.faults.budget());
            (!polled.is_empty()).then_some(Ok(polled))
        });
        polled.unwrap_or_else(|| Ok(Polled::default()))
    }

    fn commit(&mut self, offsets: &[(TopicPartition, Offset)]) -> Result<(), Failure> {
        self.cluster.with(|state, _| {
            state.faults.refusal(Call::GroupCommit, &self.view.group)?;
            let group = state.groups.of(&self.view.group);
            group.admit(Call::GroupCommit, &self.view)?;
            let positions = offsets.iter().map(|(of, next)| (of.clone(), (*next).into()));
            group.offsets.commit(positions);
            Ok(())
        })
    }
}

impl Drop for EmbeddedGroupConsumer {
    fn drop(&mut self) {
        let Self { cluster, view, subscription, .. } = self;
        if subscription.instance.is_none() {
            cluster.with(|state, _| state.groups.of(&view.group).leave(&view.member));
            cluster.wake(Wake::Groups);
        }
    }
}

struct Member<'a> {
    subscription: &'a Subscription,
    view: &'a mut GroupMetadata,
    reader: &'a mut LogReader,
}

impl Member<'_> {
    fn serve(&mut self, state: &mut State, now: Timestamp) -> Result<(), Failure> {
        let group = state.groups.of(&self.view.group);
        let is_new = self.view.member.is_empty();
        match group.standing(&self.view.member, self.subscription.instance.as_deref()) {
            Standing::Member => {}
            Standing::Fenced if !is_new => {
                let words = format!("{}: another process has this name", self.view.instance);
                return Err(Failure::new(Call::Poll, Code::FencedInstance, words).fatal());
            }
            Standing::Fenced | Standing::Unknown => {
                self.reader.clear();
                self.view.member = group.join(self.subscription, now);
                state.due_by(now.plus(self.subscription.session_timeout));
            }
        }
        let group = state.groups.of(&self.view.group);
        let Served { generation, revoked, assigned } =
            group.heartbeat(&self.view.member, &state.topics, now);
        self.view.generation = generation.unwrap_or(self.view.generation);
        if !revoked.is_empty() {
            group.give_up(&self.view.member, &revoked);
        }
        for of in &revoked {
            self.reader.unassign(of);
        }
        for of in assigned {
            let committed = group.offsets.committed(&of);
            let Ok(id) = state.topics.log_id(Call::Assign, &of) else { continue };
            let start = state.topics.log(id).map(|log| log.start());
            if let Some(from) = committed.or(start) {
                self.reader.assign(of, id, from);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{Broker, Cleanup, TopicSpec};
    use crate::clock::ManualClock;

    #[test]
    fn a_topic_that_comes_later_is_shared_out_when_it_is_there() {
        let cluster = Embedded::new(Arc::new(ManualClock::at(Timestamp(0))));
        let topic: Topic = "later".into();
        let mut consumer = cluster.group_consumer("g", None, std::slice::from_ref(&topic)).unwrap();
        assert_eq!(consumer.poll(Duration::ZERO).unwrap().ends, []);
        let spec = TopicSpec { name: topic, partitions: 2, cleanup: Cleanup::Delete(None) };
        cluster.admin().unwrap().create(&[spec]).unwrap();
        let ends = [0, 1].map(|number| (TopicPartition::new("later", number), Offset(0)));
        assert_eq!(consumer.poll(Duration::ZERO).unwrap().ends, ends);
    }
}
