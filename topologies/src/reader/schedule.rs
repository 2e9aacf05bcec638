//! When a reader is ranked next, and why.
//!
//! What a reader did themselves, and posts that come or go, are urgent: ranked at once, then at most
//! every 250 ms. Changes of counts are soft: within 2 s for who is online, else at the next read or grid
//! time. While the process lags, who is online is ranked every 10 s, and the others when it has caught up.
//! The clock makes two more: the feed's `valid_until`, and the refresh grid, which nothing stops. What the
//! clock makes due is ranked as of the time it was due, so that a late timer gives the same feed as one in time.

use serde::Serialize;

use super::presence::Presence;

/// Between two urgent rankings lies at least this.
pub const URGENT_MS: i64 = 250;
/// The same while the process lags, for who is online.
pub const LAGGING_MS: i64 = 10_000;
/// A soft change waits so long at most, while the reader is online.
pub const SOFT_MS: i64 = 2_000;

/// How soon a change must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// At once.
    Urgent,
    /// Soon for who is online, else with the next ranking.
    Soft,
}

impl Class {
    /// The one that shows sooner.
    pub fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::Soft, Self::Soft) => Self::Soft,
            (Self::Urgent, _) | (_, Self::Urgent) => Self::Urgent,
        }
    }
}

/// The least time between two rankings for changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Changes are ranked as they come.
    Live,
    /// The process lags: what is ranked now is soon ranked anew.
    CatchingUp,
}

impl Pace {
    /// The time between two rankings of a reader; none while the process lags for who is not online.
    fn spacing_ms(self, is_online: bool) -> Option<i64> {
        match (self, is_online) {
            (Self::Live, _) => Some(URGENT_MS),
            (Self::CatchingUp, true) => Some(LAGGING_MS),
            (Self::CatchingUp, false) => None,
        }
    }
}

/// Why a reader is ranked; the first that holds is the one named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A time of the refresh grid.
    Grid,
    /// An urgent change, or a read that found no feed where it looked.
    Urgent,
    /// A soft change.
    Soft,
    /// The published feed holds no longer.
    Expired,
}

/// What is due for a reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// The next time of the grid, ms UTC.
    pub grid: Option<i64>,
    /// When an urgent change is due.
    pub urgent: Option<i64>,
    /// When a soft change is due for a reader who is online.
    pub soft: Option<i64>,
    /// When the clock alone changes the feed, or ends the published one.
    pub expires: Option<i64>,
    /// A read missed, and is still to be answered.
    pub missed: bool,
    /// When the reader was last ranked, by the wall clock.
    pub ranked: Option<i64>,
}

impl Schedule {
    /// Notes a change at `now`.
    pub fn touch(&mut self, class: Class, presence: &Presence, pace: Pace, now: i64) {
        match class {
            Class::Urgent => {
                let after = |spacing_ms| match self.ranked {
                    None => now,
                    Some(ranked) => ranked.saturating_add(spacing_ms).max(now),
                };
                let next = pace.spacing_ms(presence.is_online(now)).map_or(i64::MAX, after);
                self.urgent = Some(self.urgent.map_or(next, |urgent| urgent.min(next)));
            }
            Class::Soft => self.touch_softly(now.saturating_add(SOFT_MS)),
        }
    }

    /// Notes a soft change that is due at `at`.
    pub fn touch_softly(&mut self, at: i64) {
        self.soft = Some(self.soft.map_or(at, |soft| soft.min(at)));
    }

    /// Notes a read at `now`: urgent are one that missed, one that was served what holds no longer, and what
    /// waits: soft changes, and what was put off.
    pub fn read(&mut self, miss: bool, presence: &Presence, pace: Pace, now: i64) {
        self.missed |= miss;
        let unfresh = self.expires.is_none_or(|expires| expires <= now);
        if miss {
            self.touch(Class::Urgent, presence, Pace::Live, now);
        } else if unfresh || self.soft.is_some() || self.urgent.is_some() {
            self.touch(Class::Urgent, presence, pace, now);
        }
    }

    /// Whether an urgent change waits longer than it would if the process did not lag.
    pub fn is_put_off(&self, now: i64) -> bool {
        self.urgent.is_some_and(|at| at > now.saturating_add(URGENT_MS))
    }

    /// Whether something has changed that the reader is to be ranked for, and not only the time. A soft change waits for who
    /// is not online until they read, or the grid comes.
    pub fn owes(&self, presence: &Presence, now: i64) -> bool {
        self.urgent.is_some() || self.missed || self.soft.is_some() && presence.is_online(now)
    }

    /// Why a ranking is due at `now`, if one is.
    pub fn due(&self, presence: &Presence, now: i64) -> Option<Why> {
        let is_due = |at: Option<i64>| at.is_some_and(|at| at <= now);
        let reasons = [
            (is_due(self.grid), Why::Grid),
            (is_due(self.expires), Why::Expired),
            (is_due(self.urgent), Why::Urgent),
            (is_due(self.soft) && presence.is_online(now), Why::Soft),
        ];
        reasons.into_iter().find_map(|(holds, why)| holds.then_some(why))
    }

    /// Whether the body is published even if it is equal to the last: at a time of the grid, and whatever it was ranked
    /// for if a read missed, which nothing else will answer.
    pub fn always_publishes(&self, why: Why) -> bool {
        why == Why::Grid || self.missed
    }

    /// When to look again.
    pub fn next(&self, presence: &Presence, now: i64) -> Option<i64> {
        let soft = self.soft.filter(|_| presence.is_online(now));
        [self.grid, self.urgent, soft, self.expires].into_iter().flatten().min()
    }

    /// Notes that the reader was ranked at `now`: the clock changes the feed at `expires`, the grid's next time is
    /// `grid`.
    pub fn ranked(&mut self, now: i64, (expires, grid): (i64, i64)) {
        *self =
            Self { grid: Some(grid), expires: Some(expires), ranked: Some(now), ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: i64 = 500_000;

    fn online() -> Presence {
        let mut presence = Presence::default();
        presence.mark_read(0);
        presence
    }

    fn offline() -> Presence {
        let mut presence = Presence::default();
        presence.mark_active(0);
        presence
    }

    fn ranked_at(now: i64) -> Schedule {
        let mut schedule = Schedule::default();
        schedule.ranked(now, (400_000, GRID));
        schedule
    }

    #[test]
    fn urgent_changes_are_ranked_at_once_and_then_every_quarter_second() {
        let mut fresh = Schedule::default();
        fresh.touch(Class::Urgent, &online(), Pace::Live, 1_000);
        assert_eq!(fresh.due(&offline(), 1_000), Some(Why::Urgent));
        let mut again = ranked_at(1_000);
        again.touch(Class::Urgent, &online(), Pace::Live, 1_100);
        assert_eq!(again.next(&offline(), 1_100), Some(1_250));
    }

    #[test]
    fn soft_changes_wait_two_seconds_for_who_is_online_and_for_the_grid_for_who_is_not() {
        let mut schedule = ranked_at(0);
        schedule.touch(Class::Soft, &online(), Pace::Live, 1_000);
        schedule.touch(Class::Soft, &online(), Pace::Live, 2_000);
        assert_eq!(schedule.next(&online(), 2_000), Some(3_000));
        assert_eq!(schedule.next(&offline(), 2_000), Some(400_000));
        assert_eq!(schedule.due(&online(), 3_000), Some(Why::Soft));
    }

    #[test]
    fn a_read_ranks_what_soft_changes_left_and_what_is_not_fresh() {
        let mut soft = ranked_at(0);
        soft.touch(Class::Soft, &online(), Pace::Live, 1_000);
        soft.read(false, &online(), Pace::Live, 1_500);
        assert_eq!(soft.due(&online(), 1_500), Some(Why::Urgent));
        let mut never = Schedule::default();
        never.read(false, &online(), Pace::Live, 10);
        assert_eq!(never.due(&online(), 10), Some(Why::Urgent));
        let mut fresh = ranked_at(0);
        fresh.read(false, &online(), Pace::Live, 10);
        assert_eq!(fresh.due(&online(), 10), None);
    }

    #[test]
    fn misses_are_ranked_every_quarter_second_at_most() {
        let mut missed = ranked_at(0);
        missed.read(true, &online(), Pace::Live, 10);
        missed.read(true, &online(), Pace::Live, 20);
        assert_eq!((missed.due(&online(), 249), missed.next(&online(), 20)), (None, Some(250)));
        assert_eq!(missed.due(&online(), 250), Some(Why::Urgent));
    }

    #[test]
    fn while_the_process_lags_changes_wait_ten_seconds_but_for_the_first_and_for_misses() {
        let mut fresh = Schedule::default();
        fresh.touch(Class::Urgent, &online(), Pace::CatchingUp, 1_000);
        assert_eq!(fresh.due(&online(), 1_000), Some(Why::Urgent));
        let mut again = ranked_at(1_000);
        again.touch(Class::Urgent, &online(), Pace::CatchingUp, 1_100);
        again.read(false, &online(), Pace::CatchingUp, 1_200);
        assert_eq!((again.next(&online(), 1_200), again.is_put_off(1_200)), (Some(11_000), true));
        again.read(true, &online(), Pace::CatchingUp, 1_300);
        assert_eq!((again.next(&online(), 1_300), again.is_put_off(1_300)), (Some(1_300), false));
    }

    #[test]
    fn while_the_process_lags_who_is_not_online_waits_for_its_end_or_until_they_read() {
        let mut schedule = ranked_at(1_000);
        schedule.touch(Class::Urgent, &offline(), Pace::CatchingUp, 1_100);
        assert_eq!(
            (schedule.next(&offline(), 1_100), schedule.is_put_off(1_100)),
            (Some(400_000), true)
        );
        schedule.read(false, &online(), Pace::CatchingUp, 2_000);
        assert_eq!(schedule.next(&online(), 2_000), Some(11_000));
        let mut never = Schedule::default();
        never.touch(Class::Urgent, &offline(), Pace::CatchingUp, 1_000);
        assert_eq!((never.due(&offline(), 1_000), never.is_put_off(1_000)), (None, true));
        never.touch(Class::Urgent, &offline(), Pace::Live, 3_000);
        assert_eq!(never.due(&offline(), 3_000), Some(Why::Urgent));
    }

    #[test]
    fn what_was_put_off_is_due_at_once_when_the_process_has_caught_up() {
        let mut schedule = ranked_at(1_000);
        schedule.touch(Class::Urgent, &online(), Pace::CatchingUp, 1_100);
        schedule.touch(Class::Urgent, &online(), Pace::Live, 3_000);
        assert_eq!(schedule.due(&offline(), 3_000), Some(Why::Urgent));
    }

    #[test]
    fn a_miss_and_a_grid_time_always_publish() {
        let mut missed = ranked_at(0);
        missed.read(true, &online(), Pace::Live, 1_000);
        assert_eq!(missed.due(&online(), 1_000), Some(Why::Urgent));
        assert_eq!(ranked_at(0).due(&offline(), GRID), Some(Why::Grid));
        let reasons = [Why::Grid, Why::Expired, Why::Urgent, Why::Soft];
        assert_eq!(reasons.map(|why| missed.always_publishes(why)), [true; 4]);
        let others = reasons.map(|why| ranked_at(0).always_publishes(why));
        assert_eq!(others, [true, false, false, false]);
    }

    #[test]
    fn what_waits_for_no_more_than_a_quarter_second_is_not_put_off() {
        let mut schedule = ranked_at(1_000);
        schedule.touch(Class::Urgent, &online(), Pace::Live, 1_000);
        assert_eq!(schedule.urgent, Some(1_250));
        let put_off = [999, 1_000, 1_250].map(|now| schedule.is_put_off(now));
        assert_eq!((put_off, ranked_at(0).is_put_off(0)), ([true, false, false], false));
    }

    #[test]
    fn a_reader_is_owed_what_changed_and_misses_and_soft_changes_only_while_online() {
        let urgent = Schedule { urgent: Some(5_000), ..ranked_at(0) };
        let soft = Schedule { soft: Some(5_000), ..ranked_at(0) };
        let missed = Schedule { missed: true, ..ranked_at(0) };
        let owes = |schedule: Schedule| [online(), offline()].map(|who| schedule.owes(&who, 1_000));
        let owed = [ranked_at(0), urgent, soft, missed].map(owes);
        assert_eq!(owed, [[false, false], [true, true], [true, false], [true, true]]);
    }

    #[test]
    fn a_read_of_a_feed_that_holds_no_longer_ranks_and_so_does_one_after_what_was_put_off() {
        let mut held = ranked_at(0);
        held.read(false, &online(), Pace::Live, 399_999);
        let mut ended = ranked_at(0);
        ended.read(false, &online(), Pace::Live, 400_000);
        assert_eq!((held.urgent, ended.urgent), (None, Some(400_000)));
        let mut put_off = ranked_at(0);
        put_off.touch(Class::Urgent, &offline(), Pace::CatchingUp, 10);
        put_off.read(false, &online(), Pace::Live, 1_000);
        assert_eq!((put_off.urgent, put_off.missed), (Some(1_000), false));
    }
}
