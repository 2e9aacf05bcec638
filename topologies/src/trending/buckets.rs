//! The points of one post by the time they were made, in the buckets of each window.
//!
//! Points are added and taken back at the time of the interaction, never at that of its arrival. A bucket that no
//! list reaches any more is dropped, and what is added to it or taken from it later means nothing. So a row has a bound:
//! of each window its buckets, two before and a day ahead of the clock, and what lies further ahead is not
//! counted at all.

use schemas::TrendingWindow;
use serde::Serialize;

/// Lists are made as of so many buckets before the current one: who ranks as of a time just past finds its list.
pub const BEFORE: i64 = 1;
/// Lists are made as of so many buckets ahead, so that a bucket may end and nobody has to hurry.
pub const AHEAD: i64 = 2;
/// What is dated so far ahead counts in no window: rows may be dated a day ahead, and no further.
const AFTER_MS_MAX: i64 = 86_400_000 + 3_600_000;

/// Points by bucket of one window; buckets ascend, and none is empty.
type Row = Vec<(i64, u32)>;

/// The points of one post.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Buckets([Row; 3]);

impl Buckets {
    /// Reads rows as [`Self::rows`] gave them.
    pub fn of(rows: [Row; 3]) -> Self {
        Self(rows)
    }

    /// The buckets and their points, in the order of [`TrendingWindow::ALL`].
    pub fn rows(&self) -> &[Row; 3] {
        &self.0
    }

    /// What they take in memory.
    pub fn heap_bytes(&self) -> usize {
        self.0.iter().map(Vec::capacity).sum::<usize>() * size_of::<(i64, u32)>()
    }

    /// Whether no list has the post.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// Adds points made at `at_ms`, or takes them back; `now` is the wall time.
    pub fn add(&mut self, at_ms: i64, points: i64, now: i64) {
        if at_ms > now.saturating_add(AFTER_MS_MAX) {
            return;
        }
        for (window, row) in TrendingWindow::ALL.into_iter().zip(&mut self.0) {
            let bucket = window.bucket_of(at_ms);
            if bucket < first_kept(window, now) {
                continue;
            }
            let place = row.partition_point(|(other, _)| *other < bucket);
            let before = row.get(place).filter(|(other, _)| *other == bucket).map(|(_, sum)| *sum);
            let sum = i64::from(before.unwrap_or(0)).saturating_add(points);
            match (before, u32::try_from(sum).unwrap_or(if sum < 0 { 0 } else { u32::MAX })) {
                (Some(_), 0) => drop(row.remove(place)),
                (Some(_), sum) => row.splice(place..=place, [(bucket, sum)]).for_each(drop),
                (None, 0) => {}
                (None, sum) => row.insert(place, (bucket, sum)),
            }
        }
    }

    /// Drops the buckets that no list reaches at `now` or later; true if there were any.
    pub fn prune(&mut self, now: i64) -> bool {
        let mut pruned = false;
        for (window, row) in TrendingWindow::ALL.into_iter().zip(&mut self.0) {
            let kept = first_kept(window, now);
            let old = row.partition_point(|(bucket, _)| *bucket < kept);
            pruned |= row.drain(..old).next().is_some();
        }
        pruned
    }

    /// Whether any list reaches a bucket at `now` or later.
    pub fn reach(&self, now: i64) -> bool {
        let rows = TrendingWindow::ALL.into_iter().zip(&self.0);
        rows.into_iter().any(|(window, row)| {
            row.last().is_some_and(|(bucket, _)| *bucket >= first_kept(window, now))
        })
    }

    /// The score in the window that ends with `last`.
    pub fn score(&self, window: TrendingWindow, last: i64) -> u32 {
        let first = last - window.buckets() + 1;
        let row = TrendingWindow::ALL.into_iter().zip(&self.0).find(|(of, _)| *of == window);
        let row = row.map_or(&[][..], |(_, row)| row);
        let counted = row.iter().filter(|(bucket, _)| (first..=last).contains(bucket));
        counted.fold(0, |sum, (_, points)| sum.saturating_add(*points))
    }

    /// When the last of the points leaves the lists of 24 h, those as of the bucket before included.
    pub fn day_ends_at(&self) -> Option<i64> {
        let window = TrendingWindow::Day;
        let [_, hours, _] = &self.0;
        let (last, _) = hours.last()?;
        Some((last + window.buckets() + BEFORE) * window.bucket_ms())
    }
}

/// The first bucket that a list reaches at `now`.
fn first_kept(window: TrendingWindow, now: i64) -> i64 {
    window.bucket_of(now) - BEFORE - window.buckets() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const NOW: i64 = 1_000_000 * HOUR;

    fn made_at(times: &[i64]) -> Buckets {
        let mut buckets = Buckets::default();
        times.iter().for_each(|at| buckets.add(*at, 1, NOW));
        buckets
    }

    fn day_scores(buckets: &Buckets, hours: [i64; 3]) -> [u32; 3] {
        hours.map(|hour| buckets.score(TrendingWindow::Day, NOW / HOUR + hour))
    }

    #[test]
    fn a_window_holds_the_current_bucket_and_those_before() {
        let buckets = made_at(&[NOW, NOW - 23 * HOUR, NOW - 23 * HOUR - 1]);
        assert_eq!(day_scores(&buckets, [0, -1, 1]), [2, 2, 1]);
        let hour = buckets.score(TrendingWindow::Hour, TrendingWindow::Hour.bucket_of(NOW));
        let week = buckets.score(TrendingWindow::Week, TrendingWindow::Week.bucket_of(NOW));
        assert_eq!((hour, week), (1, 3));
    }

    #[test]
    fn what_is_dated_ahead_counts_when_its_bucket_has_come() {
        assert_eq!(day_scores(&made_at(&[NOW + 2 * HOUR]), [0, 1, 2]), [0, 0, 1]);
        assert!(made_at(&[NOW + 26 * HOUR]).is_empty());
    }

    #[test]
    fn what_is_taken_back_leaves_no_bucket_behind() {
        let mut buckets = made_at(&[NOW, NOW - HOUR]);
        buckets.add(NOW, -1, NOW + HOUR);
        assert_eq!(buckets, made_at(&[NOW - HOUR]));
        buckets.add(NOW - HOUR, -3, NOW);
        assert!(buckets.is_empty());
    }

    #[test]
    fn what_no_list_reaches_is_dropped_and_means_nothing_when_it_is_taken_back() {
        let mut buckets = made_at(&[NOW]);
        assert!(!buckets.prune(NOW));
        let later = NOW + 9 * 24 * HOUR;
        assert!(buckets.prune(later) && buckets.is_empty());
        buckets.add(NOW, -1, later);
        buckets.add(NOW, 1, later);
        assert!(buckets.is_empty());
    }

    #[test]
    fn a_post_leaves_the_lists_of_a_day_with_its_last_points() {
        let buckets = made_at(&[NOW - 5 * HOUR, NOW]);
        assert_eq!(buckets.day_ends_at(), Some(NOW + 25 * HOUR));
        let at = NOW / HOUR + 24;
        let around = [at - 1, at].map(|hour| buckets.score(TrendingWindow::Day, hour));
        assert_eq!(around, [1, 0]);
    }

    /// So many ms in a day.
    const DAY: i64 = 24 * HOUR;

    #[test]
    fn rows_may_be_dated_25_hours_ahead_and_no_further() {
        assert_eq!(day_scores(&made_at(&[NOW + 25 * HOUR]), [24, 25, 26]), [0, 1, 1]);
        assert!(made_at(&[NOW + 25 * HOUR + 1]).is_empty());
    }

    #[test]
    fn points_are_reached_as_long_as_a_list_of_a_week_has_their_day() {
        let buckets = made_at(&[NOW]);
        let day = NOW.div_euclid(DAY) * DAY;
        let reached = [NOW, day + 8 * DAY - 1, day + 8 * DAY].map(|now| buckets.reach(now));
        assert_eq!((reached, made_at(&[]).reach(NOW)), ([true, true, false], false));
        let kept = [day + 8 * DAY - 1, day + 8 * DAY].map(|now| {
            let mut buckets = buckets.clone();
            buckets.add(NOW, 1, now);
            let pruned = buckets.prune(now);
            (pruned, buckets.score(TrendingWindow::Week, NOW / DAY))
        });
        assert_eq!(kept, [(true, 2), (true, 0)]);
    }

    #[test]
    fn the_last_hour_that_a_list_reaches_is_not_pruned() {
        let scored = [24, 25].map(|hours| {
            let mut buckets = made_at(&[NOW]);
            buckets.prune(NOW + hours * HOUR);
            day_scores(&buckets, [0, 23, 24])
        });
        assert_eq!(scored, [[1, 1, 0], [0, 0, 0]]);
    }

    #[test]
    fn points_stand_in_order_and_those_of_one_bucket_add_up() {
        let buckets = made_at(&[NOW, NOW - HOUR, NOW + HOUR, NOW - HOUR, NOW]);
        let hour = NOW / HOUR;
        assert_eq!(buckets.rows()[1], [(hour - 1, 2), (hour, 2), (hour + 1, 1)]);
        let mut full = made_at(&[NOW]);
        full.add(NOW, i64::MAX, NOW);
        assert_eq!(full.rows()[1], [(hour, u32::MAX)]);
    }
}
