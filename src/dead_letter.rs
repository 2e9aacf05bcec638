//! A record that cannot be worked off, as it goes to the topic of dead letters: itself, where it came from, and why.
//!
//! The headers are those of KIP-1034: `__dlq.topic`, `.partition`, `.offset`, `.timestamp`, `.node`, `.error`. A record is
//! kept whole up to 256 KiB of value; of a longer one `.value.length` and `.value.sha256` tell the rest.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::outgoing::{OutRecord, Outgoing, TopicIndex};
use crate::record::{Header, Headers, RawRecord, Timestamp, TopicPartition, encode_header};

/// The longest value a dead letter carries.
const VALUE_BYTES_MAX: usize = 256 * 1024;
/// The longest reason it tells.
const REASON_BYTES_MAX: usize = 16 * 1024;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter<'a> {
    /// Where the record lies.
    pub source: &'a TopicPartition,
    /// The record.
    pub record: RawRecord<'a>,
    /// Who gave it up.
    pub node: &'a str,
    /// Why.
    pub error: &'a str,
}

/// Dead letters that were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// How many.
    pub(crate) count: u64,
    /// The last of them, in words.
    pub(crate) last: String,
}

impl Sent {
    /// One more.
    pub(crate) fn note(&mut self, letter: &DeadLetter<'_>) {
        let DeadLetter { source, record, error, .. } = letter;
        self.count += 1;
        self.last = format!("{source}@{}: {error}", record.offset);
    }

    /// Those of another.
    pub(crate) fn take_in(&mut self, other: Self) {
        if other.count > 0 {
            *self = Self { count: self.count + other.count, last: other.last };
        }
    }
}

/// How often it is told that records are dead letters.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Tells of dead letters: of the first at once, then once a minute of all that came since.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    told: Option<Timestamp>,
    untold: Sent,
}

impl Telling {
    /// What is to be told now that there are these too; none if it was told lately.
    pub(crate) fn due(&mut self, more: Sent, now: Timestamp) -> Option<Sent> {
        self.untold.take_in(more);
        let is_late = self.told.is_none_or(|told| now.has_passed(told, TOLD_EVERY));
        if self.untold.count == 0 || !is_late {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

impl DeadLetter<'_> {
    /// Appends it to `out`, for the topic `to` of so many partitions, with the time `at`: not the record's own, because the
    /// letters of old records would be deleted before anybody reads them.
    pub fn send(&self, (to, partitions): (TopicIndex, i32), at: Timestamp, out: &mut Outgoing) {
        let cut = |bytes: &[u8]| bytes.get(..VALUE_BYTES_MAX).unwrap_or(bytes).to_vec();
        let (key, value) = (self.record.key.map(cut), self.record.value.map(cut));
        let headers = self.headers();
        out.push(OutRecord {
            topic: to,
            partition: self.source.partition % partitions.max(1),
            logged: false,
            timestamp: at,
            key: key.as_deref(),
            value: value.as_deref(),
            headers: Headers::from_bytes(&headers),
        });
    }

    /// The record's own are dropped if they are too long to go with it, and those that would pass for ours always.
    fn headers(&self) -> Vec<u8> {
        let Self { source, record, node, error } = self;
        let mut headers = Vec::new();
        if record.headers.bytes().len() <= VALUE_BYTES_MAX {
            let own = record.headers.filter(|header| !header.name.starts_with("__dlq."));
            own.for_each(|header| encode_header(header, &mut headers));
        }
        let mut tell = |name, text: &str| {
            encode_header(Header { name, value: Some(text.as_bytes()) }, &mut headers);
        };
        tell("__dlq.topic", &source.topic);
        tell("__dlq.partition", &source.partition.to_string());
        tell("__dlq.offset", &record.offset.to_string());
        tell("__dlq.timestamp", &record.timestamp.0.to_string());
        tell("__dlq.node", node);
        let error = error.get(..error.floor_char_boundary(REASON_BYTES_MAX)).unwrap_or(error);
        tell("__dlq.error", error);
        let full = record.value.unwrap_or_default();
        if full.len() > VALUE_BYTES_MAX {
            tell("__dlq.value.length", &full.len().to_string());
            tell("__dlq.value.sha256", &sha256_hex(full));
        }
        headers
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Offset;

    #[test]
    fn dead_letters_are_told_at_once_and_then_once_a_minute_all_together() {
        let (mut telling, at) = (Telling::default(), |seconds: i64| Timestamp(seconds * 1_000));
        let due = [(0, 5), (2, 6), (3, 7), (0, 65), (0, 66), (1, 67), (0, 68), (0, 200)];
        let told = due.map(|(count, seconds)| {
            let told = telling.due(Sent { count, last: count.to_string() }, at(seconds))?;
            Some((told.count, told.last))
        });
        let told: Vec<_> = told.into_iter().flatten().collect();
        assert_eq!(told, [(2, "2".to_owned()), (3, "3".to_owned()), (1, "1".to_owned())]);
    }

    #[test]
    fn of_many_letters_the_last_is_told_with_its_place() {
        let (source, mut sent) = (TopicPartition::new("cdc.likes", 3), Sent::default());
        let record = |offset| RawRecord {
            offset: Offset(offset),
            timestamp: Timestamp(0),
            key: None,
            value: None,
            headers: Headers::default(),
        };
        for (offset, error) in [(7, "one"), (9, "other")] {
            sent.note(&DeadLetter { source: &source, record: record(offset), node: "n", error });
        }
        sent.take_in(Sent::default());
        assert_eq!((sent.count, sent.last.as_str()), (2, "cdc.likes-3@9: other"));
    }
}
