//! What the binary tells of itself, for documents and packages: nothing is told twice by hand.

use crate::cli::Generate;
use crate::config::Config;

/// What was asked for.
pub fn generate(asked: &Generate) -> Result<String, String> {
    match asked {
        Generate::Configuration => Config::reference(),
    }
}
