//! A ranking in the style of X, as far as its published numbers go.
//!
//! Taken from xai-org/x-algorithm, release of 2026-08-13: the weights of a like (0.5), a reply (5) and a repost (1); not
//! followed x 0.75; no post older than 48 h; the n-th further post of an author in score order x (1 - 0.25) 0.5^n + 0.25.
//!
//! Approximated, because X predicts with a trained model and here is none:
//!
//! * P(action) of a post is its smoothed rate, (count + 50 r) / (exposures + 50) with r the rate of all candidates together,
//!   times 1 + ln(1 + A), A the reader's interactions with the author; a share counts as a repost.
//! * The model knows a post's age; here the score is multiplied with 0.6 + 0.4 x 2^(-age / 6 h), the age decay of Twitter's
//!   search index of 2023.
//! * Clicks, dwell and all negative actions are not in a line, and left out; so are author cold start and the reordering by
//!   embeddings. The candidates are those of `v1`, not Thunder's and a retrieval model's.

use std::collections::BTreeMap;

use schemas::{FeedItem, Sources};

use crate::life::Life;
use crate::world::HOUR_MS;

const LIKE: f64 = 0.5;
const REPLY: f64 = 5.0;
const REPOST: f64 = 1.0;
const NOT_FOLLOWED: f64 = 0.75;
const AGE_MS_MAX: i64 = 48 * HOUR_MS;
const DECAY: f64 = 0.5;
const FLOOR: f64 = 0.25;
/// Exposures that the rate of all stands for.
const PRIOR: f64 = 50.0;
const AGED: f64 = 0.6;
const HALF_LIFE_HOURS: f64 = 6.0;

/// Candidates in this order, by number; what is too old for X comes last.
pub fn soft_decay(life: &Life<'_>, items: &[FeedItem], (_, at): (u32, i64)) -> Vec<u32> {
    let prior = rates(items);
    let mut scored: Vec<(f64, &FeedItem)> =
        items.iter().map(|item| (score(item, prior, at), item)).collect();
    let first = |a: &(f64, &FeedItem), b: &(f64, &FeedItem)| {
        b.0.total_cmp(&a.0).then(a.1.post.cmp(&b.1.post))
    };
    scored.sort_by(first);
    let mut of_author = BTreeMap::new();
    for (score, item) in &mut scored {
        let further: &mut i32 = of_author.entry(item.author).or_default();
        *score *= (1.0 - FLOOR) * libm::pow(DECAY, f64::from(*further)) + FLOOR;
        *further += 1;
    }
    scored.sort_by(first);
    scored.into_iter().filter_map(|(_, item)| life.world.number(&item.post)).collect()
}

/// The rates of like, reply and repost of all candidates together.
fn rates(items: &[FeedItem]) -> [f64; 3] {
    let exposures = items.iter().map(|item| f64::from(item.exposures)).sum::<f64>().max(1.0);
    let rate = |count: fn(&FeedItem) -> u32| {
        items.iter().map(|item| f64::from(count(item))).sum::<f64>() / exposures
    };
    [rate(|item| item.likes), rate(|item| item.comments), rate(|item| item.shares)]
}

fn score(item: &FeedItem, [like, reply, repost]: [f64; 3], at: i64) -> f64 {
    let smoothed = |count: u32, prior: f64| {
        (f64::from(count) + PRIOR * prior) / (f64::from(item.exposures) + PRIOR)
    };
    let acts = LIKE * smoothed(item.likes, like)
        + REPLY * smoothed(item.comments, reply)
        + REPOST * smoothed(item.shares, repost);
    let personal = 1.0 + libm::log1p(f64::from(item.affinity));
    let network = if item.sources.has(Sources::FOLLOW) { 1.0 } else { NOT_FOLLOWED };
    let age_ms = (at - item.created_at_ms).max(0);
    if age_ms > AGE_MS_MAX {
        return 0.0;
    }
    let halves = age_ms as f64 / HOUR_MS as f64 / HALF_LIFE_HOURS;
    acts * personal * network * (AGED + (1.0 - AGED) * libm::pow(2.0, -halves))
}
