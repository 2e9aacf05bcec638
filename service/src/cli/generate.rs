//! What may be asked of `feedmill generate`.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::Shell;

/// What the binary tells of itself.
#[derive(Clone, Debug, Subcommand)]
pub enum Generate {
    /// The page of all settings, as Markdown: docs/configuration.md.
    Configuration,
    /// By what a shell completes the command line.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// The man pages, one for each command.
    Man {
        /// Where to write them; the folder is made if it is missing.
        folder: PathBuf,
    },
}
