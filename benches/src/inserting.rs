//! What it takes to have events in ClickHouse: read from Kafka, decoded, inserted.
//!
//! The events lie in the topic before the sink starts; its CPU is that of this whole process, the client of Kafka and the
//! compression of inserts included. What is in the table afterwards is counted.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use connectors::clickhouse::{
    ClickHouseSettings, Letters, Limits, Migrator, Progress, Reading, Sink, Sinking, run,
};
use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::broker::{
    Broker, Cleanup, Failure, Isolation, Join, OutRecord, Outgoing, TopicIndex, TopicSpec,
    partition_of,
};
use millstream::{Clock, Headers, SystemClock, Topic};
use schemas::{NoRegistry, topic};
use serde::Serialize;
use serde_json::json;
use tests::{Part, Stack, poll_until};
use tokio::runtime::Runtime;

use crate::rows::{reader, stranger};
use crate::usage::{self, Meter};
use crate::{Broken, Result, Teller};

const PARTITIONS: i32 = 4;
const TASKS: &str = "bench-tasks";
const LETTERS: &str = "bench-letters";
const LONG: Duration = Duration::from_secs(600);
const BATCH: usize = 10_000;

/// What to run.
#[derive(Debug)]
pub struct Inserting {
    /// How many events.
    pub events: usize,
}

/// What it took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inserted {
    bench: &'static str,
    /// Rows that the table has.
    pub rows: u64,
    /// Rows a second of our CPU.
    pub rows_per_cpu_second: u64,
    /// Rows a second of the clock, all servers on this machine.
    pub rows_per_second: u64,
    /// The most memory that the process had.
    pub peak_rss_bytes: u64,
    load: f64,
}

impl fmt::Display for Inserted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, rows_per_cpu_second, rows_per_second, peak_rss_bytes, .. } = self;
        let (cpu, wall, memory) =
            (rows_per_cpu_second / 1_000, rows_per_second / 1_000, peak_rss_bytes >> 20);
        write!(
            f,
            "clickhouse       {rows} events: {cpu} k rows per CPU-second, {wall} k/s, {memory} MB"
        )
    }
}

impl Inserting {
    /// Runs it and tells the figures.
    pub fn run(&self, teller: Teller) -> Result<()> {
        let stack = Stack::of(&[Part::Kafka, Part::ClickHouse]).lasting().start();
        let stack = stack.map_err(|cause| Broken::while_doing("servers", cause))?;
        let broker = Kafka::new(KafkaSettings::new(stack.kafka())).map_err(broken)?;
        let runtime = Runtime::new().map_err(|cause| Broken::while_doing("runtime", cause))?;
        let url = stack.clickhouse().to_owned();
        let settings = ClickHouseSettings { url, database: "feedmill".into(), login: None };
        let migrated = runtime.block_on(Migrator::new(&settings).migrate("bench"));
        migrated.map_err(|fault| Broken::while_doing("tables", fault))?;
        create_topics(&broker)?;
        self.write(&broker)?;
        let progress = Progress::default();
        let usage = self.insert(&broker, &settings, &progress, &runtime)?;
        let rows = progress.rows.load(Ordering::Relaxed);
        teller.tell(&Inserted {
            bench: "clickhouse",
            rows,
            rows_per_cpu_second: (rows as f64 / usage.cpu_seconds) as u64,
            rows_per_second: (rows as f64 / usage.wall_seconds) as u64,
            peak_rss_bytes: usage.peak_rss_bytes,
            load: usage::load(),
        })
    }

    fn write(&self, broker: &Kafka) -> Result<()> {
        let topics: Arc<[Topic]> = Arc::new([topic::EVENTS.name.into()]);
        let mut producer = broker.producer(None, topics).map_err(broken)?;
        let now = SystemClock.now();
        for first in (0..self.events).step_by(BATCH) {
            let mut out = Outgoing::default();
            for number in first..(first + BATCH).min(self.events) {
                let (user, event) = (reader(number % 100_000), stranger(number));
                let post = crate::rows::author(number % 5_000);
                let value = json!({
                    "event_id": event, "event_time": now.0, "user_id": user, "post_id": post,
                    "action": "impression", "device": "phone", "app_ver": "1.2.3",
                    "ctx": {"request_id": event, "position": number % 50, "source": "redis", "version": number, "weight_set": 1},
                });
                let value = value.to_string();
                out.push(OutRecord {
                    topic: TopicIndex(0),
                    partition: partition_of(user.as_bytes(), PARTITIONS),
                    logged: false,
                    timestamp: now,
                    key: Some(user.as_bytes()),
                    value: Some(value.as_bytes()),
                    headers: Headers::default(),
                });
            }
            producer.send(&out).map_err(broken)?;
            producer.flush(LONG).map_err(broken)?;
        }
        Ok(())
    }

    fn insert(
        &self,
        broker: &Kafka,
        settings: &ClickHouseSettings,
        progress: &Progress,
        runtime: &Runtime,
    ) -> Result<usage::Usage> {
        let stop = AtomicBool::new(false);
        let sinking = sinking(broker, settings, (progress, &stop)).map_err(broken)?;
        let meter = Meter::start()?;
        thread::scope(|scope| {
            let running = scope.spawn(|| run(sinking, runtime.handle()));
            let done = || {
                let rows = progress.rows.load(Ordering::Relaxed) as usize;
                (rows >= self.events || running.is_finished()).then_some(())
            };
            let waited = poll_until(LONG, done);
            let usage = meter.stop(self.events as u64);
            stop.store(true, Ordering::Relaxed);
            waited.map_err(|late| Broken::while_doing("rows", late))?;
            usage
        })
    }
}

fn sinking<'a>(
    broker: &Kafka,
    settings: &ClickHouseSettings,
    (progress, stop): (&'a Progress, &'a AtomicBool),
) -> std::result::Result<Sinking<'a>, Failure> {
    let group = "bench-clickhouse";
    let join = Join {
        group: group.into(),
        topic: TASKS.into(),
        instance: "one".into(),
        session_timeout: Duration::from_secs(10),
    };
    let (schemas, cdc_epoch) = (Arc::new(NoRegistry), 0);
    let reading = Reading { schemas, cdc_epoch, record_bytes_max: 1 << 20 };
    Ok(Sinking {
        membership: broker.membership(&join)?,
        consumer: broker.consumer(group, Isolation::ReadCommitted)?,
        admin: broker.admin()?,
        letters: Letters::new(broker.producer(None, Arc::new([LETTERS.into()]))?, 1),
        sink: Sink::new(settings, reading),
        limits: Limits {
            records_max: 100_000,
            bytes_max: 16 << 20,
            linger: Duration::from_secs(10),
            held_bytes_max: 64 << 20,
        },
        progress,
        stop,
    })
}

fn create_topics(broker: &Kafka) -> Result<()> {
    let names = [topic::EVENTS.name, TASKS, LETTERS];
    let specs = names.map(|name| TopicSpec {
        name: name.into(),
        partitions: PARTITIONS,
        cleanup: Cleanup::Delete(None),
    });
    broker.admin().and_then(|mut admin| admin.create(&specs)).map(drop).map_err(broken)
}

fn broken(failure: Failure) -> Broken {
    Broken(failure.to_string())
}
