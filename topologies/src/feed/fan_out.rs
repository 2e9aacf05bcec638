//! Fan-out: whom a change of a broadcast touches, and how soon.
//!
//! A post that comes or goes, or a user, touches at once those who follow the author or did something to their posts.
//! Counts touch the same readers softly. What trends is in everybody's feed: its posts that come or go touch every
//! active reader, and their counts and the list itself those who are online, together, a while later; the others are
//! ranked at their next read or grid time, and the reader's row knows nothing of it.

use millstream::{ChangedKey, Result, Timestamp};
use schemas::{PostId, TRENDING_KEY, TrendingKey, UserId};

use super::reader::{ReaderContext, ReaderProcessor};
use super::trending;
use crate::layout::Pair;
use crate::reader::schedule::{Class, Pace};

/// Another list touches everybody so long after the one before at the earliest.
const MEMBERS_MS: i64 = 10_000;
/// Counts of what trends touch everybody after this, and everybody is then ranked within the same time.
const COUNTS_MS: i64 = 1_000;

impl ReaderProcessor {
    /// Notes that something changed for a reader.
    pub(super) fn touch(
        &self,
        user: &UserId,
        class: Class,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let pace = pace(cx);
        self.change(user, cx, |reader, now| {
            if reader.presence.is_active(now) {
                reader.schedule.touch(class, &reader.presence, pace, now);
            }
        })
    }

    /// Notes that something changed for everyone who follows `author`, or did something to their posts.
    pub(super) fn touch_audience(
        &mut self,
        author: &UserId,
        class: Class,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        if cx.is_lagging() {
            return self.put_off_audience(author, class, cx);
        }
        let mut users = Vec::new();
        cx.store(self.audience)?.scan_prefix(&author.0, |Pair(_, user), ()| {
            users.push(*user);
            true
        })?;
        users.iter().try_for_each(|user| self.touch(user, class, cx))
    }

    /// A user is gone, or back.
    pub(super) fn user_changed(
        &mut self,
        user: ChangedKey<'_, UserId>,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let ChangedKey::Key(user) = user else { return self.touch_everybody_softly(cx) };
        self.touch(user, Class::Urgent, cx)?;
        let view = cx.view(self.trending)?;
        let trends = view.get(&TRENDING_KEY).is_some_and(|all| {
            all.posts.iter().any(|post| post.author == *user && self.trends(&post.post))
        });
        match trends {
            true => self.touch_everybody(cx),
            false => self.touch_audience(user, Class::Urgent, cx),
        }
    }

    /// Touches whoever the line of `post` concerns, or concerned: soon if the post came or went, softly if
    /// its counts changed. A task that lags may take a post that came for one that was counted.
    pub(super) fn post_changed(
        &mut self,
        post: ChangedKey<'_, PostId>,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let ChangedKey::Key(post) = post else { return self.touch_everybody_softly(cx) };
        let view = cx.view(self.posts)?;
        let index = view.index();
        if index.changes() != self.changes_seen.1 {
            self.changes_seen = (self.changes_seen.1, index.changes());
        }
        let author = view.get(post).map(|line| line.author);
        let class = match author.is_none() || index.appeared_after(post, self.changes_seen.0) {
            true => Class::Urgent,
            false => Class::Soft,
        };
        match (self.trends(post), class) {
            (true, Class::Urgent) => return self.touch_everybody(cx),
            (true, Class::Soft) => self.schedule_everybody(COUNTS_MS, cx)?,
            (false, _) => {}
        }
        let former = match (author, index.former_authors(post)) {
            (None, None) => return self.touch_everybody_softly(cx),
            (None, Some([])) => return self.rank_all_once(cx),
            (_, former) => former.unwrap_or_default(),
        };
        let mut authors =
            author.iter().chain(former.iter().filter(|former| author != Some(**former)));
        authors.try_for_each(|author| self.touch_audience(author, class, cx))
    }

    /// A line ended that never was in this process. It is in no feed that was ranked here; feeds that were ranked
    /// before the task came here may have it, so that all of those are ranked anew.
    pub(super) fn rank_all_once(&mut self, cx: &mut ReaderContext<'_>) -> Result<()> {
        if cx.is_lagging() {
            return self.put_off_all(cx);
        }
        if std::mem::replace(&mut self.ranks_all, true) {
            return Ok(());
        }
        let users = self.readers(cx, |reader, now| reader.presence.is_active(now))?;
        users.iter().try_for_each(|user| self.change(user, cx, |_, _| {}))
    }

    /// There are new lists of what trends.
    pub(super) fn trending_changed(&mut self, cx: &mut ReaderContext<'_>) -> Result<()> {
        let now = cx.wall_time().0;
        let view = cx.view(self.trending)?;
        let members = trending::members(view.get(&TRENDING_KEY), now);
        if members == self.members {
            return Ok(());
        }
        self.members = members;
        let at = self.everybody_touched_at.saturating_add(MEMBERS_MS).max(now);
        self.schedule_everybody(at.saturating_sub(now), cx)
    }

    /// Whether a post is in the list of 24 h.
    fn trends(&self, post: &PostId) -> bool {
        self.members.binary_search(post).is_ok()
    }

    fn schedule_everybody(&self, after_ms: i64, cx: &mut ReaderContext<'_>) -> Result<()> {
        let at = Timestamp(cx.wall_time().0.saturating_add(after_ms));
        cx.timers(self.everybody_due)?.owe_sooner(&EVERYBODY, at)
    }

    pub(super) fn touch_everybody(&mut self, cx: &mut ReaderContext<'_>) -> Result<()> {
        if cx.is_lagging() {
            return self.put_off_everybody(Class::Urgent, cx);
        }
        let users = self.readers(cx, |reader, now| reader.presence.is_active(now))?;
        users.iter().try_for_each(|user| self.touch(user, Class::Urgent, cx))
    }

    /// Touches everybody who is online, one after the other within a second.
    pub(super) fn touch_everybody_softly(&mut self, cx: &mut ReaderContext<'_>) -> Result<()> {
        if cx.is_lagging() {
            return self.put_off_everybody(Class::Soft, cx);
        }
        self.everybody_touched_at = cx.wall_time().0;
        let users = self.readers(cx, |reader, now| reader.presence.is_online(now))?;
        users.iter().try_for_each(|user| {
            self.change(user, cx, |reader, now| {
                reader.schedule.touch_softly(now.saturating_add(place_of(user, COUNTS_MS)));
            })
        })
    }
}

/// How soon a change is ranked at the moment.
pub(super) fn pace(cx: &ReaderContext<'_>) -> Pace {
    if cx.is_lagging() { Pace::CatchingUp } else { Pace::Live }
}

/// The timer that touches everybody.
pub(super) const EVERYBODY: TrendingKey = TrendingKey(0);

/// A reader's place in a span, always the same: so many readers are not ranked in one moment.
pub(super) fn place_of(user: &UserId, span_ms: i64) -> i64 {
    i64::from(millstream::broker::murmur2(&user.0) & 0x7fff_ffff).rem_euclid(span_ms.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_spread_over_a_span_each_at_a_place_of_their_own() {
        let places = |span| (0..=u8::MAX).map(move |id| place_of(&UserId([id; 16]), span));
        assert!(places(10_000).all(|place| (0..10_000).contains(&place)));
        let different: std::collections::BTreeSet<_> = places(10_000).collect();
        assert!(different.len() > 200, "{}", different.len());
        let hash = i64::from(millstream::broker::murmur2(&[7; 16]));
        assert_eq!(place_of(&UserId([7; 16]), 1 << 40), hash % (1 << 31));
    }

    #[test]
    fn a_span_of_nothing_has_one_place() {
        assert_eq!([0, -5, 1].map(|span| place_of(&UserId([7; 16]), span)), [0, 0, 0]);
    }
}
