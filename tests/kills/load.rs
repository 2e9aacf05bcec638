//! A load with a known sum: keyed records on the input until it is told to stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use millstream::broker::kafka::Kafka;
use millstream::broker::{Broker, OutRecord, Outgoing, Producer, TopicIndex, partition_of};
use millstream::{Headers, Timestamp, Topic};

/// Records of one batch.
const BATCH: u64 = 40;
/// Between two batches.
const PAUSE: Duration = Duration::from_millis(10);
const KEYS: u64 = 300;

/// How many records each key was given.
pub type Sums = BTreeMap<String, i64>;

/// See the module.
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Sums>,
}

impl Load {
    /// Writes to `topic` from here on.
    pub fn start(kafka: &Kafka, topic: &str, partitions: i32) -> Self {
        let mut producer = kafka.producer(None, Arc::from([Topic::from(topic)])).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let mut sums = Sums::new();
            let mut number = 0;
            while !stopped.load(Ordering::SeqCst) {
                batch(&mut *producer, partitions, &mut number, &mut sums);
                thread::park_timeout(PAUSE);
            }
            sums
        });
        Self { stop, thread }
    }

    /// Ends it; answers what it wrote, all of it acknowledged.
    pub fn stop(self) -> Sums {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

fn batch(producer: &mut dyn Producer, partitions: i32, number: &mut u64, sums: &mut Sums) {
    let mut out = Outgoing::default();
    for _ in 0..BATCH {
        // Some keys come more often than others.
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let key = format!("key-{}", (mixed % KEYS).min(mixed / KEYS % KEYS));
        *number += 1;
        out.push(OutRecord {
            topic: TopicIndex(0),
            partition: partition_of(key.as_bytes(), partitions),
            logged: false,
            timestamp: Timestamp(1_000_000 + i64::try_from(*number).unwrap()),
            key: Some(key.as_bytes()),
            value: Some(b"x"),
            headers: Headers::default(),
        });
        *sums.entry(key).or_default() += 1;
    }
    producer.send(&out).unwrap();
    producer.flush(Duration::from_secs(60)).unwrap();
}
