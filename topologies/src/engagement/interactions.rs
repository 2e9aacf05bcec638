//! What one user did to one post: likes, comments and shares, and when each counts.
//!
//! For likes and for comments the database decides as soon as a row of it was seen: then its live rows count
//! and events no longer do. A like counts once, at its earliest time; every comment and every share
//! counts at its own. What is taken back is taken back at the time at which it was counted.

use schemas::{Action, Delta, RowKind};
use serde::Serialize;

use super::times::{AsOf, Times};

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

/// So much more or less that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountChange {
    /// What.
    pub kind: Kind,
    /// When it counts, ms UTC; of what is taken back when it was counted, or the start of its bucket.
    pub at_ms: i64,
    /// How many more; below zero: how many less.
    pub count: i64,
}

/// What is known of one user's likes, or comments, of one post: from events until a row of the database is seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Whether a row was ever seen.
    pub from_database: bool,
    /// The times of its live rows; before any was seen, of the events (of like events the earliest).
    pub times: Times,
}

/// What one user did to one post.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Interactions {
    /// Likes.
    pub likes: Tally,
    /// Comments.
    pub comments: Tally,
    /// Shares, from events alone.
    pub shares: Times,
    /// The wish for less of the post's author.
    pub less: Less,
}

/// When less of a post's author was wished for last, and taken back last, ms UTC: each the latest, in whatever order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Less {
    /// The wish.
    pub said_at: Option<i64>,
    /// That it is taken back.
    pub undone_at: Option<i64>,
}

impl Less {
    /// When the wish that holds was made; of two words at one time the taking back holds.
    pub fn since(&self) -> Option<i64> {
        self.said_at.filter(|said_at| self.undone_at.is_none_or(|undone_at| undone_at < *said_at))
    }
}

impl Interactions {
    /// Takes a row more, a row less, or a row that was never live.
    pub fn row(
        &mut self,
        (kind, at_ms, delta): (RowKind, i64, Option<Delta>),
        as_of: AsOf,
        out: &mut Vec<CountChange>,
    ) {
        match kind {
            RowKind::Like => {
                let before = self.likes.times.first();
                self.likes.take_over();
                self.likes.change(at_ms, delta, as_of);
                moved(before, self.likes.times.first(), out);
            }
            RowKind::Comment => {
                let kind = Kind::Comment;
                let events = self.comments.take_over();
                out.extend(events.all().iter().map(|(at, count)| CountChange {
                    kind,
                    at_ms: *at,
                    count: -i64::from(*count),
                }));
                let count = self.comments.change(at_ms, delta, as_of);
                out.extend((count != 0).then_some(CountChange { kind, at_ms, count }));
            }
        }
    }

    /// Takes an event; impressions, views, clicks and dwell are none of this.
    pub fn event(
        &mut self,
        (action, at_ms): (Action, i64),
        as_of: AsOf,
        out: &mut Vec<CountChange>,
    ) {
        match action {
            Action::Like if !self.likes.from_database => {
                let before = self.likes.times.first();
                self.likes.times.keep_first(at_ms);
                moved(before, self.likes.times.first(), out);
            }
            Action::Comment if !self.comments.from_database => {
                self.comments.times.add(at_ms, as_of);
                out.push(CountChange { kind: Kind::Comment, at_ms, count: 1 });
            }
            Action::Share => {
                self.shares.add(at_ms, as_of);
                out.push(CountChange { kind: Kind::Share, at_ms, count: 1 });
            }
            Action::LessLikeThis => self.less.said_at = self.less.said_at.max(Some(at_ms)),
            Action::Undo => self.less.undone_at = self.less.undone_at.max(Some(at_ms)),
            Action::Like | Action::Comment => {}
            Action::Impression | Action::View | Action::Click | Action::Dwell => {}
            Action::Hide | Action::Report => {}
        }
    }

    /// Everything that counts: what, when, and how often.
    pub fn counted(&self) -> impl Iterator<Item = (Kind, i64, u32)> {
        let likes = self.likes.times.first().map(|at| (Kind::Like, at, 1));
        let of = |kind, times: &Times| {
            times.all().iter().map(move |(at, count)| (kind, *at, *count)).collect::<Vec<_>>()
        };
        let comments = of(Kind::Comment, &self.comments.times);
        likes.into_iter().chain(comments).chain(of(Kind::Share, &self.shares))
    }
}

impl Tally {
    /// Lets the database decide from now on; gives what events had counted.
    fn take_over(&mut self) -> Times {
        if self.from_database {
            return Times::default();
        }
        self.from_database = true;
        std::mem::take(&mut self.times)
    }

    /// Takes a row; how many more count by it.
    fn change(&mut self, at_ms: i64, delta: Option<Delta>, as_of: AsOf) -> i64 {
        match delta {
            Some(Delta::Plus) => {
                self.times.add(at_ms, as_of);
                1
            }
            // A row that waited too long for its post was dropped: its deletion finds nothing.
            Some(Delta::Minus) => -i64::from(self.times.take(at_ms, as_of)),
            None => 0,
        }
    }
}

/// What it means that a like counts at another time, for the first time, or no longer.
fn moved(before: Option<i64>, after: Option<i64>, out: &mut Vec<CountChange>) {
    if before != after {
        let change = |count| move |at_ms| CountChange { kind: Kind::Like, at_ms, count };
        out.extend(before.map(change(-1)));
        out.extend(after.map(change(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Delta::{Minus, Plus};

    const LIKE: RowKind = RowKind::Like;
    const AS_OF: AsOf = AsOf { now_ms: 100, days: 90 };
    const COMMENT: RowKind = RowKind::Comment;

    /// Does something to the interactions and gives what changed, as (time, by how much).
    fn changes(
        interactions: &mut Interactions,
        step: impl FnOnce(&mut Interactions, &mut Vec<CountChange>),
    ) -> Vec<(i64, i64)> {
        let mut out = Vec::new();
        step(interactions, &mut out);
        out.iter().map(|changed| (changed.at_ms, changed.count)).collect()
    }

    fn counted(interactions: &Interactions) -> Vec<(Kind, i64, u32)> {
        interactions.counted().collect()
    }

    #[test]
    fn a_like_event_counts_until_a_row_is_seen_and_then_the_row_does() {
        let mut interactions = Interactions::default();
        let event = changes(&mut interactions, |interactions, out| {
            interactions.event((Action::Like, 10), AS_OF, out)
        });
        let row = changes(&mut interactions, |interactions, out| {
            interactions.row((LIKE, 20, Some(Plus)), AS_OF, out)
        });
        let late = changes(&mut interactions, |interactions, out| {
            interactions.event((Action::Like, 5), AS_OF, out)
        });
        assert_eq!((event, row, late), (vec![(10, 1)], vec![(10, -1), (20, 1)], vec![]));
    }

    #[test]
    fn of_several_like_events_the_earliest_counts() {
        for times in [[10, 20, 30], [30, 10, 20], [20, 30, 10]] {
            let (mut interactions, mut out) = (Interactions::default(), Vec::new());
            for at in times {
                interactions.event((Action::Like, at), AS_OF, &mut out);
            }
            assert_eq!(counted(&interactions), [(Kind::Like, 10, 1)]);
            assert_eq!(out.iter().map(|change| change.count).sum::<i64>(), 1);
        }
    }

    #[test]
    fn events_and_rows_count_the_same_in_either_order() {
        let (mut first, mut last) = (Interactions::default(), Interactions::default());
        let mut out = Vec::new();
        first.event((Action::Like, 10), AS_OF, &mut out);
        first.row((LIKE, 20, Some(Plus)), AS_OF, &mut out);
        last.row((LIKE, 20, Some(Plus)), AS_OF, &mut out);
        last.event((Action::Like, 10), AS_OF, &mut out);
        assert_eq!(first, last);
    }

    #[test]
    fn two_rows_of_a_like_count_once_at_the_earlier_time() {
        let mut interactions = Interactions::default();
        let late = changes(&mut interactions, |interactions, out| {
            interactions.row((LIKE, 20, Some(Plus)), AS_OF, out)
        });
        let early = changes(&mut interactions, |interactions, out| {
            interactions.row((LIKE, 10, Some(Plus)), AS_OF, out)
        });
        let gone = changes(&mut interactions, |interactions, out| {
            interactions.row((LIKE, 10, Some(Minus)), AS_OF, out)
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
        interactions.event((Action::Like, 5), AS_OF, &mut out);
        interactions.row((LIKE, 10, Some(Plus)), AS_OF, &mut out);
        interactions.row((LIKE, 10, Some(Minus)), AS_OF, &mut out);
        interactions.event((Action::Like, 15), AS_OF, &mut out);
        assert_eq!(counted(&interactions), []);
    }

    #[test]
    fn a_row_that_was_never_live_ends_what_events_counted() {
        let mut interactions = Interactions::default();
        let event = changes(&mut interactions, |interactions, out| {
            interactions.event((Action::Comment, 5), AS_OF, out)
        });
        let by_row = changes(&mut interactions, |interactions, out| {
            interactions.row((COMMENT, 9, None), AS_OF, out)
        });
        assert_eq!((event, by_row), (vec![(5, 1)], vec![(5, -1)]));
    }

    #[test]
    fn every_comment_counts_at_its_own_time() {
        let mut interactions = Interactions::default();
        let mut out = Vec::new();
        interactions.row((COMMENT, 20, Some(Plus)), AS_OF, &mut out);
        interactions.row((COMMENT, 10, Some(Plus)), AS_OF, &mut out);
        interactions.row((COMMENT, 10, Some(Plus)), AS_OF, &mut out);
        interactions.row((COMMENT, 20, Some(Minus)), AS_OF, &mut out);
        assert_eq!(counted(&interactions), [(Kind::Comment, 10, 2)]);
    }

    #[test]
    fn every_share_counts_and_views_do_not() {
        let mut interactions = Interactions::default();
        let mut out = Vec::new();
        for action in [Action::Share, Action::View, Action::Share, Action::Dwell] {
            interactions.event((action, 7), AS_OF, &mut out);
        }
        assert_eq!(counted(&interactions), [(Kind::Share, 7, 2)]);
    }

    #[test]
    fn the_deletion_of_a_dropped_row_takes_nothing_away() {
        let mut interactions = Interactions::default();
        let gone = changes(&mut interactions, |interactions, out| {
            interactions.row((LIKE, 10, Some(Minus)), AS_OF, out)
        });
        assert_eq!((gone, interactions.likes.from_database), (vec![], true));
    }

    #[test]
    fn comments_of_events_count_until_a_row_is_seen_and_a_deleted_row_is_one_less() {
        let mut interactions = Interactions::default();
        let event = |at| {
            move |interactions: &mut Interactions, out: &mut Vec<CountChange>| {
                interactions.event((Action::Comment, at), AS_OF, out)
            }
        };
        let row = |at, delta| {
            move |interactions: &mut Interactions, out: &mut Vec<CountChange>| {
                interactions.row((COMMENT, at, Some(delta)), AS_OF, out)
            }
        };
        let early = changes(&mut interactions, event(5));
        let written = changes(&mut interactions, row(9, Plus));
        let late = changes(&mut interactions, event(11));
        let deleted = changes(&mut interactions, row(9, Minus));
        let again = changes(&mut interactions, row(9, Minus));
        let expected = [vec![(5, 1)], vec![(5, -1), (9, 1)], vec![], vec![(9, -1)], vec![]];
        assert_eq!([early, written, late, deleted, again], expected);
    }
}
