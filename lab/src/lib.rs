//! stub
pub mod closed_loop;
pub mod contender;
pub mod life;
pub mod metric;
pub mod open_loop;
pub mod rank;
mod record;
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
