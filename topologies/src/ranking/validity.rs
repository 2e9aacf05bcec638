//! Until when a feed holds: the first time at which the clock alone would change it.
//!
//! That is the first of the reader's next grid time, a kept item losing its last source by age, a seen
//! or hidden post coming back, the quota of F3 freed by age, and the UTC midnight at which an affinity day, or the day of a
//! wish for less, leaves its window (or one from the future enters it).

use millstream::broker::murmur2;
use schemas::{FeedBody, FeedItem, Sources, UserId};

use super::candidates::{Candidates, Window};
use super::reader::ReaderState;
use super::weights::{DAY_MS, Weights};

/// When the feed in `body` ceases to hold; always after its `as_of`.
pub fn of(
    body: &FeedBody,
    candidates: &Candidates,
    (reader, window, weights): (&ReaderState, Window, &Weights),
) -> i64 {
    let ages = body.items.iter().filter_map(|item| leaves_at(item, weights)).min();
    let midnight = (i64::from(window.last) + 1) * DAY_MS;
    let turns = |of: Window, day: i32| day == of.first || day == of.last + 1;
    let less = Window::of(body.as_of_ms, weights.limits.less_days);
    let turns = reader.affinity.iter().any(|day| turns(window, day.day))
        || reader.less.iter().any(|(_, day)| turns(less, *day));
    let first = [ages, candidates.returns_at, candidates.quota_frees_at, turns.then_some(midnight)];
    let grid = next_grid_time(&reader.id, body.as_of_ms, weights);
    first.into_iter().flatten().fold(grid, i64::min).max(body.as_of_ms.saturating_add(1))
}

/// The first time after `at` in the reader's refresh grid: all readers together are spread over it.
pub fn next_grid_time(reader: &UserId, at: i64, weights: &Weights) -> i64 {
    let grid = weights.limits.grid_ms;
    let phase = i64::from(murmur2(&reader.0) & 0x7fff_ffff) * 1_000;
    at + grid - (at - phase).rem_euclid(grid)
}

/// When an item's last source drops it by age; trending has no age.
fn leaves_at(item: &FeedItem, weights: &Weights) -> Option<i64> {
    let limits = &weights.limits;
    let ages = [
        (Sources::FOLLOW, limits.follow_age_ms_max),
        (Sources::AFFINITY, limits.affinity_age_ms_max),
        (Sources::TRENDING, i64::MAX),
        (Sources::EXPLORE, weights.arms.explore.map_or(0, |explore| explore.age_ms_max)),
    ];
    let of_item = ages.into_iter().filter(|(source, _)| item.sources.has(*source));
    let age_ms_max = of_item.map(|(_, age_ms_max)| age_ms_max).max()?;
    item.created_at_ms.checked_add(age_ms_max)?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(sources: Sources) -> FeedItem {
        FeedItem { created_at_ms: 1_000, sources, ..FeedItem::default() }
    }

    #[test]
    fn grid_times_are_ten_minutes_apart_and_always_ahead() {
        let (reader, weights) = (UserId([3; 16]), Weights::v1());
        let first = next_grid_time(&reader, 0, &weights);
        assert!((1..=600_000).contains(&first));
        assert_eq!(next_grid_time(&reader, first, &weights), first + 600_000);
        assert_eq!(next_grid_time(&reader, first - 1, &weights), first);
        assert_eq!(first % 1_000, 0);
    }

    #[test]
    fn an_item_leaves_when_it_is_too_old_for_its_most_patient_source() {
        let weights = Weights::v1();
        assert_eq!(leaves_at(&item(Sources::FOLLOW), &weights), Some(1_001 + 3 * DAY_MS));
        assert_eq!(
            leaves_at(&item(Sources::FOLLOW.with(Sources::AFFINITY)), &weights),
            Some(1_001 + 7 * DAY_MS)
        );
        assert_eq!(leaves_at(&item(Sources::FOLLOW.with(Sources::TRENDING)), &weights), None);
    }

    #[test]
    fn every_reader_has_a_time_of_the_grid_of_their_own() {
        let weights = Weights::v1();
        let first = |id| next_grid_time(&UserId([id; 16]), 0, &weights);
        let times: std::collections::BTreeSet<_> = (0..=u8::MAX).map(first).collect();
        // 256 readers at 600 seconds: some two in five share theirs with another.
        assert!(times.len() > 150, "{}", times.len());
        let phase = i64::from(murmur2(&[3; 16]) & 0x7fff_ffff) * 1_000;
        assert_eq!((first(3) - phase).rem_euclid(600_000), 0);
    }
}
