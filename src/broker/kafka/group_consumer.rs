//! The subscribed reader of a sink: librdkafka assigns and revokes by itself, positions come from the group.
//!
//! A record may come again after a rebalance; a sink applies idempotently. Ends are not reported.

use std::time::Duration;

use super::fetch::Fetch;
use super::ffi::{Client, Kind, List, OffsetSpec, Queue};
use crate::broker::{Call, Failure, GroupConsumer, Polled};
use crate::record::{Offset, Topic, TopicPartition};

/// How long closing may take before the group is left to notice by itself.
const CLOSE_WAIT: Duration = Duration::from_secs(3);

/// A subscribed consumer.
#[derive(Debug)]
pub(super) struct KafkaGroupConsumer {
    queue: Queue,
    client: Client,
    answer_timeout: Duration,
    failed: Option<Failure>,
}

impl KafkaGroupConsumer {
    /// Opens it with these lines of settings.
    pub(super) fn open(
        settings: &[(String, String)],
        answer_timeout: Duration,
        topics: &[Topic],
    ) -> Result<Self, Failure> {
        let mut client = Client::open(Kind::Consumer, settings)?;
        let topics: Vec<_> =
            topics.iter().map(|topic| TopicPartition::new(topic.clone(), -1)).collect();
        client
            .subscribe(&List::new(Call::Open, topics.iter().map(|of| (of, OffsetSpec::Unset)))?)?;
        Ok(Self { queue: Queue::of(&client)?, client, answer_timeout, failed: None })
    }
}

impl GroupConsumer for KafkaGroupConsumer {
    fn poll(&mut self, wait: Duration) -> Result<Polled, Failure> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        let fetched = Fetch::default().collect(&mut self.queue, wait, None);
        self.failed = fetched.failed;
        Ok(fetched.polled)
    }

    fn commit(&mut self, offsets: &[(TopicPartition, Offset)]) -> Result<(), Failure> {
        if offsets.is_empty() {
            return Ok(());
        }
        let places = offsets.iter().map(|(of, next)| (of, OffsetSpec::At(*next)));
        let list = List::new(Call::GroupCommit, places)?;
        self.client.commit_offsets(&list, self.answer_timeout)
    }
}

impl Drop for KafkaGroupConsumer {
    /// Leaves the group, so that the others need not wait for the session to end; a static member does not.
    fn drop(&mut self) {
        if let Err(failed) = self.client.close(CLOSE_WAIT, &mut |_| {}) {
            tracing::debug!(%failed, "a sink's consumer did not leave its group");
        }
    }
}
