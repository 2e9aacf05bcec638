//! The sink of what readers say against posts into PostgreSQL: group `<app>-postgres`.
//!
//! It is for the timeline, which knows rows alone. A database without the table `feed_feedback` has no such sink: it is looked
//! for now and then, and once it is there the group goes on where it stands. A table that was dropped does not get back what it had:
//! reset the group's offsets for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connectors::backoff::Backoff;
use connectors::postgres::{self, FeedbackTable, Limits, Progress, Sinking};
use millstream::broker::Broker;
use millstream::{Family, Timestamp, Topic};
use schemas::application;
use schemas::topic::FEEDBACK;
use tokio::runtime::Handle;

use super::sink::{Member, Sink, SinkThread, Standing, Sunk, seconds_since};

/// How often a database is asked whether it has the table by now.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A sink has more patience than a reader.
const LIMITS: Limits = Limits {
    connections_max: 1,
    acquire: Duration::from_secs(5),
    statement: Duration::from_secs(5),
};

const WRITTEN: Family = Family::new("feedmill_postgres_sink_written_total", "Rows written.");
const FAILED: Family = Family::new("feedmill_postgres_sink_failed_total", "Attempts that failed.");
const RESTARTS: Family =
    Family::new("feedmill_postgres_sink_restarts_total", "Times the sink was opened again.");
const WAITING: Family = Family::new(
    "feedmill_postgres_sink_waiting_seconds",
    "How old the oldest record is that was read and is not in PostgreSQL yet.",
);

/// What it has done, and what ails it.
#[derive(Debug, Default)]
pub struct PostgresSunk {
    /// What was written.
    pub progress: Progress,
    standing: Standing,
}

impl Sunk for PostgresSunk {
    fn look(&self) -> Result<(), String> {
        self.standing.look()?;
        match self.progress.fault() {
            Some(words) => Err(format!("what readers said waits in kafka: {words}")),
            None => Ok(()),
        }
    }

    fn counts(&self) -> Vec<(Family, u64)> {
        let of = &self.progress;
        vec![
            (WRITTEN, of.written.load(Ordering::Relaxed)),
            (FAILED, of.failed.load(Ordering::Relaxed)),
            (RESTARTS, self.standing.restarts()),
        ]
    }

    fn waiting(&self, now: Timestamp) -> (Family, f64) {
        (WAITING, seconds_since(&self.progress.in_hand, now))
    }
}

struct PostgresSink {
    broker: Arc<dyn Broker>,
    group: String,
    topic: Topic,
    instance: String,
    url: String,
    sunk: Arc<PostgresSunk>,
    runtime: Handle,
}

/// Starts it, inside a Tokio runtime. PostgreSQL need not be there yet.
pub fn start(
    broker: Arc<dyn Broker>,
    member: Member<'_>,
    url: &str,
) -> Result<(Arc<PostgresSunk>, SinkThread), String> {
    let sunk = Arc::new(PostgresSunk::default());
    let sink = PostgresSink {
        broker,
        // What readers said is the same in whichever topic: each goes on where it stands.
        group: format!("{}-postgres", application::first(member.app)),
        topic: member.topic(&FEEDBACK),
        instance: member.instance.to_owned(),
        url: url.to_owned(),
        sunk: Arc::clone(&sunk),
        runtime: Handle::current(),
    };
    Ok((sunk, SinkThread::start(sink)?))
}

impl Sink for PostgresSink {
    const NAME: &'static str = "postgres";
    type Opened = FeedbackTable;

    fn open(&self) -> Result<FeedbackTable, String> {
        let _inside = self.runtime.enter();
        FeedbackTable::open(&self.url, LIMITS).map_err(|fault| fault.to_string())
    }

    fn run(&self, table: FeedbackTable, stop: &AtomicBool) -> Result<(), String> {
        if !self.wait_for(&table, stop) {
            return Ok(());
        }
        let topics = std::slice::from_ref(&self.topic);
        let consumer = self.broker.group_consumer(&self.group, Some(&self.instance), topics);
        let consumer = consumer.map_err(|failure| failure.to_string())?;
        let sinking = Sinking { consumer, table, progress: &self.sunk.progress, stop };
        postgres::run(sinking, &self.runtime).map_err(|failure| failure.to_string())
    }

    fn standing(&self) -> &Standing {
        &self.sunk.standing
    }
}

impl PostgresSink {
    /// Waits until the table is there; `false` if it was asked to stop before.
    fn wait_for(&self, table: &FeedbackTable, stop: &AtomicBool) -> bool {
        let mut is_told = false;
        loop {
            match self.runtime.block_on(table.is_there()) {
                Ok(true) => return true,
                Ok(false) if !std::mem::replace(&mut is_told, true) => tracing::info!(
                    "postgresql has no table feed_feedback: its timeline does not know what readers hid"
                ),
                // Whether the database answers, the timeline tells.
                Ok(false) | Err(_) => {}
            }
            if !Backoff::new(LOOK_EVERY, LOOK_EVERY).pause(stop) {
                return false;
            }
        }
    }
}
