//! Looks at each component every second and notes what it saw, so that readiness never waits for anybody.
//!
//! One look at a component is under way at a time. Kafka's calls block, so it has a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use futures_util::future::BoxFuture;
use millstream::broker::{Admin, Broker, Failure};
use millstream::{Clock, Lag, Topic};
use schemas::topic::EVENTS;
use tokio::time::{sleep, timeout};

use crate::breaker::Mode;
use crate::metrics::Metrics;
use crate::read::Reads;
use crate::worker::Sunk;

use super::{Behind, ENGINE, Health, KAFKA, REGISTRY, Seen};

const EVERY: Duration = Duration::from_secs(1);
const WAIT: Duration = Duration::from_secs(1);

/// What a look needs.
#[derive(Clone)]
pub struct Probing {
    /// Where it is noted.
    pub health: Arc<Health>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// When it was.
    pub clock: Arc<dyn Clock>,
}

/// What a look at a component found.
struct Found {
    found: Result<(), String>,
    breaker: Option<&'static str>,
    behind: Option<Behind>,
}

impl Probing {
    fn note(
        &self,
        component: &'static str,
        found: Result<(), String>,
        breaker: Option<&'static str>,
    ) {
        let found = Found { found, breaker, behind: None };
        self.note_found(component, found);
    }

    fn note_found(&self, component: &'static str, of: Found) {
        let Found { found, breaker, behind } = of;
        let up = found.is_ok();
        self.metrics.up.with_label_values(&[component]).set(i64::from(up));
        let seen = Seen { up, fault: found.err(), breaker, behind, at: self.clock.now().0 };
        self.health.note(component, seen);
    }

    /// Looks at Kafka until `stop`, on a thread of its own.
    pub fn kafka(
        self,
        (broker, tells): (Arc<dyn Broker>, bool),
        stop: Arc<AtomicBool>,
    ) -> std::io::Result<()> {
        let look = move || {
            let (mut admin, mut was_up) = (None, true);
            while !stop.load(Ordering::Relaxed) {
                let found = ask(&*broker, &mut admin);
                if found.is_err() {
                    admin = None;
                }
                match &found {
                    Err(why) if tells && was_up => tracing::warn!(%why, "kafka is away"),
                    Ok(_) if tells && !was_up => tracing::info!("kafka is back"),
                    Ok(_) | Err(_) => {}
                }
                was_up = found.is_ok();
                self.note(KAFKA, found.map_err(|failure| failure.to_string()), None);
                thread::sleep(EVERY);
            }
        };
        thread::Builder::new().name("probe-kafka".to_owned()).spawn(look).map(drop)
    }

    /// Looks at the tiers of reads, for as long as the task lives.
    pub async fn tiers(self, reads: Arc<Reads>) {
        loop {
            let tiers = reads.tiers();
            let redis = tiers.redis.as_ref().map(|tier| (tier.tier().probe(), tier.mode()));
            let state = tiers.state.as_ref().map(|tier| (tier.tier().probe(), tier.mode()));
            let clickhouse = tiers.clickhouse.as_ref();
            let clickhouse = clickhouse.map(|tier| (tier.tier().probe(), tier.mode()));
            let postgres = tiers.postgres.as_ref().map(|tier| {
                let ping = async { tier.tier().ping().await.map_err(|fault| fault.to_string()) };
                (Box::pin(ping) as BoxFuture<'_, _>, tier.mode())
            });
            tokio::join!(
                self.tier("redis", redis),
                self.tier("state", state),
                self.tier("clickhouse", clickhouse),
                self.tier("postgres", postgres),
            );
            sleep(EVERY).await;
        }
    }

    /// Looks at the engine, for as long as the task lives.
    pub async fn engine(self, look: impl Fn() -> (Result<(), String>, Lag) + Send) {
        loop {
            let (found, lag) = look();
            let behind = Behind::from(lag);
            self.metrics.lagging.set(i64::from(behind.lagging));
            self.metrics.lag.set(behind.lag_ms.map_or(f64::NAN, |ms| ms as f64 / 1e3));
            self.note_found(ENGINE, Found { found, breaker: None, behind: Some(behind) });
            sleep(EVERY).await;
        }
    }

    /// Looks at a sink, for as long as the task lives.
    pub async fn sink<S: Sunk>(
        self,
        component: &'static str,
        sunk: impl Fn() -> Option<Arc<S>> + Send,
    ) {
        loop {
            let none = || Err("no worker runs".to_owned());
            self.note(component, sunk().map_or_else(none, |sunk| sunk.look()), None);
            sleep(EVERY).await;
        }
    }

    /// Looks at what the schema registry has told last, for as long as the task lives.
    pub async fn registry(self, look: impl Fn() -> Result<(), String> + Send) {
        loop {
            self.note(REGISTRY, look(), None);
            sleep(EVERY).await;
        }
    }

    async fn tier(
        &self,
        component: &'static str,
        look: Option<(BoxFuture<'_, Result<(), String>>, Mode)>,
    ) {
        let Some((probe, breaker)) = look else { return };
        let is_open = i64::from(breaker.keeps_calls_away());
        self.metrics.breaker_open.with_label_values(&[component]).set(is_open);
        let late = |_| Err(format!("no answer in {} ms", WAIT.as_millis()));
        self.note(component, timeout(WAIT, probe).await.unwrap_or_else(late), Some(breaker.name()));
    }
}

fn ask(broker: &dyn Broker, admin: &mut Option<Box<dyn Admin>>) -> Result<(), Failure> {
    let admin = match admin {
        Some(admin) => admin,
        None => admin.insert(broker.admin()?),
    };
    admin.partitions(&[Topic::from(EVENTS.name)]).map(drop)
}
