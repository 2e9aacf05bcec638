//! The manifest: the shape of what runs, kept in the task topic, where every start finds it.
//!
//! Another topology or another number of partitions under existing state gives wrong results without an
//! error; so a start compares with it ([`StartPlan`](super::StartPlan)) before anything is processed.

use std::sync::Arc;
use std::time::Duration;

use super::retry::retry_at_startup;
use crate::broker::{Broker, Call, Code, Failure, Isolation, OutRecord, Outgoing, TopicIndex};
use crate::record::{Headers, Timestamp, TopicPartition};
use crate::topology::Topology;

const KEY: &[u8] = b"manifest";
/// How long the task topic may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
const ROUND: Duration = Duration::from_millis(50);

/// The manifest, if there is one. The task topic must exist.
pub(super) fn read(topology: &Topology, broker: &dyn Broker) -> Result<Option<String>, Failure> {
    let at = TopicPartition::new(topology.task_topic(), 0);
    let mut consumer = broker.consumer(topology.app(), Isolation::ReadCommitted)?;
    let bounds = retry_at_startup(|| consumer.bounds(&at))?;
    let mut found = None;
    if bounds.start >= bounds.end {
        return Ok(found);
    }
    consumer.assign(&[(at, bounds.start)])?;
    for _ in 0..PATIENCE.as_millis() / ROUND.as_millis() {
        let polled = retry_at_startup(|| consumer.poll(ROUND))?;
        for record in polled.batches.iter().flat_map(|batch| batch.iter()) {
            if record.key == Some(KEY) {
                found = record.value.map(|value| String::from_utf8_lossy(value).into_owned());
            }
        }
        if polled.ends.iter().any(|(_, end)| *end >= bounds.end) {
            return Ok(found);
        }
    }
    // Without an answer there is no telling whether state lies under another topology.
    Err(Failure::new(Call::Poll, Code::TimedOut, "the manifest could not be read"))
}

/// Puts another in its place.
pub(super) fn write(topology: &Topology, broker: &dyn Broker, text: &str) -> Result<(), Failure> {
    let mut producer = broker.producer(None, Arc::new([topology.task_topic()]))?;
    let mut out = Outgoing::default();
    out.push(OutRecord {
        topic: TopicIndex(0),
        partition: 0,
        logged: false,
        timestamp: Timestamp(0),
        key: Some(KEY),
        value: Some(text.as_bytes()),
        headers: Headers::default(),
    });
    producer.send(&out)?;
    producer.flush(PATIENCE).map(drop)
}
