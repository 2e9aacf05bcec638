//! A record that cannot be worked off, as it goes to the topic of dead letters: itself, where it came from, and why.
//!
//! The headers are those of KIP-1034: `__dlq.topic`, `.partition`, `.offset`, `.timestamp`, `.node`, `.error`. A record is
//! kept whole up to 256 KiB of value; of a longer one `.value.length` and `.value.sha256` tell the rest.

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
