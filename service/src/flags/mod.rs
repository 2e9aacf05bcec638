//! What operators turn on and off while everything runs.
//!
//! A closed list. Each flag is set by a record in the compacted topic `flags`, under its name, which every instance follows: see
//! [`SetFlags`]. Each change is told for ever in `flags-audit`, in the same transaction: see [`Flagging`]. What was never set is
//! on, and so is everything for an instance that could not read the topic yet.
//!
//! Arms belong to weight sets, which workers follow and this topic they do not: who sets the flag puts a version of weight sets
//! too, in which experiments are paused.

mod change;
mod flagging;
mod set_flags;
#[cfg(test)]
mod tests;
pub mod told;

use schemas::UserId;
use serde::{Deserialize, Serialize};
use topologies::ranking::place;

pub use change::{Change, Wanted};
pub use flagging::{Flagging, Outcome};
pub use set_flags::{SetFlags, Setting};

use crate::followed_topic::FollowedTopic;
use crate::read::Source;

/// The flags as this process knows them.
pub type FollowedFlags = FollowedTopic<SetFlags>;

/// A flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flag {
    /// Whether this tier is asked.
    Tier(Source),
    /// The part of readers who are given the ranking.
    RankedPercent,
    /// Whether readers take part in experiments.
    Arms,
    /// Whether the page is shown, where it is served.
    Page,
    /// Whether feeds can be followed live.
    Streams,
}

/// What a flag is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FlagValue {
    /// On or off.
    Switch(bool),
    /// A part of all readers.
    Percent(u8),
}

impl Flag {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Tier(Source::Redis),
        Self::Tier(Source::State),
        Self::Tier(Source::ClickHouse),
        Self::Tier(Source::Postgres),
        Self::RankedPercent,
        Self::Arms,
        Self::Page,
        Self::Streams,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tier(Source::Redis) => "tier.redis",
            Self::Tier(Source::State) => "tier.state",
            Self::Tier(Source::ClickHouse) => "tier.clickhouse",
            Self::Tier(Source::Postgres) => "tier.postgres",
            Self::RankedPercent => "ranked_percent",
            Self::Arms => "arms",
            Self::Page => "page",
            Self::Streams => "streams",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.name() == name)
    }

    /// What it is before it is set.
    pub const fn at_first(self) -> FlagValue {
        match self {
            Self::RankedPercent => FlagValue::Percent(100),
            Self::Tier(_) | Self::Arms | Self::Page | Self::Streams => FlagValue::Switch(true),
        }
    }

    /// What it may be, in words.
    pub const fn takes(self) -> &'static str {
        match self.at_first() {
            FlagValue::Switch(_) => "on or off",
            FlagValue::Percent(_) => "a whole number from 0 to 100",
        }
    }

    /// A value for it, if it is one.
    pub fn value(self, of: FlagValue) -> Option<FlagValue> {
        match (self.at_first(), of) {
            (FlagValue::Switch(_), FlagValue::Switch(_)) => Some(of),
            (FlagValue::Percent(_), FlagValue::Percent(0..=100)) => Some(of),
            (FlagValue::Switch(_) | FlagValue::Percent(_), _) => None,
        }
    }

    /// The same as people write it.
    pub fn value_of_text(self, text: &str) -> Option<FlagValue> {
        let of = match text {
            "on" | "true" => FlagValue::Switch(true),
            "off" | "false" => FlagValue::Switch(false),
            other => FlagValue::Percent(other.trim_end_matches('%').parse().ok()?),
        };
        self.value(of)
    }
}

impl FlagValue {
    /// As a number, for metrics: 1 or 0, or the part.
    pub fn number(self) -> i64 {
        match self {
            Self::Switch(on) => on.into(),
            Self::Percent(percent) => percent.into(),
        }
    }
}

impl std::fmt::Display for FlagValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Switch(true) => f.write_str("on"),
            Self::Switch(false) => f.write_str("off"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl SetFlags {
    /// Whether this flag is on; of a part: whether anybody is in it.
    pub fn is_on(&self, flag: Flag) -> bool {
        self.value(flag).number() > 0
    }

    /// Whether `user` is given the ranking. Who is in a part is in every larger one.
    pub fn ranks(&self, user: &UserId) -> bool {
        let percent = u32::try_from(self.value(Flag::RankedPercent).number()).unwrap_or(100);
        place(user, Flag::RankedPercent.name()) < percent * 10_000
    }
}
