//! What is counted, for Prometheus. Labels come from closed sets only: no user, no path, no words of an error.

use std::sync::{Arc, OnceLock};

use millstream::{Counter, Durations, MemoryUse, Metrics as EngineMetrics, Part};
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

/// What somebody else counts, by name.
type Counts = Box<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>;
/// What somebody else holds in memory.
type Memory = Box<dyn Fn() -> Vec<MemoryUse> + Send + Sync>;
/// Whether the engine of somebody else has done all that it owes.
type Settled = Box<dyn Fn() -> bool + Send + Sync>;
/// How long something of somebody else takes.
type Takes = Box<dyn Fn() -> Durations + Send + Sync>;

/// Everything counted in this process.
pub struct Metrics {
    registry: Registry,
    engine: OnceLock<Arc<EngineMetrics>>,
    sink: OnceLock<(Counts, Takes)>,
    memory: OnceLock<Memory>,
    settled: OnceLock<Settled>,
    /// Requests, by route and status.
    pub requests: IntCounterVec,
    /// Seconds a request took, by route.
    pub seconds: HistogramVec,
    /// Reads, by what was asked and who answered.
    pub reads: IntCounterVec,
    /// Times that a tier was passed by, by tier and reason.
    pub tier_passed: IntCounterVec,
    /// Events accepted.
    pub events: IntCounter,
    /// Records that could not be appended to Kafka.
    pub unappended: IntCounter,
    /// How old the oldest record is that the Redis sink has in hand, ms; 0 if it has none.
    pub sink_lag: IntGauge,
    /// Seconds the engine is behind the ends of what it reads; not a number as long as it has seen no end.
    pub lag: Gauge,
    /// Whether the engine catches up: 1 or 0.
    pub lagging: IntGauge,
    /// Whether a component answers, as last seen: 1 or 0.
    pub up: IntGaugeVec,
}

impl Metrics {
    /// All of them at zero.
    pub fn new() -> Result<Self, prometheus::Error> {
        let counters =
            |name, help, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let of = Self {
            registry: Registry::new(),
            engine: OnceLock::new(),
            sink: OnceLock::new(),
            memory: OnceLock::new(),
            settled: OnceLock::new(),
            requests: counters("feedmill_http_requests_total", "Requests.", &["route", "status"])?,
            seconds: HistogramVec::new(
                HistogramOpts::new("feedmill_http_request_seconds", "Seconds a request took.")
                    .buckets(vec![
                        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
                    ]),
                &["route"],
            )?,
            reads: counters("feedmill_reads_total", "Reads answered.", &["algo", "source"])?,
            tier_passed: counters(
                "feedmill_tier_passed_total",
                "Times a tier was passed by.",
                &["tier", "reason"],
            )?,
            events: IntCounter::new("feedmill_events_accepted_total", "Events accepted.")?,
            unappended: IntCounter::new(
                "feedmill_records_unappended_total",
                "Records that could not be appended to Kafka.",
            )?,
            sink_lag: IntGauge::new(
                "feedmill_redis_sink_lag_ms",
                "Age of the oldest record that the sink has in hand.",
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
        of.registry.register(Box::new(of.reads.clone()))?;
        of.registry.register(Box::new(of.tier_passed.clone()))?;
        of.registry.register(Box::new(of.events.clone()))?;
        of.registry.register(Box::new(of.unappended.clone()))?;
        of.registry.register(Box::new(of.sink_lag.clone()))?;
        of.registry.register(Box::new(of.lag.clone()))?;
        of.registry.register(Box::new(of.lagging.clone()))?;
        of.registry.register(Box::new(of.up.clone()))?;
        of.registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(of)
    }

    /// Tells what the engine of this process counts, too.
    pub fn follow(&self, engine: Arc<EngineMetrics>) {
        // A process has one engine, so the first is the only one.
        let _ = self.engine.set(engine);
    }

    /// Tells what the sink of this process does, too.
    pub fn follow_sink(
        &self,
        counts: impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static,
        takes: impl Fn() -> Durations + Send + Sync + 'static,
    ) {
        // A process has one sink, so the first is the only one.
        let _ = self.sink.set((Box::new(counts), Box::new(takes)));
    }

    /// Tells what the engine of this process holds in memory, too.
    pub fn follow_memory(&self, memory: impl Fn() -> Vec<MemoryUse> + Send + Sync + 'static) {
        // A process has one engine, so the first is the only one.
        let _ = self.memory.set(Box::new(memory));
    }

    /// Tells whether the engine of this process has done all that it owes, too.
    pub fn follow_settled(&self, settled: impl Fn() -> bool + Send + Sync + 'static) {
        // A process has one engine, so the first is the only one.
        let _ = self.settled.set(Box::new(settled));
    }

    /// All of it as text.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Err(fault) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::error!(%fault, "metrics cannot be written");
        }
        let mut tell = |name: &str, value: u64| {
            out.extend_from_slice(format!("# TYPE {name} counter\n{name} {value}\n").as_bytes());
        };
        if let Some(engine) = self.engine.get() {
            Counter::ALL.iter().for_each(|(counter, name)| tell(name, engine.read(*counter)));
            engine.named().into_iter().for_each(|(name, value)| tell(name, value));
        }
        if let Some((counts, _)) = self.sink.get() {
            counts().into_iter().for_each(|(name, value)| tell(name, value));
        }
        if let Some(engine) = self.engine.get() {
            write_way(&engine.durations(), &mut out);
        }
        if let Some((_, takes)) = self.sink.get() {
            write_type("feedmill_redis_sink_seconds", "histogram", &mut out);
            write_histogram("feedmill_redis_sink_seconds", "", &takes(), &mut out);
        }
        if let Some(memory) = self.memory.get() {
            write_memory(&memory(), &mut out);
        }
        if let Some(settled) = self.settled.get() {
            write_type("millstream_settled", "gauge", &mut out);
            let settled = u8::from(settled());
            out.extend_from_slice(format!("millstream_settled {settled}\n").as_bytes());
        }
        out
    }
}

fn write_type(name: &str, kind: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("# TYPE {name} {kind}\n").as_bytes());
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
