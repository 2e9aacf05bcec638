//! What is to become of each letter, decided before anything is done. Pure: a plan can be shown, and carried out or not.
//!
//! A record that is appended again comes late. Rows bear positions of the database's log, and what is older than what state
//! has is passed over; events bear ids, facts add up in any order. Where the last record of a key counts a late one would undo
//! a newer one: those are refused, and so is what would be deleted at once, or counted twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use connectors::clickhouse::LETTERS_NODE;
use millstream::broker::partition_of;
use millstream::dead_letter::{Letter, Place, Reason};
use millstream::{Timestamp, Topic, TopicPartition};
use schemas::topic::{self, Cleanup};
use topologies::ingest::events::REPEATS_MS_MAX;

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Append each record again that was not re-driven so often before.
    Redrive {
        /// So often.
        times_max: usize,
    },
    /// Give the letters up.
    Drop,
}

/// Where records may go, as of now.
#[derive(Clone, Debug)]
pub struct Targets {
    /// The topics that there are, with their partitions.
    pub partitions: BTreeMap<Topic, i32>,
    /// The time.
    pub now: Timestamp,
}

/// Why a record is not appended again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// It was too long to be kept whole.
    Cut,
    /// It was re-driven as often as it may be.
    TooOften,
    /// Its topic is none of the application's, or is not there.
    NoTopic,
    /// In its topic the last record of a key counts, and this one is older.
    LastCounts,
    /// Its topic deletes what is so old.
    Expired,
    /// A sink gave it up, and state, which has counted it, does not know its id any more.
    Counted,
}

impl Refusal {
    /// Its word, for scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::TooOften => "too_often",
            Self::NoTopic => "no_topic",
            Self::LastCounts => "last_counts",
            Self::Expired => "expired",
            Self::Counted => "counted",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "cut: the record was too long to be kept whole, and is where it came from, if anywhere",
            Self::TooOften => "re-driven as often as --times-max allows",
            Self::NoTopic => "the topic is none of the application's, or is not there",
            Self::LastCounts => "in the topic the last record of a key counts, and this one would undo a newer one",
            Self::Expired => "older than what the topic keeps",
            Self::Counted => "counted by state already, which does not know the event's id any more",
        })
    }
}

impl Targets {
    /// The partition that the record of a letter goes to: its own, or that of its key if there is no such one any more.
    fn of(&self, letter: &Letter<'_>, times_max: usize) -> Result<i32, Refusal> {
        if letter.cut.is_any() {
            return Err(Refusal::Cut);
        }
        let declared = topic::ALL.iter().find(|topic| topic.name == letter.topic);
        let partitions = self.partitions.get(letter.topic).copied().unwrap_or(0);
        let Some(declared) = declared.filter(|_| partitions > 0) else {
            return Err(Refusal::NoTopic);
        };
        let age_ms = self.now.0.saturating_sub(letter.timestamp.0);
        let by_sink = letter.reason == Some(Reason::Refused) || letter.node == LETTERS_NODE;
        let refusals = [
            (last_counts(*declared), Refusal::LastCounts),
            (is_expired(*declared, age_ms), Refusal::Expired),
            (*declared == topic::EVENTS && by_sink && age_ms > REPEATS_MS_MAX, Refusal::Counted),
            (letter.history.len() >= times_max, Refusal::TooOften),
        ];
        let refusal = refusals.into_iter().find_map(|(holds, refusal)| holds.then_some(refusal));
        refusal.map_or_else(|| Ok(self.partition(letter, partitions)), Err)
    }

    fn partition(&self, letter: &Letter<'_>, partitions: i32) -> i32 {
        match letter.key {
            _ if (0..partitions).contains(&letter.partition) => letter.partition,
            Some(key) => partition_of(key, partitions),
            None => letter.partition.rem_euclid(partitions),
        }
    }
}

fn last_counts(of: topic::Topic) -> bool {
    let is_compact = matches!(of.cleanup, Cleanup::Compact | Cleanup::CompactSoon);
    is_compact || of.key == topic::Key::Trending
}

fn is_expired(of: topic::Topic, age_ms: i64) -> bool {
    let kept = of.cleanup.retention().and_then(|kept| i64::try_from(kept.as_millis()).ok());
    kept.is_some_and(|kept_ms| age_ms >= kept_ms)
}

/// What becomes of the letters that are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Those that are worked off, each with the topic and the partition that its record goes to, if it goes anywhere.
    pub planned: BTreeMap<Place, Option<(Topic, i32)>>,
    /// How many are refused, and which is the first.
    pub refused: BTreeMap<Refusal, (u64, Place)>,
    /// Notes whose letters are deleted.
    pub forgotten: Vec<Place>,
    /// Those that were asked for by their place, and are not there, or done with already.
    pub absent: BTreeSet<Place>,
}

impl Plan {
    /// Takes a letter that is meant.
    pub fn add(&mut self, letter: &Letter<'_>, aim: Aim, targets: &Targets) {
        self.absent.remove(&letter.place);
        let target = match aim {
            Aim::Drop => Ok(None),
            Aim::Redrive { times_max } => {
                let topic = || Topic::from(letter.topic);
                targets.of(letter, times_max).map(|partition| Some((topic(), partition)))
            }
        };
        match target {
            Ok(target) => drop(self.planned.insert(letter.place, target)),
            Err(refusal) => self.refused.entry(refusal).or_insert((0, letter.place)).0 += 1,
        }
    }

    /// The logs that are written to.
    pub fn logs(&self) -> Vec<TopicPartition> {
        let logs: BTreeSet<_> = self.planned.values().flatten().collect();
        let log =
            |(topic, partition): &(Topic, i32)| TopicPartition::new(topic.clone(), *partition);
        logs.into_iter().map(log).collect()
    }

    /// How many are refused.
    pub fn refused(&self) -> u64 {
        self.refused.values().map(|(count, _)| count).sum()
    }
}
