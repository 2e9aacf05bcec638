//! What is counted, for Prometheus. Labels come from closed sets only: no user, no path, no words of an error.

use std::sync::{Arc, OnceLock};

use millstream::dead_letter::Origin;
use millstream::{Counter, Durations, MemoryUse, Metrics as EngineMetrics, Part};
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use crate::reload::ReloadMetrics;

/// What the worker of this process tells, as of now.
pub struct WorkerReport {
    /// What its engine counts.
    pub engine: Arc<EngineMetrics>,
    /// What its engine holds in memory.
    pub memory: Vec<MemoryUse>,
    /// Whether its engine has done all that it owes.
    pub is_settled: bool,
    /// How many of its input partitions wait until their next record can be decoded.
    pub waiting_partitions: usize,
    /// What its sinks count, by name.
    pub sunk: Vec<(&'static str, u64)>,
    /// How old the oldest record is that the Redis sink has in hand, ms, 0 if it has none; if there is a sink.
    pub redis_lag_ms: Option<i64>,
    /// How long it takes.
    pub redis_took: Option<Durations>,
    /// How long the record has waited for ClickHouse that has waited longest, s, if there is a sink.
    pub clickhouse_waiting_s: Option<f64>,
}

/// Asks the worker of this process; nothing as long as none runs.
type Ask = Box<dyn Fn() -> Option<WorkerReport> + Send + Sync>;

/// Everything counted in this process.
pub struct Metrics {
    registry: Registry,
    worker: OnceLock<Ask>,
    /// Requests, by route and status.
    pub requests: IntCounterVec,
    /// Seconds a request took, by route.
    pub seconds: HistogramVec,
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
    /// Whether a component answers, as last seen: 1 or 0.
    pub up: IntGaugeVec,
    /// Readings of the configuration.
    pub reload: Arc<ReloadMetrics>,
}

impl Metrics {
    /// All of them at zero.
    pub fn new() -> Result<Self, prometheus::Error> {
        let counters =
            |name, help, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let registry = Registry::new();
        let of = Self {
            reload: Arc::new(ReloadMetrics::register(&registry)?),
            registry,
            worker: OnceLock::new(),
            requests: counters("feedmill_http_requests_total", "Requests.", &["route", "status"])?,
            seconds: HistogramVec::new(
                HistogramOpts::new("feedmill_http_request_seconds", "Seconds a request took.")
                    .buckets(vec![
                        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
                    ]),
                &["route"],
            )?,
            connections: IntGaugeVec::new(
                Opts::new("feedmill_connections", "Connections that are open."),
                &["listener"],
            )?,
            cut_off: counters(
                "feedmill_connections_cut_off_total",
                "Connections that were not taken, or cut off.",
                &["listener", "reason"],
            )?,
            refused: counters(
                "feedmill_requests_refused_total",
                "Requests refused at the edge.",
                &["listener", "reason"],
            )?,
            reads: counters("feedmill_reads_total", "Reads answered.", &["algo", "source"])?,
            tier_passed: counters(
                "feedmill_tier_passed_total",
                "Times a tier was passed by.",
                &["tier", "reason"],
            )?,
            events: IntCounter::new("feedmill_events_accepted_total", "Events accepted.")?,
            streams: IntGauge::new("feedmill_streams", "Clients that follow a feed live.")?,
            unappended: IntCounter::new(
                "feedmill_records_unappended_total",
                "Records that could not be appended to Kafka.",
            )?,
            lag: Gauge::new(
                "millstream_lag_seconds",
                "How far the engine is behind the ends of what it reads.",
            )?,
            lagging: IntGauge::new("millstream_lagging", "Whether the engine catches up.")?,
            up: IntGaugeVec::new(
                Opts::new("feedmill_up", "Whether a component answers."),
                &["component"],
            )?,
        };
        of.registry.register(Box::new(of.requests.clone()))?;
        of.registry.register(Box::new(of.seconds.clone()))?;
        of.registry.register(Box::new(of.connections.clone()))?;
        of.registry.register(Box::new(of.cut_off.clone()))?;
        of.registry.register(Box::new(of.refused.clone()))?;
        of.registry.register(Box::new(of.reads.clone()))?;
        of.registry.register(Box::new(of.tier_passed.clone()))?;
        of.registry.register(Box::new(of.events.clone()))?;
        of.registry.register(Box::new(of.streams.clone()))?;
        of.registry.register(Box::new(of.unappended.clone()))?;
        of.registry.register(Box::new(of.lag.clone()))?;
        of.registry.register(Box::new(of.lagging.clone()))?;
        of.registry.register(Box::new(of.up.clone()))?;
        of.registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(of)
    }

    /// Tells what the worker of this process tells, too.
    pub fn follow(&self, worker: impl Fn() -> Option<WorkerReport> + Send + Sync + 'static) {
        // A process has one worker at most, so the first is the only one.
        let _ = self.worker.set(Box::new(worker));
    }

    /// All of it as text.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Err(fault) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::error!(%fault, "metrics cannot be written");
        }
        if let Some(report) = self.worker.get().and_then(|ask| ask()) {
            write_worker(&report, &mut out);
        }
        out
    }
}

fn write_worker(report: &WorkerReport, out: &mut Vec<u8>) {
    let WorkerReport { engine, memory, is_settled, waiting_partitions, sunk, .. } = report;
    let mut tell = |name: &str, value: u64| {
        out.extend_from_slice(format!("# TYPE {name} counter\n{name} {value}\n").as_bytes());
    };
    Counter::ALL.iter().for_each(|(counter, name)| tell(name, engine.read(*counter)));
    engine.named().into_iter().for_each(|(name, value)| tell(name, value));
    sunk.iter().for_each(|(name, value)| tell(name, *value));
    write_dead_letters(&engine.dead_letters(), out);
    write_way(&engine.durations(), out);
    if let Some(took) = &report.redis_took {
        write_type("feedmill_redis_sink_seconds", "histogram", out);
        write_histogram("feedmill_redis_sink_seconds", "", took, out);
    }
    write_memory(memory, out);
    let gauges = [
        ("millstream_settled", Some(f64::from(u8::from(*is_settled)))),
        ("millstream_waiting_partitions", Some(*waiting_partitions as f64)),
        ("feedmill_redis_sink_lag_ms", report.redis_lag_ms.map(|ms| ms as f64)),
        ("feedmill_clickhouse_sink_waiting_seconds", report.clickhouse_waiting_s),
    ];
    for (name, value) in gauges.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        write_type(name, "gauge", out);
        out.extend_from_slice(format!("{name} {value}\n").as_bytes());
    }
}

fn write_type(name: &str, kind: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("# TYPE {name} {kind}\n").as_bytes());
}

/// Where letters come from and why; the topology has all of these names.
fn write_dead_letters(counts: &[(Origin, u64)], out: &mut Vec<u8>) {
    let name = "millstream_dead_letters_total";
    write_type(name, "counter", out);
    for (Origin { topic, node, reason }, count) in counts {
        let reason = reason.name();
        let labels = format!("topic=\"{topic}\",node=\"{node}\",reason=\"{reason}\"");
        out.extend_from_slice(format!("{name}{{{labels}}} {count}\n").as_bytes());
    }
}

/// The parts of a record's way through the engine, one metric each; of hops one series a topic.
fn write_way(parts: &[(Part, Durations)], out: &mut Vec<u8>) {
    let mut last = "";
    for (part, durations) in parts {
        let (name, label) = match part {
            Part::Hop(topic) => ("millstream_hop_seconds", format!("topic=\"{topic}\"")),
            Part::Open => ("millstream_transaction_open_seconds", String::new()),
            Part::Commit => ("millstream_commit_seconds", String::new()),
        };
        if name != last {
            write_type(name, "histogram", out);
        }
        last = name;
        write_histogram(name, &label, durations, out);
    }
}

fn write_histogram(name: &str, label: &str, durations: &Durations, out: &mut Vec<u8>) {
    let with = |more: &str| match (label, more) {
        ("", "") => String::new(),
        (label, "") => format!("{{{label}}}"),
        ("", more) => format!("{{{more}}}"),
        (label, more) => format!("{{{label},{more}}}"),
    };
    let mut line = |suffix: &str, labels: String, value: String| {
        out.extend_from_slice(format!("{name}_{suffix}{labels} {value}\n").as_bytes());
    };
    for (bound, count) in &durations.at_most {
        let bound = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
        line("bucket", with(&format!("le=\"{bound}\"")), count.to_string());
    }
    line("sum", with(""), durations.sum.to_string());
    line("count", with(""), durations.count().to_string());
}

fn write_memory(parts: &[MemoryUse], out: &mut Vec<u8>) {
    let mut gauge = |name: &str, of: fn(&MemoryUse) -> Option<usize>| {
        out.extend_from_slice(format!("# TYPE {name} gauge\n").as_bytes());
        for part in parts {
            if let Some(bytes) = of(part) {
                let line = format!("{name}{{part=\"{}\"}} {bytes}\n", part.part);
                out.extend_from_slice(line.as_bytes());
            }
        }
    };
    gauge("millstream_memory_bytes", |part| part.bytes);
    gauge("millstream_memory_max_bytes", |part| part.bytes_max);
}
