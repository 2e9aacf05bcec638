//! What may be asked of `feedmill generate`.

use clap::Subcommand;

/// What the binary tells of itself.
#[derive(Clone, Debug, Subcommand)]
pub enum Generate {
    /// The page of all settings, as Markdown: docs/configuration.md.
    Configuration,
}
