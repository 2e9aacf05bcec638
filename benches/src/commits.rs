//! How long a transaction takes, from begin to committed: by the producer port, and by librdkafka with nothing
//! around it. Both send the same records and one position; turn by turn, so that a slow moment hits both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::broker::{
    Broker, Failure, GroupMetadata, OutRecord, Outgoing, Producer as Port, TopicIndex,
};
use millstream::{Headers, Offset, Timestamp, Topic, TopicPartition};
use tests::{Part, Stack};

use crate::latency::Latencies;
use crate::raw::{Client, Message, Parcel, Producer, create_topics};
use crate::{Broken, Result, Teller};

const SIZES: [usize; 3] = [1, 1_000, 20_000];
const TOPIC: &str = "committed";
const GROUP: &str = "committing";
const PARTITIONS: i32 = 4;
const VALUE: [u8; 24] = *b"a changelog value is so ";
const WAIT: Duration = Duration::from_secs(30);
/// Transactions at the beginning that are not timed.
const WARM_UP: usize = 5;

/// What to run.
#[derive(Debug)]
pub struct Commits {
    /// How many transactions of each size are timed.
    pub times: usize,
}

impl Commits {
    /// Runs it and tells the figures.
    pub fn run(&self, teller: Teller) -> Result<()> {
        let stack = Stack::of(&[Part::Kafka]).lasting().start();
        let stack = stack.map_err(|cause| Broken::while_doing("start kafka", cause))?;
        let client = Client::new(stack.kafka()).set("transactional.id", "raw");
        let client = client.set("compression.type", "lz4").set("linger.ms", "5");
        let mut raw = Producer::open(client.set("queue.buffering.max.messages", "1000000"))?;
        create_topics(&raw, &[TOPIC], PARTITIONS)?;
        let kafka = Kafka::new(KafkaSettings::new(stack.kafka())).map_err(failed)?;
        let mut ours =
            kafka.producer(Some("ours"), Arc::new([Topic::from(TOPIC)])).map_err(failed)?;
        ours.init(WAIT).map_err(failed)?;
        for size in SIZES {
            let keys: Vec<String> = (0..size).map(|key| format!("key-{key:08}")).collect();
            let (mut by_port, mut by_raw) = (Latencies::default(), Latencies::default());
            for time in 0..self.times + WARM_UP {
                let port = through_port(&mut *ours, &keys)?;
                let bare = through_raw(&mut raw, &keys)?;
                if time >= WARM_UP {
                    by_port.push(port);
                    by_raw.push(bare);
                }
            }
            teller.tell(&by_port.figures("commit", &format!("ours, {size}")))?;
            teller.tell(&by_raw.figures("commit", &format!("raw, {size}")))?;
        }
        Ok(())
    }
}

fn partition(place: usize) -> i32 {
    i32::try_from(place % PARTITIONS as usize).unwrap_or(0)
}

fn through_port(port: &mut dyn Port, keys: &[String]) -> Result<Duration> {
    let mut records = Outgoing::default();
    for (place, key) in keys.iter().enumerate() {
        records.push(OutRecord {
            topic: TopicIndex(0),
            partition: partition(place),
            logged: true,
            timestamp: Timestamp(0),
            key: Some(key.as_bytes()),
            value: Some(&VALUE),
            headers: Headers::default(),
        });
    }
    let group = GroupMetadata {
        group: GROUP.into(),
        generation: -1,
        member: String::new(),
        instance: "".into(),
    };
    let position = [(TopicPartition::new(TOPIC, 0), Offset(0))];
    let began = Instant::now();
    port.begin().map_err(failed)?;
    port.send(&records).map_err(failed)?;
    port.send_offsets(&position, &group).map_err(failed)?;
    port.commit().map_err(failed)?;
    Ok(began.elapsed())
}

fn through_raw(raw: &mut Producer, keys: &[String]) -> Result<Duration> {
    let topic = raw.topic(TOPIC)?;
    let places = keys.iter().enumerate();
    let mut messages: Vec<_> =
        places.map(|(at, key)| Message::new(partition(at), key.as_bytes(), &VALUE)).collect();
    messages.sort_by_key(Message::partition);
    let began = Instant::now();
    let mut parcels = [Parcel { topic: &topic, messages, times: None }];
    raw.transact(&mut parcels, GROUP, TOPIC, &[0])?;
    Ok(began.elapsed())
}

fn failed(failure: Failure) -> Broken {
    Broken::while_doing("ours", failure)
}
