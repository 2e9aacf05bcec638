//! The administrative calls.

use std::collections::BTreeMap;

use super::topics::Topics;
use super::{Embedded, Wake};
use crate::broker::{
    Admin, Call, Cleanup, Code, Created, Failure, GroupAdmin, TopicDescription, TopicSpec,
};
use crate::record::{Offset, Topic, TopicPartition};

/// The largest record that a broker takes unless told.
const RECORD_BYTES_MAX: usize = 1_048_588;

/// As Kafka numbers the refusal.
const NON_EMPTY_GROUP: i32 = 68;

pub(super) struct EmbeddedAdmin(pub Embedded);

/// The settings by which it does what it does, by Kafka's names.
fn settings(cleanup: Cleanup, record_bytes_max: Option<usize>) -> BTreeMap<String, String> {
    let retention = match cleanup {
        // Its compaction removes no deletion at all.
        Cleanup::Compact | Cleanup::CompactSoon => ("delete.retention.ms", i64::MAX.to_string()),
        Cleanup::Delete(None) => ("retention.ms", "-1".to_owned()),
        Cleanup::Delete(Some(kept)) => ("retention.ms", kept.as_millis().to_string()),
    };
    let policy = if cleanup.is_compact() { "compact" } else { "delete" };
    let bytes_max = record_bytes_max.unwrap_or(RECORD_BYTES_MAX).to_string();
    let settings = [
        ("cleanup.policy", policy.to_owned()),
        retention,
        ("max.message.bytes", bytes_max),
        ("min.insync.replicas", "1".to_owned()),
    ];
    settings.map(|(name, value)| (name.to_owned(), value)).into()
}

impl GroupAdmin for EmbeddedAdmin {
    fn members(&mut self, group: &str) -> Result<usize, Failure> {
        Ok(self.0.with(|state, _| state.groups.of(&group.into()).members()))
    }

    fn delete_group(&mut self, group: &str) -> Result<(), Failure> {
        match self.0.with(|state, _| state.groups.delete(group)) {
            true => Ok(()),
            false => Err(Failure::new(Call::Admin, Code::Other(NON_EMPTY_GROUP), group)),
        }
    }
}

impl Admin for EmbeddedAdmin {
    fn create(&mut self, topics: &[TopicSpec]) -> Result<Vec<Created>, Failure> {
        let created = self.0.with(|state, _| {
            let each = topics.iter().map(|spec| {
                let created = state.topics.create(spec)?;
                if created == Created::New {
                    state.groups.topic_created(&spec.name);
                }
                Ok(created)
            });
            each.collect()
        });
        self.0.wake(Wake::Groups);
        created
    }

    fn partitions(&mut self, of: &[Topic]) -> Result<Vec<Option<i32>>, Failure> {
        Ok(self.0.with(|state, _| of.iter().map(|of| state.topics.partitions(of)).collect()))
    }

    fn topics(&mut self) -> Result<Vec<Topic>, Failure> {
        Ok(self.0.with(|state, _| state.topics.names().cloned().collect()))
    }

    fn describe(&mut self, of: &[Topic]) -> Result<Vec<Option<TopicDescription>>, Failure> {
        let described = |topics: &Topics, of: &Topic| {
            let (partitions, cleanup) = (topics.partitions(of)?, topics.cleanup_of(of)?);
            let settings = settings(cleanup, topics.record_bytes_max);
            Some(TopicDescription { partitions, replicas: 1, settings })
        };
        Ok(self.0.with(|state, _| of.iter().map(|of| described(&state.topics, of)).collect()))
    }

    fn delete(&mut self, topics: &[Topic]) -> Result<(), Failure> {
        self.0.with(|state, _| {
            for topic in topics {
                state.topics.delete(topic);
                state.groups.topic_deleted(topic);
            }
        });
        self.0.wake(Wake::Groups);
        Ok(())
    }

    fn delete_before(&mut self, offsets: &[(TopicPartition, Offset)]) -> Result<(), Failure> {
        self.0.with(|state, _| {
            for (of, offset) in offsets {
                let id = state.topics.log_id(Call::Admin, of)?;
                let Some(log) = state.topics.log_mut(id) else { continue };
                if *offset > log.high_watermark() {
                    let words = format!("{of}: {offset} is beyond {}", log.high_watermark());
                    return Err(Failure::new(Call::Admin, Code::OffsetOutOfRange, words));
                }
                log.delete_before(*offset);
            }
            Ok(())
        })?;
        self.0.wake(Wake::Logs);
        Ok(())
    }
}
