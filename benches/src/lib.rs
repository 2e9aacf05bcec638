//! How fast, against what: every figure is a ratio to the floor (the raw parts doing the same work) or to a peer.
//!
//! A bench is one task that several entrants do, one after the other, on the same broker and the same input:
//! the floor and the library as this program started again, a peer as its own program. An entrant measures
//! its own process and prints one [`Usage`] line; then its output is read back and compared with the
//! truth, because a fast wrong answer scores nothing.
//!
//! The only task so far is count by key: read a topic, count records by key, write a changelog record and an
//! output record per changed key and commit, exactly once.

mod entrant;
mod floor;
mod input;
mod raw;
mod report;
mod tally;
mod usage;
mod verify;

use std::fmt;

pub use entrant::{Entrant, Run};
pub use floor::{Floor, Output};
pub use input::Input;
pub use report::Report;
pub use usage::Usage;

/// Why there is no figure.
#[derive(Debug)]
pub struct Broken(pub String);

impl Broken {
    /// It broke while doing this.
    pub fn while_doing(what: &str, cause: impl fmt::Display) -> Self {
        Self(format!("{what}: {cause}"))
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

/// What the calls of this package answer.
pub type Result<T> = std::result::Result<T, Broken>;
