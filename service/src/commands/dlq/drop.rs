//! `feedmill dlq drop`: letters are given up.

use super::work::work;
use crate::cli::Work;
use crate::dead_letters::{Aim, DeadLetters};
use crate::failed::Failed;

/// See the module; answers as [`work`] does.
pub fn drop(letters: DeadLetters<'_>, asked: &Work) -> Result<(String, Option<String>), Failed> {
    work(letters, asked, Aim::Drop)
}
