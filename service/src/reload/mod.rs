//! The configuration, read again when its file changes and on SIGHUP.
//!
//! A reading with any fault changes nothing: each fault is in the log, in readiness and in a metric, and the process goes on as it is
//! and stays ready. Of one without, what can take effect does, and what needs a restart is named in the same places.

mod metrics;
mod source;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream;
use millstream::Clock;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use utoipa::ToSchema;

use crate::config::{Change, InForce, Reload};
use crate::followed_files;
use crate::logging::Logging;
pub use metrics::ReloadMetrics;
pub use source::Source;

/// What a configuration needs to be followed. Listens for the signal from when it is made: nobody who asks ends the process by it.
pub struct Reloading {
    source: Source,
    in_force: InForce,
    logging: Logging,
    asked: Signal,
}

/// Where it is noted what came of it.
pub struct Noting {
    /// For readiness.
    pub seen: Arc<ConfigSeen>,
    /// For Prometheus.
    pub metrics: Arc<ReloadMetrics>,
    /// When.
    pub clock: Arc<dyn Clock>,
}

/// What was last seen of the configuration.
#[derive(Debug, Default)]
pub struct ConfigSeen(Mutex<Seen>);

/// The same, as readiness says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ConfigurationSeen)]
pub struct Seen {
    /// What is wrong with what the file says; then what it said before is in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// What it says that needs a restart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restart_needed: Vec<Waiting>,
}

/// A setting that needs a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SettingWaiting)]
pub struct Waiting {
    setting: String,
    in_force: String,
    told: String,
}

impl From<&Change> for Waiting {
    fn from(of: &Change) -> Self {
        let (setting, in_force) = (of.setting.clone(), of.before.clone());
        Self { setting, in_force, told: of.after.clone() }
    }
}

impl ConfigSeen {
    /// What was last seen; none if all is as it was told.
    pub fn now(&self) -> Option<Seen> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (seen != Seen::default()).then_some(seen)
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Reloading {
    /// Has `in_force` follow what `source` says, and `logging` with it.
    pub fn new(source: Source, in_force: InForce, logging: Logging) -> io::Result<Self> {
        Ok(Self { source, in_force, logging, asked: signal(SignalKind::hangup())? })
    }

    /// Goes on for ever.
    pub async fn follow(mut self, noting: Noting) {
        let asked = stream::poll_fn(|cx| self.asked.poll_recv(cx));
        let files = self.source.path().map(Path::to_owned).into_iter().collect();
        let take = || {
            let read = self.source.read(|_| {}).and_then(|told| self.in_force.reload(&told));
            let config = self.in_force.config();
            self.logging.follow(&config.log);
            config.slow_queries.apply();
            noting.note(&read);
            read.map(drop).map_err(|faults| faults.trim_end().replace('\n', "; "))
        };
        followed_files::follow_or_asked(files, asked, take).await;
    }
}

impl Noting {
    fn note(&self, read: &Result<Reload, String>) {
        self.metrics.is_successful.set(i64::from(read.is_ok()));
        match read {
            Ok(Reload { taken, waiting, .. }) => {
                for Change { setting, before, after } in taken {
                    tracing::info!(setting, before, after, "a setting changed");
                }
                for Change { setting, before, after } in waiting {
                    tracing::warn!(
                        setting,
                        in_force = before,
                        told = after,
                        "a setting needs a restart"
                    );
                }
                let waiting: Vec<_> = waiting.iter().map(Waiting::from).collect();
                self.metrics.succeeded_at_s.set(self.clock.now().0 as f64 / 1e3);
                self.metrics.restart_needed.set(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
                self.seen.note(|seen| {
                    *seen = Seen { faults: Vec::new(), restart_needed: waiting };
                });
            }
            Err(faults) => {
                self.metrics.failures.inc();
                let faults = faults.lines().map(str::to_owned).collect();
                self.seen.note(|seen| seen.faults = faults);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use millstream::{ManualClock, Timestamp};

    use super::*;
    use crate::config::{Config, File};
    use crate::metrics::Metrics;

    fn read(text: &str) -> Result<Config, String> {
        let file = File { path: Path::new("mill.toml"), text };
        Config::read(Some(file), std::iter::empty(), |_| Vec::new())
    }

    #[test]
    fn faults_are_all_seen_and_counted_until_a_reading_without_any_beside_what_waits() {
        let (in_force, metrics) = (InForce::new(read("").unwrap()), Metrics::new().unwrap());
        let metrics = Arc::clone(&metrics.reload);
        let (seen, clock) = (Arc::<ConfigSeen>::default(), ManualClock::at(Timestamp(7_500)));
        let noting = Noting {
            seen: Arc::clone(&seen),
            metrics: Arc::clone(&metrics),
            clock: Arc::new(clock),
        };
        let counted = || {
            let of = &metrics;
            (of.failures.get(), of.is_successful.get(), of.restart_needed.get())
        };
        assert_eq!((seen.now(), counted()), (None, (0, 1, 0)));
        noting.note(&read("app = 'mill'").and_then(|told| in_force.reload(&told)));
        let [setting, in_force_now, told] = ["app", "feedmill", "mill"].map(str::to_owned);
        let waits = vec![Waiting { setting, in_force: in_force_now, told }];
        let well = Seen { faults: vec![], restart_needed: waits.clone() };
        assert_eq!((seen.now(), counted()), (Some(well), (0, 1, 1)));
        noting.note(
            &read("nobody = 1\n[kafka]\npartitions = 'x'").and_then(|told| in_force.reload(&told)),
        );
        let faults = [
            "kafka.partitions: is a number from 1 to 1024, found \"x\"",
            "nobody: is no setting, found in the file",
        ];
        let faulty = Seen { faults: faults.map(str::to_owned).to_vec(), restart_needed: waits };
        assert_eq!((seen.now(), counted()), (Some(faulty), (1, 0, 1)));
        noting.note(&read("").and_then(|told| in_force.reload(&told)));
        assert_eq!((seen.now(), counted()), (None, (1, 1, 0)));
        assert_eq!(metrics.succeeded_at_s.get(), 7.5);
    }
}
