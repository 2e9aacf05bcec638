//! A cluster as it lay when somebody left it: every record at its offset, the positions of a group, and the files of state.
//!
//! Offsets are those of then, because state names them. Where there was no record (a marker, what was aborted or deleted)
//! there is none again: a run of records before one free offset is a transaction, whose marker takes it; more free offsets
//! are a transaction that was aborted.

use std::collections::BTreeMap;
use std::fs;
use std::iter;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use millstream::broker::embedded::Embedded;
use millstream::broker::{
    Broker, Cleanup, GroupMetadata, Isolation, OutRecord, Outgoing, Producer, TopicIndex, TopicSpec,
};
use millstream::{Headers, Offset, Timestamp, Topic, TopicPartition, Topology};
use serde::{Deserialize, Serialize};

/// How hard the files are compressed.
const LEVEL: i32 = 19;
const CALL: Duration = Duration::from_secs(10);

/// A partition.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub struct Partition {
    topic: String,
    partition: i32,
    compacted: bool,
    /// The first offset and the one after the last.
    bounds: (i64, i64),
    /// The next offset that the group reads.
    position: Option<i64>,
    records: Vec<Record>,
}

/// A record; bytes are in Base64.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Record {
    offset: i64,
    at: i64,
    key: Option<String>,
    value: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    headers: String,
}

/// Takes an offset.
const FILLER: Record = Record { offset: 0, at: 0, key: None, value: None, headers: String::new() };

/// A file of state, by its path in the folder.
#[derive(Deserialize, Serialize)]
struct StateFile {
    path: String,
    bytes: String,
}

/// What lies in the topics of `topology`, and how far its group is.
pub fn dump(broker: &Embedded, topology: &Topology) -> Vec<Partition> {
    let logs: Vec<_> = topology.changelogs().into_iter().map(|(log, _)| log).collect();
    let sources = [topology.inputs(), topology.internals()].concat();
    let mut topics = [topology.outputs(), topology.broadcasts(), logs.clone()].concat();
    topics.extend(sources.iter().cloned());
    topics.extend([topology.task_topic(), topology.dead_letters()]);
    topics.sort();
    topics.dedup();
    let compacted = [logs, topology.broadcasts(), vec![topology.task_topic()]].concat();
    let counts = broker.admin().unwrap().partitions(&topics).unwrap();
    let mut partitions = Vec::new();
    for (topic, count) in topics.iter().zip(counts) {
        for partition in 0..count.unwrap() {
            let of = TopicPartition::new(topic.clone(), partition);
            let is_read = sources.contains(topic);
            let dumped = dump_partition(broker, &of, is_read.then_some(topology.app()));
            partitions.push(Partition { compacted: compacted.contains(topic), ..dumped });
        }
    }
    partitions
}

fn dump_partition(broker: &Embedded, of: &TopicPartition, group: Option<&str>) -> Partition {
    let mut whole = broker.consumer("dump", Isolation::ReadUncommitted).unwrap();
    let bounds = whole.bounds(of).unwrap();
    let position = group.and_then(|group| {
        let mut consumer = broker.consumer(group, Isolation::ReadCommitted).unwrap();
        consumer.committed(std::slice::from_ref(of)).unwrap()[0]
    });
    let mut consumer = broker.consumer("dump", Isolation::ReadCommitted).unwrap();
    consumer.assign(&[(of.clone(), bounds.start)]).unwrap();
    let mut records = Vec::new();
    let text = |bytes: &[u8]| BASE64.encode(bytes);
    let mut is_at_end = bounds.start == bounds.end;
    while !is_at_end {
        let polled = consumer.poll(Duration::ZERO).unwrap();
        for record in polled.batches.iter().flat_map(|batch| batch.iter()) {
            records.push(Record {
                offset: record.offset.0,
                at: record.timestamp.0,
                key: record.key.map(text),
                value: record.value.map(text),
                headers: text(record.headers.bytes()),
            });
        }
        is_at_end = !polled.ends.is_empty();
    }
    Partition {
        topic: of.topic.to_string(),
        partition: of.partition,
        compacted: false,
        bounds: (bounds.start.0, bounds.end.0),
        position: position.map(|at| at.0),
        records,
    }
}

/// Puts it all on an empty cluster, as it was.
pub fn load(broker: &Embedded, partitions: &[Partition], group: &str) {
    let mut counts: BTreeMap<&str, (i32, bool)> = BTreeMap::new();
    for of in partitions {
        let (count, _) = counts.entry(&of.topic).or_insert((0, of.compacted));
        *count += 1;
    }
    let specs: Vec<_> = counts
        .into_iter()
        .map(|(name, (partitions, compacted))| TopicSpec {
            name: name.into(),
            partitions,
            cleanup: if compacted { Cleanup::Compact } else { Cleanup::Delete(None) },
        })
        .collect();
    broker.admin().unwrap().create(&specs).unwrap();
    let positions: Vec<_> =
        partitions.iter().filter_map(|of| Some((of.of(), Offset(of.position?)))).collect();
    partitions.iter().for_each(|of| load_partition(broker, of));
    let mut producer = transactional(broker, partitions[0].topic.as_str().into());
    let nobody = GroupMetadata {
        group: group.into(),
        generation: -1,
        member: String::new(),
        instance: Arc::default(),
    };
    producer.begin().unwrap();
    producer.send_offsets(&positions, &nobody).unwrap();
    producer.commit().unwrap();
}

impl Partition {
    fn of(&self) -> TopicPartition {
        TopicPartition::new(self.topic.as_str(), self.partition)
    }
}

fn transactional(broker: &Embedded, topic: Topic) -> Box<dyn Producer> {
    let mut producer = broker.producer(Some("load"), Arc::from([topic])).unwrap();
    producer.init(CALL).unwrap();
    producer
}

fn load_partition(broker: &Embedded, of: &Partition) {
    let topic: Topic = of.topic.as_str().into();
    let mut plain = broker.producer(None, Arc::from([topic.clone()])).unwrap();
    let mut transactional = transactional(broker, topic);
    let mut next = 0;
    let mut rest = of.records.as_slice();
    while next < of.bounds.1 {
        let is_next = |(at, record): (usize, &Record)| record.offset == next + at as i64;
        let run = rest.iter().enumerate().take_while(|one| is_next(*one)).count();
        let (records, left) = rest.split_at(run);
        next += run as i64;
        let free = left.first().map_or(of.bounds.1, |record| record.offset) - next;
        let out = outgoing(of.partition, records.iter());
        let fillers = |count| outgoing(of.partition, iter::repeat_n(&FILLER, count as usize));
        match (free, run) {
            (1, 1..) => {
                transactional.begin().unwrap();
                transactional.send(&out).unwrap();
                transactional.commit().unwrap();
            }
            // The first record of all, which is deleted below.
            (1, 0) => plain.send(&fillers(1)).unwrap(),
            (_, _) => plain.send(&out).unwrap(),
        }
        plain.flush(CALL).unwrap();
        if free > 1 {
            transactional.begin().unwrap();
            transactional.send(&fillers(free - 1)).unwrap();
            transactional.abort().unwrap();
        }
        (next, rest) = (next + free, left);
    }
    broker.admin().unwrap().delete_before(&[(of.of(), Offset(of.bounds.0))]).unwrap();
}

fn outgoing<'r>(partition: i32, records: impl Iterator<Item = &'r Record>) -> Outgoing {
    let bytes = |text: &String| BASE64.decode(text).unwrap();
    let mut out = Outgoing::default();
    for record in records {
        let (key, value) = (record.key.as_ref().map(bytes), record.value.as_ref().map(bytes));
        let headers = bytes(&record.headers);
        out.push(OutRecord {
            topic: TopicIndex(0),
            partition,
            logged: false,
            timestamp: Timestamp(record.at),
            key: key.as_deref(),
            value: value.as_deref(),
            headers: Headers::from_bytes(&headers),
        });
    }
    out
}

/// Writes values, a line each, compressed.
pub fn write<T: Serialize>(file: &Path, values: &[T]) {
    let lines: Vec<_> = values.iter().map(|value| serde_json::to_string(value).unwrap()).collect();
    fs::write(file, zstd::encode_all(lines.join("\n").as_bytes(), LEVEL).unwrap()).unwrap();
}

/// Reads what [`write`] wrote.
pub fn read<T: for<'de> Deserialize<'de>>(file: &Path) -> Vec<T> {
    let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let text = String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Packs every file below a folder.
pub fn pack(folder: &Path, file: &Path) {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(of) = folders.pop() {
        for entry in fs::read_dir(of).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = BASE64.encode(fs::read(&path).unwrap());
                let path = path.strip_prefix(folder).unwrap().display().to_string();
                files.push(StateFile { path, bytes });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    write(file, &files);
}

/// Unpacks them.
pub fn unpack(file: &Path, folder: &Path) {
    for StateFile { path, bytes } in read(file) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, BASE64.decode(bytes).unwrap()).unwrap();
    }
}
