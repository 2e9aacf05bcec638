//! One partition's log: what was appended, and how far each kind of reader may read.
//!
//! An offset belongs to a record or to a marker that ends a transaction. A marker carries nothing a reader
//! could want, so it is only a gap in the offsets; compaction leaves gaps too. Records lie in segments
//! that own one arena each. What became of a record's transaction stands in one table of the log, so
//! that ending a transaction costs the same however much it wrote.

use std::collections::{BTreeMap, VecDeque};

use crate::broker::{Batch, Isolation};
use crate::record::{Headers, Offset, RawRecord, Timestamp};

const SEGMENT_BYTES: usize = 1 << 20;
const SEGMENT_RECORDS: usize = 1 << 14;
const NULL: u32 = u32::MAX;

/// A transaction as one log numbers it, from 0 in the order of its first records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Local(u32);

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Committed,
    Aborted,
}

/// A record to append: what of it the sender decides.
#[derive(Clone, Copy)]
pub(super) struct Appended<'a> {
    pub timestamp: Timestamp,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
}

/// How much one read may bring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub records: usize,
    pub bytes: usize,
}

impl Budget {
    pub fn is_spent(&self) -> bool {
        self.records == 0 || self.bytes == 0
    }
}

#[derive(Debug, Default)]
pub(super) struct Log {
    segments: VecDeque<Segment>,
    start: Offset,
    end: Offset,
    endings: Vec<Option<Ending>>,
    open: BTreeMap<Local, Offset>,
}

#[derive(Debug, Default)]
struct Segment {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: Offset,
    timestamp: Timestamp,
    transaction: Option<Local>,
    start: u32,
    key: u32,
    value: u32,
    headers: u32,
}

impl Log {
    /// Opens a transaction whose first record is the next to be appended.
    pub fn open(&mut self) -> Local {
        let local = Local(self.endings.len() as u32);
        self.endings.push(None);
        self.open.insert(local, self.end);
        local
    }

    pub fn append(&mut self, record: Appended<'_>, transaction: Option<Local>) -> Offset {
        let offset = self.end;
        self.end = offset.next();
        if self.segments.back().is_none_or(Segment::is_full) {
            self.segments.push_back(Segment::default());
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.push(offset, record, transaction);
        }
        offset
    }

    /// Ends a transaction; the marker takes an offset.
    pub fn end_transaction(&mut self, local: Local, ending: Ending) {
        if let Some(slot) = self.endings.get_mut(local.0 as usize) {
            *slot = Some(ending);
        }
        self.open.remove(&local);
        self.end = self.end.next();
    }

    pub fn start(&self) -> Offset {
        self.start
    }

    pub fn high_watermark(&self) -> Offset {
        self.end
    }

    /// The first offset of the oldest open transaction, or the high watermark.
    pub fn last_stable(&self) -> Offset {
        self.open.values().next().map_or(self.end, |first| (*first).max(self.start))
    }

    /// Where a reader of this isolation has to stop.
    pub fn bound(&self, isolation: Isolation) -> Offset {
        match isolation {
            Isolation::ReadCommitted => self.last_stable(),
            Isolation::ReadUncommitted => self.end,
        }
    }

    /// Copies what `isolation` may see from `from` on into `batch`; answers the next position.
    pub fn read(
        &self,
        from: Offset,
        isolation: Isolation,
        budget: Budget,
        batch: &mut Batch,
    ) -> Offset {
        let bound = self.bound(isolation);
        for (record, transaction) in self.records_from(from) {
            if record.offset >= bound {
                break;
            }
            if batch.len() >= budget.records || batch.bytes() >= budget.bytes {
                return record.offset;
            }
            if isolation == Isolation::ReadUncommitted || self.is_committed(transaction) {
                batch.push(record);
            }
        }
        bound.max(from)
    }

    /// Every record from `from` on with its transaction, in offset order.
    pub fn records_from(
        &self,
        from: Offset,
    ) -> impl Iterator<Item = (RawRecord<'_>, Option<Local>)> {
        let first = self.segments.partition_point(|segment| segment.ends_before(from));
        self.segments.range(first.min(self.segments.len())..).flat_map(move |segment| {
            let first = segment.entries.partition_point(|entry| entry.offset < from);
            let entries = segment.entries.get(first..).unwrap_or_default();
            entries.iter().map(|entry| (segment.record(entry), entry.transaction))
        })
    }

    pub fn is_committed(&self, transaction: Option<Local>) -> bool {
        let Some(local) = transaction else { return true };
        self.endings.get(local.0 as usize) == Some(&Some(Ending::Committed))
    }

    /// Forgets the records before `offset`.
    pub fn delete_before(&mut self, offset: Offset) {
        self.start = self.start.max(offset.min(self.end));
        while self.segments.front().is_some_and(|segment| segment.ends_before(self.start)) {
            self.segments.pop_front();
        }
    }

    /// The same log with only the records that `keeps` answers for; offsets stay as they are.
    pub fn thinned(&self, keeps: impl Fn(&RawRecord<'_>, Option<Local>) -> bool) -> Records {
        let mut segments = VecDeque::new();
        for (record, transaction) in self.records_from(self.start) {
            if !keeps(&record, transaction) {
                continue;
            }
            if segments.back().is_none_or(Segment::is_full) {
                segments.push_back(Segment::default());
            }
            if let Some(segment) = segments.back_mut() {
                let RawRecord { offset, timestamp, key, value, headers } = record;
                segment.push(offset, Appended { timestamp, key, value, headers }, transaction);
            }
        }
        Records(segments)
    }

    /// Puts thinned records in the place of what is there.
    pub fn replace(&mut self, records: Records) {
        self.segments = records.0;
    }
}

/// Records that were taken over from a log, to take their place in it.
pub(super) struct Records(VecDeque<Segment>);

impl Segment {
    fn is_full(&self) -> bool {
        self.bytes.len() >= SEGMENT_BYTES || self.entries.len() >= SEGMENT_RECORDS
    }

    fn ends_before(&self, offset: Offset) -> bool {
        self.entries.last().is_none_or(|entry| entry.offset < offset)
    }

    fn push(&mut self, offset: Offset, record: Appended<'_>, transaction: Option<Local>) {
        self.entries.push(Entry {
            offset,
            timestamp: record.timestamp,
            transaction,
            start: self.bytes.len() as u32,
            key: record.key.map_or(NULL, |key| key.len() as u32),
            value: record.value.map_or(NULL, |value| value.len() as u32),
            headers: record.headers.bytes().len() as u32,
        });
        self.bytes.extend_from_slice(record.key.unwrap_or_default());
        self.bytes.extend_from_slice(record.value.unwrap_or_default());
        self.bytes.extend_from_slice(record.headers.bytes());
    }

    fn record(&self, entry: &Entry) -> RawRecord<'_> {
        let bytes = self.bytes.get(entry.start as usize..).unwrap_or_default();
        let (key, bytes) = split(bytes, entry.key);
        let (value, bytes) = split(bytes, entry.value);
        RawRecord {
            offset: entry.offset,
            timestamp: entry.timestamp,
            key,
            value,
            headers: Headers::from_bytes(bytes.get(..entry.headers as usize).unwrap_or_default()),
        }
    }
}

fn split(bytes: &[u8], length: u32) -> (Option<&[u8]>, &[u8]) {
    if length == NULL {
        return (None, bytes);
    }
    let (taken, rest) = bytes.split_at_checked(length as usize).unwrap_or_default();
    (Some(taken), rest)
}
