//! One partition's log: what was appended, and how far each kind of reader may read.
//!
//! An offset belongs to a record or to a marker that ends a transaction. A marker carries nothing a reader
//! could want, so it is only a gap in the offsets; compaction leaves gaps too. Records lie in segments
//! that own one arena each. What became of a record's transaction stands in one table of the log, so
//! that ending a transaction costs the same however much it wrote.

use std::collections::{BTreeMap, VecDeque};

use crate::broker::{Batch, Isolation};
use crate::record::{Headers, Length, Offset, RawRecord, Timestamp};

const SEGMENT_BYTES: usize = 1 << 20;
const SEGMENT_RECORDS: usize = 1 << 14;

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
    key: Length,
    value: Length,
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
            key: Length::of(record.key),
            value: Length::of(record.value),
            headers: record.headers.bytes().len() as u32,
        });
        self.bytes.extend_from_slice(record.key.unwrap_or_default());
        self.bytes.extend_from_slice(record.value.unwrap_or_default());
        self.bytes.extend_from_slice(record.headers.bytes());
    }

    fn record(&self, entry: &Entry) -> RawRecord<'_> {
        let bytes = self.bytes.get(entry.start as usize..).unwrap_or_default();
        let (key, bytes) = entry.key.split(bytes);
        let (value, bytes) = entry.value.split(bytes);
        RawRecord {
            offset: entry.offset,
            timestamp: entry.timestamp,
            key,
            value,
            headers: Headers::from_bytes(bytes.get(..entry.headers as usize).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::embedded::compaction::compact;
    use crate::broker::embedded::random::Random;
    use crate::record::TopicPartition;

    /// A log as one would write it down: every offset ever given, and what became of it.
    #[derive(Default)]
    struct Written {
        rows: Vec<Row>,
        start: usize,
    }

    enum Row {
        Record { key: u8, by: Option<usize> },
        Marker { of: usize, ending: Ending },
    }

    impl Written {
        fn ending(&self, by: usize) -> Option<Ending> {
            self.rows.iter().find_map(|row| match row {
                Row::Marker { of, ending } if *of == by => Some(*ending),
                Row::Marker { .. } | Row::Record { .. } => None,
            })
        }

        fn stable(&self) -> usize {
            let is_open = |row: &Row| match row {
                Row::Record { by: Some(by), .. } => self.ending(*by).is_none(),
                Row::Record { by: None, .. } | Row::Marker { .. } => false,
            };
            self.rows.iter().position(is_open).unwrap_or(self.rows.len()).max(self.start)
        }

        /// Offset and key of what a reader sees from the start on.
        fn seen(&self, isolation: Isolation) -> Vec<(i64, u8)> {
            let bound = match isolation {
                Isolation::ReadCommitted => self.stable(),
                Isolation::ReadUncommitted => self.rows.len(),
            };
            let visible = |by: Option<usize>| match (isolation, by) {
                (Isolation::ReadUncommitted, _) | (_, None) => true,
                (_, Some(by)) => self.ending(by) == Some(Ending::Committed),
            };
            let rows = self.rows.iter().enumerate().take(bound).skip(self.start);
            rows.filter_map(|(offset, row)| match row {
                Row::Record { key, by } if visible(*by) => Some((offset as i64, *key)),
                Row::Record { .. } | Row::Marker { .. } => None,
            })
            .collect()
        }

        /// The same after compaction of the stable part.
        fn compacted(&self) -> Vec<(i64, u8)> {
            let seen = self.seen(Isolation::ReadCommitted);
            let is_last =
                |at: usize, key: u8| seen[at + 1..].iter().all(|(_, other)| *other != key);
            let rows = seen.iter().enumerate();
            rows.filter(|(at, (_, key))| is_last(*at, *key)).map(|(_, row)| *row).collect()
        }
    }

    /// What a log shows, read in pieces of `records`.
    fn read(log: &Log, isolation: Isolation, records: usize) -> Vec<(i64, u8)> {
        let (mut seen, mut from) = (Vec::new(), log.start());
        while from < log.bound(isolation) {
            let mut batch = Batch::new(TopicPartition::new("log", 0));
            from = log.read(from, isolation, Budget { records, bytes: 1 << 20 }, &mut batch);
            seen.extend(batch.iter().map(|record| (record.offset.0, record.key.unwrap()[0])));
        }
        seen
    }

    fn check(log: &Log, written: &Written, pieces: usize) {
        assert_eq!(log.high_watermark(), Offset(written.rows.len() as i64));
        assert_eq!(log.last_stable(), Offset(written.stable() as i64));
        for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
            assert_eq!(read(log, isolation, pieces), written.seen(isolation));
        }
    }

    fn scenario(seed: u64) {
        let mut random = Random::new(seed);
        let (mut log, mut written) = (Log::default(), Written::default());
        let mut open: Vec<(Local, usize)> = Vec::new();
        for transactions in 0..300 {
            let append =
                |log: &mut Log, written: &mut Written, key: u8, by: Option<(Local, usize)>| {
                    let (value, headers) = (Some(&b"value"[..]), Headers::default());
                    let local = by.map(|(local, _)| local);
                    let record =
                        Appended { timestamp: Timestamp(0), key: Some(&[key]), value, headers };
                    log.append(record, local);
                    written.rows.push(Row::Record { key, by: by.map(|(_, number)| number) });
                };
            let key = random.below(5) as u8;
            match random.below(10) {
                0..3 => append(&mut log, &mut written, key, None),
                3..5 => {
                    open.push((log.open(), transactions));
                    append(&mut log, &mut written, key, open.last().copied());
                }
                5..8 if !open.is_empty() => {
                    let by = open[random.below(open.len())];
                    append(&mut log, &mut written, key, Some(by));
                }
                8 if !open.is_empty() => {
                    let (local, of) = open.swap_remove(random.below(open.len()));
                    let ending = [Ending::Committed, Ending::Aborted][random.below(2)];
                    log.end_transaction(local, ending);
                    written.rows.push(Row::Marker { of, ending });
                }
                9 => {
                    written.start += random.below(written.rows.len() - written.start + 1).min(3);
                    log.delete_before(Offset(written.start as i64));
                }
                _ => {}
            }
            check(&log, &written, 1 + random.below(7));
        }
        compact(&mut log);
        assert_eq!(read(&log, Isolation::ReadCommitted, 3), written.compacted());
        assert_eq!(log.high_watermark(), Offset(written.rows.len() as i64));
    }

    #[test]
    fn a_log_shows_what_a_naive_one_shows() {
        for seed in 0..40 {
            scenario(seed);
        }
    }
}
