//! What a run cost its process, as the process itself reads it from the kernel.

use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{Broken, Result};

/// What a run took: an entrant's one line of output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Records read.
    pub records: u64,
    /// CPU time of the whole process, all threads.
    pub cpu_seconds: f64,
    /// From the start of the work to the last commit.
    pub wall_seconds: f64,
    /// The most memory the process ever had.
    pub peak_rss_bytes: u64,
    /// The same without the time before the first commit, where an entrant needs to warm up.
    #[serde(default)]
    pub warm: Option<Warm>,
}

/// What was done after the first commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warm {
    /// Records read.
    pub records: u64,
    /// CPU time of the whole process.
    pub cpu_seconds: f64,
}

/// A running measurement.
#[derive(Debug)]
pub struct Meter {
    began: Instant,
    cpu_seconds: f64,
}

impl Meter {
    /// Begins here.
    pub fn start() -> Result<Self> {
        Ok(Self { began: Instant::now(), cpu_seconds: cpu_seconds()? })
    }

    /// Ends here, after so many records.
    pub fn stop(&self, records: u64) -> Result<Usage> {
        Ok(Usage {
            records,
            cpu_seconds: cpu_seconds()? - self.cpu_seconds,
            wall_seconds: self.began.elapsed().as_secs_f64(),
            peak_rss_bytes: peak_rss_bytes()?,
            warm: None,
        })
    }
}

/// The kernel counts in ticks of 10 ms.
const TICKS_PER_SECOND: f64 = 100.0;

fn cpu_seconds() -> Result<f64> {
    cpu_seconds_of("self")
}

/// The CPU time of a process, all threads, by its number.
pub(crate) fn cpu_seconds_of(process: &str) -> Result<f64> {
    let stat = read(&format!("/proc/{process}/stat"))?;
    // The name of the program stands in brackets and may hold blanks; times are fields 14 and 15.
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks =
        after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    Ok(ticks.sum::<f64>() / TICKS_PER_SECOND)
}

fn peak_rss_bytes() -> Result<u64> {
    let status = read("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| Broken("no VmHWM in /proc/self/status".into()))
}

/// The load of the last minute; 0 if it cannot be told.
pub(crate) fn load() -> f64 {
    let told = read("/proc/loadavg").unwrap_or_default();
    told.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(|cause| Broken::while_doing(path, cause))
}
