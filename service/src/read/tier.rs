//! A tier that holds ranked feeds: what it is asked, and what keeps it from answering.

use std::future::ready;

use connectors::redis::FeedCache;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use schemas::{FeedBody, FeedVersion, PostId, Trending, TrendingWindow, UserId};

use super::{Asked, Items, People, PostKnown, Why};

/// A ranked feed, as a tier holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Which publication.
    pub version: FeedVersion,
    /// The body.
    pub body: FeedBody,
    /// Whether a feed of this reader is published now; an older instance does not say.
    pub is_published: bool,
}

/// Why a tier does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TierFault {
    /// It failed: where it does so again and again it is left alone.
    Failed(String),
    /// It is well, but does not have the state that was asked for yet, or not any more. It says so at once, so
    /// it is asked again.
    Unready(String),
}

/// A tier that holds ranked feeds.
///
/// # Contract
/// 1. `feed` answers `None` if it is well and has none; whatever keeps it from answering is a fault.
/// 2. No call waits for longer than the tier's own bound; the caller may stop waiting at any time.
pub trait RankedTier: Send + Sync {
    /// The user's feed.
    fn feed(&self, user: UserId) -> BoxFuture<'_, Result<Option<Held>, TierFault>>;

    /// What trends in `window`; `None` if it knows of nothing.
    fn trending(
        &self,
        window: TrendingWindow,
    ) -> BoxFuture<'_, Result<Option<Trending>, TierFault>>;

    /// Why a post stands in the user's feed, or does not; only state knows.
    fn why(&self, _user: UserId, _post: PostId) -> BoxFuture<'_, Result<Option<Why>, TierFault>> {
        ready(Ok(None)).boxed()
    }

    /// What of these posts the user may still be shown; only state knows.
    fn items(
        &self,
        _user: UserId,
        _posts: Vec<PostId>,
    ) -> BoxFuture<'_, Result<Option<Items>, TierFault>> {
        ready(Ok(None)).boxed()
    }

    /// What is known of a post where it is kept; only state knows.
    fn post(&self, _post: PostId) -> BoxFuture<'_, Result<Option<PostKnown>, TierFault>> {
        ready(Ok(None)).boxed()
    }

    /// What suggestions are made of; only state knows.
    fn people(&self, _asked: Asked) -> BoxFuture<'_, Result<Option<People>, TierFault>> {
        ready(Ok(None)).boxed()
    }

    /// Whether it can answer.
    fn probe(&self) -> BoxFuture<'_, Result<(), String>>;
}

impl RankedTier for FeedCache {
    fn feed(&self, user: UserId) -> BoxFuture<'_, Result<Option<Held>, TierFault>> {
        async move {
            let found = FeedCache::feed(self, user).await.map_err(failed)?;
            Ok(found.and_then(|feed| {
                Some(Held { version: feed.version, body: feed.body?, is_published: true })
            }))
        }
        .boxed()
    }

    fn trending(
        &self,
        window: TrendingWindow,
    ) -> BoxFuture<'_, Result<Option<Trending>, TierFault>> {
        async move { FeedCache::trending(self, window).await.map_err(failed) }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        async move { self.ping().await.map_err(|fault| fault.to_string()) }.boxed()
    }
}

fn failed(fault: impl std::fmt::Display) -> TierFault {
    TierFault::Failed(fault.to_string())
}
