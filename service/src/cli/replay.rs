//! What may be asked of a state that is rebuilt beside the live one.

use clap::{Args, Subcommand};

/// Rebuild.
///
/// The rebuilt application reads all inputs from their beginnings, with changelogs, a group and a state directory of its own. Nothing of
/// it is seen before the switch, which is one record that all processes follow: reads never stop.
#[derive(Debug, Subcommand)]
pub enum Replay {
    /// Rebuild, here, until told to stop; killed, it goes on where it was. Compares itself with the live one once it has caught up.
    Start(Start),
    /// How far it is, what came of the comparison, and which application is live.
    Status {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Have the rebuilt application be the live one: its sinks publish and its state is read, at once.
    Switch {
        /// Also if it was not found to rank as the live one does, which it must not after a TRUNCATE or a restored database, or
        /// does not show all of its state.
        #[arg(long)]
        anyway: bool,
    },
    /// Have the former application be the live one again.
    Back {
        /// Also if it has not caught up, or does not show all of its state.
        #[arg(long)]
        anyway: bool,
    },
    /// Give the rebuilt application up, and remove all that it made: topics, group, state directory.
    Abort,
    /// Stay with the rebuilt application: the workers of the former run it, and what that made is removed.
    Keep,
}

/// How it is rebuilt.
#[derive(Clone, Copy, Debug, Args)]
pub struct Start {
    /// Say what retention has cut of the inputs, and rebuild nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Also if rows or choices are missing that feeds are wrong without.
    #[arg(long)]
    pub anyway: bool,
    /// The feeds of how many readers are compared.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub readers: u32,
    /// Which readers are chosen.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// For how many seconds a feed may differ once it has caught up: the last counts are up to a minute late.
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub patience: u64,
}
