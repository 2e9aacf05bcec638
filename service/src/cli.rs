//! The command line: what may be asked of the binary, and how it is spelled.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use connectors::{postgres, redis};
use uuid::Uuid;

/// A real-time personalised feed, from change streams and behaviour events.
#[derive(Debug, Parser)]
#[command(name = "feedmill", version, propagate_version = true)]
pub struct Cli {
    /// The configuration file, TOML. The environment (FEEDMILL_<TABLE>__<NAME>) wins over it.
    ///
    /// The table [kafka.client] takes options of the Kafka client by librdkafka's names, to encrypt and to log in:
    /// sasl.username there is FEEDMILL_KAFKA__CLIENT__SASL__USERNAME in the environment.
    #[arg(long, global = true)]
    pub config: Option<PathBuf>,

    /// Print every setting with its value and origin, and exit.
    #[arg(long, global = true)]
    pub print_config: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a living feed in this process: no service needed.
    Demo(Demo),
    /// Rank feeds, push them to Redis and answer reads: worker and API in one process.
    Run,
    /// Rank feeds and push them to Redis.
    Worker,
    /// Answer reads and take events.
    Serve,
    /// Sign a token with the local key, for trying things; makes the key pair if there is none.
    Token(Token),
    /// The topics of the contract: create them.
    #[command(subcommand)]
    Topics(Topics),
    /// The topology: describe it.
    #[command(subcommand)]
    Topology(Topology),
    /// Feeds: show one.
    #[command(subcommand)]
    Feed(Feed),
}

/// Show a living feed.
#[derive(Debug, Args)]
pub struct Demo {
    /// Print one feed and exit.
    #[arg(long)]
    pub once: bool,
    /// Use this cluster (host:port) instead of the one inside; its cdc.* topics must be empty.
    #[arg(long)]
    pub kafka: Option<String>,
    /// Use this Redis (redis://host:port).
    #[arg(long, value_parser = redis_url)]
    pub redis: Option<String>,
    /// Use this PostgreSQL (postgres://user@host:port/database); the generated rows are written there too.
    #[arg(long, value_parser = postgres_url)]
    pub postgres: Option<String>,
    /// The seed of the world; what happens in it also depends on when it begins.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// How many users live in it.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(5..=10_000))]
    pub users: u32,
}

fn redis_url(url: &str) -> Result<String, String> {
    redis::check_url(url).map(|()| url.to_owned())
}

fn postgres_url(url: &str) -> Result<String, String> {
    postgres::check_url(url).map(|()| url.to_owned())
}

/// Sign a token.
#[derive(Debug, Args)]
pub struct Token {
    /// The caller: a UUID.
    pub user: Uuid,
    /// A role of theirs; may be repeated. With "ingest" they may tell of others' events.
    #[arg(long = "role")]
    pub roles: Vec<String>,
    /// For how many seconds it holds.
    #[arg(long, default_value_t = 3600)]
    pub seconds: u64,
}

/// The topics.
#[derive(Debug, Subcommand)]
pub enum Topics {
    /// Create those that are missing; leave the others as they are.
    Create,
}

/// The topology.
#[derive(Debug, Subcommand)]
pub enum Topology {
    /// Print its sub-topologies, stores and topics.
    Describe,
}

/// Feeds.
#[derive(Debug, Subcommand)]
pub enum Feed {
    /// Print the feed that Redis holds for a user, with the terms of each score.
    Show {
        /// Whose: a UUID.
        user: Uuid,
        /// How many items.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=100))]
        limit: u8,
    },
}
