//! The topics of the cluster and their logs, by name and by number.
//!
//! A number is given once: that of a topic that was deleted stays good for whoever still holds it, and leads to logs
//! that have no name any more.

use std::collections::BTreeMap;

use super::log::Log;
use crate::broker::{Call, Cleanup, Code, Created, Failure, TopicSpec};
use crate::record::{Topic, TopicPartition};

/// One log, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogId {
    pub topic: usize,
    pub partition: i32,
}

#[derive(Debug, Default)]
pub(super) struct Topics {
    numbers: BTreeMap<Topic, usize>,
    topics: Vec<TopicLogs>,
    /// The largest record that is taken; none: Kafka's default.
    pub record_bytes_max: Option<usize>,
}

#[derive(Debug)]
pub(super) struct TopicLogs {
    pub cleanup: Cleanup,
    pub logs: Vec<Log>,
}

impl Topics {
    pub fn create(&mut self, spec: &TopicSpec) -> Result<Created, Failure> {
        if self.numbers.contains_key(&spec.name) {
            return Ok(Created::Existed);
        }
        if spec.partitions < 1 {
            let words = format!("{}: {} partitions", spec.name, spec.partitions);
            return Err(Failure::new(Call::Admin, Code::InvalidArgument, words));
        }
        self.numbers.insert(spec.name.clone(), self.topics.len());
        let logs = (0..spec.partitions).map(|_| Log::default()).collect();
        self.topics.push(TopicLogs { cleanup: spec.cleanup, logs });
        Ok(Created::New)
    }

    /// Forgets the name of a topic.
    pub fn delete(&mut self, topic: &str) {
        self.numbers.remove(topic);
    }

    /// The topics that have a name.
    pub fn names(&self) -> impl Iterator<Item = &Topic> {
        self.numbers.keys()
    }

    pub fn number(&self, topic: &str) -> Option<usize> {
        self.numbers.get(topic).copied()
    }

    pub fn partitions(&self, topic: &str) -> Option<i32> {
        let of = self.topics.get(self.number(topic)?)?;
        i32::try_from(of.logs.len()).ok()
    }

    pub fn log_id(&self, call: Call, of: &TopicPartition) -> Result<LogId, Failure> {
        let id = self.number(&of.topic).map(|topic| LogId { topic, partition: of.partition });
        let id = id.filter(|id| self.log(*id).is_some());
        id.ok_or_else(|| Failure::new(call, Code::UnknownTopic, format!("{of}: no such partition")))
    }

    pub fn log(&self, id: LogId) -> Option<&Log> {
        self.topics.get(id.topic)?.logs.get(usize::try_from(id.partition).ok()?)
    }

    pub fn log_mut(&mut self, id: LogId) -> Option<&mut Log> {
        self.topics.get_mut(id.topic)?.logs.get_mut(usize::try_from(id.partition).ok()?)
    }

    pub fn cleanup(&self, topic: usize) -> Option<Cleanup> {
        self.topics.get(topic).map(|topic| topic.cleanup)
    }

    pub fn cleanup_of(&self, name: &Topic) -> Option<Cleanup> {
        self.numbers.get(name).and_then(|topic| self.cleanup(*topic))
    }

    pub fn each(&mut self) -> impl Iterator<Item = &mut TopicLogs> {
        self.topics.iter_mut()
    }
}
