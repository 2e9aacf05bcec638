//! `script/bench`: starts real servers, lets the entrants work one after the other, prints the figures.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use benches::{
    Broken, ClientCost, Commits, Count, Entrant, Floor, Fresh, Input, Inserting, Ours, Output,
    Ranking, Result, Serving, Teller, Usage, Viral,
};
use clap::{Args, Parser, Subcommand};

/// How fast, against what.
#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    asked: Asked,
}

/// What holds for every task.
#[derive(Args)]
struct Asked {
    /// A smaller input and fewer seconds.
    #[arg(long, global = true)]
    quick: bool,
    /// A JSON line for each figure.
    #[arg(long, global = true)]
    json: bool,
    /// How often each entrant counts; every second time in the opposite order.
    #[arg(long, global = true)]
    rounds: Option<u32>,
    /// Jars of the peer.
    #[arg(long, global = true)]
    peer_jars: Option<PathBuf>,
    /// The product's binary.
    #[arg(long, global = true)]
    feedmill: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Verb {
    /// Count by key: entrants one after the other on one broker and one input.
    Count {
        /// Who takes part; by default the floor, ours and the peer, at both commit intervals.
        entrants: Vec<Entrant>,
    },
    /// What librdkafka's C calls gain over the crate rdkafka.
    Client,
    /// How long a transaction of 1, 1,000 and 20,000 records takes.
    Commit,
    /// How long until a reader's own view is seen.
    Fresh {
        /// Events a second; by default 200, then 1,000.
        rates: Vec<u32>,
    },
    /// Requests a second of cached feeds, and how long one takes.
    Serve,
    /// How long it takes to rank 1,000 candidates.
    Rank,
    /// What an author with many readers costs.
    Viral,
    /// What it takes to have events in ClickHouse.
    #[command(name = "clickhouse")]
    ClickHouse,
    /// An entrant, started by `count`.
    #[command(hide = true)]
    RunFloor {
        #[command(flatten)]
        run: Run,
        #[arg(long)]
        sent: Output,
    },
    /// An entrant, started by `count`.
    #[command(hide = true)]
    RunOurs {
        #[command(flatten)]
        run: Run,
        #[arg(long)]
        state: PathBuf,
    },
}

/// What every entrant is told.
#[derive(Args)]
struct Run {
    #[arg(long)]
    bootstrap: String,
    #[arg(long)]
    input: String,
    #[arg(long)]
    records: u64,
    #[arg(long)]
    partitions: i32,
    #[arg(long)]
    output: String,
    #[arg(long)]
    commit_ms: u64,
}

fn main() -> ExitCode {
    let Line { verb, asked } = Line::parse();
    let done = match verb {
        None => asked.all(),
        Some(Verb::Count { entrants }) => asked.count(entrants),
        Some(Verb::Client) => asked.client(),
        Some(Verb::Commit) => asked.commits(),
        Some(Verb::Fresh { rates }) => asked.fresh(rates),
        Some(Verb::Serve) => asked.serving(),
        Some(Verb::Rank) => asked.ranking(),
        Some(Verb::Viral) => asked.viral(),
        Some(Verb::ClickHouse) => asked.inserting(),
        Some(Verb::RunFloor { run, sent }) => run.floor(sent),
        Some(Verb::RunOurs { run, state }) => run.ours(state),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(broken) => {
            eprintln!("bench: {broken}");
            ExitCode::FAILURE
        }
    }
}

impl Asked {
    fn all(&self) -> Result<()> {
        self.client()?;
        self.commits()?;
        self.fresh(Vec::new())?;
        self.serving()?;
        self.ranking()?;
        self.viral()?;
        self.inserting()?;
        self.count(Vec::new())
    }

    fn client(&self) -> Result<()> {
        let (records, times) = if self.quick { (1_000_000, 20) } else { (5_000_000, 100) };
        ClientCost { records, times }.run(self.teller())
    }

    fn commits(&self) -> Result<()> {
        Commits { times: if self.quick { 100 } else { 1_000 } }.run(self.teller())
    }

    fn fresh(&self, rates: Vec<u32>) -> Result<()> {
        let span = Duration::from_secs(if self.quick { 10 } else { 60 });
        let rates = if rates.is_empty() { vec![200, 1_000] } else { rates };
        rates.into_iter().try_for_each(|events_per_second| {
            Fresh { feedmill: self.feedmill()?, span, events_per_second }.run(self.teller())
        })
    }

    fn serving(&self) -> Result<()> {
        let span = Duration::from_secs(if self.quick { 4 } else { 20 });
        Serving { feedmill: self.feedmill()?, span }.run(self.teller())
    }

    fn ranking(&self) -> Result<()> {
        Ranking { times: if self.quick { 2_000 } else { 20_000 } }.run(self.teller())
    }

    fn viral(&self) -> Result<()> {
        let (followers, seconds) = if self.quick { (5_000, 10) } else { (20_000, 30) };
        let (feedmill, span) = (self.feedmill()?, Duration::from_secs(seconds));
        Viral { feedmill, followers, likes_per_second: 1_000, span }.run(self.teller())
    }

    fn inserting(&self) -> Result<()> {
        Inserting { events: if self.quick { 300_000 } else { 3_000_000 } }.run(self.teller())
    }

    fn feedmill(&self) -> Result<PathBuf> {
        self.feedmill.clone().ok_or_else(|| Broken("--feedmill is missing".into()))
    }

    fn teller(&self) -> Teller {
        Teller { json: self.json }
    }

    fn count(&self, entrants: Vec<Entrant>) -> Result<()> {
        let (records, rounds) = if self.quick { (3_000_000, 1) } else { (20_000_000, 2) };
        let rounds = self.rounds.unwrap_or(rounds);
        let peer_jars = self.peer_jars.clone();
        Count { entrants, records, rounds, peer_jars }.run(self.teller())
    }
}

impl Run {
    fn input(&self) -> Input {
        let (topic, records) = (self.input.clone(), self.records);
        Input { topic, records, keys: 0, partitions: self.partitions }
    }

    fn floor(self, sent: Output) -> Result<()> {
        let (input, commit) = (self.input(), Duration::from_millis(self.commit_ms));
        let Self { bootstrap, output, .. } = self;
        print(&Floor { bootstrap, input, output, commit, sent }.run()?)
    }

    fn ours(self, state: PathBuf) -> Result<()> {
        let (input, commit) = (self.input(), Duration::from_millis(self.commit_ms));
        let Self { bootstrap, output, .. } = self;
        print(&Ours { bootstrap, input, output, commit, state }.run()?)
    }
}

fn print(usage: &Usage) -> Result<()> {
    let line = serde_json::to_string(usage);
    println!("{}", line.map_err(|cause| Broken::while_doing("usage", cause))?);
    Ok(())
}
