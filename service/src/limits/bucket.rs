//! A token bucket as one time: the one at which it is full again (GCRA, ITU-T I.371, annex A).
//!
//! Each request moves that time on by an interval, and is refused if it then lay further ahead than a full bucket is deep.
//! Times are in microseconds of whatever clock the caller has.

use std::time::Duration;

/// How often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many at once, and in each window in the long run.
    pub requests: u32,
    /// The window, s.
    pub window_s: u32,
}

/// What a bucket makes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Whether it is let through.
    pub is_taken: bool,
    /// How many more there may be at once.
    pub remaining: u32,
    /// Until it is full, if taken; until one more may come, if not.
    pub wait: Duration,
}

impl Level {
    /// The one that allows less.
    pub fn stricter(self, other: Self) -> Self {
        let allows = |level: &Self| (level.is_taken, level.remaining);
        if allows(&other) < allows(&self) { other } else { self }
    }

    /// The wait in whole seconds, never too few.
    pub fn wait_s(&self) -> u32 {
        let seconds = self.wait.as_micros().div_ceil(1_000_000).max(1);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }
}

impl Rate {
    /// `requests` in each `window_s`; none if there is no bound.
    pub fn new(requests: u32, window_s: u32) -> Option<Self> {
        (requests > 0 && window_s > 0).then_some(Self { requests, window_s })
    }

    /// Between two requests in the long run, us.
    pub fn interval_us(&self) -> u64 {
        (u64::from(self.window_s) * 1_000_000).div_ceil(u64::from(self.requests)).max(1)
    }

    /// What a bucket that is full at `full_at` makes of a request at `now`, and when it will be full then.
    pub fn take(&self, full_at: u64, now: u64) -> (Level, u64) {
        let (interval, from) = (self.interval_us(), full_at.max(now));
        let next = from.saturating_add(interval);
        let level = self.level(next - now);
        (level, if level.is_taken { next } else { full_at })
    }

    /// What it is if a request would leave the bucket `ahead_us` from full.
    pub fn level(&self, ahead_us: u64) -> Level {
        let interval = self.interval_us();
        let depth = interval.saturating_mul(u64::from(self.requests));
        match depth.checked_sub(ahead_us) {
            Some(left) => Level {
                is_taken: true,
                remaining: u32::try_from(left / interval).unwrap_or(u32::MAX),
                wait: Duration::from_micros(ahead_us),
            },
            None => Level {
                is_taken: false,
                remaining: 0,
                wait: Duration::from_micros(ahead_us - depth),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn as_many_as_the_rate_says_come_at_once_and_then_one_by_one() {
        let rate = Rate::new(3, 60).unwrap();
        let mut full_at = 0;
        let mut at = |seconds: u64| {
            let (level, next) = rate.take(full_at, seconds * SECOND);
            full_at = next;
            (level.is_taken, level.remaining, level.wait.as_secs())
        };
        let told = [100, 100, 100, 100, 119, 120, 139, 1_000].map(&mut at);
        let expected = [
            (true, 2, 20),
            (true, 1, 40),
            (true, 0, 60),
            (false, 0, 20),
            (false, 0, 1),
            (true, 0, 60),
            (false, 0, 1),
            (true, 2, 20),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn of_two_levels_the_one_that_allows_less_counts() {
        let rate = Rate::new(10, 10).unwrap();
        let (much, little) = (rate.level(SECOND), rate.level(9 * SECOND));
        assert_eq!(much.stricter(little), little);
        assert_eq!(little.stricter(much), little);
        let refused = rate.level(11 * SECOND);
        assert_eq!(little.stricter(refused), refused);
        assert_eq!((refused.wait_s(), rate.level(10 * SECOND + 1).wait_s()), (1, 1));
    }

    #[test]
    fn no_rate_is_no_bound_and_the_fastest_is_still_one() {
        assert_eq!(Rate::new(0, 60), None);
        let fast = Rate::new(u32::MAX, 1).unwrap();
        assert_eq!(fast.interval_us(), 1);
        assert!(fast.take(u64::MAX, 5).1 == u64::MAX && !fast.take(u64::MAX, 5).0.is_taken);
    }
}
