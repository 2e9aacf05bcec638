//! The words for what moves: topics, partitions, offsets, times, and a record in its two forms.
//!
//! A [`RawRecord`] borrows bytes from the batch it came in; a [`Rec`] is the same record decoded, on its
//! way between two operators. Neither owns anything, so moving a record costs no allocation.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Milliseconds since the Unix epoch, UTC. Negative before 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The smallest time there is: earlier than every record.
    pub const MIN: Self = Self(i64::MIN);

    /// This time and `span` more, saturating.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this one; zero if it lies behind.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whether `span` has passed since `earlier`, or the clock was set back behind it: what waits for a clock must
    /// not wait longer for that.
    pub fn has_passed(self, earlier: Self, span: Duration) -> bool {
        self < earlier || self >= earlier.plus(span)
    }
}

/// A place in a partition's log. The *next* offset to read is one more than the last one read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

impl Offset {
    /// The offset after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A topic's name, cheap to clone.
pub type Topic = Arc<str>;

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Topic,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names partition `partition` of `topic`.
    pub fn new(topic: impl Into<Topic>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A task: one partition group of one sub-topology.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// The sub-topology, named by its first named node.
    pub sub_topology: Arc<str>,
    /// The partition of every source topic it reads.
    pub partition: i32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.sub_topology, self.partition)
    }
}

/// One record on its way between two operators, decoded and borrowed.
pub struct Rec<'a, K, V> {
    /// The key.
    pub key: &'a K,
    /// The value.
    pub value: &'a V,
    /// Its time: the extractor's at the source, inherited from there on.
    pub at: Timestamp,
}

impl<K, V> Copy for Rec<'_, K, V> {}
impl<K, V> Clone for Rec<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

/// One header, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its bytes; `None` is Kafka's null.
    pub value: Option<&'a [u8]>,
}

/// A record as Kafka holds it, borrowed from the batch it was fetched in.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp, as the topic's type has it.
    pub timestamp: Timestamp,
    /// Its key; `None` is Kafka's null.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Headers<'a>,
}

/// The headers of a record, in order, read from the form that [`encode_header`] writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    /// Reads headers that [`encode_header`] wrote; anything else ends the iteration early.
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The encoded form, to pass on.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The value of the last header called `name`, as Kafka's clients have it.
    pub fn last(self, name: &str) -> Option<&'a [u8]> {
        self.filter(|header| header.name == name).last().and_then(|header| header.value)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        let (name, rest) = split_sized(self.0)?;
        let (value, rest) = match rest.split_first_chunk::<4>() {
            Some((&[255, 255, 255, 255], rest)) => (None, rest),
            _ => split_sized(rest).map(|(value, rest)| (Some(value), rest))?,
        };
        self.0 = rest;
        Some(Header { name: std::str::from_utf8(name).ok()?, value })
    }
}

/// Splits `[len u32 le][bytes]` off the front.
fn split_sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*size) as usize)
}

/// How long a key or a value is in an arena, or that it is Kafka's null (as `u32::MAX`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Length(u32);

impl Length {
    pub(crate) fn of(bytes: Option<&[u8]>) -> Self {
        Self(bytes.map_or(u32::MAX, |bytes| bytes.len() as u32))
    }

    /// Takes that much off the front.
    pub(crate) fn split(self, bytes: &[u8]) -> (Option<&[u8]>, &[u8]) {
        if self.0 == u32::MAX {
            return (None, bytes);
        }
        let (taken, rest) = bytes.split_at(self.0 as usize);
        (Some(taken), rest)
    }
}

/// Appends one header to `out`: `[len u32][name][len u32][value]`, a null value as length `u32::MAX`.
pub fn encode_header(header: Header<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&(header.name.len() as u32).to_le_bytes());
    out.extend_from_slice(header.name.as_bytes());
    match header.value {
        None => out.extend_from_slice(&u32::MAX.to_le_bytes()),
        Some(value) => {
            out.extend_from_slice(&(value.len() as u32).to_le_bytes());
            out.extend_from_slice(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_in_order_and_the_last_of_a_name_wins() {
        let mut bytes = Vec::new();
        encode_header(Header { name: "a", value: Some(b"1") }, &mut bytes);
        encode_header(Header { name: "b", value: None }, &mut bytes);
        encode_header(Header { name: "a", value: Some(b"") }, &mut bytes);
        let headers = Headers::from_bytes(&bytes);
        let names: Vec<_> = headers.map(|header| header.name).collect();
        assert_eq!(names, ["a", "b", "a"]);
        assert_eq!((headers.last("a"), headers.last("b")), (Some(&b""[..]), None));
    }

    #[test]
    fn truncated_headers_end_the_iteration() {
        let mut bytes = Vec::new();
        encode_header(Header { name: "a", value: Some(b"12345") }, &mut bytes);
        bytes.truncate(bytes.len() - 1);
        assert_eq!(Headers::from_bytes(&bytes).count(), 0);
    }
}
