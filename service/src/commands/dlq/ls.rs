//! `feedmill dlq ls`: the newest letters that are meant, or all of them counted. Only what is printed is held in memory.

use std::collections::BTreeMap;
use std::fmt::Write;

use millstream::dead_letter::{Letter, Place};
use schemas::iso_time;
use serde_json::Value;

use super::{facts, filter, pretty, printable};
use crate::cli::Ls;
use crate::dead_letters::{DeadLetters, Groups, Note, What, reason};
use crate::failed::Failed;

/// So much of an error stands in a line.
const ERROR_CHARS: usize = 120;

/// See the module.
pub fn ls(letters: DeadLetters<'_>, asked: &Ls) -> Result<String, Failed> {
    let (filter, done) = (filter(&asked.chosen), letters.done()?);
    let mut found = Found { limit: asked.limit as usize, ..Found::default() };
    letters.each(|letter| {
        match letter {
            Ok(letter) if filter.fits(&letter) => {
                let done = done.of(&letter);
                if asked.all || done.is_none() {
                    found.take(&letter, done, asked)?;
                }
            }
            Ok(_) => {}
            Err(unreadable) => {
                tracing::warn!(%unreadable, "passed over");
            }
        }
        Ok(())
    })?;
    found.told(asked)
}

/// What there is to print.
#[derive(Default)]
struct Found {
    limit: usize,
    letters: u64,
    groups: Groups,
    lines: BTreeMap<(i64, Place), String>,
    objects: BTreeMap<(i64, Place), Value>,
}

impl Found {
    fn take(&mut self, letter: &Letter<'_>, done: Option<Note>, asked: &Ls) -> Result<(), Failed> {
        self.letters += 1;
        let order = (letter.at.0, letter.place);
        if asked.summary {
            self.groups.add(letter);
        } else if asked.json {
            self.objects.insert(order, facts(letter, done));
        } else {
            self.lines.insert(order, line(letter, done));
        }
        if self.lines.len() > self.limit {
            self.lines.pop_first();
        }
        if self.objects.len() > self.limit {
            self.objects.pop_first();
        }
        Ok(())
    }

    fn told(&self, asked: &Ls) -> Result<String, Failed> {
        match (asked.summary, asked.json) {
            (true, true) => pretty(&self.groups.all()),
            (true, false) => Ok(self.summary()),
            (false, true) => pretty(&self.objects.values().collect::<Vec<_>>()),
            (false, false) => Ok(self.table()),
        }
    }

    fn table(&self) -> String {
        let mut out = String::new();
        if !self.lines.is_empty() {
            out.push_str("place     written                   record                    node            reason     times  error\n");
        }
        self.lines.values().for_each(|line| out.push_str(line));
        let shown = self.lines.len() as u64;
        let _ = match shown == self.letters {
            true => writeln!(out, "{shown} letters"),
            false => {
                writeln!(out, "the newest {shown} of {} letters; --limit shows more", self.letters)
            }
        };
        out
    }

    fn summary(&self) -> String {
        let mut out = String::new();
        let all = self.groups.all();
        if !all.is_empty() {
            out.push_str(" letters  topic           node            reason     first                     last                      last error\n");
        }
        for group in all {
            let (first, last) = (iso_time(group.first_at), iso_time(group.last_at));
            let _ = writeln!(
                out,
                "{:>8}  {:<15} {:<15} {:<10} {first}  {last}  {}",
                group.letters,
                group.topic,
                group.node,
                group.reason,
                shortened(group.last_error),
            );
        }
        let _ = writeln!(out, "{:>8}  in all", self.letters);
        out
    }
}

/// A letter in one line.
fn line(letter: &Letter<'_>, done: Option<Note>) -> String {
    let (place, written) = (letter.place.to_string(), iso_time(letter.at.0));
    let record = format!("{}-{}@{}", letter.topic, letter.partition, letter.offset);
    let done = done.map_or("", |note| match note.done {
        What::Redriven => "(re-driven) ",
        What::Dropped => "(dropped) ",
    });
    format!(
        "{place:<9} {written}  {record:<25} {:<15} {:<10} {:>5}  {done}{}\n",
        letter.node,
        reason(letter),
        letter.history.len(),
        shortened(letter.error),
    )
}

fn shortened(error: &str) -> String {
    let mut text = printable(error);
    if let Some((end, _)) = text.char_indices().nth(ERROR_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    text
}
