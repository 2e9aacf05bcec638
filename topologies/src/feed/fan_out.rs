//! Fan-out: whom a change of a broadcast touches, and how soon.
//!
//! A post that comes or goes, or a user, touches at once those who follow the author or did something to their posts.
//! Counts touch the same readers softly. Of both, whose feed is full is touched only if the post is in it or reaches its floor. What trends is in everybody's feed: its posts that come or go touch every
//! active reader, and their counts and the list itself those who are online, together, a while later; the others are
//! ranked at their next read or grid time, and the reader's row knows nothing of it. Words of a post touch at once those who mute words and may have it.

use millstream::{ChangedKey, Result, Timestamp};
use schemas::{PostId, PostLine, Preferences, TRENDING_KEY, TrendingKey, UserId};

use super::counters::{AUDIT_MISMATCHES, RERANKS_AUDITED, RERANKS_AVOIDED, RERANKS_REACHED};
use super::reader::{ReaderContext, ReaderProcessor};
use super::{trending, weighting};
use crate::layout::Pair;
use crate::ranking::candidates::Window;
use crate::ranking::{Inputs, Scorer};
use crate::reader::ReaderStatus;
use crate::reader::days::Days;
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
        let users = self.audience(author, cx)?;
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
        let view = cx.view(self.broadcasts.trending)?;
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
        let view = cx.view(self.broadcasts.posts)?;
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
        let line = view.get(post).copied();
        authors.try_for_each(|author| {
            // What was an author's is gone from their readers' feeds, whatever it counts elsewhere.
            let line = line.filter(|line| line.author == *author);
            self.touch_reached((author, class), (post, line), cx)
        })
    }

    /// A post says something else. As a rule that is known before its line is; where it comes after it, whoever mutes words and may
    /// have the post is ranked anew.
    pub(super) fn words_changed(
        &mut self,
        post: ChangedKey<'_, PostId>,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        if !self.mutes_words {
            return Ok(());
        }
        let ChangedKey::Key(post) = post else { return self.touch_everybody_softly(cx) };
        let view = cx.view(self.broadcasts.posts)?;
        let Some(author) = view.get(post).map(|line| line.author) else { return Ok(()) };
        let trends = self.trends(post);
        if cx.is_lagging() {
            return match trends {
                true => self.put_off_everybody(Class::Urgent, cx),
                false => self.put_off_audience(&author, Class::Urgent, cx),
            };
        }
        let mut muting = Vec::new();
        if trends {
            cx.store(self.stores.preferences)?.scan_prefix(&[], |user, chosen| {
                muting.extend(chosen.mutes_words().then_some(*user));
                true
            })?;
        } else {
            for user in self.audience(&author, cx)? {
                let chosen = cx.store(self.stores.preferences)?.get(&user)?;
                muting.extend(chosen.is_some_and(Preferences::mutes_words).then_some(user));
            }
        }
        muting.iter().try_for_each(|user| self.touch(user, Class::Urgent, cx))
    }

    /// Touches those of an author's audience whose feeds a post may concern, being what it is.
    fn touch_reached(
        &mut self,
        (author, class): (&UserId, Class),
        (post, line): (&PostId, Option<PostLine>),
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        if cx.is_lagging() {
            return self.put_off_audience(author, class, cx);
        }
        let (mut avoided, mut reached) = (0, 0);
        for user in self.audience(author, cx)? {
            let Some(reader) = cx.store(self.stores.readers)?.get(&user)?.copied() else {
                continue;
            };
            let is_active = u64::from(reader.presence.is_active(cx.wall_time().0));
            let Some(floor) = reader.floor else {
                reached += is_active;
                self.touch(&user, class, cx)?;
                continue;
            };
            let as_of = floor.as_of_ms();
            let score = line.map(|line| self.score(&user, (&line, as_of), cx)).transpose()?;
            if floor.is_reached(post, score) {
                reached += is_active;
                self.touch(&user, class, cx)?;
            } else {
                avoided += is_active;
                self.audit((&user, &reader), post, cx)?;
            }
        }
        cx.count(RERANKS_AVOIDED, avoided);
        cx.count(RERANKS_REACHED, reached);
        Ok(())
    }

    fn audience(&self, author: &UserId, cx: &mut ReaderContext<'_>) -> Result<Vec<UserId>> {
        let mut users = Vec::new();
        cx.store(self.audience)?.scan_prefix(&author.0, |Pair(_, user), ()| {
            users.push(*user);
            true
        })?;
        Ok(users)
    }

    /// The score of a post for a reader, as of now.
    fn score(
        &self,
        user: &UserId,
        (line, as_of): (&PostLine, i64),
        cx: &mut ReaderContext<'_>,
    ) -> Result<f64> {
        let policies = cx.view(self.broadcasts.weights)?;
        let weights = weighting::of_user(policies.index(), &self.settings, user);
        let window = Window::at(as_of, weights);
        let days = cx.store(self.stores.affinity)?.get(&Pair(*user, line.author))?;
        let counted = days.into_iter().flat_map(Days::all).filter(|(day, _)| window.holds(*day));
        let interactions: i32 = counted.map(|(_, count)| (*count).max(0)).sum();
        // Only a set without arms has a floor: what they ask for is not looked up.
        let scorer = Scorer::new(weights, None, as_of);
        let counts = [line.likes, line.comments, line.shares, line.exposures];
        let affinity = scorer.affinity(interactions.cast_unsigned());
        let created_at_ms = line.created_at_ms;
        let inputs = Inputs { created_at_ms, counts, affinity, ..Inputs::default() };
        Ok(scorer.terms(&inputs).score)
    }

    /// Ranks one in so many of those who were not touched, by the whole of what is known: the post must not be in it. Who is to
    /// be ranked anyhow may have it by something else.
    fn audit(
        &mut self,
        (user, reader): (&UserId, &ReaderStatus),
        post: &PostId,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let now = cx.wall_time().0;
        let place = place_of(user, i64::MAX) ^ place_of(&UserId(post.0), i64::MAX) ^ now;
        let is_due = reader.schedule.next(&reader.presence, now).is_some_and(|at| at <= now);
        let waits = reader.schedule.urgent.is_some() || reader.schedule.soft.is_some();
        let is_active = reader.presence.is_active(now);
        if place.rem_euclid(self.settings.audit_one_in.max(1)) != 0 || is_due || waits || !is_active
        {
            return Ok(());
        }
        let body = self.ranked(*user, cx)?;
        cx.count(RERANKS_AUDITED, 1);
        cx.count(AUDIT_MISMATCHES, u64::from(body.items.iter().any(|item| item.post == *post)));
        Ok(())
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
        users.iter().try_for_each(|user| self.reset_timer(user, cx))
    }

    /// There are new lists of what trends.
    pub(super) fn trending_changed(&mut self, cx: &mut ReaderContext<'_>) -> Result<()> {
        let now = cx.wall_time().0;
        let view = cx.view(self.broadcasts.trending)?;
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
