//! How the capture of the database's changes fares: when it told last that it is alive, and how much of its log the database
//! keeps for it.
//!
//! Debezium writes a heartbeat every few seconds whether anything changes or not, as the connector that we ship is configured;
//! so the age of the last one says how long changes may have been missed. A worker looks, because it is what lacks them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use connectors::backoff::Backoff;
use connectors::postgres::{Database, Limits};
use millstream::broker::Broker;
use millstream::{Clock, Timestamp};
use tokio::time::sleep;

use crate::again;
use crate::commands::log_reader::LogReader;
use crate::failed::Failed;
use crate::metrics::Metrics;

/// Where Debezium writes heartbeats: `cdc` is the `topic.prefix` of the connector that we ship.
pub const HEARTBEATS: &str = "__debezium-heartbeat.cdc";

/// How often it is looked whether there are heartbeats by now.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// So long after it failed the topic is read again.
const AGAIN: Duration = Duration::from_secs(5);
/// How often the database is asked about its slots, and what that may cost it.
const SLOTS_EVERY: Duration = Duration::from_secs(15);
const LIMITS: Limits = Limits {
    connections_max: 1,
    acquire: Duration::from_secs(5),
    statement: Duration::from_secs(5),
};

/// Follows heartbeats and tells the age of the last one.
pub struct Heartbeats {
    /// Where they are.
    pub broker: Arc<dyn Broker>,
    /// What the client calls itself.
    pub app: String,
    /// Where their age is told.
    pub metrics: Arc<Metrics>,
    /// By which they are so old.
    pub clock: Arc<dyn Clock>,
}

impl Heartbeats {
    /// Follows them until told to stop, on a thread of its own.
    pub fn follow(self, stop: Arc<AtomicBool>) -> std::io::Result<()> {
        let last = AtomicI64::new(i64::MIN);
        let follow = move || {
            let once = || self.read_on(&last, &stop);
            let pauses = Backoff::new(AGAIN, AGAIN);
            again::until_done(&stop, "heartbeats of the capture are not followed", pauses, once);
        };
        thread::Builder::new().name("capture".to_owned()).spawn(follow).map(drop)
    }

    fn read_on(&self, last: &AtomicI64, stop: &AtomicBool) -> Result<(), Failed> {
        let mut log = loop {
            match LogReader::of_one(&*self.broker, &self.app, &HEARTBEATS.into())? {
                Some(log) => break log,
                // Who captures in another way, or nothing yet, has none.
                None if !Backoff::new(LOOK_EVERY, LOOK_EVERY).pause(stop) => return Ok(()),
                None => {}
            }
        };
        while !stop.load(Ordering::Relaxed) {
            for batch in &log.poll()?.batches {
                let times = batch.iter().map(|record| record.timestamp.0);
                last.fetch_max(times.max().unwrap_or(i64::MIN), Ordering::Relaxed);
            }
            let at = last.load(Ordering::Relaxed);
            if at > i64::MIN && log.is_at_end() {
                let age = self.clock.now().since(Timestamp(at));
                self.metrics.capture_age.set(age.as_secs_f64());
            }
        }
        Ok(())
    }
}

/// Asks the database at `url` about its slots, for as long as the task lives. What is not known is not told.
pub async fn watch_slots(url: String, metrics: Arc<Metrics>) {
    let Ok(database) = Database::open(&url, LIMITS) else { return };
    loop {
        let slots = database.slots().await.unwrap_or_default();
        // One that was dropped is gone.
        metrics.slot_retained.reset();
        for slot in slots {
            if let Some(bytes) = slot.retained_bytes {
                metrics.slot_retained.with_label_values(&[&slot.name]).set(bytes);
            }
        }
        sleep(SLOTS_EVERY).await;
    }
}
