//! What is counted, for Prometheus. Labels come from closed sets only: no user, no path, no words of an error.

mod exemplars;
mod families;
pub mod openmetrics;
mod series;
mod worker_report;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use connectors::slow::Server;
use millstream::{Clock, Family, SystemClock, TraceContext};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Gauge, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use crate::flags::{Flag, FollowedFlags};
use crate::reload::ReloadMetrics;
use exemplars::{Exemplar, Exemplars};
pub use families::Families;
pub use worker_report::WorkerReport;

/// Asks the worker of this process; nothing as long as none runs.
type Ask = Box<dyn Fn() -> Option<WorkerReport> + Send + Sync>;

/// Everything counted in this process.
pub struct Metrics {
    registry: Registry,
    worker: OnceLock<Ask>,
    set: OnceLock<FollowedFlags>,
    /// Requests, by route and status.
    requests: IntCounterVec,
    /// Seconds a request took, by route.
    seconds: HistogramVec,
    /// Requests whose traces may be looked at.
    exemplars: Exemplars,
    /// Connections that are open, by listener.
    pub connections: IntGaugeVec,
    /// Connections that were not taken or were cut off, by listener and reason.
    pub cut_off: IntCounterVec,
    /// Requests that were refused before a route had them, and by a limit of users, by listener and reason.
    pub refused: IntCounterVec,
    /// Reads, by what was asked and who answered.
    pub reads: IntCounterVec,
    /// Times that a tier was passed by, by tier and reason.
    pub tier_passed: IntCounterVec,
    /// Events accepted.
    pub events: IntCounter,
    /// Clients that follow a feed live.
    pub streams: IntGauge,
    /// Records that could not be appended to Kafka.
    pub unappended: IntCounter,
    /// Seconds the engine is behind the ends of what it reads; not a number as long as it has seen no end.
    pub lag: Gauge,
    /// Whether the engine catches up: 1 or 0.
    pub lagging: IntGauge,
    /// What each flag is: 1 or 0, or the part of readers in hundredths.
    pub flags: IntGaugeVec,
    /// Whether a component answers, as last seen: 1 or 0.
    pub up: IntGaugeVec,
    /// Whether the breaker of a tier keeps calls from it, as last seen: 1 or 0.
    pub breaker_open: IntGaugeVec,
    /// Seconds since the capture of the database's changes told last that it is alive; not a number as long as it has not.
    pub capture_age: Gauge,
    /// Bytes of its log that the database keeps for a replication slot.
    pub slot_retained: IntGaugeVec,
    /// Readings of the configuration.
    pub reload: Arc<ReloadMetrics>,
}

const SECONDS: &str = "feedmill_http_request_seconds";
const REQUEST_SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const FLAG_HELP: &str = "What a flag is: 1 or 0, or the part of readers in %.";
const CAPTURE_HELP: &str = "How long ago the capture of changes told last that it is alive.";

impl Metrics {
    /// All of them at zero.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let of = Families(&registry);
        let made = Self {
            reload: Arc::new(ReloadMetrics::new(&of)?),
            worker: OnceLock::new(),
            set: OnceLock::new(),
            requests: of.counters(
                "feedmill_http_requests_total",
                "Requests.",
                &["route", "status"],
            )?,
            exemplars: Exemplars::new(&REQUEST_SECONDS),
            seconds: of.seconds(
                (SECONDS, "Seconds a request took."),
                &REQUEST_SECONDS,
                &["route"],
            )?,
            connections: of.gauges(
                "feedmill_connections",
                "Connections that are open.",
                &["listener"],
            )?,
            cut_off: of.counters(
                "feedmill_connections_cut_off_total",
                "Connections that were not taken, or cut off.",
                &["listener", "reason"],
            )?,
            refused: of.counters(
                "feedmill_requests_refused_total",
                "Requests refused at the edge.",
                &["listener", "reason"],
            )?,
            reads: of.counters("feedmill_reads_total", "Reads answered.", &["algo", "source"])?,
            tier_passed: of.counters(
                "feedmill_tier_passed_total",
                "Times a tier was passed by.",
                &["tier", "reason"],
            )?,
            events: of.counter("feedmill_events_accepted_total", "Events accepted.")?,
            streams: of.gauge("feedmill_streams", "Clients that follow a feed live.")?,
            unappended: of.counter(
                "feedmill_records_unappended_total",
                "Records that could not be appended to Kafka.",
            )?,
            lag: of.number(
                "millstream_lag_seconds",
                "How far the engine is behind the ends of what it reads.",
            )?,
            lagging: of.gauge("millstream_lagging", "Whether the engine catches up.")?,
            flags: of.gauges("feedmill_flag", FLAG_HELP, &["flag"])?,
            up: of.gauges("feedmill_up", "Whether a component answers.", &["component"])?,
            breaker_open: of.gauges(
                "feedmill_breaker_open",
                "Whether a tier of reads is left alone.",
                &["tier"],
            )?,
            capture_age: of.number("feedmill_capture_age_seconds", CAPTURE_HELP)?,
            slot_retained: of.gauges(
                "feedmill_replication_slot_retained_bytes",
                "How much of its log the database keeps for a logical replication slot.",
                &["slot"],
            )?,
            registry,
        };
        made.capture_age.set(f64::NAN);
        Ok(made)
    }

    /// Tells what the worker of this process tells, too.
    pub fn follow(&self, worker: impl Fn() -> Option<WorkerReport> + Send + Sync + 'static) {
        // A process has one worker at most, so the first is the only one.
        let _ = self.worker.set(Box::new(worker));
    }

    /// Tells what the flags of this process are, too.
    pub fn show_flags(&self, flags: &FollowedFlags) {
        let _ = self.set.set(flags.clone());
    }

    /// A request was answered, and where it stands in its trace, if it is traced.
    pub fn answered(
        &self,
        (route, status): (&'static str, &str),
        took: Duration,
        place: Option<TraceContext>,
    ) {
        let value = took.as_secs_f64();
        self.seconds.with_label_values(&[route]).observe(value);
        self.requests.with_label_values(&[route, status]).inc();
        if let Some(place) = place {
            self.exemplars.note(route, Exemplar { place, value, at: SystemClock.now() });
        }
    }

    fn families(&self) -> Vec<MetricFamily> {
        if let Some(set) = self.set.get().map(FollowedFlags::known) {
            for flag in Flag::ALL {
                self.flags.with_label_values(&[flag.name()]).set(set.value(flag).number());
            }
        }
        let mut families = self.registry.gather();
        families.push(slow_calls());
        if let Some(report) = self.worker.get().and_then(|ask| ask()) {
            families.extend(report.families());
        }
        families
    }

    /// All of it as text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        if let Err(fault) = TextEncoder::new().encode_utf8(&self.families(), &mut out) {
            tracing::error!(%fault, "metrics cannot be written");
        }
        out
    }

    /// The same as OpenMetrics has it, with exemplars.
    pub fn open_text(&self) -> String {
        let told = openmetrics::text(&self.families(), (SECONDS, &self.exemplars));
        told.unwrap_or_else(|fault| {
            tracing::error!(%fault, "metrics cannot be written");
            String::new()
        })
    }
}

const SLOW_CALLS: Family = Family::new(
    "feedmill_slow_calls_total",
    "Calls to a server that took longer than log.slow_query_ms says.",
);

fn slow_calls() -> MetricFamily {
    let of = |server: Server| (vec![series::label("server", server.name())], server.slow_calls());
    series::counter(SLOW_CALLS, Server::ALL.map(of).into())
}

#[cfg(test)]
pub mod tests;
