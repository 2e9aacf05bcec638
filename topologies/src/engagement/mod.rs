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

use interactions::CountChange;

/// What the changes of one user's interactions mean to that user, as interactions with `author`.
pub fn affinity_updates(author: UserId, changes: &[CountChange], out: &mut Vec<ToUser>) {
    for change in changes {
        let day = day_of(change.at_ms);
        out.push(ToUser::Interaction { author, day, count: bounded(change.count) });
    }
}

/// What it means to a user that a post on which they did `counted` is by `to`, and no longer by `from`.
pub fn reattributions(
    (from, to): (Option<UserId>, UserId),
    counted: impl Iterator<Item = (i64, u32)>,
    out: &mut Vec<ToUser>,
) {
    for (at_ms, count) in counted {
        let (day, count) = (day_of(at_ms), bounded(i64::from(count)));
        out.extend(from.map(|author| ToUser::Interaction { author, day, count: -count }));
        out.push(ToUser::Interaction { author: to, day, count });
    }
}

/// A count as records carry it.
fn bounded(count: i64) -> i32 {
    let most = i64::from(i32::MAX);
    i32::try_from(count.clamp(-most, most)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_its_author_is_taken_from_one_and_given_to_the_other() {
        let (a, b) = (UserId([1; 16]), UserId([2; 16]));
        let mut out = Vec::new();
        reattributions((Some(a), b), [(86_400_000, 3)].into_iter(), &mut out);
        let expected = [
            ToUser::Interaction { author: a, day: 1, count: -3 },
            ToUser::Interaction { author: b, day: 1, count: 3 },
        ];
        assert_eq!(out, expected);
    }

    #[test]
    fn what_changes_reaches_its_user_by_day_and_within_what_a_record_carries() {
        let change = |at_ms, count| CountChange { kind: interactions::Kind::Like, at_ms, count };
        let mut out = Vec::new();
        let author = UserId([1; 16]);
        let changes =
            [change(86_400_000, 1), change(0, -2), change(0, i64::MIN), change(0, i64::MAX)];
        affinity_updates(author, &changes, &mut out);
        let expected = [(1, 1), (0, -2), (0, -i32::MAX), (0, i32::MAX)];
        assert_eq!(out, expected.map(|(day, count)| ToUser::Interaction { author, day, count }));
    }
}
