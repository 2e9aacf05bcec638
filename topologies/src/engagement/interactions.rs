//! What one user did to one post: likes, comments and shares, and when each counts.
//!
//! For likes and for comments the database decides as soon as a row of it was seen: then its live rows count
//! and events no longer do. A like counts once, at its earliest time; every comment and every share
//! counts at its own. What is taken back is taken back at the time at which it was counted.

use schemas::{Action, Delta, RowKind};

/// What counts on a post, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A like.
    Like,
    /// A comment.
    Comment,
    /// A share.
    Share,
}

/// One thing more or less that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountChange {
    /// What.
    pub kind: Kind,
    /// When it counts, ms UTC; in a minus when it was counted.
    pub at_ms: i64,
    /// More or less.
    pub delta: Delta,
}

/// Times at which something was done, ascending; the same time may stand twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(Vec<i64>);

impl Times {
    /// The times, ascending.
    pub fn all(&self) -> &[i64] {
        &self.0
    }

    /// Reads times from anywhere.
    pub fn of(mut times: Vec<i64>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    fn first(&self) -> Option<i64> {
        self.0.first().copied()
    }

    fn add(&mut self, at_ms: i64) {
        let place = self.0.partition_point(|other| *other <= at_ms);
        self.0.insert(place, at_ms);
    }

    /// Takes one away; false if there is none.
    fn take(&mut self, at_ms: i64) -> bool {
        let place = self.0.binary_search(&at_ms);
        place.map(|place| self.0.remove(place)).is_ok()
    }
}

/// What is known of one user's likes, or comments, of one post: from events until a row of the database is seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Whether a row was ever seen.
    pub from_database: bool,
    /// The times of its live rows; before any was seen, of the events.
    pub times: Times,
}

/// What one user did to one post.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interactions {
    /// Likes.
    pub likes: Tally,
    /// Comments.
    pub comments: Tally,
    /// Shares, from events alone.
    pub shares: Times,
}

impl Interactions {
    /// Takes a row more, a row less, or a row that was never live.
    pub fn row(
        &mut self,
        kind: RowKind,
        at_ms: i64,
        delta: Option<Delta>,
        out: &mut Vec<CountChange>,
    ) {
        self.change(kind, out, |tally| {
            if !tally.from_database {
                tally.from_database = true;
                tally.times = Times::default();
            }
            match delta {
                Some(Delta::Plus) => tally.times.add(at_ms),
                // A row that waited too long for its post is forgotten: its deletion finds nothing.
                Some(Delta::Minus) => drop(tally.times.take(at_ms)),
                None => {}
            }
        });
    }

    /// Takes an event; impressions, views, clicks and dwell are none of this.
    pub fn event(&mut self, action: Action, at_ms: i64, out: &mut Vec<CountChange>) {
        let kind = match action {
            Action::Like => RowKind::Like,
            Action::Comment => RowKind::Comment,
            Action::Share => {
                self.shares.add(at_ms);
                out.push(CountChange { kind: Kind::Share, at_ms, delta: Delta::Plus });
                return;
            }
            Action::Impression | Action::View | Action::Click | Action::Dwell => return,
        };
        self.change(kind, out, |tally| {
            if !tally.from_database {
                tally.times.add(at_ms);
            }
        });
    }

    /// Everything that counts.
    pub fn counted(&self) -> impl Iterator<Item = (Kind, i64)> {
        let likes = self.likes.times.first().map(|at| (Kind::Like, at));
        let comments = self.comments.times.all().iter().map(|at| (Kind::Comment, *at));
        let shares = self.shares.all().iter().map(|at| (Kind::Share, *at));
        likes.into_iter().chain(comments).chain(shares)
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Changes the tally of one kind, and says what counts more or less by that.
    fn change(
        &mut self,
        kind: RowKind,
        out: &mut Vec<CountChange>,
        change: impl FnOnce(&mut Tally),
    ) {
        match kind {
            RowKind::Like => {
                let before = self.likes.times.first();
                change(&mut self.likes);
                let after = self.likes.times.first();
                differ(Kind::Like, before.as_slice(), after.as_slice(), out);
            }
            RowKind::Comment => {
                let before = self.comments.times.clone();
                change(&mut self.comments);
                differ(Kind::Comment, before.all(), self.comments.times.all(), out);
            }
        }
    }
}

/// What turns `before` into `after`; both ascend.
fn differ(kind: Kind, mut before: &[i64], mut after: &[i64], out: &mut Vec<CountChange>) {
    loop {
        match (before.split_first(), after.split_first()) {
            (None, None) => return,
            (Some((old, old_rest)), Some((new, new_rest))) if old == new => {
                (before, after) = (old_rest, new_rest);
            }
            (Some((old, rest)), new) if new.is_none_or(|(new, _)| old < new) => {
                out.push(CountChange { kind, at_ms: *old, delta: Delta::Minus });
                before = rest;
            }
            (_, Some((new, rest))) => {
                out.push(CountChange { kind, at_ms: *new, delta: Delta::Plus });
                after = rest;
            }
            (Some(_), None) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Delta::{Minus, Plus};

    const LIKE: RowKind = RowKind::Like;
    const COMMENT: RowKind = RowKind::Comment;

    /// Does something to the interactions and gives what changed, as (time, by how much).
    fn changes(
        interactions: &mut Interactions,
        step: impl FnOnce(&mut Interactions, &mut Vec<CountChange>),
    ) -> Vec<(i64, i64)> {
        let mut out = Vec::new();
        step(interactions, &mut out);
        out.iter().map(|changed| (changed.at_ms, changed.delta.value())).collect()
    }

    fn counted(interactions: &Interactions) -> Vec<(Kind, i64)> {
        interactions.counted().collect()
    }

    #[test]
    fn a_like_event_counts_until_the_row_speaks_and_then_the_row_does() {
        let mut interactions = Interactions::default();
        let event = changes(&mut interactions, |interactions, out| {
            interactions.event(Action::Like, 10, out)
        });
        let row = changes(&mut interactions, |interactions, out| {
            interactions.row(LIKE, 20, Some(Plus), out)
        });
        let late = changes(&mut interactions, |interactions, out| {
            interactions.event(Action::Like, 5, out)
        });
        assert_eq!((event, row, late), (vec![(10, 1)], vec![(10, -1), (20, 1)], vec![]));
    }

    #[test]
    fn events_and_rows_count_the_same_in_either_order() {
        let (mut first, mut last) = (Interactions::default(), Interactions::default());
        let mut out = Vec::new();
        first.event(Action::Like, 10, &mut out);
        first.row(LIKE, 20, Some(Plus), &mut out);
        last.row(LIKE, 20, Some(Plus), &mut out);
        last.event(Action::Like, 10, &mut out);
        assert_eq!(first, last);
    }

    #[test]
    fn two_rows_of_a_like_count_once_at_the_earlier_time() {
        let mut interactions = Interactions::default();
        let late = changes(&mut interactions, |interactions, out| {
            interactions.row(LIKE, 20, Some(Plus), out)
        });
        let early = changes(&mut interactions, |interactions, out| {
            interactions.row(LIKE, 10, Some(Plus), out)
        });
        let gone = changes(&mut interactions, |interactions, out| {
            interactions.row(LIKE, 10, Some(Minus), out)
        });
        let expected = (vec![(20, 1)], vec![(10, 1), (20, -1)], vec![(10, -1), (20, 1)]);
        let sorted = |mut list: Vec<(i64, i64)>| {
            list.sort();
            list
        };
        assert_eq!((late, sorted(early), sorted(gone)), expected);
    }

    #[test]
    fn a_like_taken_back_leaves_nothing_and_keeps_events_out() {
        let mut interactions = Interactions::default();
        let mut out = Vec::new();
        interactions.event(Action::Like, 5, &mut out);
        interactions.row(LIKE, 10, Some(Plus), &mut out);
        interactions.row(LIKE, 10, Some(Minus), &mut out);
        interactions.event(Action::Like, 15, &mut out);
        assert_eq!(counted(&interactions), []);
    }

    #[test]
    fn a_row_that_was_never_live_ends_what_events_told() {
        let mut interactions = Interactions::default();
        let event = changes(&mut interactions, |interactions, out| {
            interactions.event(Action::Comment, 5, out)
        });
        let by_row =
            changes(&mut interactions, |interactions, out| interactions.row(COMMENT, 9, None, out));
        assert_eq!((event, by_row), (vec![(5, 1)], vec![(5, -1)]));
    }

    #[test]
    fn every_comment_counts_at_its_own_time() {
        let mut interactions = Interactions::default();
        let mut out = Vec::new();
        interactions.row(COMMENT, 20, Some(Plus), &mut out);
        interactions.row(COMMENT, 10, Some(Plus), &mut out);
        interactions.row(COMMENT, 10, Some(Plus), &mut out);
        interactions.row(COMMENT, 20, Some(Minus), &mut out);
        assert_eq!(counted(&interactions), [(Kind::Comment, 10), (Kind::Comment, 10)]);
    }

    #[test]
    fn every_share_counts_and_views_do_not() {
        let mut interactions = Interactions::default();
        let mut out = Vec::new();
        for action in [Action::Share, Action::View, Action::Share, Action::Dwell] {
            interactions.event(action, 7, &mut out);
        }
        assert_eq!(counted(&interactions), [(Kind::Share, 7), (Kind::Share, 7)]);
    }

    #[test]
    fn the_deletion_of_a_forgotten_row_takes_nothing_away() {
        let mut interactions = Interactions::default();
        let gone = changes(&mut interactions, |interactions, out| {
            interactions.row(LIKE, 10, Some(Minus), out)
        });
        assert_eq!((gone, interactions.likes.from_database), (vec![], true));
    }
}
