//! The administrative calls.

use std::time::Duration;

use super::{Embedded, Wake};
use crate::broker::{Admin, Call, Cleanup, Code, Created, Failure, TopicSpec};
use crate::record::{Offset, Topic, TopicPartition};

pub(super) struct EmbeddedAdmin(pub Embedded);

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

    fn delete_retention(&mut self, of: &[Topic]) -> Result<Vec<Option<Duration>>, Failure> {
        // Its compaction removes no deletion at all.
        let kept = |cleanup: Option<Cleanup>| {
            cleanup.is_some_and(Cleanup::is_compact).then_some(Duration::MAX)
        };
        Ok(self.0.with(|state, _| of.iter().map(|of| kept(state.topics.cleanup_of(of))).collect()))
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
