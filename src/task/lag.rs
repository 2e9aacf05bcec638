//! How far a task, or who follows broadcasts, is behind the ends of its sources, in time. Pure.
//!
//! The ends are noted with the time; a task that has read up to them knows everything there was then. So neither the
//! times of records matter, which may be those of another cluster or of last year, nor how many records there are.

use std::time::Duration;

use crate::record::{Offset, Timestamp};

/// How often the ends are noted.
const NOTED_EVERY: Duration = Duration::from_millis(100);

/// How far a task, or a process by its worst one, is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lag {
    /// It knows everything there was so long ago.
    Behind(Duration),
    /// It has not seen any end since it was opened.
    Unknown,
}

/// Who is further behind lags: more than some commits, and what waits on disks and networks, take.
const LAGS_AFTER: Duration = Duration::from_secs(2);

impl Lag {
    /// Whether it is more than the way of a record takes: what was asked for first waits behind a backlog.
    pub fn is_lagging(self) -> bool {
        match self {
            Self::Behind(time) => time > LAGS_AFTER,
            Self::Unknown => true,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LagClock {
    /// The latest time of which the task knows everything.
    caught_up: Option<Timestamp>,
    /// Ends that it has not read up to yet, in the order of its sources.
    noted: Option<(Timestamp, Vec<Offset>)>,
}

impl LagClock {
    /// Whether the ends are to be noted anew.
    pub(crate) fn wants_ends(&self, now: Timestamp) -> bool {
        let is_old = |at: Timestamp| now.has_passed(at, NOTED_EVERY);
        self.noted.is_none() && self.caught_up.is_none_or(is_old)
    }

    /// These are the ends now.
    pub(crate) fn note(&mut self, ends: Vec<Offset>, now: Timestamp) {
        self.noted = Some((now, ends));
    }

    /// The task has read its sources up to these offsets.
    pub(crate) fn read_up_to(&mut self, read: impl Iterator<Item = Offset>) {
        if let Some((at, ends)) = &self.noted
            && ends.iter().zip(read).all(|(end, read)| read >= *end)
        {
            (self.caught_up, self.noted) = (Some(*at), None);
        }
    }

    /// The latest time of which everything is known; none before the first end was reached.
    pub(crate) fn caught_up(&self) -> Option<Timestamp> {
        self.caught_up
    }

    /// How far the task is behind.
    pub(crate) fn lag(&self, now: Timestamp) -> Lag {
        self.caught_up.map_or(Lag::Unknown, |at| Lag::Behind(now.since(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(of: &[i64]) -> Vec<Offset> {
        of.iter().copied().map(Offset).collect()
    }

    fn read(clock: &mut LagClock, of: &[i64]) {
        clock.read_up_to(offsets(of).into_iter());
    }

    #[test]
    fn a_task_is_behind_by_the_time_since_it_knew_everything() {
        let mut clock = LagClock::default();
        assert_eq!(clock.lag(Timestamp(0)), Lag::Unknown);
        clock.note(offsets(&[10, 5]), Timestamp(1_000));
        read(&mut clock, &[10, 4]);
        assert_eq!(clock.lag(Timestamp(3_000)), Lag::Unknown);
        read(&mut clock, &[11, 5]);
        assert_eq!(clock.lag(Timestamp(3_000)), Lag::Behind(Duration::from_secs(2)));
        clock.note(offsets(&[20, 5]), Timestamp(3_000));
        read(&mut clock, &[19, 9]);
        assert_eq!(clock.lag(Timestamp(8_000)), Lag::Behind(Duration::from_secs(7)));
    }

    #[test]
    fn ends_stay_until_they_are_reached_and_are_then_noted_again_in_a_while() {
        let mut clock = LagClock::default();
        assert!(clock.wants_ends(Timestamp(0)));
        clock.note(offsets(&[3]), Timestamp(0));
        assert!(!clock.wants_ends(Timestamp(60_000)));
        read(&mut clock, &[3]);
        let wants = [99, 100, -1].map(|now| clock.wants_ends(Timestamp(now)));
        assert_eq!(wants, [false, true, true]);
    }

    #[test]
    fn a_task_lags_that_is_behind_by_more_than_two_seconds_or_knows_nothing() {
        let lags = |millis| Lag::Behind(Duration::from_millis(millis)).is_lagging();
        assert_eq!([0, 2_000, 2_001].map(lags), [false, false, true]);
        assert!(Lag::Unknown.is_lagging());
    }

    #[test]
    fn what_is_unknown_is_more_than_any_lag() {
        assert!(Lag::Unknown > Lag::Behind(Duration::MAX));
    }
}
