//! What cannot be read is buried with its provenance, on a real cluster, and what follows it is not held up.

use std::sync::Arc;
use std::time::Duration;

use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::broker::{Broker, Failure, Isolation, OutRecord, Outgoing, TopicIndex};
use millstream::{Headers, Offset, Timestamp, Topic, TopicPartition};
use tests::poll_until;

use crate::world::{LONG, World};

/// A dead letter, as far as the test looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buried {
    pub topic: String,
    pub offset: String,
    pub error: String,
    pub kept_bytes: usize,
}

/// Writes values to partition 0 of a topic.
pub fn produce(kafka: &Kafka, topic: &str, values: &[&[u8]]) {
    try_to_produce(kafka, topic, values).unwrap();
}

/// The same; whether some are there after a fault is not known.
pub fn try_to_produce(kafka: &Kafka, topic: &str, values: &[&[u8]]) -> Result<(), Failure> {
    let topics: Arc<[Topic]> = Arc::new([topic.into()]);
    let mut producer = kafka.producer(None, topics)?;
    let mut out = Outgoing::default();
    for value in values {
        out.push(OutRecord {
            topic: TopicIndex(0),
            partition: 0,
            logged: false,
            timestamp: Timestamp(1_700_000_000_000),
            key: None,
            value: Some(value),
            headers: Headers::default(),
        });
    }
    producer.send(&out)?;
    producer.flush(Duration::from_secs(30)).map(drop)
}

/// Committed records of every partition of a topic, read until there are `count`.
pub fn dead_letters(kafka: &Kafka, topic: &str, count: usize) -> Vec<Buried> {
    let mut consumer = kafka.consumer("test", Isolation::ReadCommitted).unwrap();
    let from: Vec<_> =
        (0..3).map(|partition| (TopicPartition::new(topic, partition), Offset(0))).collect();
    consumer.assign(&from).unwrap();
    let mut buried = Vec::new();
    let found = poll_until(LONG, || {
        for batch in consumer.poll(Duration::from_millis(200)).unwrap().batches {
            for record in batch.iter() {
                let text = |name| {
                    let value = record.headers.last(name).unwrap_or_default();
                    String::from_utf8_lossy(value).into_owned()
                };
                buried.push(Buried {
                    topic: text("__dlq.topic"),
                    offset: text("__dlq.offset"),
                    error: text("__dlq.error"),
                    kept_bytes: record.value.unwrap_or_default().len(),
                });
            }
        }
        (buried.len() >= count).then_some(())
    });
    found.unwrap_or_else(|late| panic!("{late}: {buried:?}"));
    buried.sort_by(|a, b| a.offset.cmp(&b.offset));
    buried
}

#[test]
fn poison_is_buried_with_its_provenance_and_the_rows_after_it_count() {
    let world = World::without_change_capture();
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let (author, reader) =
        ("a0000000-0000-4000-8000-00000000000a", "c0000000-0000-4000-8000-00000000000c");
    let post = "d0000000-0000-4000-8000-00000000000d";
    let now = world.now_ms();
    let row = |fields: &str| {
        format!(
            r#"{{"before":null,"after":{{{fields}}},"source":{{"lsn":{now},"ts_ms":{now}}},"op":"c"}}"#
        )
    };
    let good =
        row(&format!(r#""follower_id":"{reader}","followee_id":"{author}","created_at":{now}"#));
    let wrong_type =
        row(&format!(r#""follower_id":"{reader}","followee_id":"{author}","created_at":"soon""#));
    let missing = row(&format!(r#""follower_id":"{reader}","created_at":{now}"#));
    let huge = vec![b' '; 10 << 20];
    let truncated = good.split_at(good.len() / 2).0;
    let follows =
        [truncated.as_bytes(), wrong_type.as_bytes(), missing.as_bytes(), &huge, good.as_bytes()];
    produce(&kafka, "cdc.follows", &follows);
    let posted = row(&format!(
        r#""id":"{post}","user_id":"{author}","content":"after poison","created_at":{now}"#
    ));
    produce(&kafka, "cdc.posts", &[posted.as_bytes()]);

    let feed = world.feed_when(reader, |feed| feed.source() == "redis" && feed.has(post));
    assert_eq!(feed.item(post).sources(), ["follow"]);
    let buried = dead_letters(&kafka, "feedmill-dead-letters", 4);
    let places: Vec<_> =
        buried.iter().map(|one| (one.topic.as_str(), one.offset.as_str())).collect();
    assert_eq!(places, ["0", "1", "2", "3"].map(|offset| ("cdc.follows", offset)));
    let sizes: Vec<_> = buried.iter().map(|one| one.kept_bytes).collect();
    assert_eq!(sizes, [truncated.len(), wrong_type.len(), missing.len(), 256 << 10]);
    assert!(buried[1].error.contains("created_at: expected a time, found \"soon\""), "{buried:?}");
    assert!(buried[2].error.contains("followee_id"), "{buried:?}");
    assert!(buried[3].error.contains("record of 10485760 bytes"), "{buried:?}");
}
