//! Exponential back-off that a stop cuts short: each pause is twice the one before, up to the longest.
//!
//! Crates for it give the pauses and leave the waiting to their caller, or wait in a runtime; a sink waits on its own
//! thread, and whoever stops it must not wait for half a minute with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Whoever stopped waits so long at most before it is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Clone, Debug)]
pub struct Backoff {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Begins with the shortest pause.
    pub fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, next: shortest }
    }

    /// How long the next pause is.
    pub fn next(&self) -> Duration {
        self.next
    }

    /// The next pause is the shortest again.
    pub fn reset(&mut self) {
        self.next = self.shortest;
    }

    /// Pauses, as long as nobody sets `stop`; whether nobody has.
    pub fn pause(&mut self, stop: &AtomicBool) -> bool {
        let mut left = self.next;
        while !left.is_zero() && !stop.load(Ordering::Relaxed) {
            let step = left.min(LOOK_EVERY);
            thread::sleep(step);
            left = left.saturating_sub(step);
        }
        self.next = (self.next * 2).min(self.longest);
        !stop.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_reset() {
        let mut backoff = Backoff::new(MILLISECOND, 3 * MILLISECOND);
        let mut pauses = Vec::new();
        for _ in 0..4 {
            pauses.push(backoff.next());
            assert!(backoff.pause(&AtomicBool::new(false)));
        }
        assert_eq!(pauses, [1, 2, 3, 3].map(|count| count * MILLISECOND));
        backoff.reset();
        assert_eq!(backoff.next(), MILLISECOND);
    }

    #[test]
    fn a_pause_ends_when_it_is_stopped_however_long_it_is() {
        let year = Duration::from_secs(365 * 24 * 3600);
        assert!(!Backoff::new(year, year).pause(&AtomicBool::new(true)));
    }
}
