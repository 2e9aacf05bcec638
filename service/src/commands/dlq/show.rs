//! `feedmill dlq show`: all of one letter, readable. A key or value that is text is printed as it is, JSON in several lines, and
//! anything else in hexadecimal; for scripts as text or in base64.

use std::fmt::Write;

use millstream::dead_letter::{Letter, Place};
use millstream::hex;
use schemas::iso_time;
use serde_json::Value;

use super::{pretty, printable};
use crate::dead_letters::{DeadLetters, Note, What, reason, told};
use crate::failed::Failed;

/// So many bytes stand in a line of hexadecimal.
const HEX_BYTES: usize = 32;

/// See the module.
pub fn show(letters: DeadLetters<'_>, place: Place, json: bool) -> Result<String, Failed> {
    let done = letters.done()?;
    let told = letters.find(place, |letter| {
        let letter = letter.map_err(|unreadable| Failed::from(unreadable.to_string()))?;
        let done = done.of(&letter);
        if json { pretty(&told::whole(&letter, done)) } else { Ok(words(&letter, done)) }
    })?;
    told.map_err(|absent| Failed::from(absent.to_string()))?
}

fn words(letter: &Letter<'_>, done: Option<Note>) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(out, "{name:<10} {value}");
    };
    row("letter", &format!("{}, written {}", letter.place, iso_time(letter.at.0)));
    let of = format!("{}-{}@{}", letter.topic, letter.partition, letter.offset);
    row("record", &format!("{of}, of {}", iso_time(letter.timestamp.0)));
    row("node", letter.node);
    row("reason", reason(letter));
    row("error", &printable(letter.error));
    for time in &letter.history {
        row("re-driven", &format!("from {} at {}", time.from, iso_time(time.at.0)));
    }
    if let Some(Note { done, at, .. }) = done {
        let what = match done {
            What::Redriven => "its record was appended again",
            What::Dropped => "it was dropped",
        };
        row("done", &format!("{what} at {}", iso_time(at)));
    }
    for header in letter.own_headers() {
        let value = header.value.map_or_else(|| "null".to_owned(), in_a_line);
        row("header", &format!("{}: {value}", printable(header.name)));
    }
    cut(letter).iter().for_each(|words| row("cut", words));
    row("key", &letter.key.map_or_else(|| "null".to_owned(), in_a_line));
    match letter.value {
        None => row("value", "null"),
        Some(value) => {
            row("value", &format!("{} bytes", value.len()));
            out.push_str(&in_lines(value));
        }
    }
    out
}

/// What of the record is not here.
fn cut(letter: &Letter<'_>) -> Vec<String> {
    let cut = &letter.cut;
    let sha256 = cut.value_sha256.unwrap_or("not known");
    let told = [
        cut.key.map(|bytes| format!("the key has {bytes} bytes, of which the first are here")),
        cut.value.map(|bytes| {
            format!("the value has {bytes} bytes, of which the first are here; SHA-256 {sha256}")
        }),
        cut.headers.map(|bytes| format!("the headers have {bytes} bytes, of which none are here")),
    ];
    told.into_iter().flatten().collect()
}

fn in_a_line(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| hex(bytes), printable)
}

fn in_lines(bytes: &[u8]) -> String {
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        return format!("{value:#}\n");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.lines().map(|line| format!("{}\n", printable(line))).collect(),
        Err(_) => bytes.chunks(HEX_BYTES).map(|line| format!("{}\n", hex(line))).collect(),
    }
}
