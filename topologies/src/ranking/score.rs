//! The score of a post for a reader at a time: three unweighted terms, and their weighted sum.
//!
//! Only integers are stored; the terms are computed at the moment of reading. The same bits come out
//! everywhere: one pure-Rust `exp` and `ln_1p`, one order of the sum, no fused multiply-add.

use super::weights::{HOUR_MS, Points, Weights};

/// What interactions earn per exposure: (L + 2C + 3S) / max(1, E) with the points of `v1`.
pub fn rate([likes, comments, shares, exposures]: [u32; 4], points: Points) -> f64 {
    let earned = u64::from(points.like) * u64::from(likes)
        + u64::from(points.comment) * u64::from(comments)
        + u64::from(points.share) * u64::from(shares);
    earned as f64 / f64::from(exposures.max(1))
}

/// The terms of a score, each before its weight, and the score itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// exp(-decay x age).
    pub freshness: f64,
    /// ln(1 + points per exposure).
    pub engagement: f64,
    /// ln(1 + A).
    pub affinity: f64,
    /// The weighted sum.
    pub score: f64,
}

impl Terms {
    /// The terms of a post made at `created_at` with the counts L, C, S, E, for a reader whose affinity term is `affinity`, at `at`.
    pub fn of(
        created_at: i64,
        counts: [u32; 4],
        affinity: f64,
        (weights, at): (&Weights, i64),
    ) -> Self {
        let freshness = freshness(weights, created_at, at);
        let engagement = engagement(weights, counts);
        let score = (weights.freshness * freshness + weights.engagement * engagement)
            + weights.affinity * affinity;
        Self { freshness, engagement, affinity, score }
    }
}

/// The age in ms; a post from the future is new.
pub fn age_ms(created_at: i64, at: i64) -> i64 {
    at.saturating_sub(created_at).max(0)
}

/// 1 for a new post, less with every hour.
pub fn freshness(weights: &Weights, created_at: i64, at: i64) -> f64 {
    let age_hours = age_ms(created_at, at) as f64 / HOUR_MS as f64;
    libm::exp(-weights.decay_per_hour * age_hours)
}

/// ln(1 + points per exposure) of the counts L, C, S, E.
pub fn engagement(weights: &Weights, counts: [u32; 4]) -> f64 {
    libm::log1p(rate(counts, weights.points))
}

/// ln(1 + A).
pub fn affinity(interactions: u32) -> f64 {
    libm::log1p(f64::from(interactions))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9
    }

    #[test]
    fn a_new_post_is_entirely_fresh() {
        assert_eq!(freshness(&Weights::v1(), 1_000, 1_000), 1.0);
    }

    #[test]
    fn a_day_leaves_a_tenth_of_the_freshness() {
        let found = freshness(&Weights::v1(), 0, 24 * HOUR_MS);
        assert!(near(found, 0.090_717_953_289), "{found}");
    }

    #[test]
    fn a_post_from_the_future_is_new_and_not_fresher_than_new() {
        assert_eq!(freshness(&Weights::v1(), 5 * HOUR_MS, 0), 1.0);
    }

    #[test]
    fn ten_likes_five_comments_and_two_shares_on_a_hundred_exposures_are_ln_1_26() {
        let counts = [10, 5, 2, 100];
        assert!(near(engagement(&Weights::v1(), counts), 1.26_f64.ln()));
    }

    #[test]
    fn interactions_without_an_exposure_count_as_on_one() {
        let counts = [0, 0, 1, 0];
        assert!(near(engagement(&Weights::v1(), counts), 4_f64.ln()));
    }

    #[test]
    fn ten_interactions_are_an_affinity_of_ln_11() {
        assert!(near(affinity(10), 11_f64.ln()));
    }

    #[test]
    fn the_score_weighs_freshness_engagement_and_affinity_in_this_order() {
        let counts = [10, 5, 2, 100];
        let weights = Weights::v1();
        let terms = Terms::of(0, counts, affinity(10), (&weights, 24 * HOUR_MS));
        let sum = (0.30 * terms.freshness + 0.40 * terms.engagement) + 0.30 * terms.affinity;
        assert_eq!(terms.score.to_bits(), sum.to_bits());
        assert!(near(
            terms.score,
            0.30 * 0.090_717_953_289 + 0.40 * 0.231_111_720_963 + 0.30 * 11_f64.ln()
        ));
    }
}
