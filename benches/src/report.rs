//! One entrant's figures: a JSON line for history, a line of a table for a reader.

use std::fmt;

use serde::Serialize;

use crate::usage::Usage;

/// What one entrant did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The task.
    pub bench: &'static str,
    /// Who did it.
    pub entrant: String,
    /// How many records it read.
    pub records: u64,
    /// Records per second of CPU time of its whole process: what a core of it is worth.
    pub records_per_cpu_second: u64,
    /// The same after its first commit, where it needs to warm up.
    pub warm_records_per_cpu_second: Option<u64>,
    /// Records per second of the clock, broker and entrant sharing the machine.
    pub records_per_second: u64,
    /// The most memory its process ever had.
    pub peak_rss_bytes: u64,
    /// Whether its output was read back and found right. If not, the rest means nothing.
    pub verified: bool,
}

impl Report {
    /// Of what `entrant` used for `bench`.
    pub fn new(bench: &'static str, entrant: &str, usage: &Usage, verified: bool) -> Self {
        let warm = usage.warm.as_ref();
        Self {
            bench,
            entrant: entrant.to_owned(),
            records: usage.records,
            records_per_cpu_second: rate(usage.records, usage.cpu_seconds),
            warm_records_per_cpu_second: warm.map(|warm| rate(warm.records, warm.cpu_seconds)),
            records_per_second: rate(usage.records, usage.wall_seconds),
            peak_rss_bytes: usage.peak_rss_bytes,
            verified,
        }
    }
}

fn rate(records: u64, seconds: f64) -> u64 {
    (records as f64 / seconds.max(0.001)).round() as u64
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.verified { "right" } else { "WRONG" };
        write!(
            f,
            "{:<14} {:>10} records/CPU-s {:>10} records/s {:>7} MB  {verdict}",
            self.entrant,
            self.records_per_cpu_second,
            self.records_per_second,
            self.peak_rss_bytes >> 20,
        )?;
        self.warm_records_per_cpu_second
            .map_or(Ok(()), |warm| write!(f, "  (warm: {warm} records/CPU-s)"))
    }
}
