//! A dead letter as whoever opens the topic reads it: the record, its place, and why it lies here.
//!
//! Any bytes may lie in the topic: reading never panics, and what is no letter says which header is at fault.

use std::fmt;
use std::str::FromStr;

use super::{
    ERROR, HEADERS_LENGTH, KEY_LENGTH, NODE, OFFSET, PARTITION, PREFIX, Place, REASON, Reason,
    Redriven, TIMESTAMP, TOPIC, VALUE_LENGTH, VALUE_SHA256, encode_own,
};
use crate::record::{Header, Headers, Offset, RawRecord, Timestamp};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter<'a> {
    /// Where it lies.
    pub place: Place,
    /// When it was written.
    pub at: Timestamp,
    /// The topic that its record came from.
    pub topic: &'a str,
    /// The partition there.
    pub partition: i32,
    /// The offset there.
    pub offset: Offset,
    /// The time of the record.
    pub timestamp: Timestamp,
    /// Who gave it up.
    pub node: &'a str,
    /// Why, in a word; none in letters of before there were any, and of newer ones than these.
    pub reason: Option<Reason>,
    /// Why, in full.
    pub error: &'a str,
    /// The record's key, as far as it is here.
    pub key: Option<&'a [u8]>,
    /// The record's value, as far as it is here.
    pub value: Option<&'a [u8]>,
    /// What was too long to be kept.
    pub cut: Cut<'a>,
    /// How often it was re-driven before, the oldest time first.
    pub history: Vec<Redriven>,
    headers: Headers<'a>,
}

/// Of what was too long to be kept whole, how long it was, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut<'a> {
    /// The key.
    pub key: Option<u64>,
    /// The value.
    pub value: Option<u64>,
    /// The SHA-256 of the whole value, in hexadecimal.
    pub value_sha256: Option<&'a str>,
    /// The record's own headers, of which none is kept then.
    pub headers: Option<u64>,
}

impl Cut<'_> {
    /// Whether anything was.
    pub fn is_any(&self) -> bool {
        self.key.is_some() || self.value.is_some() || self.headers.is_some()
    }
}

/// A record of the topic that is no letter: it stays where it is, and is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where it lies.
    pub place: Place,
    /// The header at fault.
    pub header: &'static str,
    /// What is wrong with it.
    pub found: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, header, found } = self;
        write!(f, "{place}: no dead letter: {header}: {found}")
    }
}

impl std::error::Error for Unreadable {}

impl<'a> Letter<'a> {
    /// Reads a record of this partition of the topic of dead letters.
    pub fn read(partition: i32, record: RawRecord<'a>) -> Result<Self, Unreadable> {
        let told =
            Told { place: Place { partition, offset: record.offset }, headers: record.headers };
        Ok(Self {
            place: told.place,
            at: record.timestamp,
            topic: told.text(TOPIC)?,
            partition: told.number(PARTITION)?,
            offset: Offset(told.number(OFFSET)?),
            timestamp: Timestamp(told.number(TIMESTAMP)?),
            node: told.text(NODE)?,
            reason: told.optional(REASON)?.and_then(Reason::named),
            error: told.text(ERROR)?,
            key: record.key,
            value: record.value,
            cut: Cut {
                key: told.optional_number(KEY_LENGTH)?,
                value: told.optional_number(VALUE_LENGTH)?,
                value_sha256: told.optional(VALUE_SHA256)?,
                headers: told.optional_number(HEADERS_LENGTH)?,
            },
            history: Redriven::all(record.headers),
            headers: record.headers,
        })
    }

    /// The record's own headers.
    pub fn own_headers(&self) -> impl Iterator<Item = Header<'a>> {
        self.headers.filter(|header| !header.name.starts_with(PREFIX))
    }

    /// The headers of its record where it is appended again at this time: its own, and its history with this time.
    pub fn headers_again(&self, at: Timestamp) -> Vec<u8> {
        let mut headers = Vec::new();
        encode_own(self.headers, &mut headers);
        let this = Redriven { from: self.place, at };
        self.history.iter().chain([&this]).for_each(|time| time.encode(&mut headers));
        headers
    }
}

/// The headers of one record, asked by name; of several with one name the last counts.
struct Told<'a> {
    place: Place,
    headers: Headers<'a>,
}

impl<'a> Told<'a> {
    fn optional(&self, header: &'static str) -> Result<Option<&'a str>, Unreadable> {
        let value = self.headers.last(header).map(std::str::from_utf8).transpose();
        value.map_err(|_| self.unreadable(header, "is no UTF-8"))
    }

    fn text(&self, header: &'static str) -> Result<&'a str, Unreadable> {
        self.optional(header)?.ok_or_else(|| self.unreadable(header, "is missing"))
    }

    fn number<N: FromStr>(&self, header: &'static str) -> Result<N, Unreadable> {
        let text = self.text(header)?;
        text.parse().map_err(|_| self.no_number(header, text))
    }

    fn optional_number(&self, header: &'static str) -> Result<Option<u64>, Unreadable> {
        let Some(text) = self.optional(header)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.no_number(header, text))
    }

    fn no_number(&self, header: &'static str, text: &str) -> Unreadable {
        let shown: String = text.chars().take(40).collect();
        self.unreadable(header, &format!("expected a number, found {shown:?}"))
    }

    fn unreadable(&self, header: &'static str, found: &str) -> Unreadable {
        Unreadable { place: self.place, header, found: found.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BYTES_MAX, DeadLetter};
    use super::*;
    use crate::outgoing::{Outgoing, TopicIndex, headers};
    use crate::record::{TopicPartition, encode_header};

    const AT: Timestamp = Timestamp(5_000);

    fn record<'a>(value: &'a [u8], headers: &'a [u8]) -> RawRecord<'a> {
        RawRecord {
            offset: Offset(42),
            timestamp: Timestamp(7),
            key: Some(b"k"),
            value: Some(value),
            headers: Headers::from_bytes(headers),
        }
    }

    /// What becomes of a record as a letter, at offset 17 of its partition.
    fn written(record: RawRecord<'_>, check: impl FnOnce(Letter<'_>)) {
        let source = TopicPartition::new("lines", 5);
        let letter = DeadLetter {
            source: &source,
            record,
            node: "obedient",
            reason: Reason::Rejected,
            error: "not this one",
        };
        let mut out = Outgoing::default();
        letter.send((TopicIndex(0), 3), AT, &mut out);
        let sent = out.iter().next().unwrap();
        let record = RawRecord {
            offset: Offset(17),
            timestamp: sent.timestamp,
            key: sent.key,
            value: sent.value,
            headers: sent.headers,
        };
        check(Letter::read(sent.partition, record).unwrap());
    }

    #[test]
    fn a_letter_is_read_as_it_was_written() {
        let own = headers(&[
            Header { name: "trace", value: Some(b"7") },
            Header { name: "__dlq.topic", value: Some(b"elsewhere") },
            Header { name: "none", value: None },
        ]);
        written(record(b"v", &own), |letter| {
            let own: Vec<_> = letter.own_headers().map(|header| header.name).collect();
            assert_eq!(own, ["trace", "none"]);
            let expected = Letter {
                place: Place { partition: 2, offset: Offset(17) },
                at: AT,
                topic: "lines",
                partition: 5,
                offset: Offset(42),
                timestamp: Timestamp(7),
                node: "obedient",
                reason: Some(Reason::Rejected),
                error: "not this one",
                key: Some(b"k"),
                value: Some(b"v"),
                cut: Cut::default(),
                history: Vec::new(),
                headers: letter.headers,
            };
            assert_eq!(letter, expected);
        });
    }

    #[test]
    fn what_was_cut_is_told_with_its_length() {
        let (long, name) = (vec![7; BYTES_MAX + 3], "x".repeat(BYTES_MAX));
        let own = headers(&[Header { name: &name, value: None }]);
        let of = RawRecord { key: Some(&long), ..record(&long, &own) };
        written(of, |letter| {
            let length = Some(long.len() as u64);
            let Cut { key, value, value_sha256, headers } = letter.cut;
            assert_eq!((key, value, headers), (length, length, Some(own.len() as u64)));
            assert_eq!(value_sha256.map(str::len), Some(64));
            assert_eq!(letter.value.map(<[u8]>::len), Some(BYTES_MAX));
            assert!(letter.cut.is_any() && letter.own_headers().next().is_none());
        });
    }

    #[test]
    fn a_record_that_is_appended_again_and_fails_again_carries_its_history_on() {
        let own = headers(&[Header { name: "trace", value: Some(b"7") }]);
        let mut again = Vec::new();
        written(record(b"v", &own), |letter| again = letter.headers_again(Timestamp(6_000)));
        let place = Place { partition: 2, offset: Offset(17) };
        let first = Redriven { from: place, at: Timestamp(6_000) };
        let mut twice = Vec::new();
        written(record(b"v", &again), |letter| {
            assert_eq!(letter.history, [first]);
            assert_eq!(letter.own_headers().count(), 1);
            twice = letter.headers_again(Timestamp(8_000));
        });
        written(record(b"v", &twice), |letter| {
            assert_eq!(letter.history, [first, Redriven { at: Timestamp(8_000), ..first }]);
        });
    }

    #[test]
    fn what_is_no_letter_names_the_header_at_fault() {
        let complete = [
            (TOPIC, "lines"),
            (PARTITION, "5"),
            (OFFSET, "42"),
            (TIMESTAMP, "7"),
            (NODE, "n"),
            (ERROR, "e"),
        ];
        let read = |list: &[(&'static str, &str)]| {
            let list: Vec<_> = list
                .iter()
                .map(|(name, value)| Header { name, value: Some(value.as_bytes()) })
                .collect();
            let bytes = headers(&list);
            Letter::read(0, record(b"v", &bytes)).map(|letter| letter.reason)
        };
        assert_eq!(read(&complete), Ok(None), "of before there were reasons");
        for missing in 0..complete.len() {
            let mut rest = complete.to_vec();
            let (name, _) = rest.remove(missing);
            assert_eq!(read(&rest).map_err(|fault| fault.header), Err(name));
        }
        let faulty = [(OFFSET, "soon"), (VALUE_LENGTH, "-1")];
        for wrong in faulty {
            let list = [&complete[..], &[wrong]].concat();
            let fault = read(&list).unwrap_err();
            assert_eq!(fault.header, wrong.0);
            assert!(fault.to_string().contains("expected a number, found"), "{fault}");
        }
    }

    /// Numbers that look like chance and are the same on every run (xorshift64*).
    fn dice(state: &mut u64) -> u64 {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    #[test]
    fn no_bytes_whatever_make_reading_panic() {
        let names = [TOPIC, PARTITION, OFFSET, TIMESTAMP, NODE, REASON, ERROR, VALUE_LENGTH];
        let (mut state, mut readable) = (7, 0);
        for _ in 0..20_000 {
            let mut bytes = Vec::new();
            for name in names {
                let value = dice(&mut state).to_le_bytes();
                let digits = (dice(&mut state) % 1_000_000).to_string();
                let value = match dice(&mut state) % 8 {
                    0 => Some(&value[..]),
                    1 => None,
                    _ => Some(digits.as_bytes()),
                };
                encode_header(Header { name, value }, &mut bytes);
            }
            let (changes, long) = (dice(&mut state) % 3, bytes.len() as u64);
            for _ in 0..changes {
                let at = (dice(&mut state) % long) as usize;
                bytes[at] = dice(&mut state) as u8;
            }
            bytes.truncate(bytes.len() - (dice(&mut state) % 4) as usize);
            let read = Letter::read(0, record(b"v", &bytes));
            readable += usize::from(read.is_ok());
            read.map_or_else(|fault| fault.to_string(), |letter| format!("{letter:?}"));
        }
        assert!(readable > 1_000, "most of it is noise: {readable}");
    }
}
