//! What a ranking needs of a reader, gathered from the stores of their task; what no ranking needs any more is forgotten on the
//! way.

use millstream::Result;
use schemas::UserId;

use super::facts::SEEN_SLACK_MS;
use super::reader::{ReaderContext, ReaderProcessor};
use super::reading;
use crate::layout::Pair;

impl ReaderProcessor {
    /// Gathers the state of `user`, and forgets what was seen too long ago.
    pub(super) fn gather(&mut self, user: UserId, cx: &mut ReaderContext<'_>) -> Result<()> {
        let state = &mut self.state;
        state.begin(user);
        reading::follows(&mut cx.store(self.stores.follows)?.read_only(), user, state)?;
        reading::affinity(&mut cx.store(self.stores.affinity)?.read_only(), user, state)?;
        let seen_ms = self.settings.weights.limits.seen_ms;
        let oldest = cx.wall_time().0.saturating_sub(seen_ms).saturating_sub(SEEN_SLACK_MS);
        let seen = cx.store(self.stores.seen)?;
        let mut expired = Vec::new();
        seen.scan_prefix(&user.0, |Pair(_, post), at| {
            if at.0 < oldest {
                expired.push(*post);
            } else {
                state.seen.push((*post, at.0));
            }
            true
        })?;
        expired.into_iter().try_for_each(|post| seen.delete(&Pair(user, post)))?;
        if self.settings.remembers_shown {
            self.gather_shown(user, cx)?;
        }
        if let Some(chosen) = cx.store(self.stores.preferences)?.get(&user)? {
            self.state.choose(chosen);
        }
        self.gather_silence(user, cx)
    }

    /// Gathers what `user` does not want to see, and forgets what was said too long ago.
    fn gather_silence(&mut self, user: UserId, cx: &mut ReaderContext<'_>) -> Result<()> {
        let state = &mut self.state;
        reading::silences(&mut cx.store(self.stores.silences)?.read_only(), user, state)?;
        let hidden_ms = self.settings.weights.limits.hidden_ms;
        let oldest = cx.wall_time().0.saturating_sub(hidden_ms).saturating_sub(SEEN_SLACK_MS);
        let hidden = cx.store(self.stores.hidden)?;
        let mut expired = Vec::new();
        hidden.scan_prefix(&user.0, |Pair(_, post), said| {
            if said.last() < oldest {
                expired.push(*post);
            } else {
                state.hidden.extend(said.since().map(|at| (*post, at)));
            }
            true
        })?;
        expired.into_iter().try_for_each(|post| hidden.delete(&Pair(user, post)))
    }
}
