//! A weight set: every number that selection and score depend on, under one id.
//!
//! The id travels with each feed body, so a body can always be read again with the numbers it was made by. What `v1` does not
//! do is an arm, and off unless a set has it.

use schemas::{Sources, V1};
use serde::{Deserialize, Serialize};

/// One hour in ms.
pub const HOUR_MS: i64 = 3_600_000;
/// One day in ms.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// What the score weighs, who may be a candidate, and how the result is spaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// Names the set in feed bodies; 1 is `v1`.
    pub id: u16,
    /// What people call it.
    pub name: String,
    /// Weight of the freshness term.
    pub freshness: f64,
    /// Weight of the engagement term.
    pub engagement: f64,
    /// Weight of the affinity term.
    pub affinity: f64,
    /// Freshness is exp(-this x age in hours).
    pub decay_per_hour: f64,
    /// What a like, a comment and a share add to engagement.
    pub points: Points,
    /// The bounds of the candidate sources.
    pub limits: Limits,
    /// The rules of spacing.
    pub spacing: Spacing,
    /// What it does beyond `v1`.
    pub arms: Arms,
}

/// What a weight set does beyond `v1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Arms {
    /// Few exposures say little: engagement begins at the mean of all live posts.
    pub smoothing: Option<Smoothing>,
    /// Affinity is a share of that to the author the reader has most to do with.
    pub normalised_affinity: bool,
    /// What trends has a share of the positions.
    pub trending_quota: Option<Quota>,
    /// New posts that few have seen have a share of the positions.
    pub explore: Option<Explore>,
    /// Authors whose posts were passed by fall behind.
    pub author_memory: Option<AuthorMemory>,
    /// How fast a post ages depends on where it comes from.
    pub kinds: Option<FreshnessByKind>,
    /// What was served and not seen falls behind.
    pub unseen: Option<Unseen>,
}

/// A Beta prior: the mean rate counts as if it had been earned on so many exposures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Smoothing {
    /// How many.
    pub exposures: f64,
}

/// One in so many positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// How many.
    pub every: usize,
}

/// Which posts are explored, and how much room they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explore {
    /// One in so many positions is theirs; they have no other.
    pub every: usize,
    /// Of at most this age.
    pub age_ms_max: i64,
    /// With at most so many exposures.
    pub exposures_max: u32,
}

/// What remains of the score of an author's posts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthorMemory {
    /// This much of it, for each impression without an action.
    pub decay: f64,
    /// No less than this.
    pub floor: f64,
    /// Impressions of so many days count.
    pub days: i64,
}

/// The decay per hour of a post by where it comes from; of several sources the slowest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FreshnessByKind {
    /// From a followee.
    pub follow: f64,
    /// From the list of what trends.
    pub trending: f64,
    /// From an author with affinity.
    pub affinity: f64,
    /// From exploration.
    pub explore: f64,
}

impl FreshnessByKind {
    /// The decay of a post that these sources have; none if none has it.
    pub fn decay(&self, sources: Sources) -> Option<f64> {
        let of = [
            (Sources::FOLLOW, self.follow),
            (Sources::TRENDING, self.trending),
            (Sources::AFFINITY, self.affinity),
            (Sources::EXPLORE, self.explore),
        ];
        let has = of.into_iter().filter(|(source, _)| sources.has(*source));
        has.map(|(_, decay)| decay).min_by(f64::total_cmp)
    }
}

/// What remains of the score of a post that was served and not seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unseen {
    /// From so many times on.
    pub times: u8,
    /// This much.
    pub factor: f64,
}

impl Arms {
    /// Whether scores depend on more than `v1` knows of a reader.
    pub fn asks_for_facts(&self) -> bool {
        self.smoothing.is_some()
            || self.normalised_affinity
            || self.author_memory.is_some()
            || self.unseen.is_some()
    }

    /// Whether it matters what a reader was shown.
    pub fn remembers_shown(&self) -> bool {
        self.author_memory.is_some() || self.unseen.is_some()
    }

    /// The sources that have a share of the positions, each one in so many.
    pub fn quotas(&self) -> impl Iterator<Item = (Sources, usize)> {
        let trending = self.trending_quota.map(|quota| (Sources::TRENDING, quota.every));
        let explore = self.explore.map(|explore| (Sources::EXPLORE, explore.every));
        explore.into_iter().chain(trending)
    }
}

/// What each interaction adds to a post's engagement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Points {
    /// Of a like.
    pub like: u32,
    /// Of a comment.
    pub comment: u32,
    /// Of a share.
    pub share: u32,
}

/// The bounds of the candidate sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// F1: a followee's post of at most this age.
    pub follow_age_ms_max: i64,
    /// F1: so many of them, the newest.
    pub follow_posts_max: usize,
    /// F3: a post of at most this age by an author with affinity.
    pub affinity_age_ms_max: i64,
    /// F3: so many of one author, the newest.
    pub affinity_posts_per_author_max: usize,
    /// F3: so many in all.
    pub affinity_posts_max: usize,
    /// Affinity counts on so many UTC days, the current one included.
    pub affinity_days: i32,
    /// A seen post stays away for this long.
    pub seen_ms: i64,
    /// A hidden or reported post stays away for this long.
    pub hidden_ms: i64,
    /// Of an author of whom less was wished for nothing is shown on so many UTC days, that of the wish included.
    pub less_days: i32,
    /// So many items are kept after spacing.
    pub kept_max: usize,
    /// An active reader is ranked once in each of these.
    pub grid_ms: i64,
}

/// How far apart the posts of one author stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spacing {
    /// Among the first so many positions an author stands once.
    pub top: usize,
    /// An author does not stand in the so many positions before.
    pub distance: usize,
}

impl Weights {
    /// The weight set `v1`.
    pub fn v1() -> Self {
        Self {
            id: V1,
            name: "v1".into(),
            freshness: 0.30,
            engagement: 0.40,
            affinity: 0.30,
            decay_per_hour: 0.1,
            points: Points { like: 1, comment: 2, share: 3 },
            limits: Limits {
                follow_age_ms_max: 72 * HOUR_MS,
                follow_posts_max: 500,
                affinity_age_ms_max: 7 * DAY_MS,
                affinity_posts_per_author_max: 20,
                affinity_posts_max: 200,
                affinity_days: 90,
                seen_ms: DAY_MS,
                hidden_ms: 90 * DAY_MS,
                less_days: 14,
                kept_max: 100,
                grid_ms: 600_000,
            },
            spacing: Spacing { top: 5, distance: 2 },
            arms: Arms::default(),
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self::v1()
    }
}
