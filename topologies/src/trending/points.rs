//! What interactions are worth in a list of trending posts.
//!
//! By default each like, comment and share has its points (feed.md's `likes + 2 comments + 3 shares`). By people, one
//! person's points on one post count up to a cap within any window: the latest ones count first, so that the sum over
//! the buckets of a window is what that window allows, whatever lies before it. With a cap of 1 that is the number of
//! distinct people.

use crate::engagement::interactions::{CountChange, Interactions, Kind};
use crate::ranking::weights::Points;

/// How the score of a list is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Formula {
    /// The points of all interactions.
    #[default]
    Interactions,
    /// Each person's points, at most so many of a person and post.
    People {
        /// The cap, 1 or more.
        points_max: u32,
    },
}

impl Formula {
    /// What a change of one person's interactions with a post adds, as (time, points), to `out`. `before` and `after`
    /// are all of them, `changes` what differs.
    pub fn moved(
        self,
        worth: Points,
        (before, after): (&Interactions, &Interactions),
        changes: &[CountChange],
        out: &mut Vec<(i64, i64)>,
    ) {
        match self {
            Self::Interactions => out.extend(changes.iter().map(|change| {
                (change.at_ms, change.count.saturating_mul(i64::from(of_kind(worth, change.kind))))
            })),
            Self::People { .. } if changes.is_empty() => {}
            Self::People { points_max } => {
                let capped = |interactions| capped(interactions, worth, points_max);
                out.extend(capped(before).into_iter().map(|(at, points)| (at, -points)));
                out.extend(capped(after));
            }
        }
    }
}

/// A person's points on a post, the latest first, as far as the cap allows.
fn capped(interactions: &Interactions, worth: Points, points_max: u32) -> Vec<(i64, i64)> {
    let mut made: Vec<_> = interactions.counted().collect();
    made.sort_unstable_by_key(|(kind, at, _)| std::cmp::Reverse((*at, *kind)));
    let mut left = points_max;
    let counted = made.into_iter().map_while(|(kind, at, count)| {
        let points = of_kind(worth, kind).saturating_mul(count).min(left);
        left -= points;
        (points > 0).then_some((at, i64::from(points)))
    });
    counted.collect()
}

fn of_kind(worth: Points, kind: Kind) -> u32 {
    match kind {
        Kind::Like => worth.like,
        Kind::Comment => worth.comment,
        Kind::Share => worth.share,
    }
}

#[cfg(test)]
mod tests {
    use schemas::Action;

    use super::*;
    use crate::engagement::times::AsOf;

    const WORTH: Points = Points { like: 1, comment: 2, share: 3 };

    /// What each of some events adds, under a formula.
    fn moved(formula: Formula, events: &[(Action, i64)]) -> Vec<Vec<(i64, i64)>> {
        let mut interactions = Interactions::default();
        let take = |(action, at): &(Action, i64)| {
            let (before, mut changes) = (interactions.clone(), Vec::new());
            let as_of = AsOf { now_ms: 10, days: 90 };
            interactions.event((*action, *at), as_of, &mut changes);
            let mut out = Vec::new();
            formula.moved(WORTH, (&before, &interactions), &changes, &mut out);
            out
        };
        events.iter().map(take).collect()
    }

    #[test]
    fn interactions_have_their_points_at_their_own_times() {
        let events =
            [(Action::Like, 5), (Action::Comment, 7), (Action::Share, 6), (Action::View, 8)];
        let expected = [vec![(5, 1)], vec![(7, 2)], vec![(6, 3)], vec![]];
        assert_eq!(moved(Formula::Interactions, &events), expected);
    }

    #[test]
    fn a_person_counts_once_at_the_latest_time_with_a_cap_of_one() {
        let events = [(Action::Like, 5), (Action::Share, 9), (Action::Comment, 7)];
        let expected = [vec![(5, 1)], vec![(5, -1), (9, 1)], vec![(9, -1), (9, 1)]];
        assert_eq!(moved(Formula::People { points_max: 1 }, &events), expected);
    }

    #[test]
    fn the_latest_points_of_a_person_count_up_to_the_cap() {
        let events = [(Action::Like, 5), (Action::Share, 9), (Action::Comment, 7)];
        let [.., last] = &moved(Formula::People { points_max: 5 }, &events)[..] else { panic!() };
        assert_eq!(last[..], [(9, -3), (5, -1), (9, 3), (7, 2)]);
    }

    #[test]
    fn what_is_no_interaction_moves_nothing_by_either_formula() {
        let events = [(Action::Share, 5), (Action::View, 8), (Action::Click, 9)];
        for formula in [Formula::Interactions, Formula::People { points_max: 1 }] {
            let [_, view, click] = &moved(formula, &events)[..] else { panic!() };
            assert_eq!((&view[..], &click[..]), (&[][..], &[][..]), "{formula:?}");
        }
    }
}
