//! What the worker of a process tells: its engine, its operators and its sinks, as of the moment it is asked.
//!
//! A name of a topic, an operator or a part is one of the topology's, so there are as many series as that has parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream::dead_letter::Origin;
use millstream::{Counter, Durations, Family, MemoryUse, Metrics as EngineMetrics, Part, Topic};
use prometheus::proto::{LabelPair, MetricFamily, MetricType};
use topologies::feed::counters::COUNTERS;

use super::series::{counter, family, gauge, histogram, label};

const HOP: Family = Family::new(
    "millstream_hop_seconds",
    "From the writing of a record until a task has it; of the oldest record of each batch.",
);
const OPEN: Family = Family::new(
    "millstream_transaction_open_seconds",
    "From the first thing that a transaction does until its commit begins.",
);
const COMMIT: Family = Family::new("millstream_commit_seconds", "How long a commit takes.");
const LAG_RECORDS: Family = Family::new(
    "millstream_lag_records",
    "Records of an input that no commit has passed yet, the ends of transactions among them.",
);
const STORE: Family = Family::new(
    "millstream_store_bytes",
    "About how many bytes a store has on disk and in memory tables.",
);
const RESTORING: Family = Family::new(
    "millstream_restore_remaining_records",
    "Changelog records that are still to be read before all state is restored.",
);
const SETTLED: Family =
    Family::new("millstream_settled", "Whether the engine has done all that it owes.");
const WAITING: Family = Family::new(
    "millstream_waiting_partitions",
    "Input partitions that wait until their next record can be decoded.",
);
const MEMORY: Family = Family::new("millstream_memory_bytes", "What a part of the engine holds.");
const MEMORY_MAX: Family =
    Family::new("millstream_memory_max_bytes", "What a part of the engine may hold.");
const REDIS_TOOK: Family =
    Family::new("feedmill_redis_sink_seconds", "From the ranking of a feed until Redis has it.");

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
    /// How many records of each input it has not committed.
    pub lag_records: BTreeMap<Topic, u64>,
    /// About how many bytes each of its stores has.
    pub store_bytes: Vec<(String, u64)>,
    /// What its sinks count.
    pub sunk: Vec<(Family, u64)>,
    /// How long the record has waited for each of its sinks' servers that has waited longest, s.
    pub sinks_waiting: Vec<(Family, f64)>,
    /// How long a feed takes to Redis, if it goes there.
    pub redis_took: Option<Durations>,
}

impl WorkerReport {
    /// All of it, for the encoder, which takes no family without a series.
    pub fn families(&self) -> Vec<MetricFamily> {
        let mut all = self.declared();
        all.retain(|of| !of.get_metric().is_empty());
        all
    }

    /// Every family, also of what has not happened yet.
    pub(super) fn declared(&self) -> Vec<MetricFamily> {
        let engine = &self.engine;
        let own = Counter::ALL.map(|counter| (counter.family(), engine.read(counter)));
        // Those of operators that have not begun are there, too, so that their first count is seen to rise.
        let mut named: BTreeMap<_, _> = COUNTERS.map(|of| (of, 0)).into();
        named.extend(engine.named());
        let counts = own.into_iter().chain(named).chain(self.sunk.iter().copied());
        let mut all: Vec<_> = counts.map(|(of, n)| counter(of, vec![(vec![], n)])).collect();
        all.push(dead_letters(&engine.dead_letters()));
        let aborts = engine.aborts().into_iter();
        let aborts = aborts.map(|(why, n)| (vec![label("reason", why.name())], n));
        all.push(counter(Counter::Aborts.family(), aborts.collect()));
        all.extend(ways(&engine.durations()));
        if let Some(took) = &self.redis_took {
            all.push(family(REDIS_TOOK, MetricType::HISTOGRAM, vec![histogram(vec![], took)]));
        }
        let lags = self.lag_records.iter();
        all.push(gauge(LAG_RECORDS, lags.map(|(topic, n)| (topic_label(topic), *n as f64))));
        let stores = self.store_bytes.iter();
        let stores = stores.map(|(store, n)| (vec![label("store", store)], *n as f64));
        all.push(gauge(STORE, stores));
        for (of, value) in [
            (RESTORING, engine.restoring() as f64),
            (SETTLED, f64::from(u8::from(self.is_settled))),
            (WAITING, self.waiting_partitions as f64),
        ] {
            all.push(gauge(of, [(vec![], value)]));
        }
        all.extend(self.sinks_waiting.iter().map(|(of, s)| gauge(*of, [(vec![], *s)])));
        all.push(memory(MEMORY, &self.memory, |part| part.bytes));
        all.push(memory(MEMORY_MAX, &self.memory, |part| part.bytes_max));
        all
    }
}

/// Where letters come from and why.
fn dead_letters(counts: &[(Origin, u64)]) -> MetricFamily {
    let labels = |Origin { topic, node, reason }: &Origin| {
        let mut labels = topic_label(topic);
        labels.extend([label("node", node), label("reason", reason.name())]);
        labels
    };
    let counts = counts.iter().map(|(origin, n)| (labels(origin), *n));
    counter(Counter::DeadLetters.family(), counts.collect())
}

/// The parts of a record's way through the engine, one family each; of hops one series a topic.
fn ways(parts: &[(Part, Durations)]) -> [MetricFamily; 3] {
    let [mut hop, mut open, mut commit] = [vec![], vec![], vec![]];
    for (part, took) in parts {
        match part {
            Part::Hop(topic) => hop.push(histogram(topic_label(topic), took)),
            Part::Open => open.push(histogram(vec![], took)),
            Part::Commit => commit.push(histogram(vec![], took)),
        }
    }
    [(HOP, hop), (OPEN, open), (COMMIT, commit)]
        .map(|(of, series)| family(of, MetricType::HISTOGRAM, series))
}

fn memory(of: Family, parts: &[MemoryUse], bytes: fn(&MemoryUse) -> Option<usize>) -> MetricFamily {
    let known = parts.iter().filter_map(|part| Some((part.part, bytes(part)?)));
    gauge(of, known.map(|(part, bytes)| (vec![label("part", part)], bytes as f64)))
}

fn topic_label(topic: &Topic) -> Vec<LabelPair> {
    vec![label("topic", topic)]
}
