//! `feedmill dlq ls`: the newest letters that are meant, or all of them counted. Only what is printed is held in memory.

use std::fmt::Write;

use millstream::dead_letter::Letter;
use schemas::iso_time;

use super::{filter, pretty, printable};
use crate::cli::Ls;
use crate::dead_letters::{DeadLetters, Groups, Newest, Note, What, reason, told};
use crate::failed::Failed;

/// So much of an error stands in a line.
const ERROR_CHARS: usize = 120;
const CUT: char = '…';

/// See the module.
pub fn ls(letters: DeadLetters<'_>, asked: &Ls) -> Result<String, Failed> {
    let filter = filter(&asked.chosen);
    let (meant, limit) = ((&filter, asked.all), asked.limit as usize);
    if asked.summary {
        let mut groups = Groups::default();
        letters.each(meant, |letter, _| groups.add(letter))?;
        return if asked.json { pretty(&groups.all()) } else { Ok(summary(&groups)) };
    }
    if asked.json {
        let mut newest = Newest::new(limit);
        letters.each(meant, |letter, done| newest.add(letter, || told::facts(letter, done)))?;
        return pretty(&newest.of().collect::<Vec<_>>());
    }
    let mut newest = Newest::new(limit);
    letters.each(meant, |letter, done| newest.add(letter, || line(letter, done)))?;
    Ok(table(&newest))
}

fn table(newest: &Newest<String>) -> String {
    let mut out = String::new();
    if newest.letters() > 0 {
        out.push_str("place     written                   record                    node            reason     times  error\n");
    }
    newest.of().for_each(|line| out.push_str(line));
    let (shown, letters) = (newest.of().len() as u64, newest.letters());
    let _ = match shown == letters {
        true => writeln!(out, "{shown} letters"),
        false => writeln!(out, "the newest {shown} of {letters} letters; --limit shows more"),
    };
    if newest.of().any(|line| line.trim_end().ends_with(CUT)) {
        let _ = writeln!(out, "`feedmill dlq show PLACE` tells all of an error that ends in {CUT}");
    }
    out
}

fn summary(groups: &Groups) -> String {
    let mut out = String::new();
    let all = groups.all();
    if !all.is_empty() {
        out.push_str(" letters  topic           node            reason     first                     last                      last error\n");
    }
    let letters: u64 = all.iter().map(|group| group.letters).sum();
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
    let _ = writeln!(out, "{letters:>8}  in all");
    out
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
        text.push(CUT);
    }
    text
}
