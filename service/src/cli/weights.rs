//! What may be asked of weight sets.

use std::path::PathBuf;

use clap::Subcommand;

/// Weight sets.
#[derive(Debug, Subcommand)]
pub enum Weights {
    /// Whether a file of sets and experiments is right; 5 if not, with every fault. Nothing is sent anywhere.
    Check {
        /// The file, TOML.
        file: PathBuf,
    },
    /// Put a file into force: every worker takes the version, and each feed bears the number of its set.
    Put {
        /// The file, TOML.
        file: PathBuf,
    },
    /// The versions, the one in force last.
    List {
        /// Print one JSON array, with all numbers.
        #[arg(long)]
        json: bool,
    },
    /// Put an earlier version into force again, as a new one.
    Rollback {
        /// Which; the one before that in force, if not given.
        #[arg(long)]
        to: Option<u32>,
    },
}
