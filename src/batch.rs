//! Records of one partition as they were fetched, in one arena.
//!
//! A batch moves by value from the consumer to the task that works it off; its records are read in place.
//! Copying a record's bytes in costs some 10 ns and frees the client's buffers at once, which bounds memory.

use crate::record::{Headers, Length, Offset, RawRecord, Timestamp, TopicPartition};

/// Records of one partition, in offset order.
#[derive(Clone, Debug)]
pub struct Batch {
    source: TopicPartition,
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: Offset,
    timestamp: Timestamp,
    start: u32,
    key: Length,
    value: Length,
    headers: u32,
}

impl Batch {
    /// An empty batch of `source`.
    pub fn new(source: TopicPartition) -> Self {
        Self { source, entries: Vec::new(), bytes: Vec::new() }
    }

    /// An empty batch of `source` with room for so many records, and so many bytes of them.
    pub fn with_room(source: TopicPartition, records: usize, bytes: usize) -> Self {
        let (entries, bytes) = (Vec::with_capacity(records), Vec::with_capacity(bytes));
        Self { source, entries, bytes }
    }

    /// Appends a copy of `record`. A batch holds less than 4 GiB; adapters start a new one long before.
    pub fn push(&mut self, record: RawRecord<'_>) {
        self.entries.push(Entry {
            offset: record.offset,
            timestamp: record.timestamp,
            start: self.bytes.len() as u32,
            key: Length::of(record.key),
            value: Length::of(record.value),
            headers: record.headers.bytes().len() as u32,
        });
        self.bytes.extend_from_slice(record.key.unwrap_or_default());
        self.bytes.extend_from_slice(record.value.unwrap_or_default());
        self.bytes.extend_from_slice(record.headers.bytes());
    }

    /// The partition they are of.
    pub fn source(&self) -> &TopicPartition {
        &self.source
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of keys, values and headers.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The time of the record at `index`, without touching its bytes.
    pub fn timestamp(&self, index: usize) -> Option<Timestamp> {
        self.entries.get(index).map(|entry| entry.timestamp)
    }

    /// The record at `index`, from 0.
    pub fn get(&self, index: usize) -> Option<RawRecord<'_>> {
        let entry = self.entries.get(index)?;
        let bytes = self.bytes.get(entry.start as usize..)?;
        let (key, bytes) = entry.key.split(bytes);
        let (value, bytes) = entry.value.split(bytes);
        Some(RawRecord {
            offset: entry.offset,
            timestamp: entry.timestamp,
            key,
            value,
            headers: Headers::from_bytes(bytes.get(..entry.headers as usize)?),
        })
    }

    /// Every record, in order.
    pub fn iter(&self) -> impl Iterator<Item = RawRecord<'_>> + Clone {
        (0..self.len()).map_while(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_went_in_nulls_included() {
        let mut batch = Batch::new(TopicPartition::new("t", 0));
        type Row = (Option<&'static [u8]>, Option<&'static [u8]>);
        let rows: [Row; 3] = [(Some(b"k"), Some(b"value")), (None, Some(b"")), (Some(b""), None)];
        for (at, (key, value)) in (7..).zip(rows) {
            let timestamp = Timestamp(at);
            batch.push(RawRecord {
                offset: Offset(at),
                timestamp,
                key,
                value,
                headers: Headers::default(),
            });
        }
        let back: Vec<_> = batch.iter().map(|record| (record.key, record.value)).collect();
        assert_eq!(back, rows);
        assert_eq!(batch.get(2).map(|record| record.offset), Some(Offset(9)));
    }
}
