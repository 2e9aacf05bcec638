//! What librdkafka's C calls gain over the crate rdkafka, which has the same librdkafka below it: CPU time for a record that
//! is read or sent, and how long a transaction takes. Each turn does the same with the same broker, topic and settings.
//!
//! CPU time is the whole process's, librdkafka's own threads included: what both have in common makes them more alike.

use std::fmt;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use serde::Serialize;
use tests::{Part, Stack};

use crate::latency::Latencies;
use crate::raw::{Client, Consumer, Message, Parcel, Polled, Producer, create_topics};
use crate::usage::{self, Meter};
use crate::{Broken, Input, Result, Teller};

const READ: &str = "read";
const SENT: &str = "sent";
const TRANSACTED: &str = "transacted";
const GROUP: &str = "client";
const PARTITIONS: i32 = 4;
const VALUE: [u8; 24] = *b"a changelog value is so ";
/// Records handed over before reports are asked for, and the size of a transaction.
const CHUNK: usize = 1_000;
const WAIT: Duration = Duration::from_secs(60);
/// Transactions at the beginning that are not timed.
const WARM_UP: usize = 5;

/// What to run.
#[derive(Debug)]
pub struct ClientCost {
    /// How many records are read and sent.
    pub records: u64,
    /// How many transactions are timed.
    pub times: usize,
}

/// What a record costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// The task.
    pub bench: &'static str,
    /// Who did it, and what.
    pub entrant: &'static str,
    /// How many records.
    pub records: u64,
    /// CPU time of the whole process for one.
    pub cpu_ns: f64,
    /// How many processes wanted a core in the last minute; above the number of cores absolutes mean little.
    pub load: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bench, entrant, records, cpu_ns, .. } = self;
        write!(f, "{bench:<12} {entrant:<16} {cpu_ns:.0} ns of CPU a record, {records} records")
    }
}

impl ClientCost {
    /// Runs it and tells the figures: twice, the second time in the opposite order.
    pub fn run(&self, teller: Teller) -> Result<()> {
        let stack = Stack::of(&[Part::Kafka]).lasting().start();
        let stack = stack.map_err(|cause| Broken::while_doing("start kafka", cause))?;
        let at = stack.kafka();
        let (topic, partitions) = (READ.to_owned(), PARTITIONS);
        Input { topic, records: self.records, keys: 100_000, partitions }.write(at)?;
        let admin = Producer::open(Client::new(at))?;
        create_topics(&admin, &[SENT], PARTITIONS)?;
        type Turn<'a> = (&'static str, &'a dyn Fn() -> Result<()>);
        let turns: [Turn<'_>; 4] = [
            ("read, C calls", &|| self.read_raw(at)),
            ("read, crate", &|| self.read_crate(at)),
            ("sent, C calls", &|| self.send_raw(at)),
            ("sent, crate", &|| self.send_crate(at)),
        ];
        for (entrant, turn) in turns.iter().chain(turns.iter().rev()) {
            let meter = Meter::start()?;
            turn()?;
            let cpu_ns = meter.stop(self.records)?.cpu_seconds * 1e9 / self.records as f64;
            let (records, load) = (self.records, usage::load());
            teller.tell(&Cost { bench: "client", entrant, records, cpu_ns, load })?;
        }
        self.transact(at, teller)
    }

    fn read_raw(&self, at: &str) -> Result<()> {
        let client = reading()
            .into_iter()
            .fold(Client::new(at), |client, (name, value)| client.set(name, value));
        let (mut consumer, mut read) = (Consumer::open(client, READ, PARTITIONS)?, 0);
        let began = Instant::now();
        while read < self.records && began.elapsed() < WAIT {
            consumer.poll(Duration::from_millis(1), |polled| {
                read += u64::from(matches!(polled, Polled::Record { .. }));
            })?;
        }
        self.all("read, C calls", read)
    }

    fn read_crate(&self, at: &str) -> Result<()> {
        let consumer: BaseConsumer = config(at, &reading()).create().map_err(failed)?;
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(READ, partition, Offset::Offset(0)).map_err(failed)?;
        }
        consumer.assign(&list).map_err(failed)?;
        let (mut read, began) = (0, Instant::now());
        while read < self.records && began.elapsed() < WAIT {
            match consumer.poll(Duration::from_millis(1)) {
                Some(Ok(message)) => read += u64::from(message.offset() >= 0),
                Some(Err(error)) => return Err(failed(error)),
                None => {}
            }
        }
        self.all("read, crate", read)
    }

    fn send_raw(&self, at: &str) -> Result<()> {
        let client = sending()
            .into_iter()
            .fold(Client::new(at), |client, (name, value)| client.set(name, value));
        let mut producer = Producer::open(client)?;
        let topic = producer.topic(SENT)?;
        for chunk in self.chunks() {
            let messages =
                chunk.iter().map(|(at, key)| Message::new(partition(*at), key.as_bytes(), &VALUE));
            producer.send_copies(&topic, messages)?;
            producer.drain_to(200_000);
        }
        producer.flush(WAIT)
    }

    fn send_crate(&self, at: &str) -> Result<()> {
        let producer: BaseProducer = config(at, &sending()).create().map_err(failed)?;
        for chunk in self.chunks() {
            for (at, key) in &chunk {
                let record =
                    BaseRecord::to(SENT).partition(partition(*at)).key(key).payload(&VALUE);
                send(&producer, record)?;
            }
            producer.poll(Duration::ZERO);
        }
        producer.flush(WAIT).map_err(failed)
    }

    /// The records that are sent, a chunk at a time, those of a partition side by side.
    fn chunks(&self) -> impl Iterator<Item = Vec<(usize, String)>> {
        (0..self.records / CHUNK as u64).map(|_| keys())
    }

    fn transact(&self, at: &str, teller: Teller) -> Result<()> {
        let client = sending()
            .into_iter()
            .fold(Client::new(at), |client, (name, value)| client.set(name, value));
        let mut raw = Producer::open(client.set("transactional.id", "raw"))?;
        // By the producer that sends: one that does not know the topic yet asks for its partition -1 in the transaction.
        create_topics(&raw, &[TRANSACTED], PARTITIONS)?;
        let mut options = config(at, &sending());
        let by_crate: BaseProducer =
            options.set("transactional.id", "crate").create().map_err(failed)?;
        by_crate.init_transactions(WAIT).map_err(failed)?;
        let group: BaseConsumer = config(at, &reading()).create().map_err(failed)?;
        let (mut raws, mut crates) = (Latencies::default(), Latencies::default());
        for time in 0..self.times + WARM_UP {
            let (of_raw, of_crate) = (transact_raw(&mut raw)?, transact_crate(&by_crate, &group)?);
            if time >= WARM_UP {
                raws.push(of_raw);
                crates.push(of_crate);
            }
        }
        teller.tell(&raws.figures("client", "commit, C calls"))?;
        teller.tell(&crates.figures("client", "commit, crate"))
    }

    fn all(&self, entrant: &str, read: u64) -> Result<()> {
        if read == self.records { Ok(()) } else { Err(Broken(format!("{entrant}: {read} read"))) }
    }
}

fn reading() -> [(&'static str, &'static str); 5] {
    [
        ("group.id", GROUP),
        ("enable.auto.commit", "false"),
        ("fetch.queue.backoff.ms", "2"),
        ("queued.min.messages", "1000000"),
        ("queued.max.messages.kbytes", "16384"),
    ]
}

fn sending() -> [(&'static str, &'static str); 3] {
    [("compression.type", "lz4"), ("linger.ms", "5"), ("queue.buffering.max.messages", "1000000")]
}

fn config(at: &str, options: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", at).set("log.connection.close", "false");
    for (name, value) in options {
        config.set(*name, *value);
    }
    config
}

fn keys() -> Vec<(usize, String)> {
    let mut keys: Vec<_> = (0..CHUNK).map(|at| (at, format!("key-{at:08}"))).collect();
    keys.sort_by_key(|(at, _)| partition(*at));
    keys
}

fn partition(place: usize) -> i32 {
    i32::try_from(place % PARTITIONS as usize).unwrap_or(0)
}

/// Sends it, serving reports for as long as the queue is full.
fn send(producer: &BaseProducer, record: BaseRecord<'_, String, [u8; 24]>) -> Result<()> {
    let mut record = record;
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(Duration::from_millis(5));
                record = back;
            }
            Err((error, _)) => return Err(failed(error)),
        }
    }
}

fn transact_raw(producer: &mut Producer) -> Result<Duration> {
    let (topic, keys) = (producer.topic(TRANSACTED)?, keys());
    let messages =
        keys.iter().map(|(at, key)| Message::new(partition(*at), key.as_bytes(), &VALUE));
    let messages = messages.collect();
    let began = Instant::now();
    producer.transact(&mut [Parcel { topic: &topic, messages, times: None }], GROUP, READ, &[0])?;
    Ok(began.elapsed())
}

fn transact_crate(producer: &BaseProducer, group: &BaseConsumer) -> Result<Duration> {
    let keys = keys();
    let mut positions = TopicPartitionList::new();
    positions.add_partition_offset(READ, 0, Offset::Offset(0)).map_err(failed)?;
    let metadata = group.group_metadata().ok_or_else(|| Broken("no group metadata".into()))?;
    let began = Instant::now();
    producer.begin_transaction().map_err(failed)?;
    for (at, key) in &keys {
        send(
            producer,
            BaseRecord::to(TRANSACTED).partition(partition(*at)).key(key).payload(&VALUE),
        )?;
    }
    producer.send_offsets_to_transaction(&positions, &metadata, WAIT).map_err(failed)?;
    producer.commit_transaction(WAIT).map_err(failed)?;
    Ok(began.elapsed())
}

fn failed(error: KafkaError) -> Broken {
    Broken::while_doing("the crate", error)
}
