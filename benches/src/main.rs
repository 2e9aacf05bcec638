//! `script/bench`: starts a broker, writes the input, lets the entrants count it one after the other.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use benches::{Broken, Entrant, Floor, Input, Output, Result, Run};
use clap::{Args, Parser, Subcommand};
use tests::{Part, Stack};

/// How fast, against what.
#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Count by key: entrants one after the other on one broker and one input.
    Count(Count),
    /// An entrant, started by `count`.
    #[command(hide = true)]
    RunFloor(RunFloor),
}

#[derive(Args)]
struct Count {
    /// Who takes part.
    #[arg(required = true)]
    entrants: Vec<Entrant>,
    /// 5 M records instead of 20 M: under two minutes.
    #[arg(long)]
    quick: bool,
    /// A JSON line for each entrant.
    #[arg(long)]
    json: bool,
    /// How often each runs; in turn, so that a slow minute hits all.
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Jars of the peer.
    #[arg(long)]
    peer_jars: Option<PathBuf>,
}

#[derive(Args)]
struct RunFloor {
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
    #[arg(long)]
    sent: Output,
}

const KEYS: usize = 100_000;
const PARTITIONS: i32 = 4;

fn main() -> ExitCode {
    let done = match Line::parse().verb {
        Verb::Count(count) => count.run(),
        Verb::RunFloor(floor) => floor.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(broken) => {
            eprintln!("bench: {broken}");
            ExitCode::FAILURE
        }
    }
}

impl Count {
    fn run(&self) -> Result<()> {
        let stack = Stack::of(&[Part::Kafka]).start();
        let stack = stack.map_err(|cause| Broken::while_doing("start kafka", cause))?;
        let scratch =
            tempfile::tempdir().map_err(|e| Broken::while_doing("temporary folder", e))?;
        let peer_class_path = self.peer_class_path(scratch.path())?;
        let records = if self.quick { 5_000_000 } else { 20_000_000 };
        for round in 0..self.rounds {
            let topic = format!("in-{round}");
            let input = Input { topic, records, keys: KEYS, partitions: PARTITIONS };
            input.write(stack.kafka())?;
            for entrant in &self.entrants {
                let state = scratch.path().join(format!("{round}-{}", entrant.name()));
                let (bootstrap, input) = (stack.kafka(), &input);
                let peer_class_path = &peer_class_path;
                let run = Run { bootstrap, input, peer_class_path, state: &state };
                self.tell(&entrant.run(&run)?)?;
            }
        }
        Ok(())
    }

    fn tell(&self, report: &benches::Report) -> Result<()> {
        if self.json {
            let line = serde_json::to_string(report);
            println!("{}", line.map_err(|cause| Broken::while_doing("report", cause))?);
        } else {
            println!("{report}");
        }
        Ok(())
    }

    /// Compiles the peer, if it takes part; `script/bench` runs this from the root.
    fn peer_class_path(&self, scratch: &Path) -> Result<String> {
        if !self.entrants.iter().any(|entrant| entrant.is_peer()) {
            return Ok(String::new());
        }
        let jars =
            self.peer_jars.as_ref().ok_or_else(|| Broken("--peer-jars is missing".into()))?;
        let jars = format!("{}/*", jars.display());
        let classes = scratch.join("classes");
        let source = Path::new("benches/peers/kafka-streams/Count.java");
        let mut javac = Command::new("javac");
        javac.args(["-cp", &jars, "-d"]).arg(&classes).arg(source);
        let status = javac.status().map_err(|cause| Broken::while_doing("javac", cause))?;
        if !status.success() {
            return Err(Broken::while_doing("javac", status));
        }
        Ok(format!("{}:{jars}", classes.display()))
    }
}

impl RunFloor {
    fn run(self) -> Result<()> {
        let Self { bootstrap, input, records, partitions, output, commit_ms, sent } = self;
        let input = Input { topic: input, records, keys: 0, partitions };
        let commit = Duration::from_millis(commit_ms);
        let usage = Floor { bootstrap, input, output, commit, sent }.run()?;
        let line = serde_json::to_string(&usage);
        println!("{}", line.map_err(|cause| Broken::while_doing("usage", cause))?);
        Ok(())
    }
}
