//! The administrative calls, by the client that the crate rdkafka has for them.
//!
//! Each is over within its time, a second more at the most, and tells what happened: also why there was no connection, which
//! the crate's client keeps to itself. What a broker says of a topic that it refuses is told by its number alone; the crate
//! leaves out the broker's words.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication, TopicResult};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};

use super::errors::{failure, numbered, told};
use super::ffi::{Buried, List, OffsetSpec, configs_of, listen, serve_log, words_of};
use super::heard::Heard;
use super::settings::{KafkaSettings, config};
use crate::broker::{
    Admin, Call, Cleanup, Code, Created, DELETE_RETENTION, DELETE_RETENTION_SOON, Failure,
    GroupAdmin, TopicDescription, TopicSpec,
};
use crate::record::{Offset, Topic, TopicPartition};

/// How long to wait between two looks for a topic that was just created.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// There is no such group.
const GONE_GROUP: RDKafkaErrorCode = RDKafkaErrorCode::GroupIdNotFound;

const POLICY: &str = "cleanup.policy";
const DELETIONS: &str = "delete.retention.ms";
const SEGMENT_BYTES: &str = "segment.bytes";
/// Which part of a log may be uncompacted before it is compacted.
const DIRTY: &str = "min.cleanable.dirty.ratio";
/// The size of a segment of a compacted log. The one that is written is never compacted, and a new store reads it
/// whole: with the broker's default of 1 GiB that is all that was ever written.
const SEGMENT: &str = "16777216";
/// The same where every start reads the log whole. Such a topic is held in memory by every process, so that even the
/// largest has no more than some hundred segments.
const SEGMENT_SOON: &str = "2097152";
const DIRTY_SOON: &str = "0.2";

/// A handle for administrative calls.
#[derive(Debug)]
pub(super) struct KafkaAdmin {
    client: Buried<AdminClient<Heard>>,
    timeout: Duration,
}

impl KafkaAdmin {
    pub(super) fn open(settings: &KafkaSettings) -> Result<Self, Failure> {
        let options = config(&settings.admin());
        let client = AdminClient::from_config_and_context(&options, Heard::default())
            .map_err(|refused| told(Call::Open, refused))?;
        listen(client.inner());
        Ok(Self { client: Buried::new(client), timeout: settings.answer_timeout() })
    }

    /// The outcome of a call, with why there was no connection if that is what it failed by.
    fn explained<T>(&self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        let heard = self.client.inner().context();
        serve_log(self.client.inner());
        if outcome.is_ok() {
            heard.forget();
        }
        outcome.map_err(|failed| heard.explain(failed))
    }

    fn options(&self) -> AdminOptions {
        let wait = Some(self.timeout);
        AdminOptions::new().request_timeout(wait).operation_timeout(wait)
    }

    /// How many partitions `topic` has, and on how many brokers each lies at least; `None` if there is no such topic.
    fn size(&self, topic: &str) -> Result<Option<(i32, i32)>, Failure> {
        let metadata = self.client.inner().fetch_metadata(Some(topic), self.timeout);
        let metadata = metadata.map_err(|error| told(Call::Admin, error));
        let metadata = self.explained(metadata)?;
        let Some(topic) = metadata.topics().first() else { return Ok(None) };
        // Its partitions are only looked at without an error: with one the crate makes a slice of a null pointer.
        let failed = topic.error().map(|err| failure(Call::Admin, err, words_of(err)));
        match failed {
            None => {
                let replicas = topic.partitions().iter().map(|of| of.replicas().len()).min();
                let narrow = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
                Ok(Some((narrow(topic.partitions().len()), narrow(replicas.unwrap_or(0)))))
            }
            Some(failed) if failed.code == Code::UnknownTopic => Ok(None),
            Some(failed) => Err(failed),
        }
    }

    /// Waits until the broker itself tells of the topic: the controller answers a little earlier.
    fn see(&self, topic: &TopicSpec) -> Result<(), Failure> {
        let deadline = Instant::now() + self.timeout;
        while self.size(&topic.name)?.is_none() {
            if Instant::now() >= deadline {
                let words = format!("{} was created and is not seen", topic.name);
                return Err(Failure::new(Call::Admin, Code::TimedOut, words).retriable());
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Waits until the broker itself does not tell of the topic any more.
    fn miss(&self, topic: &str) -> Result<(), Failure> {
        let deadline = Instant::now() + self.timeout;
        while self.size(topic)?.is_some() {
            if Instant::now() >= deadline {
                let words = format!("{topic} was deleted and is still seen");
                return Err(Failure::new(Call::Admin, Code::TimedOut, words).retriable());
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

/// Waits for an answer, a little longer than librdkafka itself would.
fn answer<T>(asked: impl Future<Output = KafkaResult<T>>, wait: Duration) -> Result<T, Failure> {
    struct Waiting(Thread);
    impl Wake for Waiting {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Waiting(thread::current())));
    let deadline = Instant::now() + wait.saturating_add(Duration::from_secs(1));
    let mut asked = pin!(asked);
    loop {
        if let Poll::Ready(answer) = asked.as_mut().poll(&mut Context::from_waker(&waker)) {
            return answer.map_err(|error| told(Call::Admin, error));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let late = Failure::new(Call::Admin, Code::TimedOut, "no answer in time");
            return Err(late.retriable());
        }
        thread::park_timeout(left);
    }
}

/// What became of a topic.
fn created(result: TopicResult) -> Result<Created, Failure> {
    match result {
        Ok(_) => Ok(Created::New),
        Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(Created::Existed),
        Err((name, code)) => {
            let failed = numbered(Call::Admin, code);
            Err(Failure { detail: format!("{name}: {}", failed.detail), ..failed })
        }
    }
}

/// What became of a topic that was to be deleted.
fn deleted(result: TopicResult) -> Result<(), Failure> {
    match result {
        Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => Ok(()),
        Err((name, code)) => {
            let failed = numbered(Call::Admin, code);
            Err(Failure { detail: format!("{name}: {}", failed.detail), ..failed })
        }
    }
}

/// How long a topic keeps records, or shows deletions, in ms.
fn kept_ms(topic: &TopicSpec) -> String {
    match topic.cleanup {
        Cleanup::Compact => DELETE_RETENTION.as_millis().to_string(),
        Cleanup::CompactSoon => DELETE_RETENTION_SOON.as_millis().to_string(),
        Cleanup::Delete(None) => "-1".to_owned(),
        Cleanup::Delete(Some(span)) => span.as_millis().to_string(),
    }
}

/// A topic that is to be created, with the broker's own replication factor.
fn draft<'a>(topic: &'a TopicSpec, kept_ms: &'a str) -> NewTopic<'a> {
    let settings: &[(&str, &str)] = match topic.cleanup {
        Cleanup::Compact => &[(POLICY, "compact"), (DELETIONS, kept_ms), (SEGMENT_BYTES, SEGMENT)],
        Cleanup::CompactSoon => &[
            (POLICY, "compact"),
            (DELETIONS, kept_ms),
            (SEGMENT_BYTES, SEGMENT_SOON),
            (DIRTY, DIRTY_SOON),
        ],
        Cleanup::Delete(_) => &[(POLICY, "delete"), ("retention.ms", kept_ms)],
    };
    let draft = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(-1));
    settings.iter().fold(draft, |draft, (name, value)| draft.set(name, value))
}

impl GroupAdmin for KafkaAdmin {
    fn members(&mut self, group: &str) -> Result<usize, Failure> {
        let listed = self.client.inner().fetch_group_list(Some(group), self.timeout);
        let listed = self.explained(listed.map_err(|error| told(Call::Admin, error)))?;
        let ours = listed.groups().iter().filter(|listed| listed.name() == group);
        Ok(ours.map(|listed| listed.members().len()).sum())
    }

    fn delete_group(&mut self, group: &str) -> Result<(), Failure> {
        let asked = self.client.delete_groups(&[group], &self.options());
        let results = self.explained(answer(asked, self.timeout))?;
        let refused = results.into_iter().filter_map(Result::err);
        let refused = refused.map(|(_, code)| code).find(|code| *code != GONE_GROUP);
        refused.map_or(Ok(()), |code| Err(numbered(Call::Admin, code)))
    }
}

impl Admin for KafkaAdmin {
    fn create(&mut self, topics: &[TopicSpec]) -> Result<Vec<Created>, Failure> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let kept: Vec<_> = topics.iter().map(kept_ms).collect();
        let drafts: Vec<_> = topics.iter().zip(&kept).map(|(of, kept)| draft(of, kept)).collect();
        let asked = self.client.create_topics(&drafts, &self.options());
        let results = self.explained(answer(asked, self.timeout))?;
        let created = results.into_iter().map(created).collect::<Result<_, _>>()?;
        topics.iter().try_for_each(|topic| self.see(topic))?;
        Ok(created)
    }

    fn partitions(&mut self, of: &[Topic]) -> Result<Vec<Option<i32>>, Failure> {
        let count = |topic: &Topic| Ok(self.size(topic)?.map(|(partitions, _)| partitions));
        of.iter().map(count).collect()
    }

    fn topics(&mut self) -> Result<Vec<Topic>, Failure> {
        let metadata = self.client.inner().fetch_metadata(None, self.timeout);
        let metadata = self.explained(metadata.map_err(|error| told(Call::Admin, error)))?;
        let names = metadata.topics().iter().map(|topic| topic.name());
        Ok(names.filter(|name| !name.starts_with("__")).map(Topic::from).collect())
    }

    fn describe(&mut self, of: &[Topic]) -> Result<Vec<Option<TopicDescription>>, Failure> {
        let sizes = of.iter().map(|topic| self.size(topic)).collect::<Result<Vec<_>, _>>()?;
        let there = of.iter().zip(&sizes).filter(|(_, size)| size.is_some());
        let there: Vec<_> = there.map(|(topic, _)| topic.clone()).collect();
        let mut settings = self.explained(configs_of(self.client.inner(), &there, self.timeout))?;
        let described = |(topic, size): (&Topic, Option<(i32, i32)>)| {
            let (partitions, replicas) = size?;
            let settings = settings.remove(&**topic).unwrap_or_default();
            Some(TopicDescription { partitions, replicas, settings })
        };
        Ok(of.iter().zip(sizes).map(described).collect())
    }

    fn delete(&mut self, topics: &[Topic]) -> Result<(), Failure> {
        if topics.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = topics.iter().map(|topic| &**topic).collect();
        let asked = self.client.delete_topics(&names, &self.options());
        let results = self.explained(answer(asked, self.timeout))?;
        results.into_iter().try_for_each(deleted)?;
        topics.iter().try_for_each(|topic| self.miss(topic))
    }

    fn delete_before(&mut self, offsets: &[(TopicPartition, Offset)]) -> Result<(), Failure> {
        if offsets.is_empty() {
            return Ok(());
        }
        let places = offsets.iter().map(|(of, before)| (of, OffsetSpec::At(*before)));
        let list = List::new(Call::Admin, places)?;
        let asked = self.client.delete_records(list.inner(), &self.options());
        let deleted = self.explained(answer(asked, self.timeout))?;
        let outcomes = deleted.elements().into_iter().map(|element| element.error());
        outcomes.collect::<Result<_, _>>().map_err(|error| told(Call::Admin, error))
    }
}
