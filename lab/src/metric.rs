//! What is measured of a ranking, and how certain it is.
//!
//! Gains are true utilities, not clicks. The ideal is the best that could be shown of all live posts that the reader may
//! see: no older than 7 days, not their own, not deleted, of nobody who is gone, and not seen within 24 h.
//!
//! | figure | formula |
//! | --- | --- |
//! | DCG@k | sum over i = 1..k of u_i / log2(i + 1) (Järvelin and Kekäläinen, TOIS 2002, with the gain itself) |
//! | NDCG@k | DCG@k of the list / DCG@k of the ideal; the mean over looks |
//! | regret | (DCG@10 of the ideal - DCG@10 of the list) / sum of 1 / log2(i + 1): utility lost a place |
//! | coverage | live posts that stand in somebody's top 50 / live posts |
//! | Gini | of authors' places in top tens: 0 all alike, 1 one has all |
//! | freshness | the median age in the top ten, in hours |
//! | repeats | places of the top ten with a post that the reader viewed before |
//! | spam | places of the top ten that a ring has |
//! | cold reader | NDCG@10 of those who joined within 48 h, following nobody at first |
//! | cold author | places of the top ten that posts of new authors have / those they have in the ideal; 1 is fair |
//! | enjoyed | utility a look: the sum of bias(i) u_i over what the reader came to see |

use serde::Serialize;

/// A figure of one contender in one world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// NDCG@10.
    Ndcg10,
    /// NDCG@50.
    Ndcg50,
    /// Utility lost a place.
    Regret,
    /// The share of live posts that anybody has in the top 50.
    Coverage,
    /// Of authors' places.
    Gini,
    /// The median age, in hours.
    Freshness,
    /// The share of places that a viewed post has.
    Repeats,
    /// The share of places that spam has.
    Spam,
    /// NDCG@10 of new readers.
    ColdReader,
    /// The share of new authors against the ideal's.
    ColdAuthor,
    /// Utility a look.
    Enjoyed,
}

impl Metric {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 11] = [
        Self::Ndcg10,
        Self::Ndcg50,
        Self::Regret,
        Self::Coverage,
        Self::Gini,
        Self::Freshness,
        Self::Repeats,
        Self::Spam,
        Self::ColdReader,
        Self::ColdAuthor,
        Self::Enjoyed,
    ];

    /// Its name at the head of a column.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ndcg10 => "NDCG@10",
            Self::Ndcg50 => "NDCG@50",
            Self::Regret => "regret",
            Self::Coverage => "coverage",
            Self::Gini => "Gini",
            Self::Freshness => "age (h)",
            Self::Repeats => "repeats",
            Self::Spam => "spam",
            Self::ColdReader => "cold reader",
            Self::ColdAuthor => "cold author",
            Self::Enjoyed => "enjoyed",
        }
    }

    /// So many digits are told.
    pub fn digits(self) -> usize {
        match self {
            Self::Freshness => 1,
            Self::Enjoyed | Self::ColdAuthor => 2,
            _ => 3,
        }
    }
}

/// The discounted sum of the first gains, so many at most.
pub fn dcg(gains: impl IntoIterator<Item = f64>, most: usize) -> f64 {
    let discounted = (2_u32..).zip(gains).take(most);
    discounted.map(|(rank, gain)| gain / libm::log2(f64::from(rank))).sum()
}

/// How much of the ideal a list reaches; 1 if there is nothing to gain.
pub fn ndcg(gains: &[f64], ideal: &[f64], most: usize) -> f64 {
    let best = dcg(ideal.iter().copied(), most);
    if best > 0.0 { dcg(gains.iter().copied(), most) / best } else { 1.0 }
}

/// What is lost a place, weighed as DCG weighs places.
pub fn regret(gains: &[f64], ideal: &[f64], most: usize) -> f64 {
    let lost = dcg(ideal.iter().copied(), most) - dcg(gains.iter().copied(), most);
    lost / dcg(std::iter::repeat_n(1.0, most), most)
}

/// The Gini coefficient of some amounts, none of which is below 0; 0 if there is nothing.
pub fn gini(amounts: &[f64]) -> f64 {
    let mut sorted = amounts.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (sum, count) = (sorted.iter().sum::<f64>(), sorted.len() as f64);
    if sum <= 0.0 {
        return 0.0;
    }
    let ranked: f64 = (1_u32..).zip(&sorted).map(|(rank, of)| f64::from(rank) * of).sum();
    2.0 * ranked / (count * sum) - (count + 1.0) / count
}

/// The middle one; of an even number the mean of the two.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    match values.len() % 2 {
        0 => Some((upper + *values.get(values.len() / 2 - 1)?) / 2.0),
        _ => Some(upper),
    }
}

/// The mean of some worlds' figures, and half the width of its 95 % interval by Student's t.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Half the width; none of a single world.
    pub half: Option<f64>,
}

/// Student's t for 97.5 %, by degrees of freedom from 1.
const T: [f64; 15] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131,
];

impl Interval {
    /// Of these figures, one a seed; none of none.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let freedom = values.len() - 1;
        let half = (freedom > 0).then(|| {
            let t = T.get(freedom - 1).copied().unwrap_or(2.0);
            t * libm::sqrt(squares / freedom as f64 / count)
        });
        Some(Self { mean, half })
    }

    /// The same in another unit.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { mean: self.mean * factor, half: self.half.map(|half| half * factor) }
    }

    /// The lower and the upper end.
    pub fn ends(&self) -> (f64, f64) {
        let half = self.half.unwrap_or(0.0);
        (self.mean - half, self.mean + half)
    }

    /// Whether all of it lies above all of another.
    pub fn is_above(&self, other: &Self) -> bool {
        self.ends().0 > other.ends().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9
    }

    #[test]
    fn a_list_in_the_wrong_order_is_worth_less_by_the_discount_of_its_places() {
        // log2 of 2, 3 and 4: 1, 1.585 and 2.
        let ideal = [3.0, 2.0, 1.0];
        let best = 3.0 + 2.0 / 3_f64.log2() + 0.5;
        let found = 1.0 + 2.0 / 3_f64.log2() + 1.5;
        assert!(near(ndcg(&[1.0, 2.0, 3.0], &ideal, 10), found / best));
        assert!(near(ndcg(&ideal, &ideal, 10), 1.0));
        assert!(near(ndcg(&[3.0], &ideal, 1), 1.0));
        assert!(near(ndcg(&[], &[], 10), 1.0));
    }

    #[test]
    fn regret_is_what_is_lost_a_place_and_nothing_for_the_ideal() {
        let weights = 1.0 + 1.0 / 3_f64.log2();
        assert!(near(regret(&[0.2, 0.4], &[0.6, 0.4], 2), 0.4 / weights));
        assert!(near(regret(&[0.6, 0.4], &[0.6, 0.4], 2), 0.0));
    }

    #[test]
    fn gini_is_0_for_equals_and_near_1_if_one_has_all() {
        assert!(near(gini(&[2.0, 2.0, 2.0, 2.0]), 0.0));
        assert!(near(gini(&[0.0, 0.0, 0.0, 8.0]), 0.75));
        assert!(near(gini(&[1.0, 3.0]), 0.25));
        assert!(near(gini(&[]), 0.0));
    }

    #[test]
    fn the_median_is_the_middle_and_of_two_their_mean() {
        assert_eq!(median(vec![5.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn the_interval_of_five_worlds_is_that_of_student_with_four_degrees() {
        // Mean 3, deviation sqrt(2.5): 2.776 * sqrt(2.5 / 5).
        let found = Interval::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!(near(found.mean, 3.0) && near(found.half.unwrap(), 2.776 * 0.5_f64.sqrt()));
        assert_eq!(Interval::of(&[1.0]), Some(Interval { mean: 1.0, half: None }));
        assert_eq!(Interval::of(&[]), None);
    }

    #[test]
    fn one_interval_is_above_another_if_they_do_not_touch() {
        let of = |mean, half| Interval { mean, half: Some(half) };
        assert!(of(3.0, 0.4).is_above(&of(2.0, 0.5)));
        assert!(!of(3.0, 0.6).is_above(&of(2.0, 0.5)));
    }
}
