//! Which posts a reader is not shown, and why.
//!
//! Removal comes before the caps of the sources, so that what is removed uses up no place. A deleted
//! post has no line and never comes this far.

use schemas::{PostId, UserId};

use super::candidates::Window;
use super::reader::ReaderState;
use super::weights::{DAY_MS, Limits};
use super::{WordsOfPosts, World};
use crate::live::GoneUsers;

/// Why a post was removed. The first reason that holds is the one named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The reader wrote it.
    Own,
    /// Its author is gone.
    Gone,
    /// The reader blocks its author, or is blocked by them.
    Blocked,
    /// The reader mutes its author.
    Muted,
    /// The reader wished for less of its author.
    Less {
        /// Until when, ms UTC.
        until: i64,
    },
    /// The reader wants to see posts of followees alone, and does not follow its author.
    NotFollowed,
    /// It has a word that the reader mutes.
    MutedWord,
    /// The reader hid or reported it.
    Hidden {
        /// When, ms UTC.
        at: i64,
    },
    /// The reader saw it within the last 24 h.
    Seen {
        /// When it was last seen, ms UTC.
        at: i64,
    },
}

impl Removed {
    /// When the clock brings the post back, if it does; of an author's posts [`super::validity`] knows it.
    pub fn returns_at(self, limits: &Limits) -> Option<i64> {
        match self {
            Self::Seen { at } => Some(at.saturating_add(limits.seen_ms)),
            Self::Hidden { at } => Some(at.saturating_add(limits.hidden_ms)),
            Self::Own
            | Self::Gone
            | Self::Blocked
            | Self::Muted
            | Self::Less { .. }
            | Self::NotFollowed
            | Self::MutedWord => None,
        }
    }
}

/// What one reader is not shown as of one time.
#[derive(Clone, Copy)]
pub struct Removal<'r> {
    reader: &'r ReaderState,
    gone: &'r GoneUsers,
    words: Option<&'r WordsOfPosts>,
    less_window: Window,
    seen_after: i64,
    hidden_after: i64,
}

impl<'r> Removal<'r> {
    /// Of `reader` as of `at`.
    pub fn of(reader: &'r ReaderState, world: &World<'r>, at: i64) -> Self {
        let World { gone, words, weights, .. } = *world;
        let limits = &weights.limits;
        Self {
            reader,
            gone,
            words: words.filter(|_| !reader.muted_words.is_empty()),
            less_window: Window::of(at, limits.less_days),
            seen_after: at.saturating_sub(limits.seen_ms),
            hidden_after: at.saturating_sub(limits.hidden_ms),
        }
    }

    /// Why all posts of `author` are removed, if they are.
    pub fn of_author(&self, author: &UserId) -> Option<Removed> {
        let Self { reader, gone, .. } = self;
        let reasons = [
            (*author == reader.id, Removed::Own),
            (gone.contains(author), Removed::Gone),
            (reader.blocked.binary_search(author).is_ok(), Removed::Blocked),
            (reader.muted.binary_search(author).is_ok(), Removed::Muted),
        ];
        let first = reasons.into_iter().find_map(|(holds, reason)| holds.then_some(reason));
        let is_stranger = || reader.following_only && reader.follows.binary_search(author).is_err();
        let chosen = || is_stranger().then_some(Removed::NotFollowed);
        first.or_else(|| self.less_of(author)).or_else(chosen)
    }

    fn less_of(&self, author: &UserId) -> Option<Removed> {
        let window = self.less_window;
        let last = self.reader.less_of(author).filter(|day| window.holds(*day)).last()?;
        let days = i64::from(last) + i64::from(window.last) - i64::from(window.first) + 1;
        Some(Removed::Less { until: days * DAY_MS })
    }

    /// Why one post of an author who is not removed is removed, if it is.
    pub fn of_post(&self, post: &PostId) -> Option<Removed> {
        let words = self.words.and_then(|words| words.get(post));
        if words.is_some_and(|words| words.any_of(&self.reader.muted_words)) {
            return Some(Removed::MutedWord);
        }
        let hidden = self.reader.hidden_at(post).filter(|at| *at > self.hidden_after);
        let seen = || self.reader.seen_at(post).filter(|at| *at > self.seen_after);
        hidden.map(|at| Removed::Hidden { at }).or_else(|| seen().map(|at| Removed::Seen { at }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::PostsByAuthor;
    use crate::ranking::Weights;

    const AUTHOR: UserId = UserId([2; 16]);
    const POST: PostId = PostId([7; 16]);

    fn reader() -> ReaderState {
        ReaderState { id: UserId([1; 16]), ..ReaderState::default() }
    }

    fn within<T>(
        gone: &GoneUsers,
        words: Option<&WordsOfPosts>,
        then: impl FnOnce(&World<'_>) -> T,
    ) -> T {
        let (posts, weights) = (PostsByAuthor::default(), Weights::v1());
        then(&World { posts: &posts, gone, words, trending: &[], weights: &weights })
    }

    fn of_author(reader: &ReaderState, gone: &[u8], author: UserId, at: i64) -> Option<Removed> {
        let gone = GoneUsers::from_iter(gone.iter().map(|id| UserId([*id; 16])));
        within(&gone, None, |world| Removal::of(reader, world, at).of_author(&author))
    }

    fn of_post(reader: &ReaderState, post: PostId, at: i64) -> Option<Removed> {
        let gone = GoneUsers::default();
        within(&gone, None, |world| Removal::of(reader, world, at).of_post(&post))
    }

    #[test]
    fn own_posts_are_removed_as_own_also_when_the_reader_is_gone() {
        assert_eq!(of_author(&reader(), &[1], UserId([1; 16]), 0), Some(Removed::Own));
    }

    #[test]
    fn the_posts_of_an_author_who_is_gone_are_removed() {
        assert_eq!(of_author(&reader(), &[2], AUTHOR, 0), Some(Removed::Gone));
        assert_eq!(of_author(&reader(), &[2], UserId([3; 16]), 0), None);
    }

    #[test]
    fn who_is_muted_or_blocked_is_not_shown_and_a_block_is_named_before_a_mute() {
        let muting = ReaderState { muted: vec![AUTHOR], ..reader() };
        let both = ReaderState { blocked: vec![AUTHOR], ..muting.clone() };
        let found = [&muting, &both].map(|reader| of_author(reader, &[], AUTHOR, 0));
        assert_eq!(found, [Some(Removed::Muted), Some(Removed::Blocked)]);
    }

    #[test]
    fn of_whom_less_was_wished_for_nothing_is_shown_on_14_days() {
        let reader = ReaderState { less: vec![(AUTHOR, 3), (AUTHOR, 100)], ..reader() };
        let on = |day: i64, ms: i64| of_author(&reader, &[], AUTHOR, day * DAY_MS + ms);
        let until = |day: i64| Some(Removed::Less { until: day * DAY_MS });
        assert_eq!(
            [on(2, 0), on(3, 0), on(16, DAY_MS - 1), on(17, 0)],
            [None, until(17), until(17), None]
        );
        assert_eq!([on(99, 0), on(100, 5)], [None, until(114)]);
    }

    #[test]
    fn a_seen_post_stays_away_until_the_moment_it_was_seen_is_24_h_past() {
        let reader = ReaderState { seen: vec![(POST, 100)], ..reader() };
        assert_eq!(of_post(&reader, POST, DAY_MS + 99), Some(Removed::Seen { at: 100 }));
        assert_eq!(of_post(&reader, POST, DAY_MS + 100), None);
        assert_eq!(of_post(&reader, PostId([8; 16]), DAY_MS + 99), None);
    }

    #[test]
    fn a_hidden_post_stays_away_for_90_days_and_is_named_before_a_seen_one() {
        let reader = ReaderState { hidden: vec![(POST, 100)], seen: vec![(POST, 100)], ..reader() };
        let hidden = Some(Removed::Hidden { at: 100 });
        let found = [0, 90 * DAY_MS + 99, 90 * DAY_MS + 100].map(|at| of_post(&reader, POST, at));
        assert_eq!(found, [hidden, hidden, None]);
    }

    #[test]
    fn who_wants_followees_alone_is_shown_nobody_else() {
        let choosing = ReaderState { following_only: true, ..reader() };
        let following = ReaderState { follows: vec![AUTHOR], ..choosing.clone() };
        let found = [&choosing, &following].map(|reader| of_author(reader, &[], AUTHOR, 0));
        assert_eq!(found, [Some(Removed::NotFollowed), None]);
    }

    #[test]
    fn what_the_clock_brings_back_says_when() {
        let limits = Weights::v1().limits;
        let at = [Removed::Seen { at: 5 }, Removed::Hidden { at: 5 }, Removed::Muted];
        let back = at.map(|removed| removed.returns_at(&limits));
        assert_eq!(back, [Some(5 + DAY_MS), Some(5 + 90 * DAY_MS), None]);
    }
}
