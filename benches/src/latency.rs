//! Latencies of one task: kept one by one, told as percentiles.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::usage;

/// How long things took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn push(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The figures of `bench`, done by `entrant`.
    pub(crate) fn figures(mut self, bench: &'static str, entrant: &str) -> Spread {
        self.0.sort_unstable();
        let at = |part: f64| {
            let place = (self.0.len() as f64 * part).ceil() as usize;
            let found = self.0.get(place.saturating_sub(1)).copied().unwrap_or_default();
            found.as_secs_f64() * 1e3
        };
        Spread {
            bench,
            entrant: entrant.to_owned(),
            samples: self.0.len(),
            p50_ms: at(0.50),
            p99_ms: at(0.99),
            max_ms: at(1.0),
            per_second: None,
            missing: 0,
            server_cpu_micros: None,
            load: usage::load(),
        }
    }
}

/// Percentiles of one task, and what else was told of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The task.
    pub bench: &'static str,
    /// Who did it, or how.
    pub entrant: String,
    /// How many were timed.
    pub samples: usize,
    /// Half took at most this long.
    pub p50_ms: f64,
    /// Of a hundred, 99 took at most this long.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// How many were done a second.
    pub per_second: Option<f64>,
    /// How many were not done at all; if any, the rest means little.
    pub missing: usize,
    /// What one took of the server's CPU.
    pub server_cpu_micros: Option<f64>,
    /// How many processes wanted a core in the last minute; above the number of cores absolutes mean little.
    pub load: f64,
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bench, entrant, p50_ms, p99_ms, max_ms, samples, missing, .. } = self;
        write!(f, "{bench:<12} {entrant:<16} p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, ")?;
        write!(f, "max {max_ms:.2} ms, {samples} times, {missing} missing")?;
        self.per_second.map_or(Ok(()), |rate| write!(f, ", {rate:.0}/s"))?;
        self.server_cpu_micros.map_or(Ok(()), |cpu| write!(f, ", {cpu:.0} us of server CPU each"))
    }
}
