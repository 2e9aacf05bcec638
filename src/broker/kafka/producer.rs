//! The writer.
//!
//! Logged records go by `rd_kafka_produce_batch`, sorted by partition, because it costs a third; the others need a
//! time and headers and go by `rd_kafka_produceva`. Delivery reports are served on this thread: a little by every `send`, the
//! rest inside commit, abort and flush.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ffi::{Client, Draft, Kind, List, OffsetSpec, TopicHandle};
use super::settings::KafkaSettings;
use super::watchdog;
use crate::broker::{
    Acknowledged, Call, Code, Failure, GroupMetadata, OutRecord, Outgoing, Producer,
};
use crate::record::{Offset, Topic, TopicPartition};

/// How long to wait for reports at a time while the local queue is full.
const ROOM_WAIT: Duration = Duration::from_millis(5);

/// How long an abort waits for what was sent to be acknowledged first.
///
/// Purging at once races with the registration of partitions: right after a commit the coordinator may still hold
/// it off, and then refuses the abort as invalid, which kills the handle.
const SETTLE_WAIT: Duration = Duration::from_secs(1);

/// A producer.
#[derive(Debug)]
pub(super) struct KafkaProducer {
    handles: Vec<TopicHandle>,
    client: Client,
    topics: Arc<[Topic]>,
    transactional: bool,
    /// Nothing has failed since `begin`, so what was sent will arrive.
    sound: bool,
    /// Of every transactional call; its watchdog waits a little longer.
    timeout: Duration,
    /// Where the cluster is, for the watchdog.
    brokers: Arc<str>,
}

impl KafkaProducer {
    pub(super) fn open(
        settings: &KafkaSettings,
        id: Option<&str>,
        topics: Arc<[Topic]>,
    ) -> Result<Self, Failure> {
        let client = Client::open(Kind::Producer, &settings.producer(id))?;
        let handles = topics.iter().map(|topic| client.topic(topic)).collect::<Result<_, _>>()?;
        Ok(Self {
            handles,
            client,
            topics,
            transactional: id.is_some(),
            sound: true,
            timeout: settings.transaction_timeout,
            brokers: settings.bootstrap.as_str().into(),
        })
    }

    /// The failure of a send, with what the handle itself knows of it.
    fn refused(&mut self, failed: Failure) -> Failure {
        self.sound = false;
        if let Some(fatal) = self.client.fatal(Call::Send) {
            return fatal;
        }
        Failure { retriable: false, abortable: self.transactional, ..failed }
    }

    /// Serves reports until there may be room; fails once `deadline` has passed.
    fn make_room(&mut self, deadline: Instant) -> Result<(), Failure> {
        if Instant::now() >= deadline {
            let words = "the local queue stayed full";
            return Err(self.refused(Failure::new(Call::Send, Code::QueueFull, words)));
        }
        self.client.serve(ROOM_WAIT);
        Ok(())
    }

    fn send_one(&mut self, record: &OutRecord<'_>) -> Result<(), Failure> {
        // Read only when it is needed: the clock costs a tenth of a send.
        let mut deadline = None;
        loop {
            let Some(handle) = self.handles.get(usize::from(record.topic.0)) else {
                return Err(self.refused(unknown(record)));
            };
            match self.client.produce(handle, record) {
                Ok(()) => return Ok(()),
                Err(failed) if failed.code == Code::QueueFull => {
                    let timeout = self.timeout;
                    self.make_room(*deadline.get_or_insert_with(|| Instant::now() + timeout))?;
                }
                Err(failed) => return Err(self.refused(failed)),
            }
        }
    }

    /// Sends the drafts of the topic at `topic`, in order, whatever the local queue's size.
    fn send_batch(&mut self, topic: usize, drafts: &mut [Draft<'_>]) -> Result<(), Failure> {
        let deadline = Instant::now() + self.timeout;
        let mut rest = drafts;
        while !rest.is_empty() {
            let Some(handle) = self.handles.get(topic) else { return Ok(()) };
            self.client.produce_batch(handle, rest);
            let taken = rest.iter().position(|draft| draft.failure().is_some());
            let Some(taken) = taken else { return Ok(()) };
            rest = rest.get_mut(taken..).unwrap_or_default();
            match rest.first().and_then(Draft::failure) {
                Some(failed) if failed.code != Code::QueueFull => return Err(self.refused(failed)),
                Some(_) | None => self.make_room(deadline)?,
            }
        }
        Ok(())
    }

    fn acknowledged(&mut self) -> Acknowledged {
        let reported = self.client.reports(|reports| reports.take()).unwrap_or_default();
        reported
            .into_iter()
            .filter_map(|(topic, partition, offset)| {
                let topic = self.topics.get(topic)?;
                Some((TopicPartition::new(Arc::clone(topic), partition), offset))
            })
            .collect()
    }

    /// Adds to a failure the first record's that did not arrive: "3 messages failed" alone helps nobody.
    fn explained(&mut self, failed: Failure) -> Failure {
        match self.client.reports(|reports| reports.take_failure()).flatten() {
            None => failed,
            Some(first) => {
                Failure { detail: format!("{} ({})", failed.detail, first.detail), ..failed }
            }
        }
    }
}

fn unknown(record: &OutRecord<'_>) -> Failure {
    let words = format!("no topic has the index {}", record.topic.0);
    Failure::new(Call::Send, Code::InvalidArgument, words)
}

impl Producer for KafkaProducer {
    fn init(&mut self, wait: Duration) -> Result<(), Failure> {
        let _watched = watchdog::watch(Call::Init, wait, &self.brokers);
        self.client.init_transactions(wait)
    }

    fn begin(&mut self) -> Result<(), Failure> {
        self.client.reports(|reports| reports.clear());
        self.sound = true;
        self.client.begin_transaction()
    }

    fn send(&mut self, records: &Outgoing) -> Result<(), Failure> {
        self.client.serve(Duration::ZERO);
        let mut drafts: Vec<Vec<Draft<'_>>> = Vec::new();
        drafts.resize_with(self.topics.len(), Vec::new);
        // A batch has no headers; and what goes by itself must not overtake what goes by a batch.
        let by_batch = !records.has_headed_logs();
        for record in records.iter() {
            match drafts.get_mut(usize::from(record.topic.0)) {
                Some(drafts) if record.logged && by_batch => drafts.push(Draft::new(&record)),
                Some(_) => self.send_one(&record)?,
                None => return Err(self.refused(unknown(&record))),
            }
        }
        for (topic, mut drafts) in drafts.into_iter().enumerate() {
            // Stable, so a partition keeps its order; sorted, so librdkafka looks each partition up once.
            drafts.sort_by_key(Draft::partition);
            self.send_batch(topic, &mut drafts)?;
        }
        Ok(())
    }

    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, Offset)],
        group: &GroupMetadata,
    ) -> Result<(), Failure> {
        if offsets.is_empty() || offsets.iter().any(|(_, next)| next.0 < 0) {
            // librdkafka ignores such offsets and answers that all is well.
            let words = "every transaction sends at least one offset, and each is concrete";
            return Err(Failure::new(Call::SendOffsets, Code::InvalidArgument, words));
        }
        let places = offsets.iter().map(|(of, next)| (of, OffsetSpec::At(*next)));
        let list = List::new(Call::SendOffsets, places)?;
        // librdkafka #5456: with the group's coordinator down this call ignores its timeout.
        let _watched = watchdog::watch(Call::SendOffsets, self.timeout, &self.brokers);
        let sent = self.client.send_offsets(&list, group, self.timeout / 2);
        self.sound &= sent.is_ok();
        sent
    }

    fn commit(&mut self) -> Result<Acknowledged, Failure> {
        let watched = watchdog::watch(Call::Commit, self.timeout, &self.brokers);
        let committed = self.client.commit_transaction(self.timeout);
        drop(watched);
        self.sound &= committed.is_ok();
        committed.map_err(|failed| self.explained(failed))?;
        Ok(self.acknowledged())
    }

    fn abort(&mut self) -> Result<(), Failure> {
        let watched = watchdog::watch(Call::Abort, self.timeout + SETTLE_WAIT, &self.brokers);
        if self.sound {
            // What does not arrive in time is purged by the abort itself.
            self.client.flush(SETTLE_WAIT).ok();
        }
        self.sound = false;
        let aborted = self.client.abort_transaction(self.timeout);
        drop(watched);
        self.client.reports(|reports| reports.clear());
        aborted
    }

    fn flush(&mut self, wait: Duration) -> Result<Acknowledged, Failure> {
        self.client.flush(wait)?;
        let failed = self.client.reports(|reports| reports.take_failure()).flatten();
        failed.map_or(Ok(()), |failed| {
            Err(Failure { call: Call::Flush, retriable: false, ..failed })
        })?;
        Ok(self.acknowledged())
    }
}
