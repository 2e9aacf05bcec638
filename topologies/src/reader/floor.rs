//! What a post must reach to be in a feed that is full: so a change of a post that does not reach it need not rank the reader.
//!
//! It is made of a ranking whose body is full, in which no rule of spacing was relaxed and no cap bound. Then every place went
//! to the best that was left, so that a post which was not looked at, and whose score is below that of all that have a place,
//! changes nothing by coming, going, or being counted. Scores only fall with time: a post's is taken as of the ranking,
//! the least of the body's as of when it ceases to hold. A post that was looked at always concerns the body, also one that was
//! passed over for its author; which those are is remembered by a filter that may take another for one, and never the
//! reverse (Bloom, 1970: 1,024 bits and 5 places a post, so that of 100 posts it takes 1 other in 100).
//! A weight set with an arm has no floor, for its scores rise and fall with what others do, and neither has a reader who weighs terms otherwise.

use schemas::{FeedBody, PostId, Rule};
use serde::{Serialize, Serializer};

use crate::ranking::weights::Arms;
use crate::ranking::{Scorer, Weights};

const WORDS: usize = 16;
const PLACES: u64 = 5;
/// Where more was looked at the filter would take every tenth for one of them.
const LOOKED_AT_MAX: usize = 200;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Floor {
    /// The bits of the least score.
    #[serde(serialize_with = "as_number")]
    score: u64,
    /// The time of the ranking, ms UTC.
    as_of: i64,
    /// Bits that say nothing to anybody who reads them.
    #[serde(skip)]
    looked_at: [u64; WORDS],
}

fn as_number<S: Serializer>(bits: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(f64::from_bits(*bits))
}

impl Floor {
    /// The floor of a body, of what was looked at for it; none if anything may enter it.
    pub fn of(body: &FeedBody, looked_at: &[PostId], weights: &Weights) -> Option<Self> {
        let is_relaxed = |rule| matches!(rule, Rule::DistanceDropped | Rule::Top5Dropped);
        let is_open = weights.arms != Arms::default()
            || body.facts.is_some()
            || body.items.len() < weights.limits.kept_max
            || body.items.iter().any(|item| is_relaxed(item.rule));
        if is_open || looked_at.len() > LOOKED_AT_MAX {
            return None;
        }
        let mut filter = [0; WORDS];
        for (word, bit) in looked_at.iter().flat_map(places) {
            if let Some(word) = filter.get_mut(word) {
                *word |= bit;
            }
        }
        let mut least = f64::INFINITY;
        let scorer = Scorer::new(weights, None, body.valid_until_ms);
        for item in &body.items {
            least = least.min(scorer.item(item).score);
        }
        Some(Self { score: least.to_bits(), as_of: body.as_of_ms, looked_at: filter })
    }

    /// As of which time a post's score is to be taken, ms UTC.
    pub fn as_of_ms(&self) -> i64 {
        self.as_of
    }

    /// Whether a post that has this score, or none any more, may concern the body.
    pub fn is_reached(&self, post: &PostId, score: Option<f64>) -> bool {
        let least = f64::from_bits(self.score);
        score.is_some_and(|score| score >= least) || self.may_have_looked_at(post)
    }

    fn may_have_looked_at(&self, post: &PostId) -> bool {
        let has = |(word, bit)| self.looked_at.get(word).is_some_and(|word: &u64| word & bit != 0);
        places(post).all(has)
    }

    /// As words: the score, the time, the filter.
    pub fn words(&self) -> [u64; WORDS + 2] {
        let mut words = [self.score; WORDS + 2];
        let rest = [self.as_of.cast_unsigned()].into_iter().chain(self.looked_at);
        words.iter_mut().skip(1).zip(rest).for_each(|(word, of)| *word = of);
        words
    }

    /// Of such words.
    pub fn of_words([score, as_of, looked_at @ ..]: [u64; WORDS + 2]) -> Self {
        Self { score, as_of: as_of.cast_signed(), looked_at }
    }
}

/// The places of a post in the filter, each by its word and its bit.
fn places(post: &PostId) -> impl Iterator<Item = (usize, u64)> {
    let [a, b, c, d, e, f, g, h, low @ ..] = post.0;
    // Ids may count up at either end.
    let mixed = (u64::from_be_bytes([a, b, c, d, e, f, g, h])
        ^ u64::from_be_bytes(low).rotate_left(32))
    .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let (first, step) = (mixed >> 32, (mixed & 0xffff_ffff) | 1);
    (0..PLACES).map(move |number| {
        let place = first.wrapping_add(number.wrapping_mul(step)) % (WORDS as u64 * 64);
        ((place / 64) as usize, 1 << (place % 64))
    })
}

#[cfg(test)]
mod tests {
    use schemas::FeedItem;

    use super::*;

    fn post(number: u32) -> PostId {
        let mut id = [7; 16];
        id[12..].copy_from_slice(&number.to_be_bytes());
        PostId(id)
    }

    /// A full body whose items were made at 0, the worst with no like.
    fn body(rule: Rule) -> FeedBody {
        let item = |likes| FeedItem {
            post: post(likes),
            likes,
            exposures: 10,
            rule,
            ..FeedItem::default()
        };
        FeedBody {
            items: (0..100).map(item).collect(),
            valid_until_ms: 600_000,
            ..FeedBody::default()
        }
    }

    fn floor(body: &FeedBody, passed_over: u32) -> Option<Floor> {
        let looked_at = body.items.iter().map(|item| item.post);
        let passed_over = (0..passed_over).map(|number| post(500 + number));
        let looked_at: Vec<_> = looked_at.chain(passed_over).collect();
        Floor::of(body, &looked_at, &Weights::v1())
    }

    #[test]
    fn only_a_full_body_without_a_relaxed_rule_has_a_floor_and_not_if_too_much_was_looked_at() {
        let has = |body: &FeedBody, passed_over| floor(body, passed_over).is_some();
        let mut short = body(Rule::None);
        short.items.pop();
        assert_eq!((has(&body(Rule::Spaced), 100), has(&short, 0)), (true, false));
        assert!(!has(&body(Rule::None), 101));
        assert!(!has(&body(Rule::DistanceDropped), 0) && !has(&body(Rule::Top5Dropped), 0));
    }

    #[test]
    fn what_was_looked_at_always_concerns_a_body_and_another_post_by_its_score() {
        let floor = floor(&body(Rule::None), 0).unwrap();
        assert!((0..100).all(|number| floor.is_reached(&post(number), None)));
        let least = 0.30 * libm::exp(-0.1 * 600_000.0 / 3_600_000.0);
        let below = |n: &u32| floor.is_reached(&post(*n), Some(least - 1e-9));
        let strangers = (1_000..11_000).filter(below).count();
        assert!(strangers < 250, "{strangers} of 10,000");
        assert!((1_000..2_000).all(|number| floor.is_reached(&post(number), Some(least + 1e-9))));
        assert_eq!(Floor::of_words(floor.words()), floor);
    }
}
