//! A reader's feed made from committed state, on demand: by the same ranking, from outside the topology.
//!
//! It answers for any reader this process owns, active or not. Nothing is written: whoever asked tells
//! the topology by a record of `reads`.

use std::borrow::Cow;

use millstream::store::ReadOnlyStore;
use millstream::{Query, QueryError, Result};
use schemas::{FeedBody, FeedVersion, PostId, TRENDING_KEY, Trending, UserId, application, topic};

use super::{Broadcasts, Feed, FeedSettings, weighting};
use crate::engagement::post::Post;
use crate::layout::Pair;
use crate::ranking::still_shown::{StillShown, still_shown};
use crate::ranking::why::Verdict;
use crate::ranking::{AffinityDay, Ranker, ReaderState, Weights, World};
use crate::reader::days::Days;
use crate::reader::silence::Silence;
use crate::state::Count;

type Of<T> = Pair<UserId, T>;

/// Adds whom `user` follows, in the order of the authors.
pub(super) fn follows(
    store: &mut ReadOnlyStore<'_, Of<UserId>, Count>,
    user: UserId,
    state: &mut ReaderState,
) -> Result<()> {
    store.scan_prefix(&user.0, |Pair(_, author), rows| {
        state.follows.extend((rows.0 > 0).then_some(*author));
        true
    })
}

/// Adds what `user` did to the posts of authors, by author and day.
pub(super) fn affinity(
    store: &mut ReadOnlyStore<'_, Of<UserId>, Days>,
    user: UserId,
    state: &mut ReaderState,
) -> Result<()> {
    store.scan_prefix(&user.0, |Pair(_, author), days| {
        let counted = days.all().iter().filter(|(_, count)| *count > 0);
        state.affinity.extend(counted.map(|(day, count)| AffinityDay {
            author: *author,
            day: *day,
            count: count.cast_unsigned(),
        }));
        true
    })
}

/// Adds of whom `user` sees nothing, in the order of the authors.
pub(super) fn silences(
    store: &mut ReadOnlyStore<'_, Of<UserId>, Silence>,
    user: UserId,
    state: &mut ReaderState,
) -> Result<()> {
    store.scan_prefix(&user.0, |Pair(_, author), silence| {
        state.muted.extend((silence.mutes > 0).then_some(*author));
        state.blocked.extend((silence.blocks > 0).then_some(*author));
        let wishes = silence.less.all().iter().filter(|(_, count)| *count > 0);
        state.less.extend(wishes.map(|(day, _)| (*author, *day)));
        true
    })
}

/// What was published last of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Its version; 0 if nothing ever was.
    pub version: FeedVersion,
    /// Whether it is a feed, and not that there is none any more.
    pub is_live: bool,
}

impl Feed {
    /// What its application calls a topic.
    pub(super) fn named(&self, of: &topic::Topic) -> Cow<'static, str> {
        application::topic(self.topology.app(), of)
    }

    /// What trends, as this process has it; `None` if nobody said yet, or the broadcast is not there.
    pub fn trending(&self, query: &Query) -> Option<Trending> {
        query.view(self.trending)?.get(&TRENDING_KEY).cloned()
    }

    /// The set by which `user` is ranked.
    pub fn weights(&self, query: &Query, settings: &FeedSettings, user: &UserId) -> Weights {
        let Some(view) = query.view(self.weights) else { return settings.weights.clone() };
        weighting::of_user(view.index(), settings, user).clone()
    }

    fn broadcasts(&self) -> Broadcasts {
        let Self { posts, gone, trending, weights, words, .. } = *self;
        Broadcasts { posts, gone, trending, weights, words }
    }

    /// The feed of `user` as of `now_ms`, and the version it comes after; of a user who is gone it is empty.
    /// `None` while the broadcasts are not there; [`QueryError::NotHere`] if another instance owns the user.
    pub fn rank(
        &self,
        query: &Query,
        settings: &FeedSettings,
        user: UserId,
        now_ms: i64,
    ) -> Result<Option<(Publication, FeedBody)>, QueryError> {
        self.ranking(query, settings, (user, now_ms), |state, world| {
            Ranker::default().rank(state, world, now_ms)
        })
    }

    /// What became of `post` in it.
    pub fn why(
        &self,
        query: &Query,
        settings: &FeedSettings,
        (user, post): (UserId, PostId),
        now_ms: i64,
    ) -> Result<Option<(Publication, Verdict)>, QueryError> {
        self.ranking(query, settings, (user, now_ms), |state, world| {
            Ranker::default().why(state, world, now_ms, post)
        })
    }

    /// What `user` may still be shown of `posts`.
    pub fn still_shown(
        &self,
        query: &Query,
        settings: &FeedSettings,
        (user, posts): (UserId, &[PostId]),
        now_ms: i64,
    ) -> Result<Option<StillShown>, QueryError> {
        let left = self.ranking(query, settings, (user, now_ms), |state, world| {
            still_shown(state, world, now_ms, posts)
        })?;
        Ok(left.map(|(_, left)| left))
    }

    /// What is known of a post, if this instance owns it.
    pub fn post(&self, query: &Query, post: PostId) -> Result<Option<Post>, QueryError> {
        let partition = query.partition(&self.named(&topic::BY_POST), &post.0)?;
        query.store(self.stored_posts, partition, |posts| Ok(posts.get(&post)?.copied()))
    }

    /// What `rank` makes of the state of a reader, and the version that was published last.
    fn ranking<T>(
        &self,
        query: &Query,
        settings: &FeedSettings,
        (user, now_ms): (UserId, i64),
        rank: impl FnOnce(&ReaderState, &World<'_>) -> T,
    ) -> Result<Option<(Publication, T)>, QueryError> {
        let partition = query.partition(&self.named(&topic::BY_USER), &user.0)?;
        let mut state = ReaderState::default();
        state.begin(user);
        let stores = &self.stores;
        let reader =
            query.store(stores.readers, partition, |readers| Ok(readers.get(&user)?.copied()))?;
        query.store(stores.follows, partition, |store| follows(store, user, &mut state))?;
        query.store(stores.affinity, partition, |store| affinity(store, user, &mut state))?;
        query.store(stores.seen, partition, |store| {
            store.scan_prefix(&user.0, |Pair(_, post), at| {
                state.seen.push((*post, at.0));
                true
            })
        })?;
        query.store(stores.silences, partition, |store| silences(store, user, &mut state))?;
        query.store(stores.hidden, partition, |store| {
            store.scan_prefix(&user.0, |Pair(_, post), hidden| {
                state.hidden.extend(hidden.since().map(|at| (*post, at)));
                true
            })
        })?;
        query.store(stores.preferences, partition, |store| {
            store.get(&user)?.into_iter().for_each(|chosen| state.choose(chosen));
            Ok(())
        })?;
        if settings.remembers_shown {
            query.store(stores.shown, partition, |store| {
                store.scan_prefix(&user.0, |Pair(_, post), shown| {
                    state.shown.push((*post, *shown));
                    true
                })
            })?;
        }
        let Some(views) = self.broadcasts().of_query(query) else { return Ok(None) };
        if views.is_gone(&user) {
            state.begin(user);
        }
        let list = views.list(now_ms);
        let world = views.world((&user, &list), settings);
        let ranked = rank(&state, &world);
        let published = reader.map(|reader| reader.published).unwrap_or_default();
        let version = FeedVersion { feeds_epoch: settings.feeds_epoch, version: published.version };
        Ok(Some((Publication { version, is_live: published.body_hash.is_some() }, ranked)))
    }
}
