//! What everybody hears of, held still for one ranking: by a task that ranks, and by whoever asks from outside.

use std::rc::Rc;

use millstream::store::Snapshot;
use millstream::{Query, Result};
use schemas::{
    Gone, PostId, PostLine, TRENDING_KEY, Trending, TrendingKey, UserId, WeightsVersion, Words,
};

use super::reader::ReaderContext;
use super::{Broadcasts, FeedSettings, trending, weighting};
use crate::live::{GoneUsers, PostsByAuthor};
use crate::ranking::{Policies, Policy, World};

/// See the module.
pub(super) struct Views {
    posts: Rc<Snapshot<PostId, PostLine, PostsByAuthor>>,
    gone: Rc<Snapshot<UserId, Gone, GoneUsers>>,
    trending: Rc<Snapshot<TrendingKey, Trending>>,
    weights: Rc<Snapshot<WeightsVersion, Policy, Policies>>,
    words: Option<Rc<Snapshot<PostId, Words>>>,
}

impl Broadcasts {
    /// As a task has them.
    pub(super) fn of_task(&self, cx: &mut ReaderContext<'_>) -> Result<Views> {
        Ok(Views {
            posts: cx.view(self.posts)?,
            gone: cx.view(self.gone)?,
            trending: cx.view(self.trending)?,
            weights: cx.view(self.weights)?,
            words: self.words.map(|words| cx.view(words)).transpose()?,
        })
    }

    /// As they are asked for from outside; none while one of them is not there.
    pub(super) fn of_query(&self, query: &Query) -> Option<Views> {
        let words = match self.words {
            Some(words) => Some(query.view(words)?),
            None => None,
        };
        Some(Views {
            posts: query.view(self.posts)?,
            gone: query.view(self.gone)?,
            trending: query.view(self.trending)?,
            weights: query.view(self.weights)?,
            words,
        })
    }
}

impl Views {
    /// Whether a user is gone.
    pub(super) fn is_gone(&self, user: &UserId) -> bool {
        self.gone.get(user).is_some()
    }

    /// What trends as of a time, the best first.
    pub(super) fn list(&self, at_ms: i64) -> Vec<PostId> {
        trending::list(self.trending.get(&TRENDING_KEY), at_ms)
    }

    /// Who is ranked by which weight set.
    pub(super) fn policies(&self) -> &Policies {
        self.weights.index()
    }

    /// What a ranking of `user` sees, with the list of what trends.
    pub(super) fn world<'w>(
        &'w self,
        (user, trending): (&UserId, &'w [PostId]),
        settings: &'w FeedSettings,
    ) -> World<'w> {
        World {
            posts: self.posts.index(),
            gone: self.gone.index(),
            words: self.words.as_deref().map(|view| &**view),
            trending,
            weights: weighting::of_user(self.policies(), settings, user),
        }
    }
}
