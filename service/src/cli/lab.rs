//! What may be asked of `feedmill lab`.

use std::path::PathBuf;

use clap::Args;

/// Compare rankings in planted worlds.
///
/// What every post is worth to every reader is known there, so that rankings are judged by it. All is in memory and from the
/// seeds: no service is needed, and the same seeds give the same figures.
#[derive(Debug, Args)]
pub struct Lab {
    /// How many worlds, of the seeds 1, 2, ...; intervals are over them.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub seeds: u32,
    /// Write a page with plots, the world and the formulas to this file.
    #[arg(long)]
    pub html: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Small worlds, within seconds: to see that it runs, not to compare.
    #[arg(long)]
    pub tiny: bool,
}
