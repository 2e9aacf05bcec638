//! How fast, against what: every figure is a ratio to the floor (the raw parts doing the same work) or to a peer.
//!
//! A bench is one task that several entrants do, one after the other, on the same broker and the same input:
//! the floor and the library as this program started again, a peer as its own program. An entrant measures
//! its own process and prints one [`Usage`] line; then its output is read back and compared with the
//! truth, because a fast wrong answer scores nothing.
//!
//! Count by key: read a topic, count records by key, write a changelog record and an output record per changed key and
//! commit, exactly once. Other tasks: how long a commit takes, how soon an event is seen, how many feeds are served, how
//! long a ranking takes, what an author with many readers costs, what it takes to have events in ClickHouse, what
//! librdkafka's C calls gain over the crate rdkafka.

mod client;
mod commits;
mod company;
mod count;
mod entrant;
mod floor;
mod fresh;
mod http;
mod input;
mod inserting;
mod latency;
mod ours;
mod ranking;
mod raw;
mod report;
mod rows;
mod serving;
mod tally;
mod usage;
mod verify;
mod viral;

use std::fmt;

pub use client::{ClientCost, Cost};
pub use commits::Commits;
pub use count::Count;
pub use entrant::{Entrant, Role, Run};
pub use floor::{Floor, Output};
pub use fresh::Fresh;
pub use input::Input;
pub use inserting::{Inserted, Inserting};
pub use latency::Spread;
pub use ours::Ours;
pub use ranking::Ranking;
pub use report::{Comparison, Report, Teller, compare};
pub use serving::Serving;
pub use usage::Usage;
pub use viral::{Pushed, Viral};

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
