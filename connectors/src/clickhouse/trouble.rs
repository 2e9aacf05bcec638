//! What keeps rows from being inserted, and how long nothing is tried for it.

use std::time::{Duration, Instant};

use crate::outage::{Kind, Outage};

/// After a failure nothing is inserted for so long, and twice as long after each further one.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Default)]
pub(super) struct Trouble {
    outage: Outage,
    failures: u32,
    until: Option<Instant>,
    is_told: bool,
}

impl Trouble {
    /// One more failure.
    pub(super) fn met(&mut self, now: Instant) {
        let pause = PAUSE_MIN.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MAX);
        self.failures += 1;
        self.until = Some(now + pause);
    }

    /// Logs what it is, if that is news.
    pub(super) fn log(&mut self, of: (Kind, &str), now: Instant) {
        self.outage.log("clickhouse", of, now);
        self.is_told = true;
    }

    /// It is over; whether there was any.
    pub(super) fn end(&mut self) -> bool {
        std::mem::take(self).is_told
    }

    /// Whether there was a failure.
    pub(super) fn is_on(&self) -> bool {
        self.failures > 0
    }

    /// Whether nothing is to be tried yet.
    pub(super) fn is_pausing(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_over_once() {
        let (now, mut trouble) = (Instant::now(), Trouble::default());
        assert!(!trouble.end());
        trouble.met(now);
        trouble.log((Kind::Unavailable, "away"), now);
        assert_eq!((trouble.end(), trouble.end(), trouble.is_pausing(now)), (true, false, false));
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let (now, mut trouble) = (Instant::now(), Trouble::default());
        let mut lasts = || {
            trouble.met(now);
            let after = |ms| trouble.is_pausing(now + Duration::from_millis(ms));
            (0..6_000).step_by(100).find(|ms| !after(*ms))
        };
        let pauses = [lasts(), lasts(), lasts(), lasts(), lasts(), lasts(), lasts(), lasts()];
        let expected = [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].map(Some);
        assert_eq!(pauses, expected);
    }
}
