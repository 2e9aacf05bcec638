//! Records on their way out, in one arena, in the order they were made.

use crate::capacity::clear_and_forget;
use crate::record::{Header, Headers, Length, Timestamp, encode_header};

/// A topic of the producer's table (the `topics` given when it was opened).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicIndex(pub u16);

/// One record to send, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct OutRecord<'a> {
    /// Where to.
    pub topic: TopicIndex,
    /// Which partition of it: the caller has decided.
    pub partition: i32,
    /// Whether it goes to one of our own topics (changelog, repartition): its value carries time and headers
    /// itself, so it can go by `rd_kafka_produce_batch`, and its offset is reported by commit. One with headers goes by itself.
    pub logged: bool,
    /// Its time; ignored when `logged`.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers; mostly none when `logged`.
    pub headers: Headers<'a>,
}

/// Records to send. Cleared and reused: a warm one allocates nothing.
#[derive(Debug, Default)]
pub struct Outgoing {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    has_headed_logs: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    timestamp: Timestamp,
    start: usize,
    key: Length,
    value: Length,
    headers: u32,
    partition: i32,
    topic: TopicIndex,
    logged: bool,
}

impl Outgoing {
    /// Appends a copy of `record`.
    pub fn push(&mut self, record: OutRecord<'_>) {
        self.has_headed_logs |= record.logged && !record.headers.is_empty();
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record.key.unwrap_or_default());
        self.bytes.extend_from_slice(record.value.unwrap_or_default());
        self.bytes.extend_from_slice(record.headers.bytes());
        self.entries.push(Entry {
            timestamp: record.timestamp,
            start,
            key: Length::of(record.key),
            value: Length::of(record.value),
            headers: record.headers.bytes().len() as u32,
            partition: record.partition,
            topic: record.topic,
            logged: record.logged,
        });
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a logged record among them has headers.
    pub fn has_headed_logs(&self) -> bool {
        self.has_headed_logs
    }

    /// Bytes of keys, values and headers.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Empties it, keeping the memory that such contents need.
    pub fn clear(&mut self) {
        self.has_headed_logs = false;
        clear_and_forget(&mut self.entries);
        clear_and_forget(&mut self.bytes);
    }

    /// Every record, in order.
    pub fn iter(&self) -> impl Iterator<Item = OutRecord<'_>> {
        self.entries.iter().map(|entry| {
            let bytes = self.bytes.get(entry.start..).unwrap_or_default();
            let (key, bytes) = entry.key.split(bytes);
            let (value, bytes) = entry.value.split(bytes);
            OutRecord {
                topic: entry.topic,
                partition: entry.partition,
                logged: entry.logged,
                timestamp: entry.timestamp,
                key,
                value,
                headers: Headers::from_bytes(
                    bytes.get(..entry.headers as usize).unwrap_or_default(),
                ),
            }
        })
    }
}

/// Headers in their encoded form, from a list: for callers outside the hot path.
pub fn headers(list: &[Header<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for header in list {
        encode_header(*header, &mut out);
    }
    out
}
