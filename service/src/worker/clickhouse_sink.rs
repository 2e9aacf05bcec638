//! The sink of rows, events and feeds into ClickHouse: group `<app>-clickhouse`, on the application's task topic.
//!
//! It is a static member of its group, under its worker's name. Nothing that is answered to a reader waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connectors::clickhouse::{self, Letters, Limits, Progress, Reading, Sinking};
use millstream::broker::{Admin, Broker, Consumer, Isolation, Join, Membership, Producer};
use millstream::{Family, Timestamp, Topic};
use schemas::topic::dead_letters;
use tokio::runtime::Handle;

use super::sink::{Member, Sink, SinkThread, Standing, Sunk};
use crate::config::ClickHouse;

/// How long the group waits for a member that is silent. It comes back under its name.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest insert of a partition, and what is held of all of them.
const BYTES_MAX: usize = 16 << 20;
const HELD_BYTES_MAX: usize = 64 << 20;

const ROWS: Family = Family::new("feedmill_clickhouse_sink_rows_total", "Rows inserted.");
const INSERTS: Family = Family::new("feedmill_clickhouse_sink_inserts_total", "Inserts done.");
const SKIPPED: Family = Family::new(
    "feedmill_clickhouse_sink_skipped_total",
    "Records that are no rows: set aside elsewhere, or without anything to say.",
);
const DEAD_LETTERS: Family = Family::new(
    "feedmill_clickhouse_sink_dead_letters_total",
    "Records that ClickHouse did not take, set aside.",
);
const FAILED: Family = Family::new("feedmill_clickhouse_sink_failed_total", "Inserts that failed.");
const RESTARTS: Family =
    Family::new("feedmill_clickhouse_sink_restarts_total", "Times the sink was opened again.");
const WAITING: Family = Family::new(
    "feedmill_clickhouse_sink_waiting_seconds",
    "How long the record has waited for ClickHouse that has waited longest.",
);

/// What it has done, and what ails it.
#[derive(Debug, Default)]
pub struct ClickHouseSunk {
    progress: Progress,
    standing: Standing,
}

impl Sunk for ClickHouseSunk {
    fn look(&self) -> Result<(), String> {
        self.standing.look()?;
        match self.progress.fault() {
            Some(words) => Err(format!("records wait in kafka: {words}")),
            None => Ok(()),
        }
    }

    fn counts(&self) -> Vec<(Family, u64)> {
        let of = &self.progress;
        let counted = [
            (ROWS, &of.rows),
            (INSERTS, &of.inserts),
            (SKIPPED, &of.none),
            (DEAD_LETTERS, &of.dead_letters),
            (FAILED, &of.failed),
        ];
        let counted = counted.map(|(family, count)| (family, count.load(Ordering::Relaxed)));
        counted.into_iter().chain([(RESTARTS, self.standing.restarts())]).collect()
    }

    /// As its loop noted it last.
    fn waiting(&self, _now: Timestamp) -> (Family, f64) {
        (WAITING, self.progress.waiting_ms.load(Ordering::Relaxed) as f64 / 1e3)
    }
}

struct ClickHouseSink {
    broker: Arc<dyn Broker>,
    join: Join,
    dead_letters: Topic,
    settings: ClickHouse,
    reading: Reading,
    sunk: Arc<ClickHouseSunk>,
    runtime: Handle,
}

/// The handles on Kafka.
struct Handles {
    membership: Box<dyn Membership>,
    consumer: Box<dyn Consumer>,
    admin: Box<dyn Admin>,
    producer: Box<dyn Producer>,
}

/// Starts it, inside a Tokio runtime. ClickHouse need not be there yet.
pub fn start(
    broker: Arc<dyn Broker>,
    member: Member<'_>,
    settings: &ClickHouse,
    reading: Reading,
) -> Result<(Arc<ClickHouseSunk>, SinkThread), String> {
    let sunk = Arc::new(ClickHouseSunk::default());
    let join = Join {
        group: format!("{}-clickhouse", member.app).into(),
        topic: format!("{}-tasks", member.app).into(),
        instance: member.instance.into(),
        session_timeout: SESSION_TIMEOUT,
    };
    let sink = ClickHouseSink {
        broker,
        join,
        dead_letters: dead_letters(member.app).into(),
        settings: settings.clone(),
        reading,
        sunk: Arc::clone(&sunk),
        runtime: Handle::current(),
    };
    Ok((sunk, SinkThread::start(sink)?))
}

impl Sink for ClickHouseSink {
    const NAME: &'static str = "clickhouse";
    type Opened = Handles;

    fn open(&self) -> Result<Handles, String> {
        let (broker, group) = (&self.broker, &self.join.group);
        let letters = Arc::from([Topic::clone(&self.dead_letters)]);
        let opened = || {
            Ok(Handles {
                membership: broker.membership(&self.join)?,
                consumer: broker.consumer(group, Isolation::ReadCommitted)?,
                admin: broker.admin()?,
                producer: broker.producer(None, letters)?,
            })
        };
        opened().map_err(|failure: millstream::broker::Failure| failure.to_string())
    }

    fn run(&self, of: Handles, stop: &AtomicBool) -> Result<(), String> {
        let Handles { membership, consumer, mut admin, producer } = of;
        let counted = admin.partitions(std::slice::from_ref(&self.dead_letters));
        let partitions = counted.map_err(|failure| failure.to_string())?;
        let partitions = partitions.first().copied().flatten().unwrap_or(1);
        let ClickHouse { server, linger, records_max, .. } = &self.settings;
        let sinking = Sinking {
            membership,
            consumer,
            admin,
            letters: Letters::new(producer, partitions),
            sink: clickhouse::Sink::new(server, self.reading.clone()),
            limits: Limits {
                records_max: *records_max,
                bytes_max: BYTES_MAX,
                linger: *linger,
                held_bytes_max: HELD_BYTES_MAX,
            },
            progress: &self.sunk.progress,
            stop,
        };
        clickhouse::run(sinking, &self.runtime).map_err(|failure| failure.to_string())
    }

    fn standing(&self) -> &Standing {
        &self.sunk.standing
    }
}
