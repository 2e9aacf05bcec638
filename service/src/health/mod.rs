//! Health: what was last seen of each component, and whether that is enough to answer requests.
//!
//! The [`Probing`] looks and notes; readiness reads the notes, and so never waits for anybody.

mod probe;
mod readiness;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use millstream::Lag;
use serde::Serialize;
use utoipa::ToSchema;

use crate::reload::ConfigSeen;
pub use probe::Probing;
pub use readiness::{IsEnough, Readiness, answers_reads, is_ready};

/// What was last seen of each component.
#[derive(Debug, Default)]
pub struct Health {
    seen: Mutex<BTreeMap<&'static str, Seen>>,
    draining: AtomicBool,
    /// What was last seen of the configuration.
    pub config: Arc<ConfigSeen>,
}

/// What was last seen of one component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ComponentSeen)]
pub struct Seen {
    /// Whether it answered.
    pub up: bool,
    /// What it said if not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// What its breaker makes of calls, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<&'static str>,
    /// How far it is behind, if it reads logs.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Behind>,
    /// When, in ms.
    pub at: i64,
}

/// How far the engine is behind the ends of what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Behind {
    /// Whether it catches up: feeds of who is online are ranked now and then, and all when it is done.
    pub lagging: bool,
    /// It knows everything there was so long ago; null as long as it has seen no end.
    pub lag_ms: Option<u64>,
}

impl From<Lag> for Behind {
    fn from(lag: Lag) -> Self {
        let lag_ms = match lag {
            Lag::Behind(time) => Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            Lag::Unknown => None,
        };
        Self { lagging: lag.is_lagging(), lag_ms }
    }
}

/// The component that readiness cannot do without.
pub const KAFKA: &str = "kafka";
/// The component that ranks feeds: a worker's own threads, and whether its group knows it.
pub const ENGINE: &str = "engine";
/// The component that pushes feeds: without it they are old, but reads are answered.
pub const REDIS_SINK: &str = "redis_sink";
/// The component that fills ClickHouse: without it rows wait in Kafka, and no reader does.
pub const CLICKHOUSE_SINK: &str = "clickhouse_sink";
/// The component that notes in PostgreSQL what readers said against posts: without it the timeline does not know.
pub const POSTGRES_SINK: &str = "postgres_sink";
/// The component that knows schemas: without it records in new ones wait.
pub const REGISTRY: &str = "registry";
/// The components that can answer a read.
pub const TIERS: [&str; 4] = ["redis", "state", "clickhouse", "postgres"];

impl Health {
    /// Notes what was seen of a component.
    pub fn note(&self, component: &'static str, seen: Seen) {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(component, seen);
    }

    /// The process was told to stop: nobody new is to come.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether it was.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// What was seen of all.
    pub fn seen(&self) -> BTreeMap<&'static str, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
