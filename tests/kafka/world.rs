//! A cluster with fresh topics, and the few steps that every test takes.

use std::env;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::broker::{
    Broker, Cleanup, Consumer, Isolation, Join, Membership, OutRecord, Outgoing, Polled, Producer,
    Rebalance, TopicIndex, TopicSpec,
};
use millstream::{Headers, Offset, Timestamp, Topic, TopicPartition};
use tests::{Part, Stack};

pub const PATIENCE: Duration = Duration::from_secs(60);

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub struct World {
    pub kafka: Kafka,
    pub name: String,
    pub topic: Topic,
}

/// One broker for all tests of this process, which it ends with; none if `MILLSTREAM_KAFKA` names one, which then
/// needs these properties too.
static STACK: LazyLock<Option<Stack>> = LazyLock::new(|| {
    let started = || {
        Stack::of(&[Part::Kafka])
            .property("log.roll.ms", "200")
            .property("log.cleaner.backoff.ms", "200")
            .property("log.cleaner.min.cleanable.ratio", "0.0001")
            .start()
            .unwrap()
    };
    env::var_os("MILLSTREAM_KAFKA").is_none().then(started)
});

/// Where the broker is.
fn address() -> String {
    let given = || env::var("MILLSTREAM_KAFKA").unwrap();
    STACK.as_ref().map_or_else(given, |stack| stack.kafka().to_owned())
}

/// A world with one topic of this many partitions.
pub fn world(partitions: i32) -> World {
    World::on(KafkaSettings::new(address()), partitions)
}

impl World {
    /// A world on the cluster of these settings, whose clients have its name.
    pub fn on(mut settings: KafkaSettings, partitions: i32) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let name = format!("t{started}-{}-{number}", process::id());
        settings.overrides.insert("client.id".into(), name.clone());
        let topic: Topic = name.as_str().into();
        let kafka = Kafka::new(settings).unwrap();
        let spec = TopicSpec { name: topic.clone(), partitions, cleanup: Cleanup::Delete(None) };
        kafka.admin().unwrap().create(&[spec]).unwrap();
        Self { kafka, name, topic }
    }

    pub fn at(&self, partition: i32) -> TopicPartition {
        TopicPartition::new(self.topic.clone(), partition)
    }

    pub fn reader(&self, isolation: Isolation) -> Box<dyn Consumer> {
        self.kafka.consumer(&self.name, isolation).unwrap()
    }

    /// A committed reader of partition 0 from this offset on.
    pub fn reader_from(&self, from: i64) -> Box<dyn Consumer> {
        let mut reader = self.reader(Isolation::ReadCommitted);
        reader.assign(&[(self.at(0), Offset(from))]).unwrap();
        reader
    }

    /// A name of this world's own.
    pub fn fresh(&self, stem: &str) -> String {
        format!("{}-{stem}-{}", self.name, NUMBER.fetch_add(1, Ordering::Relaxed))
    }

    /// A transactional producer to the topic, ready to begin.
    pub fn writer(&self, id: &str) -> Box<dyn Producer> {
        let id = format!("{}-{id}", self.name);
        let mut writer = self.kafka.producer(Some(&id), Arc::from([self.topic.clone()])).unwrap();
        writer.init(PATIENCE).unwrap();
        writer
    }

    /// Commits these values to partition 0.
    pub fn commit(&self, writer: &mut dyn Producer, values: &[&str]) {
        writer.begin().unwrap();
        writer.send(&plain(values)).unwrap();
        writer.commit().unwrap();
    }

    pub fn join(&self, instance: &str) -> Box<dyn Membership> {
        self.kafka
            .membership(&Join {
                group: self.name.as_str().into(),
                topic: self.topic.clone(),
                instance: instance.into(),
                session_timeout: Duration::from_secs(6),
            })
            .unwrap()
    }
}

/// Values for partition 0 of the first topic, not logged.
pub fn plain(values: &[&str]) -> Outgoing {
    to(0, values, false)
}

/// Values for a partition of the first topic.
pub fn to(partition: i32, values: &[&str], logged: bool) -> Outgoing {
    let mut out = Outgoing::default();
    for value in values {
        out.push(OutRecord {
            topic: TopicIndex(0),
            partition,
            logged,
            timestamp: Timestamp(1_000),
            key: None,
            value: Some(value.as_bytes()),
            headers: Headers::default(),
        });
    }
    out
}

/// Everything that polls brought.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    pub values: Vec<(i64, String)>,
    pub ends: Vec<i64>,
    pub out_of_range: usize,
}

impl Seen {
    pub fn add(&mut self, polled: &Polled) {
        for record in polled.batches.iter().flat_map(|batch| batch.iter()) {
            let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
            self.values.push((record.offset.0, value));
        }
        self.ends.extend(polled.ends.iter().map(|(_, end)| end.0));
        self.out_of_range += polled.out_of_range.len();
    }

    pub fn words(&self) -> Vec<&str> {
        self.values.iter().map(|(_, value)| value.as_str()).collect()
    }
}

/// Polls until `enough`, or panics with what was seen.
pub fn read_until(reader: &mut dyn Consumer, enough: impl Fn(&Seen) -> bool) -> Seen {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = Seen::default();
    while !enough(&seen) {
        assert!(Instant::now() < deadline, "not enough in time: {seen:?}");
        seen.add(&reader.poll(Duration::from_millis(100)).unwrap());
    }
    seen
}

/// Reads partition 0 from `reader`'s place to the log's end, commit markers that are still on their way included.
pub fn read_to_end(world: &World, reader: &mut dyn Consumer) -> Seen {
    let end = world.reader(Isolation::ReadUncommitted).bounds(&world.at(0)).unwrap().end;
    read_until(reader, |seen| seen.ends.iter().any(|seen| *seen >= end.0))
}

/// What arrives within a while that is long for a healthy cluster.
pub fn read_for_a_while(reader: &mut dyn Consumer) -> Seen {
    let deadline = Instant::now() + Duration::from_millis(800);
    let mut seen = Seen::default();
    while Instant::now() < deadline {
        seen.add(&reader.poll(Duration::from_millis(50)).unwrap());
    }
    seen
}

/// Polls members in turn until `enough` of what each was told.
pub fn live(
    members: &mut [Box<dyn Membership>],
    enough: impl Fn(&[Vec<Rebalance>]) -> bool,
) -> Vec<Vec<Rebalance>> {
    let deadline = Instant::now() + PATIENCE;
    let mut told = vec![Vec::new(); members.len()];
    while !enough(&told) {
        assert!(Instant::now() < deadline, "not enough in time: {told:?}");
        for (member, told) in members.iter_mut().zip(&mut told) {
            member.poll(Duration::from_millis(20), &mut |change, _| told.push(change)).unwrap();
        }
    }
    told
}
