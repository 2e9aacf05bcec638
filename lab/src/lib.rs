//! The lab: which ranking serves readers best, in worlds where the truth is known.
//!
//! 1. [`world`] plants a world from a seed: tastes, quality, bursts, rings of spammers, deletions, newcomers.
//! 2. [`life`] lets it go by on a [`stage`], the production topology in memory; readers do what [`world::behaviour`] says.
//! 3. [`contender`] says who is compared, and [`rank`] what each would show; [`open_loop`] and [`closed_loop`] compare them.
//! 4. [`metric`] has the figures, [`tally`] adds them up; [`trend`], [`suggested`] and [`kept`] have those of their own.
//! 5. [`referee`] does this for some seeds, and [`report`] tells it.
//!
//! No clock, no socket, no file: the same seeds give the same report, to the last byte.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![deny(clippy::iter_over_hash_type)]

pub mod closed_loop;
pub mod contender;
pub mod kept;
pub mod life;
pub mod metric;
pub mod open_loop;
pub mod rank;
mod record;
pub mod referee;
pub mod report;
pub mod stage;
pub mod suggested;
pub mod tally;
pub mod trend;
pub mod world;

use millstream::{Fault, Result};

/// A record that nobody could read is a fault of the lab.
pub(crate) fn refuse_dead_letters(life: &life::Life<'_>) -> Result<()> {
    match life.stage.dead_letters() {
        0 => Ok(()),
        count => Err(Fault::Fatal(format!("{count} records of the lab are dead letters"))),
    }
}
