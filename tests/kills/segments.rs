//! Transactions as the broker wrote them: its log segments, read down to the batches' headers.
//!
//! A committed reader is shown records, not where a transaction begins and ends. A batch's header has its
//! producer, and markers are batches of their own, so every record can be put to its transaction.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

/// One transaction's part in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub producer: i64,
    /// The offsets of its batches.
    pub batches: Vec<RangeInclusive<i64>>,
}

impl Transaction {
    pub fn has(&self, offset: i64) -> bool {
        self.batches.iter().any(|batch| batch.contains(&offset))
    }
}

/// How the transactions of one partition ended, each list in the order of their markers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ended {
    pub committed: Vec<Transaction>,
    pub aborted: Vec<Transaction>,
    /// How many had no marker yet.
    pub open: usize,
}

/// Reads the segments of a partition below the broker's data folder.
pub fn transactions(data: &Path, topic: &str, partition: i32) -> Ended {
    let folder = data.join(format!("{topic}-{partition}"));
    let mut segments: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .collect();
    segments.sort();
    let (mut ended, mut open) = (Ended::default(), BTreeMap::<i64, Vec<_>>::new());
    for segment in segments {
        let bytes = fs::read(segment).unwrap();
        for batch in batches(&bytes) {
            match batch.kind {
                Kind::Plain => {}
                Kind::Transactional => open.entry(batch.producer).or_default().push(batch.offsets),
                Kind::Marker(end) => {
                    let Some(batches) = open.remove(&batch.producer) else { continue };
                    let transaction = Transaction { producer: batch.producer, batches };
                    match end {
                        End::Committed => ended.committed.push(transaction),
                        End::Aborted => ended.aborted.push(transaction),
                    }
                }
            }
        }
    }
    ended.open = open.len();
    ended
}

struct Batch {
    offsets: RangeInclusive<i64>,
    producer: i64,
    kind: Kind,
}

enum Kind {
    Plain,
    Transactional,
    Marker(End),
}

enum End {
    Committed,
    Aborted,
}

/// Where a batch's records begin: after the header of format 2.
const HEADER: usize = 61;

fn batches(bytes: &[u8]) -> impl Iterator<Item = Batch> + '_ {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let size = 12 + usize::try_from(i32::from_be_bytes(at(rest, 8)?)).unwrap();
        let (batch, next) = rest.split_at_checked(size)?;
        rest = next;
        let base = i64::from_be_bytes(at(batch, 0)?);
        let attributes = i16::from_be_bytes(at(batch, 21)?);
        let last = base + i64::from(i32::from_be_bytes(at(batch, 23)?));
        let producer = i64::from_be_bytes(at(batch, 43)?);
        let kind = match (attributes & 1 << 5 != 0, attributes & 1 << 4 != 0) {
            (true, _) => Kind::Marker(end_of(&batch[HEADER..])),
            (false, true) => Kind::Transactional,
            (false, false) => Kind::Plain,
        };
        Some(Batch { offsets: base..=last, producer, kind })
    })
}

fn at<const N: usize>(bytes: &[u8], from: usize) -> Option<[u8; N]> {
    bytes.get(from..from + N)?.try_into().ok()
}

/// A marker is one record: its length, attributes, two deltas and the key's length are a byte each, then the key
/// has its version and its type in two bytes each.
fn end_of(record: &[u8]) -> End {
    match at(record, 7).map(i16::from_be_bytes).unwrap() {
        0 => End::Aborted,
        1 => End::Committed,
        other => panic!("a control record of type {other}"),
    }
}
