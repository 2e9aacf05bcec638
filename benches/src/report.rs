//! One entrant's figures, and how ours compare: a JSON line for history, a line of a table for a reader.

use std::fmt;

use serde::Serialize;

use crate::entrant::{Entrant, Role};
use crate::usage::{self, Usage};
use crate::{Broken, Result};

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
    /// How many processes wanted a core in the last minute; above the number of cores absolutes mean little.
    pub load: f64,
}

impl Report {
    /// Of what `entrant` used.
    pub fn new(entrant: Entrant, usage: &Usage, verified: bool) -> Self {
        let warm = usage.warm.as_ref();
        Self {
            bench: "count-by-key",
            entrant: entrant.name(),
            records: usage.records,
            records_per_cpu_second: rate(usage.records, usage.cpu_seconds),
            warm_records_per_cpu_second: warm.map(|warm| rate(warm.records, warm.cpu_seconds)),
            records_per_second: rate(usage.records, usage.wall_seconds),
            peak_rss_bytes: usage.peak_rss_bytes,
            verified,
            load: usage::load(),
        }
    }
}

/// Ours beside an entrant that commits as often: medians of the runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The task.
    pub bench: &'static str,
    /// Ours.
    pub entrant: String,
    /// Whom it is compared with.
    pub beside: String,
    /// How many times its records per CPU second ours has.
    pub ratio: f64,
    /// The same, both after their first commit, where both tell.
    pub warm_ratio: Option<f64>,
    /// What part of its memory ours takes.
    pub memory_ratio: f64,
}

/// Every pair of ours and another in `runs` that commits as often and stamps its output as well.
pub fn compare(runs: &[(Entrant, Report)]) -> Vec<Comparison> {
    let mut entrants: Vec<Entrant> = runs.iter().map(|(entrant, _)| *entrant).collect();
    entrants.sort_by_key(|entrant| entrant.name());
    entrants.dedup();
    let of = |entrant: Entrant, figure: fn(&Report) -> Option<u64>| {
        let mut figures: Vec<u64> = runs
            .iter()
            .filter(|(of, report)| *of == entrant && report.verified)
            .filter_map(|(_, report)| figure(report))
            .collect();
        figures.sort_unstable();
        figures.get(figures.len() / 2).map(|figure| *figure as f64)
    };
    let mut compared = Vec::new();
    for ours in entrants.iter().filter(|entrant| entrant.role() == Role::Ours) {
        for other in entrants.iter().filter(|entrant| entrant.role() != Role::Ours) {
            let ratio = |figure| Some(of(*ours, figure)? / of(*other, figure)?);
            let comparable = ours.commit() == other.commit() && other.is_stamped();
            let cpu = ratio(|report| Some(report.records_per_cpu_second));
            let memory = ratio(|report| Some(report.peak_rss_bytes));
            if let (true, Some(cpu), Some(memory)) = (comparable, cpu, memory) {
                compared.push(Comparison {
                    bench: "count-by-key",
                    entrant: ours.name(),
                    beside: other.name(),
                    ratio: cpu,
                    warm_ratio: ratio(|report| report.warm_records_per_cpu_second),
                    memory_ratio: memory,
                });
            }
        }
    }
    compared
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entrant, beside, ratio, memory_ratio, .. } = self;
        write!(f, "{entrant:<16} {ratio:.2} times {beside}, in {memory_ratio:.2} of its memory")?;
        self.warm_ratio.map_or(Ok(()), |warm| write!(f, " (warm: {warm:.2} times)"))
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
            "{:<16} {:>10} records/CPU-s {:>10} records/s {:>7} MB  {verdict}",
            self.entrant,
            self.records_per_cpu_second,
            self.records_per_second,
            self.peak_rss_bytes >> 20,
        )?;
        self.warm_records_per_cpu_second
            .map_or(Ok(()), |warm| write!(f, "  (warm: {warm} records/CPU-s)"))
    }
}

/// Tells figures as they come.
#[derive(Clone, Copy, Debug)]
pub struct Teller {
    /// A JSON line each instead of a line for people.
    pub json: bool,
}

impl Teller {
    /// Tells one figure.
    pub fn tell(self, figure: &(impl Serialize + fmt::Display)) -> Result<()> {
        if self.json {
            let line = serde_json::to_string(figure);
            println!("{}", line.map_err(|cause| Broken::while_doing("report", cause))?);
        } else {
            println!("{figure}");
        }
        Ok(())
    }
}
