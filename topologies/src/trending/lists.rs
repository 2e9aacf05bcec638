//! Lists of trending posts: the best of what one task has, and the best of what all tasks sent.
//!
//! The best of all tasks are among the bests of each, because a post is of one task alone. Order: score descending,
//! created_at descending, id ascending. A list is as of a bucket, and each value has those of several buckets, so
//! that the end of a bucket changes nothing in it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use millstream::Result;
use schemas::{
    PostId, TRENDING_MAX, Trending, TrendingEntry, TrendingList, TrendingPost, TrendingWindow,
};

use super::buckets::{AHEAD, BEFORE};
use super::hot::Hot;
use crate::live::GoneUsers;

/// A post's place among others: the first is the best.
type Standing = (Reverse<u32>, Reverse<i64>, PostId);

/// The buckets as of which lists are made at `now`.
fn buckets(window: TrendingWindow, now: i64) -> RangeInclusive<i64> {
    let current = window.bucket_of(now);
    current - BEFORE..=current + AHEAD
}

/// When the next bucket begins that lists must be made for.
pub fn next_bucket_at(now: i64) -> i64 {
    let shortest = TrendingWindow::Hour;
    (shortest.bucket_of(now) + 1) * shortest.bucket_ms()
}

/// One task's lists at `now`, of its posts with points; `counts` tells L, C and S of those that make it.
pub fn of_task(
    posts: &BTreeMap<PostId, Hot>,
    gone: &GoneUsers,
    now: i64,
    mut counts: impl FnMut(&PostId) -> Result<[u32; 3]>,
) -> Result<Trending> {
    let mut assembly = Assembly::at(now);
    let live = posts.iter().filter_map(|(post, hot)| {
        let (author, created_at_ms) = hot.live.filter(|(author, _)| !gone.contains(author))?;
        Some((TrendingPost { post: *post, author, created_at_ms, ..<_>::default() }, &hot.buckets))
    });
    let live: Vec<_> = live.collect();
    for window in TrendingWindow::ALL {
        for bucket in buckets(window, now) {
            let scored = live.iter().map(|(post, points)| (*post, points.score(window, bucket)));
            assembly.add(window, bucket, scored);
        }
    }
    let mut trending = assembly.trending;
    for post in &mut trending.posts {
        [post.likes, post.comments, post.shares] = counts(&post.post)?;
    }
    Ok(trending)
}

/// The lists of all tasks at `now`.
pub fn merged<'p>(parts: impl Iterator<Item = &'p Trending> + Clone, now: i64) -> Trending {
    let mut assembly = Assembly::at(now);
    for window in TrendingWindow::ALL {
        for bucket in buckets(window, now) {
            let scored = parts.clone().flat_map(|part| {
                let lists = part.lists.iter();
                let lists = lists.filter(|list| list.window == window && list.bucket == bucket);
                lists.flat_map(|list| part.posts_of(list)).map(|(post, score)| (*post, score))
            });
            assembly.add(window, bucket, scored);
        }
    }
    assembly.trending
}

/// A value in the making.
struct Assembly {
    trending: Trending,
    places: BTreeMap<PostId, u16>,
}

impl Assembly {
    fn at(now: i64) -> Self {
        let trending = Trending { as_of_ms: now, ..Trending::default() };
        Self { trending, places: BTreeMap::new() }
    }

    /// Adds a list of the best of `scored`; there is no empty list.
    fn add(
        &mut self,
        window: TrendingWindow,
        bucket: i64,
        scored: impl Iterator<Item = (TrendingPost, u32)>,
    ) {
        let scored = scored.filter(|(_, score)| *score > 0);
        let mut best: Vec<_> = scored.map(|(post, score)| (standing(&post, score), post)).collect();
        if best.len() > TRENDING_MAX {
            best.select_nth_unstable_by_key(TRENDING_MAX, |(standing, _)| *standing);
            best.truncate(TRENDING_MAX);
        }
        best.sort_unstable_by_key(|(standing, _)| *standing);
        let entries: Vec<_> = best
            .into_iter()
            .filter_map(|((Reverse(score), ..), post)| {
                Some(TrendingEntry { place: self.place(post)?, score })
            })
            .collect();
        if !entries.is_empty() {
            self.trending.lists.push(TrendingList { window, bucket, entries });
        }
    }

    /// Where the post stands in the table; it is added if it is new there.
    fn place(&mut self, post: TrendingPost) -> Option<u16> {
        if let Some(place) = self.places.get(&post.post) {
            return Some(*place);
        }
        // Twelve lists of 200 posts: the number fits.
        let place = u16::try_from(self.trending.posts.len()).ok()?;
        self.trending.posts.push(post);
        self.places.insert(post.post, place);
        Some(place)
    }
}

fn standing(post: &TrendingPost, score: u32) -> Standing {
    (Reverse(score), Reverse(post.created_at_ms), post.post)
}

#[cfg(test)]
mod tests {
    use schemas::UserId;

    use super::*;
    use crate::trending::buckets::Buckets;

    const HOUR: i64 = 3_600_000;
    const NOW: i64 = 500_000 * HOUR + 1;

    /// A post by the author of the same number, with its points of the current hour.
    fn hot(id: u8, created_at: i64, points: i64) -> (PostId, Hot) {
        let mut buckets = Buckets::default();
        buckets.add(NOW, points, NOW);
        (PostId([id; 16]), Hot { live: Some((UserId([id; 16]), created_at)), buckets })
    }

    fn of(posts: &[(PostId, Hot)], gone: &[u8]) -> Trending {
        let gone = GoneUsers::from_iter(gone.iter().map(|id| UserId([*id; 16])));
        let posts = posts.iter().cloned().collect();
        of_task(&posts, &gone, NOW, |_| Ok([9, 0, 0])).unwrap()
    }

    fn ids(trending: &Trending, at: i64) -> Vec<(u8, u32)> {
        let list = trending.list(TrendingWindow::Day, at);
        let posts = list.into_iter().flat_map(|list| trending.posts_of(list));
        posts.map(|(post, score)| (post.post.0[0], score)).collect()
    }

    #[test]
    fn the_best_stand_first_and_ties_by_creation_and_then_by_id() {
        let posts = [hot(4, 10, 1), hot(3, 20, 1), hot(2, 10, 1), hot(1, 5, 7), hot(5, 5, 0)];
        assert_eq!(ids(&of(&posts, &[]), NOW), [(1, 7), (3, 1), (2, 1), (4, 1)]);
    }

    #[test]
    fn a_value_says_of_each_post_whose_it_is_since_when_and_what_counts_on_it() {
        let trending = of(&[hot(4, 10, 1)], &[]);
        let counts = TrendingPost { likes: 9, comments: 0, shares: 0, ..<_>::default() };
        let (post, author) = (PostId([4; 16]), UserId([4; 16]));
        assert_eq!(trending.posts, [TrendingPost { post, author, created_at_ms: 10, ..counts }]);
        assert_eq!(
            (trending.as_of_ms, merged([&trending].into_iter(), NOW + 1).as_of_ms),
            (NOW, NOW + 1)
        );
    }

    #[test]
    fn deleted_posts_and_those_of_users_who_are_gone_leave_their_places_to_others() {
        let (id, deleted) = hot(3, 0, 9);
        let posts = [hot(1, 0, 5), hot(2, 0, 1), (id, Hot { live: None, ..deleted })];
        assert_eq!(ids(&of(&posts, &[1]), NOW), [(2, 1)]);
    }

    #[test]
    fn the_bests_of_tasks_are_the_best_of_all() {
        let posts: Vec<_> = (0..=u8::MAX).map(|id| hot(id, 0, i64::from(id % 60) + 1)).collect();
        let (left, right) = posts.split_at(17);
        let parts = [of(right, &[]), of(left, &[])];
        let (merged, whole) = (merged(parts.iter(), NOW), of(&posts, &[]));
        assert_eq!(ids(&merged, NOW), ids(&whole, NOW));
        assert_eq!(ids(&merged, NOW).len(), TRENDING_MAX);
    }

    #[test]
    fn a_value_has_the_lists_of_the_hour_before_and_of_two_ahead() {
        let trending = of(&[hot(1, 0, 1)], &[]);
        let held = [-1, 0, 1, 2, 3].map(|hours| ids(&trending, NOW + hours * HOUR).len());
        assert_eq!(held, [0, 1, 1, 1, 0]);
    }

    #[test]
    fn a_list_of_as_many_posts_as_it_may_have_has_all_of_them() {
        let last = u8::try_from(TRENDING_MAX - 1).unwrap();
        let posts: Vec<_> = (0..=last).map(|id| hot(id, 0, 1)).collect();
        let expected: Vec<_> = (0..=last).map(|id| (id, 1)).collect();
        assert_eq!(ids(&of(&posts, &[]), NOW), expected);
    }

    #[test]
    fn the_list_of_the_hour_before_has_what_was_made_until_then() {
        let mut buckets = Buckets::default();
        buckets.add(NOW - HOUR, 3, NOW);
        buckets.add(NOW, 1, NOW);
        let post = (PostId([1; 16]), Hot { live: Some((UserId([1; 16]), 0)), buckets });
        let trending = of(&[post], &[]);
        let scores = [-1, 0, 1].map(|hours| ids(&trending, NOW + hours * HOUR));
        assert_eq!(scores, [vec![(1, 3)], vec![(1, 4)], vec![(1, 4)]]);
    }

    #[test]
    fn the_next_bucket_is_that_of_five_minutes() {
        let next = [0, 1, 299_999, 300_000].map(next_bucket_at);
        assert_eq!(next, [300_000, 300_000, 300_000, 600_000]);
    }
}
