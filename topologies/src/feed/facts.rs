//! What is kept of a reader, fact by fact: whom they follow, what they saw, what they did to the posts of authors.
//!
//! Follows and affinity also say whose audience a reader is: that is kept by author, for fan-out.

use millstream::Result;
use schemas::{ToUser, UserId, day_of};

use super::reader::{ReaderContext, ReaderProcessor};
use crate::layout::Pair;
use crate::state::Count;

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
                let pair = Pair(user, author);
                let follows = cx.store(self.stores.follows)?;
                let count = follows.get(&pair)?.map_or(0, |count| count.0) + delta.value();
                match count {
                    0 => follows.delete(&pair)?,
                    _ => follows.put(&pair, Count(count))?,
                }
                self.update_audience(user, author, cx)?;
            }
            ToUser::Seen { post, at_ms } => {
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
                let (pair, affinity) = (Pair(user, author), cx.store(self.stores.affinity)?);
                let mut days = affinity.get(&pair)?.cloned().unwrap_or_default();
                days.add(day, count, first);
                if days.is_empty() {
                    affinity.delete(&pair)?;
                } else {
                    affinity.put(&pair, days)?;
                }
                self.update_audience(user, author, cx)?;
            }
        }
        Ok(true)
    }

    /// Keeps whether changes of `author` touch `user`.
    fn update_audience(
        &self,
        user: UserId,
        author: UserId,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let pair = Pair(user, author);
        let is_audience = cx.store(self.stores.follows)?.get(&pair)?.is_some()
            || cx.store(self.stores.affinity)?.get(&pair)?.is_some();
        let (audience, place) = (cx.store(self.audience)?, Pair(author, user));
        match (audience.get(&place)?.is_some(), is_audience) {
            (false, true) => audience.put(&place, ()),
            (true, false) => audience.delete(&place),
            (true, true) | (false, false) => Ok(()),
        }
    }
}
