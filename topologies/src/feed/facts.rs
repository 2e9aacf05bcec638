//! What is kept of a reader, fact by fact: whom they follow, what they saw, what they did to the posts of authors, and of
//! what they want to see nothing.
//!
//! Follows and affinity also say whose audience a reader is: that is kept by author, for fan-out.

use millstream::Result;
use schemas::{Dismissal, PostId, Preferences, ToUser, UserId, day_of};

use super::reader::{ReaderContext, ReaderProcessor};
use crate::layout::Pair;
use crate::reader::days::Days;
use crate::reader::hidden::Hidden;
use crate::reader::silence::Silence;
use crate::state::{Count, Time};

/// What was seen stays in the store so long beyond the time it matters.
pub(super) const SEEN_SLACK_MS: i64 = 3_600_000;

impl ReaderProcessor {
    /// Keeps a fact; says whether it may change the feed.
    pub(super) fn keep(
        &self,
        user: UserId,
        fact: ToUser,
        cx: &mut ReaderContext<'_>,
    ) -> Result<bool> {
        let now = cx.wall_time().0;
        let limits = &self.settings.weights.limits;
        match fact {
            ToUser::Active { .. } => return Ok(false),
            ToUser::Follow { author, delta } => {
                self.keep_follow(Pair(user, author), delta.value(), cx)?;
            }
            ToUser::Seen { post, at_ms } => {
                self.keep_act(Pair(user, post), at_ms, cx)?;
                if at_ms < now - limits.seen_ms - SEEN_SLACK_MS {
                    return Ok(false);
                }
                let seen = cx.store(self.stores.seen)?;
                return seen.update_if(&Pair(user, post), |seen| {
                    let later = at_ms > seen.0;
                    seen.0 = seen.0.max(at_ms);
                    later
                });
            }
            ToUser::Interaction { author, day, count } => {
                let first = day_of(now).saturating_sub(limits.affinity_days);
                let add = |days: &mut Days| days.add(day, count, first);
                self.keep_affinity(Pair(user, author), add, cx)?;
            }
            ToUser::Mute { whom, delta } => {
                self.keep_silence(Pair(user, whom), cx, |kept| kept.mutes += delta.value())?;
            }
            ToUser::Block { other, delta } => {
                self.keep_silence(Pair(user, other), cx, |kept| kept.blocks += delta.value())?;
            }
            ToUser::Less { author, day, count } => {
                let first = day_of(now).saturating_sub(limits.less_days);
                self.keep_silence(Pair(user, author), cx, |kept| kept.less.add(day, count, first))?;
            }
            ToUser::Hidden { post, at_ms } => {
                return self.keep_said(Pair(user, post), cx, |said| {
                    said.said_at = said.said_at.max(at_ms);
                });
            }
            ToUser::Impression { post, at_ms } => {
                return self.keep_impression((user, post), at_ms, cx);
            }
            ToUser::Undone { post, at_ms } => {
                return self.keep_said(Pair(user, post), cx, |said| {
                    said.undone_at = said.undone_at.max(at_ms);
                });
            }
        }
        Ok(true)
    }

    /// Keeps one row of a follow more or less.
    fn keep_follow(
        &self,
        pair: Pair<UserId, UserId>,
        delta: i64,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let follows = cx.store(self.stores.follows)?;
        let before = follows.get(&pair)?.map_or(0, |count| count.0);
        let count = before + delta;
        match count {
            0 => follows.delete(&pair)?,
            _ => follows.put(&pair, Count(count))?,
        }
        let affinity = cx.store(self.stores.affinity)?;
        match (before != 0, count != 0) {
            // Who has affinity is audience already: to write it again costs less than to look at each new follow.
            (false, true) => self.keep_audience(pair, true, cx),
            (true, false) if affinity.get(&pair)?.is_none() => self.keep_audience(pair, false, cx),
            (true, false) | (true, true) | (false, false) => Ok(()),
        }
    }

    /// Keeps what the first did to posts of the second.
    fn keep_affinity(
        &self,
        pair: Pair<UserId, UserId>,
        change: impl FnOnce(&mut Days),
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let affinity = cx.store(self.stores.affinity)?;
        let mut days = affinity.get(&pair)?.cloned().unwrap_or_default();
        let had_any = !days.is_empty();
        change(&mut days);
        let has_any = !days.is_empty();
        match has_any {
            true => affinity.put(&pair, days)?,
            false => affinity.delete(&pair)?,
        }
        if had_any != has_any && cx.store(self.stores.follows)?.get(&pair)?.is_none() {
            self.keep_audience(pair, has_any, cx)?;
        }
        Ok(())
    }

    /// Keeps what a reader chose, unless they chose otherwise since; says whether it may change the feed.
    pub(super) fn keep_chosen(
        &mut self,
        user: &UserId,
        chosen: &Preferences,
        cx: &mut ReaderContext<'_>,
    ) -> Result<bool> {
        let kept = cx.store(self.stores.preferences)?;
        if kept.get(user)?.is_some_and(|kept| kept.at_ms > chosen.at_ms) {
            return Ok(false);
        }
        kept.put(user, chosen.clone())?;
        self.mutes_words |= chosen.mutes_words();
        Ok(true)
    }

    /// Keeps that somebody is not to be suggested; no feed changes by it.
    pub(super) fn dismiss(
        &self,
        user: UserId,
        said: Dismissal,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        cx.store(self.stores.dismissed)?.put(&Pair(user, said.whom), Time(said.at_ms))
    }

    fn keep_silence(
        &self,
        pair: Pair<UserId, UserId>,
        cx: &mut ReaderContext<'_>,
        change: impl FnOnce(&mut Silence),
    ) -> Result<()> {
        let silences = cx.store(self.stores.silences)?;
        let mut silence = silences.get(&pair)?.cloned().unwrap_or_default();
        change(&mut silence);
        if silence.is_empty() { silences.delete(&pair) } else { silences.put(&pair, silence) }
    }

    /// Keeps what was said against a post; says whether it is hidden by it, or shown again.
    fn keep_said(
        &self,
        pair: Pair<UserId, PostId>,
        cx: &mut ReaderContext<'_>,
        change: impl FnOnce(&mut Hidden),
    ) -> Result<bool> {
        let hidden = cx.store(self.stores.hidden)?;
        let before = hidden.get(&pair)?.copied().unwrap_or_default();
        let mut after = before;
        change(&mut after);
        if after != before {
            hidden.put(&pair, after)?;
        }
        Ok(after.since() != before.since())
    }

    /// Keeps whether changes of the second touch the first: so for as long as the first follows the second or has affinity.
    fn keep_audience(
        &self,
        Pair(user, author): Pair<UserId, UserId>,
        is_audience: bool,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let (audience, place) = (cx.store(self.audience)?, Pair(author, user));
        match is_audience {
            true => audience.put(&place, ()),
            false => audience.delete(&place),
        }
    }
}
