//! What lies in a topic, read to its end.

use std::collections::BTreeSet;
use std::time::Duration;

use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::broker::{Broker, Isolation};
use millstream::{Offset, TopicPartition};

use crate::world::World;

/// A record as it lies there.
#[derive(Clone, Debug)]
pub struct Entry {
    pub partition: i32,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// The records of a topic of three partitions, those of each partition in order; empty for null.
pub fn entries(world: &World, topic: &str) -> Vec<Entry> {
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let mut consumer = kafka.consumer("test", Isolation::ReadCommitted).unwrap();
    let places: Vec<_> =
        (0..3).map(|partition| (TopicPartition::new(topic, partition), Offset(0))).collect();
    consumer.assign(&places).unwrap();
    let (mut entries, mut ended) = (Vec::new(), BTreeSet::new());
    while ended.len() < places.len() {
        let polled = consumer.poll(Duration::from_millis(200)).unwrap();
        ended.extend(polled.ends.iter().map(|(of, _)| of.partition));
        for batch in &polled.batches {
            let partition = batch.source().partition;
            entries.extend(batch.iter().map(|record| Entry {
                partition,
                key: record.key.unwrap_or_default().to_vec(),
                value: record.value.unwrap_or_default().to_vec(),
            }));
        }
    }
    entries
}
