//! What a ranking needs of a reader, gathered from the stores of their task; what no ranking needs any more is forgotten on the
//! way.

use millstream::Result;
use millstream::store::KeyValue;
use schemas::{PostId, UserId, Wire};

use super::facts::SEEN_SLACK_MS;
use super::reader::{ReaderContext, ReaderProcessor};
use super::reading;
use crate::layout::Pair;
use crate::reader::hidden::Hidden;

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
        take_lately((seen, user), (oldest, |at| at.0), |post, at| state.seen.push((post, at.0)))?;
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
        take_lately((hidden, user), (oldest, Hidden::last), |post, said| {
            state.hidden.extend(said.since().map(|at| (post, at)));
        })
    }
}

/// Takes what is kept of a user's posts and was last said at `oldest` or since, and forgets the rest.
pub(super) fn take_lately<V: Wire + 'static>(
    (store, user): (&mut KeyValue<Pair<UserId, PostId>, V>, UserId),
    (oldest, last): (i64, impl Fn(&V) -> i64),
    mut take: impl FnMut(PostId, &V),
) -> Result<()> {
    let mut expired = Vec::new();
    store.scan_prefix(&user.0, |Pair(_, post), value| {
        if last(value) < oldest {
            expired.push(*post);
        } else {
            take(*post, value);
        }
        true
    })?;
    expired.into_iter().try_for_each(|post| store.delete(&Pair(user, post)))
}
