//! The topics of a test: typed inputs to write to and outputs to read from.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use super::table::Table;
use crate::broker::embedded::Embedded;
use crate::broker::{Broker, Isolation, OutRecord, Outgoing, TopicIndex, partition_of};
use crate::error::{Fault, Result};
use crate::record::{Headers, Offset, Timestamp, Topic, TopicPartition};
use crate::serde::Serde;

/// Writes to a topic, each record acknowledged, keyed as Kafka's own producers key.
pub struct Input<K, V> {
    broker: Embedded,
    topic: Topic,
    key: Box<dyn Serde<K>>,
    value: Box<dyn Serde<V>>,
}

/// One record of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<K, V> {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: Offset,
    /// Its time.
    pub at: Timestamp,
    /// Its key.
    pub key: Option<K>,
    /// Its value; `None` is a tombstone.
    pub value: Option<V>,
    /// Its headers, as text.
    pub headers: BTreeMap<String, String>,
}

fn fatal(words: impl Display) -> Fault {
    Fault::Fatal(words.to_string())
}

impl<K, V> Input<K, V> {
    pub(super) fn new(
        broker: Embedded,
        topic: &str,
        key: Box<dyn Serde<K>>,
        value: Box<dyn Serde<V>>,
    ) -> Self {
        Self { broker, topic: topic.into(), key, value }
    }

    /// Appends a record.
    pub fn send(&self, key: &K, value: &V, at: Timestamp) -> Result<()>
    where
        K: 'static,
        V: 'static,
    {
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        self.key.encode(key, &mut key_bytes);
        self.value.encode(value, &mut value_bytes);
        let key_bytes = (!self.key.is_null(key)).then_some(key_bytes);
        let value_bytes = (!self.value.is_null(value)).then_some(value_bytes);
        self.send_raw(key_bytes.as_deref(), value_bytes.as_deref(), at)
    }

    /// Appends a record of any bytes.
    pub fn send_raw(&self, key: Option<&[u8]>, value: Option<&[u8]>, at: Timestamp) -> Result<()> {
        let mut admin = self.broker.admin().map_err(fatal)?;
        let counts = admin.partitions(std::slice::from_ref(&self.topic)).map_err(fatal)?;
        let count = counts.first().copied().flatten().unwrap_or(1);
        let topics: Arc<[Topic]> = Arc::new([self.topic.clone()]);
        let mut producer = self.broker.producer(None, topics).map_err(fatal)?;
        let mut out = Outgoing::default();
        out.push(OutRecord {
            topic: TopicIndex(0),
            partition: key.map_or(0, |key| partition_of(key, count)),
            logged: false,
            timestamp: at,
            key,
            value,
            headers: Headers::default(),
        });
        producer.send(&out).map_err(fatal)?;
        producer.flush(Duration::from_secs(1)).map(drop).map_err(fatal)
    }
}

/// Reads a topic as its committed readers do.
pub struct Output<K, V> {
    broker: Embedded,
    topic: Topic,
    key: Box<dyn Serde<K>>,
    value: Box<dyn Serde<V>>,
}

impl<K, V> Output<K, V> {
    pub(super) fn new(
        broker: Embedded,
        topic: &str,
        key: Box<dyn Serde<K>>,
        value: Box<dyn Serde<V>>,
    ) -> Self {
        Self { broker, topic: topic.into(), key, value }
    }

    /// Every committed record, partition by partition.
    pub fn rows(&self) -> Result<Vec<Row<K, V>>>
    where
        K: 'static,
        V: 'static,
    {
        let mut admin = self.broker.admin().map_err(fatal)?;
        let counts = admin.partitions(std::slice::from_ref(&self.topic)).map_err(fatal)?;
        let count = counts.first().copied().flatten().unwrap_or(0);
        let mut consumer =
            self.broker.consumer("output", Isolation::ReadCommitted).map_err(fatal)?;
        let mut from = Vec::new();
        for partition in 0..count {
            let at = TopicPartition::new(self.topic.clone(), partition);
            let start = consumer.bounds(&at).map_err(fatal)?.start;
            from.push((at, start));
        }
        consumer.assign(&from).map_err(fatal)?;
        let mut rows = Vec::new();
        loop {
            let polled = consumer.poll(Duration::ZERO).map_err(fatal)?;
            if polled.batches.is_empty() {
                break;
            }
            for batch in &polled.batches {
                for record in batch.iter() {
                    let text = |bytes: Option<&[u8]>| {
                        String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
                    };
                    rows.push(Row {
                        partition: batch.source().partition,
                        offset: record.offset,
                        at: record.timestamp,
                        key: decoded(&*self.key, record.key)?,
                        value: decoded(&*self.value, record.value)?,
                        headers: record
                            .headers
                            .map(|header| (header.name.to_owned(), text(header.value)))
                            .collect(),
                    });
                }
            }
        }
        rows.sort_by_key(|row| (row.partition, row.offset));
        Ok(rows)
    }

    /// The last value of each key that has one, as a table.
    pub fn latest(&self) -> Result<Table>
    where
        K: Display + 'static,
        V: Display + 'static,
    {
        let mut latest = BTreeMap::new();
        for row in self.rows()? {
            let key = row.key.map_or_else(|| "null".to_owned(), |key| key.to_string());
            match row.value {
                Some(value) => latest.insert(key, value.to_string()),
                None => latest.remove(&key),
            };
        }
        Ok(Table::of(latest))
    }
}

fn decoded<T: 'static>(serde: &dyn Serde<T>, bytes: Option<&[u8]>) -> Result<Option<T>> {
    let mut slot = None;
    if let Some(bytes) = bytes {
        serde.decode(bytes, serde.version(), &mut slot)?;
    }
    Ok(slot)
}
