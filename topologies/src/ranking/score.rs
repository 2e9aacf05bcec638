//! The score of a post for a reader at a time: three unweighted terms, and their weighted sum.
//!
//! Only integers are stored; the terms are computed at the moment of reading. The same bits come out
//! everywhere: one pure-Rust `exp` and `ln_1p`, one order of the sum, no fused multiply-add. Where a weight set has an
//! arm the terms are its; where it has none they are those of `v1`, bit for bit.

use schemas::{Facts, FeedItem, Sources};

use super::weights::{HOUR_MS, Points, Weights};

/// What the terms of a post are computed from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Inputs {
    /// When it was made, ms UTC.
    pub created_at_ms: i64,
    /// L, C, S, E.
    pub counts: [u32; 4],
    /// The affinity term of its author.
    pub affinity: f64,
    /// The sources that propose it.
    pub sources: Sources,
    /// How often the reader passed by posts of its author.
    pub ignored: u8,
    /// How often it was served and not seen.
    pub unseen: u8,
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
    /// What the sum is multiplied by: 1, unless an arm demotes.
    pub factor: f64,
    /// The weighted sum, times the factor.
    pub score: f64,
}

/// Computes terms by one weight set, for one reader, as of one time.
#[derive(Clone, Copy, Debug)]
pub struct Scorer<'w> {
    weights: &'w Weights,
    facts: Facts,
    at: i64,
}

impl<'w> Scorer<'w> {
    /// By `weights`, with what is known beside the posts, at `at`.
    pub fn new(weights: &'w Weights, facts: Option<Facts>, at: i64) -> Self {
        Self { weights, facts: facts.unwrap_or_default(), at }
    }

    /// The terms of a post.
    pub fn terms(&self, of: &Inputs) -> Terms {
        let freshness = self.freshness(of);
        let engagement = self.engagement(of.counts);
        let [by_freshness, by_engagement, by_affinity] = self.weights();
        let sum =
            (by_freshness * freshness + by_engagement * engagement) + by_affinity * of.affinity;
        let factor = self.factor(of);
        Terms { freshness, engagement, affinity: of.affinity, factor, score: sum * factor }
    }

    /// What the terms weigh for this reader: freshness, engagement, affinity.
    pub fn weights(&self) -> [f64; 3] {
        let Weights { freshness, engagement, affinity, .. } = *self.weights;
        let [by_freshness, by_engagement, by_affinity] = self.facts.scales;
        let scaled = |weight, scale| match scale {
            // Not even a multiplication: what `v1` says is said bit for bit.
            100 => weight,
            scale => weight * (f64::from(scale) / 100.0),
        };
        [
            scaled(freshness, by_freshness),
            scaled(engagement, by_engagement),
            scaled(affinity, by_affinity),
        ]
    }

    /// The terms of an item of a feed.
    pub fn item(&self, item: &FeedItem) -> Terms {
        self.terms(&Inputs {
            created_at_ms: item.created_at_ms,
            counts: [item.likes, item.comments, item.shares, item.exposures],
            affinity: self.affinity(item.affinity),
            sources: item.sources,
            ignored: item.ignored,
            unseen: item.unseen,
        })
    }

    /// ln(1 + A); normalised: over ln(1 + the reader's greatest A).
    pub fn affinity(&self, interactions: u32) -> f64 {
        let of = affinity(interactions);
        match self.weights.arms.normalised_affinity {
            true if interactions > 0 => of / affinity(self.facts.affinity_max.max(interactions)),
            true | false => of,
        }
    }

    /// 1 for a new post, less with every hour.
    fn freshness(&self, of: &Inputs) -> f64 {
        let age_hours = age_ms(of.created_at_ms, self.at) as f64 / HOUR_MS as f64;
        let kinds = self.weights.arms.kinds;
        let decay = kinds.and_then(|kinds| kinds.decay(of.sources));
        libm::exp(-decay.unwrap_or(self.weights.decay_per_hour) * age_hours)
    }

    /// ln(1 + points per exposure); smoothed: as if so many exposures had earned the mean before.
    fn engagement(&self, counts: [u32; 4]) -> f64 {
        let points = self.weights.points;
        let Some(smoothing) = self.weights.arms.smoothing else {
            return libm::log1p(rate(counts, points));
        };
        let (mean, prior) = (f64::from(self.facts.rate_mean_ppm) / 1e6, smoothing.exposures);
        let exposures = f64::from(counts[3]);
        libm::log1p((earned(counts, points) as f64 + mean * prior) / (exposures + prior))
    }

    fn factor(&self, of: &Inputs) -> f64 {
        let arms = &self.weights.arms;
        let memory = arms
            .author_memory
            .filter(|_| of.ignored > 0)
            .map(|memory| libm::pow(memory.decay, f64::from(of.ignored)).max(memory.floor));
        let unseen = arms.unseen.filter(|unseen| of.unseen >= unseen.times).map(|of| of.factor);
        memory.unwrap_or(1.0) * unseen.unwrap_or(1.0)
    }
}

/// What interactions earn per exposure: (L + 2C + 3S) / max(1, E) with the points of `v1`.
pub fn rate(counts: [u32; 4], points: Points) -> f64 {
    earned(counts, points) as f64 / f64::from(counts[3].max(1))
}

fn earned([likes, comments, shares, _]: [u32; 4], points: Points) -> u64 {
    u64::from(points.like) * u64::from(likes)
        + u64::from(points.comment) * u64::from(comments)
        + u64::from(points.share) * u64::from(shares)
}

/// The age in ms; a post from the future is new.
pub fn age_ms(created_at: i64, at: i64) -> i64 {
    at.saturating_sub(created_at).max(0)
}

/// ln(1 + A).
fn affinity(interactions: u32) -> f64 {
    libm::log1p(f64::from(interactions))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::weights::{AuthorMemory, FreshnessByKind, Smoothing, Unseen};

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9
    }

    fn of(weights: &Weights, counts: [u32; 4], (made, at): (i64, i64)) -> Terms {
        let inputs = Inputs { created_at_ms: made, counts, ..Inputs::default() };
        Scorer::new(weights, None, at).terms(&inputs)
    }

    fn freshness(made: i64, at: i64) -> f64 {
        of(&Weights::v1(), [0; 4], (made, at)).freshness
    }

    fn engagement(counts: [u32; 4]) -> f64 {
        of(&Weights::v1(), counts, (0, 0)).engagement
    }

    #[test]
    fn a_new_post_is_entirely_fresh() {
        assert_eq!(freshness(1_000, 1_000), 1.0);
    }

    #[test]
    fn a_day_leaves_a_tenth_of_the_freshness() {
        let found = freshness(0, 24 * HOUR_MS);
        assert!(near(found, 0.090_717_953_289), "{found}");
    }

    #[test]
    fn a_post_from_the_future_is_new_and_not_fresher_than_new() {
        assert_eq!(freshness(5 * HOUR_MS, 0), 1.0);
    }

    #[test]
    fn ten_likes_five_comments_and_two_shares_on_a_hundred_exposures_are_ln_1_26() {
        assert!(near(engagement([10, 5, 2, 100]), 1.26_f64.ln()));
    }

    #[test]
    fn interactions_without_an_exposure_count_as_on_one() {
        assert!(near(engagement([0, 0, 1, 0]), 4_f64.ln()));
    }

    #[test]
    fn ten_interactions_are_an_affinity_of_ln_11() {
        let weights = Weights::v1();
        assert!(near(Scorer::new(&weights, None, 0).affinity(10), 11_f64.ln()));
    }

    #[test]
    fn the_score_weighs_freshness_engagement_and_affinity_in_this_order() {
        let weights = Weights::v1();
        let scorer = Scorer::new(&weights, None, 24 * HOUR_MS);
        let (counts, affinity) = ([10, 5, 2, 100], scorer.affinity(10));
        let terms = scorer.terms(&Inputs { counts, affinity, ..Inputs::default() });
        let sum = (0.30 * terms.freshness + 0.40 * terms.engagement) + 0.30 * terms.affinity;
        assert_eq!(terms.score.to_bits(), sum.to_bits());
        assert!(near(
            terms.score,
            0.30 * 0.090_717_953_289 + 0.40 * 0.231_111_720_963 + 0.30 * 11_f64.ln()
        ));
    }

    #[test]
    fn one_share_on_one_exposure_is_hardly_more_than_the_mean_once_it_is_smoothed() {
        let mut weights = Weights::v1();
        weights.arms.smoothing = Some(Smoothing { exposures: 97.0 });
        let facts = Some(Facts { rate_mean_ppm: 100_000, ..Facts::default() });
        let inputs = Inputs { counts: [0, 0, 1, 1], ..Inputs::default() };
        let found = Scorer::new(&weights, facts, 0).terms(&inputs).engagement;
        assert!(near(found, (1.0 + (3.0 + 9.7) / 98.0_f64).ln()), "{found}");
    }

    #[test]
    fn the_author_a_reader_had_most_to_do_with_is_the_measure_of_a_normalised_affinity() {
        let mut weights = Weights::v1();
        weights.arms.normalised_affinity = true;
        let facts = Some(Facts { affinity_max: 10, ..Facts::default() });
        let scorer = Scorer::new(&weights, facts, 0);
        assert!(near(scorer.affinity(2), 3_f64.ln() / 11_f64.ln()));
        assert_eq!([0, 10, 11].map(|n| scorer.affinity(n)), [0.0, 1.0, 1.0]);
    }

    #[test]
    fn a_reader_s_own_scales_multiply_the_weights() {
        let (weights, scales) = (Weights::v1(), [50, 100, 200]);
        let scorer = Scorer::new(&weights, Some(Facts { scales, ..Facts::default() }), 0);
        assert_eq!(scorer.weights(), [0.15, 0.4, 0.6]);
        assert!(near(scorer.terms(&Inputs { affinity: 1.0, ..Inputs::default() }).score, 0.75));
    }

    #[test]
    fn who_was_passed_by_and_what_was_served_unseen_is_demoted() {
        let mut weights = Weights::v1();
        weights.arms.author_memory = Some(AuthorMemory { decay: 0.8, floor: 0.5, days: 3 });
        weights.arms.unseen = Some(Unseen { times: 2, factor: 0.9 });
        let scorer = Scorer::new(&weights, None, 0);
        let factor =
            |ignored, unseen| scorer.terms(&Inputs { ignored, unseen, ..Inputs::default() }).factor;
        assert!(near(factor(2, 1), 0.64) && near(factor(9, 0), 0.5) && near(factor(1, 2), 0.72));
    }

    #[test]
    fn freshness_by_kind_goes_by_the_source_in_which_a_post_lasts_longest() {
        let mut weights = Weights::v1();
        let kinds = FreshnessByKind { follow: 0.1, trending: 0.2, affinity: 0.05, explore: 0.3 };
        weights.arms.kinds = Some(kinds);
        let both = Sources::FOLLOW.with(Sources::AFFINITY);
        let decay = |sources| {
            let inputs = Inputs { sources, ..Inputs::default() };
            -Scorer::new(&weights, None, HOUR_MS).terms(&inputs).freshness.ln()
        };
        assert!(near(decay(Sources::TRENDING), 0.2) && near(decay(both), 0.05));
        assert!(near(decay(Sources::NONE), 0.1));
    }
}
