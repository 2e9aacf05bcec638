//! Waiting for a fact instead of for a time: the only place of the tests that sleeps.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// What was waited for did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut(pub Duration);

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it did not come within {:?}", self.0)
    }
}

impl std::error::Error for TimedOut {}

/// Asks `probe` until it answers, at most for `deadline`; it is asked at least once.
pub fn poll_until<T>(
    deadline: Duration,
    mut probe: impl FnMut() -> Option<T>,
) -> Result<T, TimedOut> {
    let began = Instant::now();
    loop {
        if let Some(answer) = probe() {
            return Ok(answer);
        }
        if began.elapsed() >= deadline {
            return Err(TimedOut(deadline));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_handed_on_as_soon_as_there_is_one() {
        let mut asked = 0;
        let answer = poll_until(Duration::from_secs(60), || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(answer, Ok(3));
    }

    #[test]
    fn a_fact_that_never_comes_is_an_error_with_the_deadline() {
        let never = poll_until(Duration::ZERO, || None::<()>);
        assert_eq!(never, Err(TimedOut(Duration::ZERO)));
    }
}
