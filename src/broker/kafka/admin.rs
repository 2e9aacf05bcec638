//! The administrative calls.

use std::thread;
use std::time::{Duration, Instant};

use super::ffi::{Client, Kind, List, OffsetSpec, TopicDraft};
use super::settings::KafkaSettings;
use crate::broker::{
    Admin, Call, Cleanup, Code, Created, DELETE_RETENTION, DELETE_RETENTION_SOON, Failure,
    TopicSpec,
};
use crate::record::{Offset, Topic, TopicPartition};

/// How long to wait between two looks for a topic that was just created.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

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
    client: Client,
    timeout: Duration,
}

impl KafkaAdmin {
    pub(super) fn open(settings: &KafkaSettings) -> Result<Self, Failure> {
        let client = Client::open(Kind::Producer, &settings.admin())?;
        Ok(Self { client, timeout: settings.answer_timeout() })
    }

    /// Waits until the broker itself tells of the topic: the controller answers a little earlier.
    fn see(&mut self, topic: &TopicSpec) -> Result<(), Failure> {
        let deadline = Instant::now() + self.timeout;
        while self.client.partitions(&topic.name, self.timeout)?.is_none() {
            if Instant::now() >= deadline {
                let words = format!("{} was created and is not seen", topic.name);
                return Err(Failure::new(Call::Admin, Code::TimedOut, words).retriable());
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

fn draft(topic: &TopicSpec) -> Result<TopicDraft, Failure> {
    let millis = match topic.cleanup {
        Cleanup::Compact => DELETE_RETENTION.as_millis().to_string(),
        Cleanup::CompactSoon => DELETE_RETENTION_SOON.as_millis().to_string(),
        Cleanup::Delete(None) => "-1".to_owned(),
        Cleanup::Delete(Some(span)) => span.as_millis().to_string(),
    };
    let settings: &[(&str, &str)] = match topic.cleanup {
        Cleanup::Compact => &[(POLICY, "compact"), (DELETIONS, &millis), (SEGMENT_BYTES, SEGMENT)],
        Cleanup::CompactSoon => &[
            (POLICY, "compact"),
            (DELETIONS, &millis),
            (SEGMENT_BYTES, SEGMENT_SOON),
            (DIRTY, DIRTY_SOON),
        ],
        Cleanup::Delete(_) => &[(POLICY, "delete"), ("retention.ms", &millis)],
    };
    TopicDraft::new(&topic.name, topic.partitions, settings)
}

impl Admin for KafkaAdmin {
    fn create(&mut self, topics: &[TopicSpec]) -> Result<Vec<Created>, Failure> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let drafts = topics.iter().map(draft).collect::<Result<Vec<_>, _>>()?;
        let created = self.client.create_topics(&drafts, self.timeout)?;
        topics.iter().try_for_each(|topic| self.see(topic))?;
        Ok(created)
    }

    fn partitions(&mut self, of: &[Topic]) -> Result<Vec<Option<i32>>, Failure> {
        of.iter().map(|topic| self.client.partitions(topic, self.timeout)).collect()
    }

    fn delete_retention(&mut self, of: &[Topic]) -> Result<Vec<Option<Duration>>, Failure> {
        let settings = self.client.configs_of(of, self.timeout)?;
        let kept = |topic: &Topic| {
            let set = settings.get(&**topic)?;
            set.get(POLICY).filter(|policy| *policy == "compact")?;
            set.get(DELETIONS)?.parse().ok().map(Duration::from_millis)
        };
        Ok(of.iter().map(kept).collect())
    }

    fn delete_before(&mut self, offsets: &[(TopicPartition, Offset)]) -> Result<(), Failure> {
        if offsets.is_empty() {
            return Ok(());
        }
        let places = offsets.iter().map(|(of, before)| (of, OffsetSpec::At(*before)));
        let list = List::new(Call::Admin, places)?;
        self.client.delete_records(&list, self.timeout).map(drop)
    }
}
