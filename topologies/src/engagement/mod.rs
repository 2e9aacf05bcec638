//! Engagement: what was done to a post, what of it counts, and when others are told.
//!
//! Key of everything is the post. [`interactions`] keeps, for each user, what counts and when, [`times`] in a bounded row; [`post`] keeps
//! whether the post is live and its counts; [`line`] decides when the post's line is broadcast. Interactions may
//! come before their post: they count under its key at once, and reach their users when its
//! author is known.

pub mod interactions;
pub mod line;
pub mod post;
pub mod times;

use schemas::{ToUser, UserId, day_of};

use interactions::{CountChange, Interactions};

/// What it means to a user that so much of what they did to a post of `author` counts or no longer counts, and that their
/// wish for less of the author holds or no longer holds: when it was made, before and after.
pub fn user_updates(
    author: UserId,
    changes: &[CountChange],
    (before, after): (Option<i64>, Option<i64>),
    out: &mut Vec<ToUser>,
) {
    for change in changes {
        let day = day_of(change.at_ms);
        out.push(ToUser::Interaction { author, day, count: bounded(change.count) });
    }
    if before != after {
        let less = |count| move |at_ms| ToUser::Less { author, day: day_of(at_ms), count };
        out.extend(before.map(less(-1)));
        out.extend(after.map(less(1)));
    }
}

/// What it means to a user that a post on which they did so much is by `to`, and no longer by `from`.
pub fn reattributions(
    (from, to): (Option<UserId>, UserId),
    done: &Interactions,
    out: &mut Vec<ToUser>,
) {
    for (_, at_ms, count) in done.counted() {
        let (day, count) = (day_of(at_ms), bounded(i64::from(count)));
        out.extend(from.map(|author| ToUser::Interaction { author, day, count: -count }));
        out.push(ToUser::Interaction { author: to, day, count });
    }
    let wish = done.less.since();
    if let Some(from) = from {
        user_updates(from, &[], (wish, None), out);
    }
    user_updates(to, &[], (None, wish), out);
}

/// A count as records carry it.
fn bounded(count: i64) -> i32 {
    let most = i64::from(i32::MAX);
    i32::try_from(count.clamp(-most, most)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use schemas::Action;

    use super::times::AsOf;
    use super::*;

    #[test]
    fn what_changes_its_author_is_taken_from_one_and_given_to_the_other() {
        let (a, b) = (UserId([1; 16]), UserId([2; 16]));
        let (mut done, mut out) = (Interactions::default(), Vec::new());
        let as_of = AsOf { now_ms: 3 * 86_400_000, days: 90 };
        (0..3).for_each(|_| done.event((Action::Share, 86_400_000), as_of, &mut Vec::new()));
        done.event((Action::LessLikeThis, 2 * 86_400_000), as_of, &mut Vec::new());
        reattributions((Some(a), b), &done, &mut out);
        let expected = [
            ToUser::Interaction { author: a, day: 1, count: -3 },
            ToUser::Interaction { author: b, day: 1, count: 3 },
            ToUser::Less { author: a, day: 2, count: -1 },
            ToUser::Less { author: b, day: 2, count: 1 },
        ];
        assert_eq!(out, expected);
    }

    #[test]
    fn a_wish_that_holds_is_told_once_and_taken_back_on_its_own_day() {
        let (author, mut out) = (UserId([1; 16]), Vec::new());
        let less = |day, count| ToUser::Less { author, day, count };
        user_updates(author, &[], (None, Some(86_400_000)), &mut out);
        user_updates(author, &[], (Some(86_400_000), Some(86_400_000)), &mut out);
        user_updates(author, &[], (Some(86_400_000), Some(3 * 86_400_000)), &mut out);
        user_updates(author, &[], (Some(3 * 86_400_000), None), &mut out);
        assert_eq!(out, [less(1, 1), less(1, -1), less(3, 1), less(3, -1)]);
    }

    #[test]
    fn what_changes_reaches_its_user_by_day_and_within_what_a_record_carries() {
        let change = |at_ms, count| CountChange { kind: interactions::Kind::Like, at_ms, count };
        let mut out = Vec::new();
        let author = UserId([1; 16]);
        let changes =
            [change(86_400_000, 1), change(0, -2), change(0, i64::MIN), change(0, i64::MAX)];
        user_updates(author, &changes, (None, None), &mut out);
        let expected = [(1, 1), (0, -2), (0, -i32::MAX), (0, i32::MAX)];
        assert_eq!(out, expected.map(|(day, count)| ToUser::Interaction { author, day, count }));
    }
}
