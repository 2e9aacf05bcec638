//! The manifest: what a running application was made of, kept in its task topic, compared at every start.
//!
//! Another topology or another number of partitions under existing state gives wrong results without an
//! error; so a difference refuses to start, and says which.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Stop;
use super::retry::retry_at_startup;
use crate::broker::{Broker, Call, Code, Failure, Isolation, OutRecord, Outgoing, TopicIndex};
use crate::error::Exit;
use crate::record::{Headers, Timestamp, Topic, TopicPartition};
use crate::topology::Topology;

const KEY: &[u8] = b"manifest";
/// How long the task topic may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
const ROUND: Duration = Duration::from_millis(50);

/// Compares with the manifest that is there, or writes the first.
pub(super) fn compare(
    topology: &Topology,
    partitions: &BTreeMap<Topic, i32>,
    broker: &dyn Broker,
) -> Result<(), Stop> {
    let ours = text(topology, partitions);
    match read(topology, broker)? {
        None => Ok(write(topology, broker, &ours)?),
        Some(theirs) if theirs == ours => Ok(()),
        Some(theirs) => Err(Stop::Exit(
            Exit::Mismatch,
            format!(
                "the application was started with another topology or other partitions:\n{}",
                difference(&theirs, &ours)
            ),
        )),
    }
}

fn text(topology: &Topology, partitions: &BTreeMap<Topic, i32>) -> String {
    let mut out = format!("format 1\ntopology {}\n", topology.hash());
    let used: Vec<_> = topology.built().subs.iter().flat_map(|sub| &sub.sources).collect();
    for (topic, count) in partitions {
        if used.iter().any(|source| source.topic == *topic) {
            out.push_str(&format!("{topic} {count}\n"));
        }
    }
    out
}

fn difference(theirs: &str, ours: &str) -> String {
    let only = |of: &str, not: &str, sign: char| -> Vec<String> {
        let lines = of.lines().filter(|line| !not.lines().any(|other| other == *line));
        lines.map(|line| format!("{sign} {line}")).collect()
    };
    let mut lines = only(theirs, ours, '-');
    lines.extend(only(ours, theirs, '+'));
    lines.join("\n")
}

fn read(topology: &Topology, broker: &dyn Broker) -> Result<Option<String>, Failure> {
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

fn write(topology: &Topology, broker: &dyn Broker, text: &str) -> Result<(), Failure> {
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
