//! What re-driving and dropping have in common: letters must be chosen, nothing is changed without `--yes`, and how far it is
//! is told every two seconds.

use std::fmt::Write as _;
use std::io::{Write as _, stderr};
use std::time::{Duration, Instant};

use millstream::Exit;

use super::{filter, pretty};
use crate::cli::Work;
use crate::commands::load::Rate;
use crate::dead_letters::{Aim, DeadLetters, Pace, Plan, Progress, Run, told};
use crate::failed::Failed;

const TELL_EVERY: Duration = Duration::from_secs(2);

/// Does it, or says what would be done; answers what is to be printed, and which letters that were named are as they were.
pub fn work(
    letters: DeadLetters<'_>,
    asked: &Work,
    aim: Aim,
) -> Result<(String, Option<String>), Failed> {
    let filter = filter(&asked.chosen);
    if filter.is_empty() && !asked.all_letters {
        let words = "which letters? Name places or --topic, --node, --reason, --error, --since, --until; or say --all-letters";
        return Err(Failed(Exit::Usage, words.to_owned()));
    }
    let report = match asked.yes {
        false => Report { plan: letters.plan(&filter, aim)?, aim, done: None },
        true => {
            let pace = match asked.rate {
                Rate::Unlimited => Pace::Unlimited,
                Rate::PerSecond(rate) => Pace::PerSecond(rate),
            };
            carried_out(Run::open(letters, &filter, aim, pace)?, aim)?
        }
    };
    let words =
        if asked.json { pretty(&told::plan(&report.plan, report.done))? } else { report.words() };
    Ok((words, report.untouched(!filter.places.is_empty())))
}

fn carried_out(mut run: Run, aim: Aim) -> Result<Report, Failed> {
    let mut told = Instant::now();
    while let Some(progress) = run.step()? {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tell(progress);
        }
    }
    let progress = run.progress();
    tell(progress);
    Ok(Report { plan: run.plan().clone(), aim, done: Some(progress.done) })
}

/// A word on what is going on, to whoever watches.
fn tell(progress: Progress) {
    // Nobody may be listening any more.
    let _ = writeln!(stderr(), "dlq: {progress}");
}

fn letters(count: u64) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}

/// What was done, or would be.
struct Report {
    plan: Plan,
    aim: Aim,
    /// How many letters were worked off; none if it was only planned.
    done: Option<u64>,
}

impl Report {
    fn words(&self) -> String {
        let mut out = String::new();
        let what = match self.aim {
            Aim::Redrive { .. } => "re-driven",
            Aim::Drop => "dropped",
        };
        let _ = match self.done {
            Some(done) => writeln!(out, "{} {what}", letters(done)),
            None => {
                writeln!(out, "{} would be {what}", letters(self.plan.planned.len() as u64))
            }
        };
        for (refusal, (count, first)) in &self.plan.refused {
            let _ = writeln!(out, "{count} refused: {refusal}; the first is {first}");
        }
        if self.done.is_none() && !self.plan.planned.is_empty() {
            out.push_str("nothing was changed: --yes does it\n");
        }
        out
    }

    /// What is to be said if letters were named and something could not be done with them.
    fn untouched(&self, named: bool) -> Option<String> {
        let absent: Vec<_> = self.plan.absent.iter().map(ToString::to_string).collect();
        if !absent.is_empty() {
            let words = "not there, done with already, or not of the others' choice";
            return Some(format!("{}: {words}", absent.join(", ")));
        }
        let refused = self.plan.refused();
        (named && refused > 0)
            .then(|| format!("{refused} of the letters that were named are refused"))
    }
}
