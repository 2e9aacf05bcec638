//! The assign-only consumer.

use std::sync::Arc;
use std::time::Duration;

use super::log_reader::LogReader;
use super::{Embedded, Wake};
use crate::broker::{Bounds, Call, Code, Consumer, Failure, Flow, Isolation, Polled};
use crate::record::{Offset, TopicPartition};

pub(super) struct EmbeddedConsumer {
    cluster: Embedded,
    group: Arc<str>,
    reader: LogReader,
}

impl EmbeddedConsumer {
    pub fn new(cluster: Embedded, group: &str, isolation: Isolation) -> Self {
        Self { cluster, group: group.into(), reader: LogReader::new(isolation) }
    }
}

impl Consumer for EmbeddedConsumer {
    fn assign(&mut self, from: &[(TopicPartition, Offset)]) -> Result<(), Failure> {
        self.cluster.with(|state, _| {
            state.faults.refusal(Call::Assign, &self.group)?;
            for (of, offset) in from {
                let log = state.topics.log_id(Call::Assign, of)?;
                self.reader.assign(of.clone(), log, *offset);
            }
            Ok(())
        })
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), Failure> {
        for partition in partitions {
            self.reader.unassign(partition);
        }
        Ok(())
    }

    fn flow(&mut self, partitions: &[TopicPartition], flow: Flow) -> Result<(), Failure> {
        for partition in partitions {
            self.reader.flow(partition, flow);
        }
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled, Failure> {
        let Self { cluster, group, reader } = self;
        let polled = cluster.wait(Wake::Logs, wait, |state, _| {
            if let Err(failure) = state.faults.refusal(Call::Poll, group) {
                return Some(Err(failure));
            }
            let polled = reader.read(&state.topics, state.faults.budget());
            (!polled.is_empty()).then_some(Ok(polled))
        });
        polled.unwrap_or_else(|| Ok(Polled::default()))
    }

    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Offset>>, Failure> {
        self.cluster.with(|state, _| {
            state.faults.refusal(Call::Committed, &self.group)?;
            let offsets = &state.groups.of(&self.group).offsets;
            match offsets.unstable(of) {
                None => Ok(of.iter().map(|of| offsets.committed(of)).collect()),
                Some(of) => {
                    let words = format!("{of}: an open transaction would move the position");
                    Err(Failure::new(Call::Committed, Code::UnstableOffsets, words).retriable())
                }
            }
        })
    }

    fn end_seen(&self, of: &TopicPartition) -> Option<Offset> {
        self.cluster.with(|state, _| {
            let log = state.topics.log_id(Call::Bounds, of).ok()?;
            state.topics.log(log).map(|log| log.high_watermark())
        })
    }

    fn bounds(&mut self, of: &TopicPartition) -> Result<Bounds, Failure> {
        let isolation = self.reader.isolation();
        self.cluster.with(|state, _| {
            state.faults.refusal(Call::Bounds, &self.group)?;
            let log = state.topics.log_id(Call::Bounds, of)?;
            let log = state.topics.log(log);
            let bounds = log.map(|log| Bounds { start: log.start(), end: log.bound(isolation) });
            bounds.ok_or_else(|| Failure::new(Call::Bounds, Code::UnknownTopic, of.to_string()))
        })
    }
}
