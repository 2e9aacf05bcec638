//! Engagement: what was done to a post, what of it counts, and when others are told.
//!
//! Key of everything is the post. [`interactions`] keeps, for each user, what counts and when; [`post`] keeps
//! whether the post is live and its counts; [`line`] decides when the post's line is broadcast. Interactions may
//! come before their post: they count under its key at once, and reach their users when its
//! author is known.

pub mod interactions;
pub mod line;
pub mod post;

use schemas::{Delta, ToUser, UserId, day_of};

use interactions::CountChange;

/// What the changes of one user's interactions mean to that user, as interactions with `author`.
pub fn affinity_updates(author: UserId, changes: &[CountChange], out: &mut Vec<ToUser>) {
    for change in changes {
        let interaction = |delta| ToUser::Interaction { author, day: day_of(change.at_ms), delta };
        out.push(interaction(change.delta));
    }
}

/// What it means to a user that a post on which they did `counted` is by `to`, and no longer by `from`.
pub fn reattributions(
    (from, to): (Option<UserId>, UserId),
    counted: impl Iterator<Item = i64>,
    out: &mut Vec<ToUser>,
) {
    for at_ms in counted {
        let day = day_of(at_ms);
        let less = from.map(|author| ToUser::Interaction { author, day, delta: Delta::Minus });
        out.extend(less);
        out.push(ToUser::Interaction { author: to, day, delta: Delta::Plus });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_its_author_is_taken_from_one_and_given_to_the_other() {
        let (a, b) = (UserId([1; 16]), UserId([2; 16]));
        let mut out = Vec::new();
        reattributions((Some(a), b), [86_400_000].into_iter(), &mut out);
        let expected = [
            ToUser::Interaction { author: a, day: 1, delta: Delta::Minus },
            ToUser::Interaction { author: b, day: 1, delta: Delta::Plus },
        ];
        assert_eq!(out, expected);
    }
}
