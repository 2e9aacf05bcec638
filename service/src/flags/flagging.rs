//! Changes flags, and tells who changed which.

use millstream::broker::Broker;
use millstream::{Clock, Exit, RawRecord, SystemClock, Timestamp};
use schemas::topic::{FLAGS, FLAGS_AUDIT, Topic, WEIGHTS};
use schemas::{WeightsVersion, Wire};
use topologies::ranking::{Policies, Policy};

use super::{Change, Flag, FlagValue, SetFlags, Wanted};
use crate::failed::Failed;
use crate::followed_topic::{Known, read};
use crate::sole_writer::SoleWriter;
use crate::weights::{next, writer_id};

/// Where flags are.
#[derive(Clone, Copy)]
pub struct Flagging<'a> {
    /// The cluster.
    pub broker: &'a dyn Broker,
    /// What the client calls itself.
    pub app: &'a str,
}

/// What became of what was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This was changed, nothing if all was so already; and what is set now.
    Changed(Vec<Change>, SetFlags),
    /// Nothing was: another version is in force than the one that was looked at.
    Outdated(SetFlags),
}

impl Flagging<'_> {
    /// What is set.
    pub fn set(&self) -> Result<SetFlags, Failed> {
        read(self.broker, self.app)
    }

    /// Every change there was, the first first.
    pub fn changes(&self) -> Result<Vec<Change>, Failed> {
        read(self.broker, self.app).map(|History(changes)| changes)
    }

    /// Has the flags be what somebody wants, all or none; answers when Kafka has it.
    pub fn put(&self, wanted: &Wanted) -> Result<Outcome, Failed> {
        let names = [FLAGS.name, FLAGS_AUDIT.name, WEIGHTS.name];
        let mut topics = SoleWriter::open(self.broker, &writer_id(self.app), &names)?;
        let (mut set, now) = (self.set()?, SystemClock.now());
        if wanted.seen.is_some_and(|seen| seen != set.version()) {
            return Ok(Outcome::Outdated(set));
        }
        let changes = wanted.changes(&set, now.0);
        for (flag, change) in &changes {
            let key = flag.name().as_bytes();
            topics.push(0, (key, &json(&change.to)), now);
            topics.push(1, (key, &json(change)), now);
            if *flag == Flag::Arms {
                self.pause_experiments(&mut topics, change.to.value, now)?;
            }
            set.set(*flag, change.to.clone());
        }
        if set.has_no_tier() {
            let words = "one tier has to stay on: nobody would be answered".to_owned();
            return Err(Failed(Exit::Mismatch, words));
        }
        if !changes.is_empty() {
            topics.commit()?;
        }
        Ok(Outcome::Changed(changes.into_iter().map(|(_, change)| change).collect(), set))
    }

    fn pause_experiments(
        &self,
        topics: &mut SoleWriter,
        arms: FlagValue,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let known: Policies = read(self.broker, self.app)?;
        let current = next(&known, known.current().clone(), now);
        let policy = Policy { paused: arms == FlagValue::Switch(false), ..current };
        topics.push(2, (&WeightsVersion(policy.version).to_bytes(), &policy.to_bytes()), now);
        Ok(())
    }
}

/// Plain data with names for keys: it cannot fail.
fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// All changes.
#[derive(Clone, Default)]
struct History(Vec<Change>);

impl Known for History {
    const TOPIC: Topic = FLAGS_AUDIT;

    fn take(&mut self, record: &RawRecord<'_>) {
        match record.value.map(serde_json::from_slice::<Change>) {
            Some(Ok(change)) => self.0.push(change),
            Some(Err(fault)) => tracing::warn!(%fault, "a change of a flag is passed over"),
            None => {}
        }
    }

    fn tell(&self) {}
}
