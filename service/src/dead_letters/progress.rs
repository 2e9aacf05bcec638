//! How far a run is, and how long it takes yet. Pure.

use std::fmt;
use std::time::Duration;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Letters that are done with.
    pub done: u64,
    /// Of so many.
    pub all: u64,
    /// Since the run began.
    pub elapsed: Duration,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, all, elapsed } = *self;
        let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
        let percent = done as f64 * 100.0 / all.max(1) as f64;
        write!(f, "{done} of {all} letters, {percent:.1} %, {rate:.0}/s")?;
        if done > 0 && done < all {
            let left = all.saturating_sub(done) as f64 / rate;
            write!(f, ", about {left:.0} s left")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_says_what_was_reached_how_fast_and_how_long_it_takes() {
        let said =
            |done| Progress { done, all: 1_000, elapsed: Duration::from_secs(5) }.to_string();
        assert_eq!(said(0), "0 of 1000 letters, 0.0 %, 0/s");
        assert_eq!(said(250), "250 of 1000 letters, 25.0 %, 50/s, about 15 s left");
        assert_eq!(said(1_000), "1000 of 1000 letters, 100.0 %, 200/s");
    }
}
