//! A weight set: every number that selection and score depend on, under one id.
//!
//! The id travels with each feed body, so a body can always be read again with the numbers it was made by.

use schemas::{FeedBody, V1};

/// One hour in ms.
pub const HOUR_MS: i64 = 3_600_000;
/// One day in ms.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// What the score weighs, who may be a candidate, and how the result is spaced.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Names the set in feed bodies; 1 is `v1`.
    pub id: u16,
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
}

/// What each interaction adds to a post's engagement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Points {
    /// Of a like.
    pub like: u32,
    /// Of a comment.
    pub comment: u32,
    /// Of a share.
    pub share: u32,
}

/// The bounds of the candidate sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spacing {
    /// Among the first so many positions an author stands once.
    pub top: usize,
    /// An author does not stand in the so many positions before.
    pub distance: usize,
}

impl Weights {
    /// The set that `body` was made by, so that it is read by the numbers it was made with. Of one that this program
    /// does not know, a newer one while it is deployed, the default.
    pub fn of(body: &FeedBody) -> Self {
        Self::of_set(body.weight_set)
    }

    /// The set of this number; the default if there is none of it here.
    pub fn of_set(id: u16) -> Self {
        match id {
            V1 => Self::v1(),
            _ => Self::default(),
        }
    }

    /// The weight set `v1`.
    pub fn v1() -> Self {
        Self {
            id: V1,
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
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self::v1()
    }
}
