//! When one user did one kind of thing to one post: exact times while they are few, buckets once they are many.
//!
//! Up to [`EXACT_MAX`] different times are kept as they are. With one more, each is kept as the start of
//! its bucket: 5 minutes for this UTC hour and the 2 before, hours for this UTC day and the 2 before, days
//! for what an affinity window still reaches, and one bucket for all before. These are the widths in which
//! times of that age are counted elsewhere (trending's three windows, affinity's days), so what is taken
//! back leaves the bucket that it was counted in. Widths only grow with age, and a whole hour or day
//! changes its width at once, so every time is found in its bucket later. All that lies more than 2 days
//! ahead is one bucket, too; ingest refuses such times. So there are never more than [`entries_max`].

use serde::Serialize;

const MINUTES_5_MS: i64 = 300_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// So many different times are kept exactly.
pub const EXACT_MAX: usize = 64;
/// Days ahead that have buckets of their own.
const DAYS_AHEAD: i64 = 2;
/// The bucket of what no window reaches any more.
const OLD: i64 = i64::MIN;
/// The bucket of what lies too far ahead.
const AHEAD: i64 = i64::MAX;

/// Entries that are never exceeded where affinity reaches back `days` days.
pub const fn entries_max(days: i32) -> usize {
    let (hours_fine, hours) = (3 + 24 * 3, 24 * 3);
    hours_fine * 12 + hours + days.unsigned_abs() as usize + 3
}

/// As of when times are bucketed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// The wall time, ms UTC.
    pub now_ms: i64,
    /// So many UTC days affinity reaches back, the current one included.
    pub days: i32,
}

impl AsOf {
    /// The start of the bucket of `at_ms`.
    fn bucket(self, at_ms: i64) -> i64 {
        let of = |width: i64, at: i64| at.div_euclid(width);
        let days_ago = of(DAY_MS, self.now_ms).saturating_sub(of(DAY_MS, at_ms));
        let hours_ago = of(HOUR_MS, self.now_ms).saturating_sub(of(HOUR_MS, at_ms));
        // A day more than the window has: the clocks of tasks differ.
        if days_ago > i64::from(self.days) {
            return OLD;
        }
        if days_ago < -DAYS_AHEAD {
            return AHEAD;
        }
        let width = match (days_ago > 2, hours_ago > 2) {
            (true, _) => DAY_MS,
            (false, true) => HOUR_MS,
            (false, false) => MINUTES_5_MS,
        };
        of(width, at_ms).saturating_mul(width)
    }
}

/// The times, ascending, each with how often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// Whether they are starts of buckets.
    bucketed: bool,
    entries: Vec<(i64, u32)>,
}

impl Times {
    /// Reads entries that ascend.
    pub fn of(bucketed: bool, entries: Vec<(i64, u32)>) -> Self {
        Self { bucketed, entries }
    }

    /// Whether the times are starts of buckets.
    pub fn is_bucketed(&self) -> bool {
        self.bucketed
    }

    /// The times, ascending, each with how often.
    pub fn all(&self) -> &[(i64, u32)] {
        &self.entries
    }

    /// What they take in memory.
    pub fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(i64, u32)>()
    }

    /// The earliest.
    pub fn first(&self) -> Option<i64> {
        self.entries.first().map(|(at, _)| *at)
    }

    /// Adds one.
    pub fn add(&mut self, at_ms: i64, as_of: AsOf) {
        self.put(self.place(at_ms, as_of), 1);
        self.bucketed |= self.entries.len() > EXACT_MAX;
        self.refresh(as_of);
    }

    /// Keeps the earlier of what is kept and `at_ms`.
    pub fn keep_first(&mut self, at_ms: i64) {
        let first = self.first().map_or(at_ms, |first| first.min(at_ms));
        *self = Self::of(false, vec![(first, 1)]);
    }

    /// Takes one away; false if there is none.
    pub fn take(&mut self, at_ms: i64, as_of: AsOf) -> bool {
        self.refresh(as_of);
        let find = |place: i64| self.entries.binary_search_by_key(&place, |(at, _)| *at).ok();
        // What was too far ahead when it came stays there.
        let ahead = || self.bucketed.then(|| find(AHEAD)).flatten();
        let Some(index) = find(self.place(at_ms, as_of)).or_else(ahead) else { return false };
        match self.entries.get_mut(index) {
            Some((_, count)) if *count > 1 => *count -= 1,
            _ => drop(self.entries.remove(index)),
        }
        self.bucketed &= !self.entries.is_empty();
        true
    }

    fn place(&self, at_ms: i64, as_of: AsOf) -> i64 {
        if self.bucketed { as_of.bucket(at_ms) } else { at_ms }
    }

    /// Moves what has aged to its wider bucket; buckets ascend as their times do.
    fn refresh(&mut self, as_of: AsOf) {
        if !self.bucketed {
            return;
        }
        let mut kept = 0_usize;
        for index in 0..self.entries.len() {
            let Some(&(at, count)) = self.entries.get(index) else { return };
            let at = if matches!(at, OLD | AHEAD) { at } else { as_of.bucket(at) };
            let last = kept.checked_sub(1).and_then(|last| self.entries.get_mut(last));
            match last.filter(|last| last.0 == at) {
                Some(last) => last.1 = last.1.saturating_add(count),
                None => {
                    self.entries.get_mut(kept).into_iter().for_each(|entry| *entry = (at, count));
                    kept += 1;
                }
            }
        }
        self.entries.truncate(kept);
    }

    fn put(&mut self, at: i64, count: u32) {
        match self.entries.binary_search_by_key(&at, |(at, _)| *at) {
            Ok(index) => {
                if let Some((_, had)) = self.entries.get_mut(index) {
                    *had = had.saturating_add(count);
                }
            }
            Err(index) => self.entries.insert(index, (at, count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 20_000 * DAY_MS + 13 * HOUR_MS + 7;

    fn as_of(now_ms: i64) -> AsOf {
        AsOf { now_ms, days: 90 }
    }

    #[test]
    fn a_row_may_hold_five_minutes_of_three_days_hours_and_days() {
        assert_eq!(entries_max(90), 75 * 12 + 72 + 90 + 3);
        assert_eq!(entries_max(0), 975);
    }

    /// Random numbers by seed (splitmix64).
    fn random(seed: &mut u64, below: u64) -> u64 {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn time(seed: &mut u64, now: i64) -> i64 {
        let spans = [HOUR_MS, DAY_MS, 10 * DAY_MS, 200 * DAY_MS, 9_000 * DAY_MS];
        let span = spans[usize::try_from(random(seed, 5)).unwrap()];
        let back = i64::try_from(random(seed, span.unsigned_abs())).unwrap();
        now - back + if random(seed, 4) == 0 { DAY_MS } else { 0 }
    }

    fn total(times: &Times) -> u64 {
        times.all().iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// What counts, by the buckets that windows as of `now` can still tell apart.
    fn windows(times: impl Iterator<Item = (i64, u32)>, now: i64) -> Vec<(i64, i64, u32)> {
        let mut counts = std::collections::BTreeMap::new();
        for (at, count) in times {
            let back = |width: i64| now.div_euclid(width) - at.div_euclid(width);
            for (width, most) in [(MINUTES_5_MS, 12), (HOUR_MS, 24), (DAY_MS, 90)] {
                if back(width) < most {
                    *counts.entry((width, back(width))).or_default() += count;
                }
            }
        }
        counts.into_iter().map(|((width, back), count)| (width, back, count)).collect()
    }

    #[test]
    fn any_sequence_stays_within_the_bound_and_counts_what_exact_times_count() {
        for mut seed in 0..20 {
            let (mut now, mut times, mut exact) = (NOW, Times::default(), Vec::<i64>::new());
            for _ in 0..1_500 {
                now += i64::try_from(random(&mut seed, 7_200_000)).unwrap();
                if random(&mut seed, 3) == 0 && !exact.is_empty() {
                    let index = usize::try_from(random(&mut seed, exact.len() as u64)).unwrap();
                    let at = exact.swap_remove(index);
                    assert!(times.take(at, as_of(now)), "{at} is there");
                } else {
                    let at = time(&mut seed, now);
                    exact.push(at);
                    times.add(at, as_of(now));
                }
                assert!(times.all().len() <= entries_max(90), "{}", times.all().len());
            }
            assert_eq!(total(&times), exact.len() as u64);
            let expected = windows(exact.iter().map(|at| (*at, 1)), now);
            assert_eq!(windows(times.all().iter().copied(), now), expected);
        }
    }

    #[test]
    fn a_hundred_thousand_times_of_one_user_are_a_bounded_row() {
        let (mut times, mut seed) = (Times::default(), 7);
        for _ in 0..100_000 / 50 {
            let at = time(&mut seed, NOW);
            (0..50).for_each(|n| times.add(at + n * 400_000, as_of(NOW)));
        }
        assert!(times.all().len() <= entries_max(90), "{}", times.all().len());
        assert_eq!(total(&times), 100_000);
    }

    #[test]
    fn the_64th_time_is_exact_and_the_65th_makes_buckets() {
        let mut times = Times::default();
        for n in 0..64 {
            times.add(NOW - n, as_of(NOW));
        }
        assert!(!times.is_bucketed() && times.all().len() == 64);
        assert!(!times.take(NOW + 1, as_of(NOW)), "an exact time is not another one");
        times.add(NOW - 64, as_of(NOW));
        assert_eq!((times.is_bucketed(), times.all().len()), (true, 2));
    }

    #[test]
    fn what_lies_too_far_ahead_is_one_bucket_and_is_taken_from_it_later() {
        let mut times = Times::default();
        (0..200).for_each(|n| times.add(NOW + n * 10 * DAY_MS, as_of(NOW)));
        assert_eq!(times.all().len(), 2);
        let later = as_of(NOW + 10 * DAY_MS);
        assert!(times.take(NOW + 10 * DAY_MS, later));
        assert_eq!(total(&times), 199);
    }

    #[test]
    fn widths_change_with_whole_hours_and_days_and_what_is_out_of_reach_is_one_bucket() {
        let (hour, day) = (NOW.div_euclid(HOUR_MS) * HOUR_MS, NOW.div_euclid(DAY_MS) * DAY_MS);
        let edges = [
            // The 2 hours before this one are fine, the third is an hour.
            (hour - 2 * HOUR_MS + 1, hour - 2 * HOUR_MS),
            (hour - 2 * HOUR_MS + MINUTES_5_MS, hour - 2 * HOUR_MS + MINUTES_5_MS),
            (hour - 2 * HOUR_MS - 1, hour - 3 * HOUR_MS),
            // The 2 days before this one have hours, the third is a day.
            (day - 2 * DAY_MS + HOUR_MS + 1, day - 2 * DAY_MS + HOUR_MS),
            (day - 2 * DAY_MS - 1, day - 3 * DAY_MS),
            // A day more than the 90 of the window.
            (day - 90 * DAY_MS, day - 90 * DAY_MS),
            (day - 90 * DAY_MS - 1, OLD),
            (day - 4_000 * DAY_MS, OLD),
            // The next 2 days are fine.
            (day + 3 * DAY_MS - 1, day + 3 * DAY_MS - MINUTES_5_MS),
            (day + 3 * DAY_MS, AHEAD),
        ];
        let found = edges.map(|(at, _)| (at, as_of(NOW).bucket(at)));
        assert_eq!(found, edges);
    }

    #[test]
    fn what_is_taken_back_leaves_few_times_exact_and_of_many_nothing() {
        let mut few = Times::default();
        [5, 7, 7].into_iter().for_each(|at| few.add(at, as_of(NOW)));
        assert!(few.take(5, as_of(NOW)) && few.take(7, as_of(NOW)));
        assert_eq!(few, Times::of(false, vec![(7, 1)]));
        let mut many = Times::default();
        (0..65).for_each(|n| many.add(NOW - n, as_of(NOW)));
        (0..65).for_each(|n| assert!(many.take(NOW - n, as_of(NOW)), "{n}"));
        assert_eq!(many, Times::default(), "the next ones are exact again");
    }
}
