//! A record that cannot be worked off, as it goes to the topic of dead letters: itself, where it came from, and why.
//!
//! The headers are those of KIP-1034: `__dlq.topic`, `.partition`, `.offset`, `.timestamp`, `.node`, `.reason`, `.error`. Key
//! and value are kept whole up to 256 KiB each, and so are the record's own headers, in front of these; of what is longer
//! `.key.length`, `.value.length`, `.value.sha256` and `.headers.length` tell the rest. [`Letter`] reads all of it.

mod history;
mod letter;
mod place;
mod reason;
mod sent;

use sha2::{Digest, Sha256};

pub use history::Redriven;
pub use letter::{Cut, Letter, Unreadable};
pub use place::Place;
pub use reason::Reason;
pub use sent::Origin;
pub(crate) use sent::{Sent, Telling};

use crate::outgoing::{OutRecord, Outgoing, TopicIndex};
use crate::readable::hex;
use crate::record::{Header, Headers, RawRecord, Timestamp, TopicPartition, encode_header};

/// The longest key, value, and headers in all, that a dead letter carries.
const BYTES_MAX: usize = 256 * 1024;
/// The longest error it tells.
const ERROR_BYTES_MAX: usize = 16 * 1024;

/// What the names of our headers begin with: a record's own that do are no news of anybody.
const PREFIX: &str = "__dlq.";
const TOPIC: &str = "__dlq.topic";
const PARTITION: &str = "__dlq.partition";
const OFFSET: &str = "__dlq.offset";
const TIMESTAMP: &str = "__dlq.timestamp";
const NODE: &str = "__dlq.node";
const REASON: &str = "__dlq.reason";
const ERROR: &str = "__dlq.error";
const KEY_LENGTH: &str = "__dlq.key.length";
const VALUE_LENGTH: &str = "__dlq.value.length";
const VALUE_SHA256: &str = "__dlq.value.sha256";
const HEADERS_LENGTH: &str = "__dlq.headers.length";
const REDRIVEN: &str = "__dlq.redriven";

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter<'a> {
    /// Where the record lies.
    pub source: &'a TopicPartition,
    /// The record.
    pub record: RawRecord<'a>,
    /// Who gave it up.
    pub node: &'a str,
    /// Why, in a word.
    pub reason: Reason,
    /// Why, in full.
    pub error: &'a str,
}

impl DeadLetter<'_> {
    /// Appends it to `out`, for the topic `to` of so many partitions, with the time `at`: not the record's own, because the
    /// letters of old records would be deleted before anybody reads them.
    pub fn send(&self, (to, partitions): (TopicIndex, i32), at: Timestamp, out: &mut Outgoing) {
        let cut = |bytes: &[u8]| bytes.get(..BYTES_MAX).unwrap_or(bytes).to_vec();
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

    /// The record's own are dropped if they are too long to go with it, and those that would pass for ours always, but for the
    /// history of a record that was re-driven.
    fn headers(&self) -> Vec<u8> {
        let Self { source, record, node, reason, error } = self;
        let (mut headers, own) = (Vec::new(), record.headers.bytes().len());
        if own <= BYTES_MAX {
            encode_own(record.headers, &mut headers);
        }
        Redriven::all(record.headers).into_iter().for_each(|time| time.encode(&mut headers));
        let mut tell = |name, text: &str| {
            encode_header(Header { name, value: Some(text.as_bytes()) }, &mut headers);
        };
        tell(TOPIC, &source.topic);
        tell(PARTITION, &source.partition.to_string());
        tell(OFFSET, &record.offset.to_string());
        tell(TIMESTAMP, &record.timestamp.0.to_string());
        tell(NODE, node);
        tell(REASON, reason.name());
        tell(ERROR, error.get(..error.floor_char_boundary(ERROR_BYTES_MAX)).unwrap_or(error));
        let (key, full) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
        if key.len() > BYTES_MAX {
            tell(KEY_LENGTH, &key.len().to_string());
        }
        if full.len() > BYTES_MAX {
            tell(VALUE_LENGTH, &full.len().to_string());
            tell(VALUE_SHA256, &hex(&Sha256::digest(full)));
        }
        if own > BYTES_MAX {
            tell(HEADERS_LENGTH, &own.to_string());
        }
        headers
    }
}

/// Appends those of these headers that are the record's own.
fn encode_own(headers: Headers<'_>, out: &mut Vec<u8>) {
    let own = headers.filter(|header| !header.name.starts_with(PREFIX));
    own.for_each(|header| encode_header(header, out));
}
