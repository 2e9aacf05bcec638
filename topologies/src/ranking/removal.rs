//! Which posts a reader is not shown, and why.
//!
//! Removal comes before the caps of the sources, so that what is removed uses up no place. A deleted
//! post has no line and never comes this far.

use schemas::{PostId, UserId};

use super::reader::ReaderState;
use crate::live::GoneUsers;

/// Why a post was removed. The first reason that holds is the one named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The reader wrote it.
    Own,
    /// Its author is gone.
    Gone,
    /// The reader saw it within the last 24 h.
    Seen {
        /// When it was last seen, ms UTC.
        at: i64,
    },
}

/// Why all posts of `author` are removed, if they are.
pub fn of_author(reader: &ReaderState, author: &UserId, gone: &GoneUsers) -> Option<Removed> {
    let reasons = [(*author == reader.id, Removed::Own), (gone.contains(author), Removed::Gone)];
    reasons.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
}

/// Why one post of an author who is not removed is removed, if it is: it was seen after `seen_after`.
pub fn of_post(reader: &ReaderState, post: &PostId, seen_after: i64) -> Option<Removed> {
    let at = reader.seen_at(post)?;
    (at > seen_after).then_some(Removed::Seen { at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> ReaderState {
        let seen = vec![(PostId([7; 16]), 100)];
        ReaderState { id: UserId([1; 16]), seen, ..ReaderState::default() }
    }

    #[test]
    fn own_posts_are_removed_as_own_also_when_the_reader_is_gone() {
        let gone = GoneUsers::from_iter([UserId([1; 16])]);
        assert_eq!(of_author(&reader(), &UserId([1; 16]), &gone), Some(Removed::Own));
    }

    #[test]
    fn the_posts_of_an_author_who_is_gone_are_removed() {
        let gone = GoneUsers::from_iter([UserId([2; 16])]);
        assert_eq!(of_author(&reader(), &UserId([2; 16]), &gone), Some(Removed::Gone));
        assert_eq!(of_author(&reader(), &UserId([3; 16]), &gone), None);
    }

    #[test]
    fn a_seen_post_stays_away_until_the_moment_it_was_seen_is_24_h_past() {
        let seen = Some(Removed::Seen { at: 100 });
        assert_eq!(of_post(&reader(), &PostId([7; 16]), 99), seen);
        assert_eq!(of_post(&reader(), &PostId([7; 16]), 100), None);
        assert_eq!(of_post(&reader(), &PostId([8; 16]), 99), None);
    }
}
