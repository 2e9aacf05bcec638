//! The sink of rows, events and feeds into ClickHouse: group `<app>-clickhouse`, on the application's task topic.
//!
//! Once another application has become the live one, it is two: that group goes on with the inputs, and what is published goes by
//! the group `<app>-clickhouse-<epoch>`.
//!
//! It is a static member of its group, under its worker's name. Nothing that is answered to a reader waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use connectors::clickhouse::{self, Letters, Limits, Progress, Reading, Share, Sinking};
use millstream::broker::{Admin, Broker, Consumer, Isolation, Join, Membership, Producer};
use millstream::{Family, Timestamp, Topic};
use schemas::application;
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
pub struct ClickHouseSunk(Vec<Arc<Part>>);

/// What one of its groups has done.
#[derive(Debug, Default)]
struct Part {
    progress: Progress,
    standing: Standing,
}

impl ClickHouseSunk {
    fn sum(&self, of: impl Fn(&Part) -> u64) -> u64 {
        self.0.iter().map(|part| of(part)).sum()
    }
}

impl Sunk for ClickHouseSunk {
    fn look(&self) -> Result<(), String> {
        self.0.iter().try_for_each(|part| {
            part.standing.look()?;
            match part.progress.fault() {
                Some(words) => Err(format!("records wait in kafka: {words}")),
                None => Ok(()),
            }
        })
    }

    fn counts(&self) -> Vec<(Family, u64)> {
        type Counted = fn(&Progress) -> &AtomicU64;
        let counted: [(Family, Counted); 5] = [
            (ROWS, |of| &of.rows),
            (INSERTS, |of| &of.inserts),
            (SKIPPED, |of| &of.none),
            (DEAD_LETTERS, |of| &of.dead_letters),
            (FAILED, |of| &of.failed),
        ];
        let counted = counted.map(|(family, counted)| {
            (family, self.sum(|part| counted(&part.progress).load(Ordering::Relaxed)))
        });
        let restarts = (RESTARTS, self.sum(|part| part.standing.restarts()));
        counted.into_iter().chain([restarts]).collect()
    }

    /// As its loops noted it last, of the one that waits longest.
    fn waiting(&self, _now: Timestamp) -> (Family, f64) {
        let waiting = self.0.iter().map(|of| of.progress.waiting_ms.load(Ordering::Relaxed));
        (WAITING, waiting.max().unwrap_or(0) as f64 / 1e3)
    }
}

struct ClickHouseSink {
    broker: Arc<dyn Broker>,
    join: Join,
    dead_letters: Topic,
    settings: ClickHouse,
    reading: Reading,
    share: Share,
    part: Arc<Part>,
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
    broker: &Arc<dyn Broker>,
    member: Member<'_>,
    (settings, reading): (&ClickHouse, Reading),
    threads: &mut Vec<SinkThread>,
) -> Result<Arc<ClickHouseSunk>, String> {
    let mut sunk = ClickHouseSunk::default();
    for (group, app, share) in shares(member) {
        let part = Arc::<Part>::default();
        sunk.0.push(Arc::clone(&part));
        let join = Join {
            group: group.into(),
            topic: format!("{app}-tasks").into(),
            instance: member.instance.into(),
            session_timeout: SESSION_TIMEOUT,
        };
        threads.push(SinkThread::start(ClickHouseSink {
            broker: Arc::clone(broker),
            join,
            dead_letters: dead_letters(member.app).into(),
            settings: settings.clone(),
            reading: reading.clone(),
            share,
            part,
            runtime: Handle::current(),
        })?);
    }
    Ok(Arc::new(sunk))
}

/// Which groups take what, and by whose task topic they divide it: inputs always by the same, for else two members could have
/// the same partition while another becomes the live one.
fn shares<'a>(member: Member<'a>) -> Vec<(String, &'a str, Share)> {
    let first = application::first(member.app);
    let inputs = application::pushing_group(first, "clickhouse", 0);
    match member.epoch {
        0 => vec![(inputs, first, Share::all())],
        epoch => {
            let published = Share::published(member.app, epoch);
            let pushing = member.pushing_group("clickhouse");
            vec![(inputs, first, Share::inputs()), (pushing, member.app, published)]
        }
    }
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
            sink: clickhouse::Sink::new(server, self.reading.clone()).of(self.share.clone()),
            limits: Limits {
                records_max: *records_max,
                bytes_max: BYTES_MAX,
                linger: *linger,
                held_bytes_max: HELD_BYTES_MAX,
            },
            progress: &self.part.progress,
            stop,
        };
        clickhouse::run(sinking, &self.runtime).map_err(|failure| failure.to_string())
    }

    fn standing(&self) -> &Standing {
        &self.part.standing
    }
}
