//! How far a rebuild is, and how long it takes yet. Pure.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// So many looks in a row have to find nothing left of what was there at the look before: what is read goes on to other topics of the
/// application, the longest way through three.
const LOOKS: u32 = 4;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// Records that are done with.
    pub done: u64,
    /// Of so many.
    pub all: u64,
    /// How many a second, lately.
    pub rate: f64,
}

impl Progress {
    /// As of a look, the one before, and the time between.
    pub fn between((before, then): (u64, Duration), (done, all): (u64, u64)) -> Self {
        let rate = done.saturating_sub(before) as f64 / then.as_secs_f64().max(0.001);
        Self { done, all, rate }
    }

    /// How long the rest takes at this rate, s; none where that is not known.
    pub fn left_s(&self) -> Option<f64> {
        let left = self.all.saturating_sub(self.done) as f64;
        (self.rate > 0.0 && left > 0.0).then(|| left / self.rate)
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, all, rate } = *self;
        let percent = done as f64 * 100.0 / all.max(1) as f64;
        write!(f, "{done} of {all} records, {percent:.1} %, {rate:.0}/s")?;
        self.left_s().map_or(Ok(()), |left| write!(f, ", about {left:.0} s left"))
    }
}

/// Whether it has caught up, as of the looks so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaughtUp(u32);

impl CaughtUp {
    /// What a look found left, in so many partitions, of what was there at the look before; none while a transaction is about to
    /// change that. A partition may end by the end of a transaction, which nobody reads and nobody commits.
    pub fn look(&mut self, left: Option<u64>, partitions: u64) {
        self.0 = match left {
            Some(left) if left <= partitions => self.0.saturating_add(1),
            Some(_) => 0,
            None => self.0,
        };
    }

    /// Whether it has.
    pub fn is_so(self) -> bool {
        self.0 >= LOOKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_says_what_was_reached_how_fast_and_how_long_it_takes() {
        let said = |before, done| {
            Progress::between((before, Duration::from_secs(5)), (done, 1_000)).to_string()
        };
        assert_eq!(said(0, 0), "0 of 1000 records, 0.0 %, 0/s");
        assert_eq!(said(400, 500), "500 of 1000 records, 50.0 %, 20/s, about 25 s left");
        assert_eq!(said(500, 1_000), "1000 of 1000 records, 100.0 %, 100/s");
    }

    #[test]
    fn it_has_caught_up_once_nothing_was_left_at_four_looks_in_a_row() {
        let so = |looks: &[Option<u64>]| {
            let mut caught_up = CaughtUp::default();
            looks.iter().for_each(|left| caught_up.look(*left, 3));
            caught_up.is_so()
        };
        let ends = Some(3);
        assert!(so(&[Some(9), ends, Some(0), None, ends, ends]));
        assert!(!so(&[ends, ends, ends]) && !so(&[ends, ends, ends, Some(4), ends]));
    }
}
