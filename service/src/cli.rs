//! The command line: what may be asked of the binary, and how it is spelled.

mod dlq;
#[cfg(test)]
mod documents;
mod feed;
mod flags;
mod generate;
mod lab;
mod replay;
mod state;
mod weights;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use connectors::table::Table;
use connectors::{postgres, redis};
use schemas::Day;
use uuid::Uuid;

use crate::commands::load::Rate;
pub use dlq::{Chosen, Dlq, Ls, Redrive, Work};
pub use feed::{Feed, Replay as FeedReplay};
pub use flags::{Flags, Set as SetFlags};
pub use generate::Generate;
pub use lab::Lab;
pub use replay::{Replay, Start as ReplayStart};
pub use state::{Asked, State};
pub use weights::Weights;

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

    /// Print every setting with its value, its origin, and `at once` where a change takes effect without a restart; and exit.
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
    Run(Serving),
    /// Rank feeds and push them to Redis.
    Worker,
    /// Answer reads and take events.
    Serve(Serving),
    /// Load a generated world of any size into Kafka or PostgreSQL, and verify feeds made of it: to size a cluster.
    Load(Load),
    /// Compare rankings in planted worlds, where the truth is known: no service needed.
    Lab(Lab),
    /// Whether PostgreSQL, ClickHouse, the workers' state and Redis say the same; 1 if not, with each difference.
    Verify(Verify),
    /// Ask every server how it is: settings, clocks, lag, sizes, slots, schemas; each fault with the command that mends it;
    /// 1 if there is an error.
    Doctor {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Whether the process that is configured so answers: 0 if it does, 1 if it says no, 6 if nobody is there.
    Health(Health),
    /// Sign a token with the local key, for trying things; makes the key pair if there is none.
    Token(Token),
    /// The topics of the application: create them, check them, collect those that nothing names any more.
    #[command(subcommand)]
    Topics(Topics),
    /// The schemas by which others write and read our topics: list, show, check, register them.
    #[command(subcommand)]
    Schema(Schema),
    /// The tables of ClickHouse: make them, bring them up to date.
    #[command(subcommand)]
    #[command(name = "clickhouse")]
    ClickHouse(ClickHouse),
    /// The captured tables: delete the rows that a TRUNCATE took.
    #[command(subcommand)]
    Cdc(Cdc),
    /// Dead letters, what could not be read or processed: list, show, append again, drop them.
    #[command(subcommand)]
    Dlq(Dlq),
    /// Rebuild state from topics beside the live one, switch to it, switch back, give it up; reads never stop.
    #[command(subcommand)]
    Replay(Replay),
    /// The topology: describe it, plan a change of it.
    #[command(subcommand)]
    Topology(Topology),
    /// Feeds: show one, say why a post is in it or not.
    #[command(subcommand)]
    Feed(Feed),
    /// The stores of the running workers: list them, read a row, scan rows, compare two; 6 if nobody shows them.
    #[command(subcommand)]
    State(State),
    /// What is turned on and off while everything runs: list it, set it, see who changed it.
    #[command(subcommand)]
    Flags(Flags),
    /// Weight sets and experiments: check a file, put it into force, list what was put, go back.
    #[command(subcommand)]
    Weights(Weights),
    /// The quality of a day's feeds: CTR, dwell, repeats; added up by all events that came by now.
    Metrics(Metrics),
    /// What the binary tells of itself: the page of all settings, man pages, completions of a shell.
    #[command(subcommand)]
    Generate(Generate),
}

/// What answers reads.
#[derive(Clone, Copy, Debug, Args)]
pub struct Serving {
    /// Show feeds in a browser too, at /page of http.listen: whoever has a token sees their own move.
    #[arg(long)]
    pub page: bool,
}

/// Whether a process answers.
#[derive(Clone, Copy, Debug, Args)]
pub struct Health {
    /// Ask for readiness instead of liveness: whether it can answer requests, component by component.
    #[arg(long)]
    pub ready: bool,
}

/// The metrics of a day.
#[derive(Clone, Copy, Debug, Args)]
pub struct Metrics {
    /// The day, in UTC, such as 2026-11-20. Of a day whose events have expired it is what was added up before.
    #[arg(long)]
    pub date: Day,
    /// As CSV, a line for each part.
    #[arg(long)]
    pub csv: bool,
    /// As JSON.
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
}

/// The tables of ClickHouse.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ClickHouse {
    /// Make the tables that are missing; safe to repeat.
    Migrate {
        /// Print what would be done, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Give up the lock of a migration that was killed; make sure that none runs.
        #[arg(long, conflicts_with = "dry_run")]
        unlock: bool,
    },
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

/// Load a generated world.
///
/// The same seed, size, days and end make the same world. It is all in the past: posts and events lie in the days before
/// its end, users and most follows in the two months before these.
#[derive(Debug, Args)]
pub struct Load {
    /// How many users.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=100_000_000))]
    pub users: u32,
    /// How many follows; some are taken back.
    #[arg(long, default_value_t = 400_000)]
    pub follows: u32,
    /// How many posts; some are deleted.
    #[arg(long, default_value_t = 30_000)]
    pub posts: u32,
    /// How many behaviour events; rows of likes and comments come beside them.
    #[arg(long, default_value_t = 500_000)]
    pub events: u32,
    /// How many records a second, as 5000/s; each has its time, however slow the cluster is.
    #[arg(long, default_value = "unlimited")]
    pub rate: Rate,
    /// The seed of the world.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Over how many days posts and events are spread.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub days: u32,
    /// When the world ends, in ms UTC; now, if not given.
    #[arg(long)]
    pub until: Option<i64>,
    /// Where rows go: into Kafka as a connector writes them, or into the PostgreSQL of which a connector reads the log already.
    #[arg(long, value_enum, default_value_t = Target::Kafka)]
    pub to: Target,
    /// Afterwards wait until the workers have caught up, and compare so many readers' feeds with brute force; exit with
    /// 1 if any differs. 0: neither.
    #[arg(long, default_value_t = 0)]
    pub verify: usize,
    /// Load nothing: the world is there already, and --until says when it ended.
    #[arg(long, requires = "until", requires = "verify")]
    pub verify_only: bool,
    /// For how many seconds nothing may move while the workers catch up, and a feed may differ once they have: the last counts
    /// are up to a minute late.
    #[arg(long, default_value_t = 150)]
    pub patience: u64,
    /// The API that feeds are asked for (http://host:port); http.listen, if not given.
    #[arg(long)]
    pub url: Option<String>,
}

/// Compare what servers have.
///
/// Rows of the tables, PostgreSQL's against ClickHouse's: counted and digested by day, so that no difference is missed, and
/// sampled. Feeds of some readers, in Redis, in ClickHouse and as workers rank them. What is not configured is left out.
#[derive(Debug, Args)]
pub struct Verify {
    /// The feeds of how many readers; 0: none.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub readers: u32,
    /// How many rows of each table are looked up one by one, of each side.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub rows: u32,
    /// Which tables, separated by commas; all, if not given.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub tables: Vec<ComparedTable>,
    /// Which rows and readers are sampled.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// For how many seconds ClickHouse and Redis may be behind; longer than the connector takes. A row that differs is one
    /// once it has differed for so long, or the connector has told to be past it.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub wait: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// A table of the application that other servers keep too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ComparedTable {
    /// `users`
    Users,
    /// `posts`
    Posts,
    /// `follows`
    Follows,
    /// `comments`
    Comments,
    /// `likes`
    Likes,
}

/// A table of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CapturedTable {
    /// `users`
    Users,
    /// `posts`
    Posts,
    /// `follows`
    Follows,
    /// `comments`
    Comments,
    /// `likes`
    Likes,
    /// `mutes`
    Mutes,
    /// `blocks`
    Blocks,
}

impl From<ComparedTable> for Table {
    fn from(table: ComparedTable) -> Self {
        match table {
            ComparedTable::Users => Self::Users,
            ComparedTable::Posts => Self::Posts,
            ComparedTable::Follows => Self::Follows,
            ComparedTable::Comments => Self::Comments,
            ComparedTable::Likes => Self::Likes,
        }
    }
}

/// Where rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// `cdc.*`.
    Kafka,
    /// The database of `postgres.url`.
    Postgres,
}

/// Schemas.
#[derive(Debug, Subcommand)]
pub enum Schema {
    /// What the registry has of each.
    List,
    /// Print one, as it is here.
    Show(Named),
    /// Whether the registry takes it after what is registered; 5 if not, with the field that is in the way.
    Check(Proposed),
    /// Register it, unless it is there; a subject that is held to nothing is held to BACKWARD.
    Register(Proposed),
}

/// A topic that has a schema.
#[derive(Debug, Args)]
pub struct Named {
    /// The topic: events or feeds.
    pub topic: String,
}

/// A schema for a subject.
#[derive(Debug, Args)]
pub struct Proposed {
    /// A file with another schema for the subject of `events`, than the one here.
    #[arg(long)]
    pub file: Option<PathBuf>,
}

/// Sign a token.
#[derive(Debug, Args)]
pub struct Token {
    /// The caller: a UUID.
    pub user: Uuid,
    /// A role of theirs; may be repeated. With "ingest" they may tell of others' events.
    #[arg(long = "role")]
    pub roles: Vec<String>,
    /// For the routes of operators: of the audience admin.audience, with the role admin.
    #[arg(long)]
    pub admin: bool,
    /// For how many seconds it holds.
    #[arg(long, default_value_t = 3600)]
    pub seconds: u64,
}

/// The topics.
#[derive(Debug, Subcommand)]
pub enum Topics {
    /// Create those that are missing; leave the others as they are.
    Create,
    /// Compare them with what is needed of them: partitions, retention, compaction, copies, sizes; 1 if there is an error.
    Check(Check),
    /// Find the changelogs and repartition topics of the application that nothing names any more; delete them with --yes.
    Gc(Gc),
}

/// Topics against what is needed of them.
#[derive(Debug, Args)]
pub struct Check {
    /// Print the commands, too, that let a principal do what is needed, on a cluster with access control.
    #[arg(long)]
    pub acls: bool,
    /// Whom these commands are for.
    #[arg(long, default_value = "User:feedmill")]
    pub principal: String,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Topics that nothing names any more.
#[derive(Debug, Args)]
pub struct Gc {
    /// Every topic that an application of this name made for itself, instead: one that ran before and does not any more.
    #[arg(long)]
    pub left_by: Option<String>,
    /// Delete them. Without it they are told, and nothing is changed.
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Change nothing, as without --yes.
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// The captured tables.
#[derive(Debug, Subcommand)]
pub enum Cdc {
    /// Delete the rows that a TRUNCATE took: the database's log names none of them. Safe to repeat, and while all runs.
    Truncate(Truncate),
}

/// A TRUNCATE, as its dead letter names it.
#[derive(Clone, Copy, Debug, Args)]
pub struct Truncate {
    /// The table.
    #[arg(value_enum)]
    pub table: CapturedTable,
    /// The position of the TRUNCATE in the database's log, such as 30757960 or 0/1D55448: rows that are newer stay.
    #[arg(long, value_parser = position)]
    pub lsn: u64,
    /// Count the rows, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Also if the table's topic tells of no TRUNCATE there.
    #[arg(long)]
    pub force: bool,
}

/// A position of the database's log, in digits or as PostgreSQL writes it: two numbers in hexadecimal.
fn position(text: &str) -> Result<u64, String> {
    let read = match text.split_once('/') {
        None => text.parse().ok(),
        Some((high, low)) => {
            let half = |half| u32::from_str_radix(half, 16).ok().map(u64::from);
            half(high).zip(half(low)).map(|(high, low)| (high << 32) | low)
        }
    };
    read.filter(|lsn| *lsn > 0).ok_or_else(|| "a position such as 30757960 or 0/1D55448".to_owned())
}

/// The topology.
#[derive(Debug, Subcommand)]
pub enum Topology {
    /// Print its sub-topologies, stores and topics.
    Describe,
    /// What a start of this version would do to the application that runs, for each store and topic; 1 if stores would
    /// begin empty, 5 if it would refuse. Nothing is changed.
    Plan {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_in_digits_and_as_postgresql_writes_it() {
        let read = ["30757960", "0/1D55448", "2/0"].map(position);
        assert_eq!(read, [Ok(30_757_960), Ok(0x1D5_5448), Ok(2 << 32)]);
        for text in ["0", "0/0", "-1", "x/1", "1/", "1/100000000", ""] {
            assert!(position(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_is_shown_only_where_it_is_asked_for() {
        let is_shown = |words: &[&str]| match Cli::try_parse_from(words).map(|cli| cli.command) {
            Ok(Some(Command::Run(asked) | Command::Serve(asked))) => Some(asked.page),
            _ => None,
        };
        for (command, shown) in [("run", Some(true)), ("serve", Some(true)), ("worker", None)] {
            assert_eq!(is_shown(&["feedmill", command, "--page"]), shown, "{command}");
            assert_eq!(is_shown(&["feedmill", command]), shown.map(|_| false), "{command}");
        }
    }

    fn load(words: &str) -> Result<Load, String> {
        let words = format!("feedmill load {words}");
        match Cli::try_parse_from(words.split_whitespace()).map_err(|e| e.to_string())?.command {
            Some(Command::Load(load)) => Ok(load),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn a_load_is_told_by_size_rate_and_readers() {
        let asked = load(
            "--users 100000 --follows 5000000 --posts 700000 --events 3000000 --rate 5000/s \
             --seed 9 --days 3 --verify 50 --to postgres",
        );
        let Load { users, follows, posts, events, rate, seed, days, verify, to, .. } =
            asked.unwrap();
        assert_eq!((users, follows, posts, events), (100_000, 5_000_000, 700_000, 3_000_000));
        assert_eq!((rate, seed, days), (Rate::PerSecond(5_000.0), 9, 3));
        assert_eq!((verify, to), (50, Target::Postgres));
        let asked = load("").unwrap();
        assert_eq!((asked.rate, asked.verify, asked.to), (Rate::Unlimited, 0, Target::Kafka));
    }

    #[test]
    fn a_load_that_cannot_be_is_refused_with_the_option() {
        let faulty = [
            ("--users 1", "--users"),
            ("--rate soon", "--rate"),
            ("--days 0", "--days"),
            ("--to mongo", "--to"),
            ("--verify-only", "--until"),
            ("--verify-only --until 1790000000000", "--verify"),
        ];
        for (words, option) in faulty {
            let fault = load(words).unwrap_err();
            assert!(fault.contains(option), "{words}: {fault}");
        }
    }
}
