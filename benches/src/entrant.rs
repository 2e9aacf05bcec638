//! Who takes part, and how each is started.
//!
//! An entrant is a process of its own, so that its CPU time and its memory are all of it and nothing else. It
//! is told where Kafka is, what to read and where to write, and its last line of output is its usage. To add
//! one: a variant here, its name, its command, and how it writes a count.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::ValueEnum;

use crate::input::Input;
use crate::report::Report;
use crate::usage::Usage;
use crate::{Broken, Result, verify};

/// Who counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Entrant {
    /// The raw parts; commits every 100 ms.
    Floor,
    /// The same, its output records stamped with their own times.
    FloorStamped,
    /// The raw parts; commits every second.
    #[value(name = "floor-1s")]
    Floor1s,
    /// The same, its output records stamped.
    #[value(name = "floor-1s-stamped")]
    Floor1sStamped,
    /// Kafka Streams, tuned; commits every second.
    Peer,
    /// The same; commits every 100 ms.
    #[value(name = "peer-100ms")]
    Peer100ms,
    /// Ours; commits every second.
    #[value(name = "ours-1s")]
    Ours1s,
    /// Ours; commits every 100 ms.
    #[value(name = "ours-100ms")]
    Ours100ms,
}

/// The part that an entrant takes in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The raw parts with nothing around them.
    Floor,
    /// The best there was.
    Peer,
    /// What is measured.
    Ours,
}

/// What every entrant is told.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// Where Kafka is.
    pub bootstrap: &'a str,
    /// What to count; it is written already.
    pub input: &'a Input,
    /// Compiled classes and the jars of the peer.
    pub peer_class_path: &'a str,
    /// A folder for state, deleted afterwards.
    pub state: &'a Path,
    /// Which turn in its run this is: every turn writes topics of its own.
    pub turn: usize,
}

impl Entrant {
    /// As the command line has it.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it is a Java program.
    pub fn is_peer(self) -> bool {
        matches!(self, Self::Peer | Self::Peer100ms)
    }

    /// What it is compared as.
    pub fn role(self) -> Role {
        match self {
            Self::Floor | Self::FloorStamped | Self::Floor1s | Self::Floor1sStamped => Role::Floor,
            Self::Peer | Self::Peer100ms => Role::Peer,
            Self::Ours1s | Self::Ours100ms => Role::Ours,
        }
    }

    /// Whether its output records carry their own times; only such are comparable.
    pub fn is_stamped(self) -> bool {
        !matches!(self, Self::Floor | Self::Floor1s)
    }

    /// How often it commits.
    pub fn commit(self) -> Duration {
        match self {
            Self::Floor | Self::FloorStamped | Self::Peer100ms | Self::Ours100ms => {
                Duration::from_millis(100)
            }
            Self::Floor1s | Self::Floor1sStamped | Self::Peer | Self::Ours1s => {
                Duration::from_secs(1)
            }
        }
    }

    /// Counts the input, and has its output checked.
    pub fn run(self, run: &Run<'_>) -> Result<Report> {
        let output = format!("{}-{}-{}", run.input.topic, self.name(), run.turn);
        let mut command = match self {
            Self::Floor | Self::Floor1s => self.floor(run, "batched")?,
            Self::FloorStamped | Self::Floor1sStamped => self.floor(run, "stamped")?,
            Self::Peer | Self::Peer100ms => peer(run),
            Self::Ours1s | Self::Ours100ms => ours(run)?,
        };
        let commit_ms = self.commit().as_millis();
        command.args(["--output", &output, "--commit-ms", &commit_ms.to_string()]);
        let usage = measured(&mut command)?;
        let verified = verify::is_right(run.bootstrap, run.input, &output, self.reads_counts())?;
        Ok(Report::new(self, &usage, verified))
    }

    /// How it writes a count.
    fn reads_counts(self) -> fn(&[u8]) -> Option<i64> {
        match self {
            Self::Floor
            | Self::FloorStamped
            | Self::Floor1s
            | Self::Floor1sStamped
            | Self::Peer
            | Self::Peer100ms => verify::big_endian,
            Self::Ours1s | Self::Ours100ms => verify::sorting,
        }
    }

    fn floor(self, run: &Run<'_>, sent: &str) -> Result<Command> {
        let mut command = this_program()?;
        command.args(["run-floor", "--sent", sent]).args(shared(run));
        Ok(command)
    }
}

fn ours(run: &Run<'_>) -> Result<Command> {
    let mut command = this_program()?;
    command.arg("run-ours").args(shared(run)).arg("--state").arg(run.state);
    Ok(command)
}

fn this_program() -> Result<Command> {
    let this = std::env::current_exe();
    Ok(Command::new(this.map_err(|e| Broken::while_doing("own path", e))?))
}

fn peer(run: &Run<'_>) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xmx512m", "-XX:+UseSerialGC", "-cp", run.peer_class_path, "Count"]);
    command.args(shared(run)).arg("--state").arg(run.state);
    command
}

fn shared(run: &Run<'_>) -> Vec<String> {
    let input = run.input;
    let pairs = [
        ("--bootstrap", run.bootstrap.to_owned()),
        ("--input", input.topic.clone()),
        ("--records", input.records.to_string()),
        ("--partitions", input.partitions.to_string()),
    ];
    pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

/// Runs an entrant to its end; its last line is its usage.
fn measured(command: &mut Command) -> Result<Usage> {
    let program = format!("{command:?}");
    let command = command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|cause| Broken::while_doing(&program, cause))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    if !output.status.success() {
        return Err(Broken::while_doing(&program, output.status));
    }
    serde_json::from_str(last).map_err(|cause| Broken::while_doing(last, cause))
}
