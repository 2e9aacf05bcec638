//! `feedmill lab`: has rankings compared in planted worlds, and tells the figures; needs no service.

use std::fs;
use std::io::{Write as _, stderr};
use std::time::Instant;

use lab::contender;
use lab::kept::{TICK_MS, TINY_TICK_MS};
use lab::referee::{Asked, judge};
use lab::world::Size;

use crate::cli::Lab;

/// Of the judged looks in the open loop one in so many is ranked by everybody.
const LOOK_EVERY: usize = 16;
/// So many lives go on at a time at most, as each takes up to two gigabytes.
const THREADS_MAX: usize = 4;

/// Runs it, and gives the table, or JSON.
pub fn run(asked: &Lab) -> Result<String, String> {
    let began = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let comparison = Asked {
        seeds: (1..=u64::from(asked.seeds)).collect(),
        size: if asked.tiny { Size::TINY } else { Size::FULL },
        look_every: LOOK_EVERY,
        kept_tick_ms: if asked.tiny { TINY_TICK_MS } else { TICK_MS },
        threads: cores.min(THREADS_MAX),
        contenders: contender::all(),
    };
    let told = |what: &str| {
        // What is told on the way may be lost.
        let _ = writeln!(stderr(), "{:>6.1} s  {what}", began.elapsed().as_secs_f64());
    };
    let report = judge(&comparison, &told).map_err(|fault| fault.to_string())?;
    if let Some(path) = &asked.html {
        fs::write(path, report.page()).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    if asked.json {
        let json = serde_json::to_string_pretty(&report).map_err(|e| e.to_string())?;
        return Ok(format!("{json}\n"));
    }
    Ok(report.table())
}
