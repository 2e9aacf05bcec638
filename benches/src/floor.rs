//! The floor of count by key: what librdkafka and a hash map need for it, with nothing around them.
//!
//! It has no recovery, no membership, no store that outlives it. What it writes and commits is what an engine
//! has to: per commit one changelog record and one output record for each key that changed, and the
//! positions, in one transaction.

use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::input::Input;
use crate::raw::{Client, Consumer, Message, Parcel, Polled, Producer, Topic, create_topics};
use crate::tally::Tally;
use crate::usage::{Meter, Usage};
use crate::{Broken, Result};

/// How output records are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// `rd_kafka_produce_batch`, which cannot carry a record's own time.
    Batched,
    /// `rd_kafka_produceva`, each with the time of the latest record it counts, as an engine has to.
    Stamped,
}

/// One run of the floor.
#[derive(Debug)]
pub struct Floor {
    /// Where Kafka is.
    pub bootstrap: String,
    /// What to count.
    pub input: Input,
    /// The topic of counts; the changelog is named after it.
    pub output: String,
    /// How often to commit.
    pub commit: Duration,
    /// How output records are sent.
    pub sent: Output,
}

/// A run that gets no further for so long is broken.
const STALL: Duration = Duration::from_secs(30);

impl Floor {
    /// Counts the input to its end.
    pub fn run(&self) -> Result<Usage> {
        let meter = Meter::start()?;
        let mut producer = Producer::open(self.producer())?;
        let changelog = format!("{}-changelog", self.output);
        create_topics(&producer, &[&self.output, &changelog], self.input.partitions)?;
        let topics = Topics {
            output: producer.topic(&self.output)?,
            changelog: producer.topic(&changelog)?,
        };
        let mut consumer =
            Consumer::open(self.consumer(), &self.input.topic, self.input.partitions)?;
        let mut work = Work::new(self.input.partitions);
        let mut committed = Instant::now();
        while work.records < self.input.records || work.is_open {
            consumer.poll(Duration::from_millis(1), |polled| work.take(&polled))?;
            let since = committed.elapsed();
            if work.is_open && (since >= self.commit || work.records == self.input.records) {
                self.commit(&mut producer, &topics, &mut work)?;
                committed = Instant::now();
            }
            if since > STALL {
                return Err(Broken(format!("no record since {} of them", work.records)));
            }
        }
        meter.stop(work.records)
    }

    fn consumer(&self) -> Client {
        Client::new(&self.bootstrap)
            .set("group.id", &self.output)
            .set("enable.auto.commit", "false")
            .set("check.crcs", "true")
            .set("fetch.queue.backoff.ms", "2")
            .set("queued.min.messages", "1000000")
            .set("queued.max.messages.kbytes", "16384")
    }

    fn producer(&self) -> Client {
        Client::new(&self.bootstrap)
            .set("transactional.id", &self.output)
            .set("compression.type", "lz4")
            .set("linger.ms", "5")
            .set("queue.buffering.max.messages", "1000000")
    }

    fn commit(&self, producer: &mut Producer, topics: &Topics, work: &mut Work) -> Result<()> {
        let changed = work.take_changed();
        let logged = Parcel {
            topic: &topics.changelog,
            messages: changed.messages(|value| value),
            times: None,
        };
        let counts = Parcel {
            topic: &topics.output,
            messages: changed.messages(|value| value.get(PREFIX_BYTES..).unwrap_or_default()),
            times: (self.sent == Output::Stamped).then(|| changed.times()),
        };
        let mut parcels = [logged, counts];
        producer.transact(&mut parcels, &self.output, &self.input.topic, &work.positions)
    }
}

struct Topics {
    output: Topic,
    changelog: Topic,
}

/// What is counted and how far.
struct Work {
    tally: Tally,
    /// The next offset of each partition.
    positions: Vec<i64>,
    records: u64,
    is_open: bool,
}

impl Work {
    fn new(partitions: i32) -> Self {
        let positions = vec![0; usize::try_from(partitions).unwrap_or(0)];
        Self { tally: Tally::default(), positions, records: 0, is_open: false }
    }

    fn take(&mut self, polled: &Polled<'_>) {
        let Polled::Record { partition, offset, at, key, .. } = *polled else { return };
        self.tally.count(key, partition, at);
        if let Some(position) = self.positions.get_mut(partition as usize) {
            *position = offset + 1;
        }
        self.records += 1;
        self.is_open = true;
    }

    fn take_changed(&mut self) -> Changed {
        self.is_open = false;
        let mut changed = Changed::default();
        self.tally.take_changed(|key, entry| {
            let key_from = changed.bytes.len();
            changed.bytes.extend_from_slice(key);
            let value_from = changed.bytes.len();
            changed.bytes.push(1);
            changed.bytes.extend_from_slice(&entry.at.to_be_bytes());
            changed.bytes.extend_from_slice(&entry.count.to_be_bytes());
            let (partition, at) = (entry.partition, entry.at);
            changed.places.push(Place { key_from, value_from, partition, at });
        });
        // librdkafka takes a batch fastest partition by partition.
        changed.places.sort_by_key(|place| place.partition);
        changed
    }
}

/// A changelog value is a version, a time, and the count; an output value is the count.
const PREFIX_BYTES: usize = 9;
const VALUE_BYTES: usize = PREFIX_BYTES + 8;

/// The records of one commit, end to end.
#[derive(Default)]
struct Changed {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

struct Place {
    key_from: usize,
    value_from: usize,
    partition: i32,
    at: i64,
}

impl Changed {
    fn messages<'a>(&'a self, part: impl Fn(&'a [u8]) -> &'a [u8]) -> Vec<Message<'a>> {
        let message = |place: &Place| {
            let key = self.bytes.get(place.key_from..place.value_from).unwrap_or_default();
            let end = place.value_from + VALUE_BYTES;
            let value = self.bytes.get(place.value_from..end).unwrap_or_default();
            Message::new(place.partition, key, part(value))
        };
        self.places.iter().map(message).collect()
    }

    fn times(&self) -> Vec<i64> {
        self.places.iter().map(|place| place.at).collect()
    }
}
