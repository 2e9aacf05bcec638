//! What a reader was shown: what was in an answer, and what the client reported an impression of.
//!
//! It is kept only where the settings say so, for weight sets that ask, and changes no feed by itself: it counts in the next
//! ranking. An answer is known by the read that tells of it, so of several within 5 minutes by one.

use millstream::Result;
use schemas::{PostId, Read, UserId};

use super::facts::SEEN_SLACK_MS;
use super::gathering::take_lately;
use super::reader::{ReaderContext, ReaderProcessor};
use crate::layout::Pair;
use crate::ranking::{SHOWN_MS, Shown};

impl ReaderProcessor {
    /// Keeps which posts were in an answer; no feed changes by it.
    pub(super) fn keep_served(
        &self,
        user: UserId,
        read: &Read,
        cx: &mut ReaderContext<'_>,
    ) -> Result<bool> {
        for post in &read.served {
            self.keep_shown((Pair(user, *post), read.at_ms), cx, |shown| {
                shown.served = shown.served.saturating_add(1);
                shown.served_at_ms = shown.served_at_ms.max(read.at_ms);
            })?;
        }
        Ok(false)
    }

    /// Keeps an impression; no feed changes by it.
    pub(super) fn keep_impression(
        &self,
        (user, post): (UserId, PostId),
        at_ms: i64,
        cx: &mut ReaderContext<'_>,
    ) -> Result<bool> {
        self.keep_shown((Pair(user, post), at_ms), cx, |shown| {
            shown.impressions = shown.impressions.saturating_add(1);
            shown.impressed_at_ms = shown.impressed_at_ms.max(at_ms);
        })?;
        Ok(false)
    }

    /// Keeps that the reader did something with a post.
    pub(super) fn keep_act(
        &self,
        pair: Pair<UserId, PostId>,
        at_ms: i64,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        self.keep_shown((pair, at_ms), cx, |shown| shown.acted_at_ms = shown.acted_at_ms.max(at_ms))
    }

    fn keep_shown(
        &self,
        (pair, at_ms): (Pair<UserId, PostId>, i64),
        cx: &mut ReaderContext<'_>,
        change: impl FnOnce(&mut Shown),
    ) -> Result<()> {
        if !self.settings.remembers_shown {
            return Ok(());
        }
        let kept = cx.store(self.stores.shown)?;
        // What was too long ago may have been forgotten, or not yet.
        let lately = |shown: &Shown| at_ms.saturating_sub(shown.last_ms()) <= SHOWN_MS;
        let mut shown = kept.get(&pair)?.copied().filter(lately).unwrap_or_default();
        change(&mut shown);
        kept.put(&pair, shown)
    }

    /// Gathers what `user` was shown, and forgets what was too long ago.
    pub(super) fn gather_shown(&mut self, user: UserId, cx: &mut ReaderContext<'_>) -> Result<()> {
        let oldest = cx.wall_time().0.saturating_sub(SHOWN_MS).saturating_sub(SEEN_SLACK_MS);
        let (state, kept) = (&mut self.state, cx.store(self.stores.shown)?);
        take_lately((kept, user), (oldest, Shown::last_ms), |post, shown| {
            state.shown.push((post, *shown));
        })
    }
}
