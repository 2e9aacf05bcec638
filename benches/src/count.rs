//! Count by key: entrants one after the other on one broker, forwards and then backwards, so that a slow minute
//! hits all of them alike.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Part, Stack};

use crate::entrant::{Entrant, Run};
use crate::input::Input;
use crate::report::{Report, compare};
use crate::{Broken, Result, Teller};

const KEYS: usize = 100_000;
const PARTITIONS: i32 = 4;

/// Who takes part, when nobody is named: all whose output is the same, at both commit intervals.
const ALL: [Entrant; 6] = [
    Entrant::Floor1sStamped,
    Entrant::Ours1s,
    Entrant::Peer,
    Entrant::FloorStamped,
    Entrant::Ours100ms,
    Entrant::Peer100ms,
];

/// What to run.
#[derive(Debug)]
pub struct Count {
    /// Who takes part; all if empty.
    pub entrants: Vec<Entrant>,
    /// How many records each counts.
    pub records: u64,
    /// How often each runs; every second time in the opposite order.
    pub rounds: u32,
    /// Jars of the peer.
    pub peer_jars: Option<PathBuf>,
}

impl Count {
    /// Runs it all; tells each run and then how ours compares.
    pub fn run(&self, teller: Teller) -> Result<()> {
        let stack = Stack::of(&[Part::Kafka]).lasting().start();
        let stack = stack.map_err(|cause| Broken::while_doing("start kafka", cause))?;
        let scratch =
            tempfile::tempdir().map_err(|e| Broken::while_doing("temporary folder", e))?;
        let mut entrants =
            if self.entrants.is_empty() { ALL.to_vec() } else { self.entrants.clone() };
        let peer_class_path = self.peer_class_path(scratch.path(), &entrants)?;
        let records = self.records;
        let input = Input { topic: "in".into(), records, keys: KEYS, partitions: PARTITIONS };
        input.write(stack.kafka())?;
        let mut runs: Vec<(Entrant, Report)> = Vec::new();
        for _ in 0..self.rounds {
            for entrant in &entrants {
                let turn = runs.len();
                let state = scratch.path().join(turn.to_string());
                let (bootstrap, input) = (stack.kafka(), &input);
                let peer_class_path = &peer_class_path;
                let run = Run { bootstrap, input, peer_class_path, state: &state, turn };
                let report = entrant.run(&run)?;
                teller.tell(&report)?;
                runs.push((*entrant, report));
            }
            entrants.reverse();
        }
        compare(&runs).iter().try_for_each(|comparison| teller.tell(comparison))
    }

    /// Compiles the peer, if it takes part; `script/bench` runs this from the root.
    fn peer_class_path(&self, scratch: &Path, entrants: &[Entrant]) -> Result<String> {
        if !entrants.iter().any(|entrant| entrant.is_peer()) {
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
