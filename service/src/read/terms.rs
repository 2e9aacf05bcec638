//! What a score is made of, as answers show it: each term before its weight, with what it was made of.

use std::fmt;

use schemas::FeedItem;
use serde::{Deserialize, Serialize};
use topologies::ranking::Terms;
use utoipa::ToSchema;

/// The terms of a score: the sum of weight x value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Terms)]
pub struct TermsShown {
    freshness: Freshness,
    engagement: Engagement,
    affinity: Affinity,
    /// What the sum is multiplied by: 1, unless the weight set demotes it.
    #[serde(default = "whole")]
    factor: f64,
}

/// Of whoever does not tell, being older.
fn whole() -> f64 {
    1.0
}

/// exp(-0.1 x age in hours).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
struct Freshness {
    value: f64,
    weight: f64,
    age_ms: i64,
}

/// ln(1 + (likes + 2 comments + 3 shares) / max(1, exposures)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
struct Engagement {
    value: f64,
    weight: f64,
    likes: u32,
    comments: u32,
    shares: u32,
    exposures: u32,
}

/// ln(1 + interactions), the reader's with the posts of the author on 90 days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
struct Affinity {
    value: f64,
    weight: f64,
    interactions: u32,
}

impl fmt::Display for TermsShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { freshness, engagement, affinity, factor } = self;
        write!(
            f,
            "{} x {:.4} freshness ({:.1} h) + {} x {:.4} engagement (L {} C {} S {} E {}) + {} x {:.4} affinity (A {})",
            freshness.weight,
            freshness.value,
            freshness.age_ms as f64 / 3_600_000.0,
            engagement.weight,
            engagement.value,
            engagement.likes,
            engagement.comments,
            engagement.shares,
            engagement.exposures,
            affinity.weight,
            affinity.value,
            affinity.interactions,
        )?;
        if *factor == 1.0 { Ok(()) } else { write!(f, ", all of it x {factor:.4}") }
    }
}

impl TermsShown {
    /// The terms of an item as of a time.
    pub fn of(item: &FeedItem, terms: &Terms, (weights, now_ms): ([f64; 3], i64)) -> Self {
        let [by_freshness, by_engagement, by_affinity] = weights;
        Self {
            freshness: Freshness {
                value: terms.freshness,
                weight: by_freshness,
                age_ms: now_ms.saturating_sub(item.created_at_ms).max(0),
            },
            engagement: Engagement {
                value: terms.engagement,
                weight: by_engagement,
                likes: item.likes,
                comments: item.comments,
                shares: item.shares,
                exposures: item.exposures,
            },
            affinity: Affinity {
                value: terms.affinity,
                weight: by_affinity,
                interactions: item.affinity,
            },
            factor: terms.factor,
        }
    }
}
