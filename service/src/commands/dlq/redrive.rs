//! `feedmill dlq redrive`: records go where they came from, once more.

use super::work::work;
use crate::cli::Redrive;
use crate::dead_letters::{Aim, DeadLetters};
use crate::failed::Failed;

/// See the module; answers as [`work`] does.
pub fn redrive(
    letters: DeadLetters<'_>,
    asked: &Redrive,
) -> Result<(String, Option<String>), Failed> {
    work(letters, &asked.work, Aim::Redrive { times_max: usize::from(asked.times_max) })
}
