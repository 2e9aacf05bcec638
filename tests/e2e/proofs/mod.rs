//! What the service holds under attack and while what it depends on fails: the measures of `script/reliability`.
//!
//! Each is a test. An ordinary run takes small numbers, and leaves out what takes minutes; the script asks for the whole size by
//! `RELIABILITY=whole`, and finds each measure as a JSON line in the file that `RELIABILITY_JSON` names.

mod answers;
mod brokers;
mod clocks;
mod outages;
mod poisoned;
mod sockets;
mod stampede;
mod through_http;
mod writing;

use std::env;
use std::fs::File;
use std::io::{Write, stderr};

use serde_json::{Value, json};

/// The number of an ordinary run, or that of the script.
fn sized<T>(ordinary: T, whole: T) -> T {
    if is_whole() { whole } else { ordinary }
}

/// Whether it is the script's.
pub fn is_whole() -> bool {
    env::var("RELIABILITY").is_ok_and(|size| size == "whole")
}

/// Tells people a line, and the file of measures the figures.
fn tell(measure: &str, passes: bool, words: &str, figures: Value) {
    let verdict = if passes { "pass" } else { "FAIL" };
    let _ = writeln!(stderr(), "{measure} {verdict} {words}");
    let Some(path) = env::var_os("RELIABILITY_JSON") else { return };
    let line = json!({"id": measure, "pass": passes, "what": words, "figures": figures});
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
}
