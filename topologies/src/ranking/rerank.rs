//! Reading a kept body: its items scored, ordered and spaced again as of the moment of the read.
//!
//! The body carries the integers, so ageing costs no writes: only this computation, at the reader's side.

use schemas::{FeedBody, FeedItem, Rule, UserId};

use super::order::best_first;
use super::score::{Scorer, Terms};
use super::spacing::{Rules, Spacer};
use super::weights::Weights;

/// An item of a feed as it is served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Served {
    /// The item as the body has it; its own rule is that of `as_of`.
    pub item: FeedItem,
    /// Its terms and score as of the read.
    pub terms: Terms,
    /// Its rank before spacing, from 1.
    pub rank: u32,
    /// The rule that brought it to its place.
    pub rule: Rule,
}

/// The items of `body`, scored, ordered and spaced as of `now`. A body made by another weight set is
/// read by the one given.
pub fn rerank(body: &FeedBody, weights: &Weights, now: i64) -> Vec<Served> {
    let scorer = Scorer::new(weights, body.facts, now);
    let mut scored: Vec<_> = body.items.iter().map(|item| (item, scorer.item(item))).collect();
    let merit = |(item, terms): &(&FeedItem, Terms)| (terms.score, item.created_at_ms, item.post);
    scored.sort_unstable_by(|a, b| best_first(merit(a), merit(b)));
    let mut served = Vec::with_capacity(scored.len());
    let mut ranked = (1_u32..)
        .zip(&scored)
        .map(|(rank, (item, terms))| ((rank, *item, *terms), item.author, item.sources));
    Spacer::<(u32, &FeedItem, Terms), UserId>::default().space(
        (Rules::of(weights), weights.limits.kept_max),
        || ranked.next(),
        |(rank, item, terms), rule| served.push(Served { item: *item, terms, rank, rule }),
    );
    served
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::weights::HOUR_MS;
    use schemas::PostId;

    fn item(id: u8, created_at_ms: i64, likes: u32) -> FeedItem {
        let (post, author) = (PostId([id; 16]), UserId([id; 16]));
        FeedItem { post, author, created_at_ms, likes, exposures: 10, ..FeedItem::default() }
    }

    #[test]
    fn what_was_fresh_falls_behind_what_is_liked_as_time_passes() {
        let items = vec![item(1, 20 * HOUR_MS, 0), item(2, 0, 5)];
        let body = FeedBody { items, ..FeedBody::default() };
        let order = |now| {
            let served = rerank(&body, &Weights::v1(), now);
            served.iter().map(|served| served.item.post.0[0]).collect::<Vec<_>>()
        };
        assert_eq!(order(20 * HOUR_MS), [1, 2]);
        assert_eq!(order(48 * HOUR_MS), [2, 1]);
    }
}
