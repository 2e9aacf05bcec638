//! A post: its row, its counts, and the line last sent.
//!
//! Deletes win: of changes with equal marks the deletion counts, and a newer live image brings the post
//! back with all its counts. A post of which no image came yet is unknown; what was done to it waits for
//! 7 days after the last of it, then all of it is dropped.

use schemas::{Action, Mark, PostImage, PostLine, UserId};
use serde::Serialize;

use super::interactions::{CountChange, Kind};
use super::line::{self, LinePolicy, Sent};
use crate::ingest::row::{RowVersion, is_newer};

/// What is done to an unknown post waits so long.
pub const WAIT_MS: i64 = 7 * 86_400_000;

/// A post's lifetime counts, of everything that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// L.
    pub likes: u32,
    /// C.
    pub comments: u32,
    /// S.
    pub shares: u32,
    /// I.
    pub impressions: u32,
    /// V.
    pub views: u32,
}

/// What is kept of a post.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Post {
    /// Its newest change; none until one came.
    pub version: Option<RowVersion>,
    /// Its last image; none while it is unknown.
    pub image: Option<PostImage>,
    /// Its counts.
    pub counts: Counts,
    /// The line last sent.
    pub sent: Sent,
    /// Until when what was done to it waits, while it is unknown.
    pub waits_until: Option<i64>,
    /// Until when lists of trending posts may have it: so long it has a line, however old it is.
    pub trends_until: Option<i64>,
}

/// What a change of the post itself means for what was done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorChange {
    /// The same author as before, or still none.
    Unchanged,
    /// All interactions are on a post by `to`, and no longer by `from`.
    Changed {
        /// The former author; none if the post was unknown.
        from: Option<UserId>,
        /// The author.
        to: UserId,
    },
}

impl Post {
    /// Takes a change of the post itself; an older one than the newest means nothing.
    pub fn change(&mut self, mark: Mark, image: Option<PostImage>, live: bool) -> AuthorChange {
        let next = RowVersion { mark, live };
        if !is_newer(next, self.version) {
            return AuthorChange::Unchanged;
        }
        self.version = Some(next);
        let Some(mut new) = image else { return AuthorChange::Unchanged };
        let old = self.image;
        new.content_hash = new.content_hash.or(old.and_then(|old| old.content_hash));
        self.image = Some(new);
        self.waits_until = None;
        let from = old.map(|old| old.author);
        if from == Some(new.author) {
            AuthorChange::Unchanged
        } else {
            AuthorChange::Changed { from, to: new.author }
        }
    }

    /// Takes what counts more or less.
    pub fn count(&mut self, changes: &[CountChange]) {
        for change in changes {
            let count = match change.kind {
                Kind::Like => &mut self.counts.likes,
                Kind::Comment => &mut self.counts.comments,
                Kind::Share => &mut self.counts.shares,
            };
            let changed = i64::from(*count).saturating_add(change.count);
            *count = u32::try_from(changed.clamp(0, i64::from(u32::MAX))).unwrap_or(u32::MAX);
        }
    }

    /// Takes an impression or a view; the other actions are none.
    pub fn count_exposure(&mut self, action: Action) {
        let Counts { impressions, views, .. } = &mut self.counts;
        match action {
            Action::Impression => *impressions = impressions.saturating_add(1),
            Action::View => *views = views.saturating_add(1),
            Action::Click | Action::Like | Action::Comment | Action::Share | Action::Dwell => {}
            Action::Hide | Action::Report | Action::LessLikeThis | Action::Undo => {}
        }
    }

    /// Notes that something was done to the post at wall time `now`: it waits, if the post is unknown.
    pub fn wait(&mut self, now: i64) {
        if self.image.is_none() {
            self.waits_until = Some(now.saturating_add(WAIT_MS));
        }
    }

    /// If everything done to the post has waited too long: how many things that are. They are dropped, here
    /// and by the caller, who keeps the interactions.
    pub fn expire(&mut self, now: i64) -> Option<u64> {
        self.waits_until.filter(|until| *until <= now)?;
        let Counts { likes, comments, shares, impressions, views } =
            std::mem::take(&mut self.counts);
        (self.waits_until, self.trends_until) = (None, None);
        Some([likes, comments, shares, impressions, views].into_iter().map(u64::from).sum())
    }

    /// The line that readers should have at `now`; none if the post is not live, or too old and trending nowhere.
    pub fn line(&self, now: i64, policy: &LinePolicy) -> Option<PostLine> {
        let image = self.live_image()?;
        if now >= self.line_ends_at(image.created_at_ms, policy) {
            return None;
        }
        let Counts { likes, comments, shares, impressions, views } = self.counts;
        Some(PostLine {
            author: image.author,
            created_at_ms: image.created_at_ms,
            likes,
            comments,
            shares,
            exposures: impressions.max(views),
            content_hash: image.content_hash.unwrap_or(0),
        })
    }

    /// The post's image, while it exists undeleted.
    pub fn live_image(&self) -> Option<PostImage> {
        self.image.filter(|_| self.version.is_some_and(|version| version.live))
    }

    fn line_ends_at(&self, created_at_ms: i64, policy: &LinePolicy) -> i64 {
        let too_old_at = created_at_ms.saturating_add(policy.age_ms_max).saturating_add(1);
        self.trends_until.map_or(too_old_at, |until| until.max(too_old_at))
    }

    /// When the post must be looked at if nothing happens: an unsent line is due, its line ends with
    /// age, or what waits is dropped.
    pub fn next_deadline(&self, policy: &LinePolicy) -> Option<i64> {
        let unsent = self.sent.unsent.map(|unsent| line::due(unsent, policy));
        let ends = self.sent.line.map(|line| self.line_ends_at(line.created_at_ms, policy));
        [unsent, ends, self.waits_until].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(lsn: u64) -> Mark {
        Mark { epoch: 0, lsn }
    }

    fn image(author: u8) -> Option<PostImage> {
        let (author, content_hash) = (UserId([author; 16]), Some(7));
        Some(PostImage { author, created_at_ms: 0, content_hash })
    }

    fn likes(post: &Post) -> Option<u32> {
        post.line(0, &LinePolicy::default()).map(|line| line.likes)
    }

    fn like(post: &mut Post) {
        post.count(&[CountChange { kind: Kind::Like, at_ms: 0, count: 1 }]);
    }

    #[test]
    fn a_deleted_post_has_no_line_and_an_undeleted_one_has_its_counts_again() {
        let mut post = Post::default();
        post.change(mark(1), image(1), true);
        like(&mut post);
        assert_eq!(likes(&post), Some(1));
        post.change(mark(2), None, false);
        like(&mut post);
        assert_eq!(likes(&post), None);
        post.change(mark(3), image(1), true);
        assert_eq!(likes(&post), Some(2));
    }

    #[test]
    fn an_older_change_means_nothing() {
        let mut post = Post::default();
        post.change(mark(2), None, false);
        assert_eq!(post.change(mark(1), image(1), true), AuthorChange::Unchanged);
        assert_eq!(likes(&post), None);
    }

    #[test]
    fn a_first_author_is_a_change_and_so_is_another_one() {
        let mut post = Post::default();
        let (first, second) = (UserId([1; 16]), UserId([2; 16]));
        let known = post.change(mark(1), image(1), true);
        let same = post.change(mark(2), image(1), false);
        let other = post.change(mark(3), image(2), true);
        let expected = [
            AuthorChange::Changed { from: None, to: first },
            AuthorChange::Unchanged,
            AuthorChange::Changed { from: Some(first), to: second },
        ];
        assert_eq!([known, same, other], expected);
    }

    #[test]
    fn content_that_the_log_does_not_repeat_is_kept() {
        let mut post = Post::default();
        post.change(mark(1), image(1), true);
        let unrepeated = image(1).map(|image| PostImage { content_hash: None, ..image });
        post.change(mark(2), unrepeated, true);
        assert_eq!(post.image, image(1));
    }

    #[test]
    fn what_waits_is_dropped_seven_days_after_the_last_of_it() {
        let mut post = Post::default();
        for now in [0, 1_000] {
            like(&mut post);
            post.wait(now);
        }
        assert_eq!(post.expire(WAIT_MS), None);
        assert_eq!(post.expire(1_000 + WAIT_MS), Some(2));
        assert_eq!(post, Post::default());
    }

    #[test]
    fn an_old_post_has_a_line_while_it_trends() {
        let (mut post, policy) = (Post::default(), LinePolicy::default());
        post.change(mark(1), image(1), true);
        let old = 30 * 86_400_000;
        assert_eq!(post.line(old, &policy), None);
        post.trends_until = Some(old + 1);
        post.sent.line = post.line(old, &policy);
        assert!(post.sent.line.is_some());
        assert_eq!(post.next_deadline(&policy), Some(old + 1));
        assert_eq!(post.line(old + 1, &policy), None);
    }

    #[test]
    fn a_line_ends_an_hour_after_the_post_is_seven_days_old() {
        let (mut post, policy) = (Post::default(), LinePolicy::default());
        post.change(mark(1), image(1), true);
        let last = 7 * 86_400_000 + 3_600_000;
        post.sent.line = post.line(0, &policy);
        assert!(post.line(last, &policy).is_some());
        assert_eq!(post.line(last + 1, &policy), None);
        assert_eq!(post.next_deadline(&policy), Some(last + 1));
    }
}
