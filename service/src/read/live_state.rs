//! The state of the application that is live: that of this process while it works for it, else that of the instances that announce
//! themselves, and of those that are named. No read waits for a change: the next one asks the others.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use schemas::{PostId, Trending, TrendingWindow, UserId};

use super::{Asked, Held, Items, People, PostKnown, RankedTier, RemoteState, TierFault, Why};
use crate::replay::{Instances, Live};

/// See the module.
pub struct LiveState {
    /// Which application is live.
    pub live: Live,
    /// The application that this process is configured with.
    pub app: String,
    /// Its state, where this process works for it.
    pub own: Option<Arc<dyn RankedTier>>,
    /// Who else shows it, whether they announce themselves or not.
    pub named: Vec<String>,
    /// Who shows that of any.
    pub others: Others,
}

/// The instances of an application, but for this one.
pub struct Others {
    instances: Instances,
    /// Asks those at these addresses.
    state: Box<dyn Fn(Vec<String>) -> RemoteState + Send + Sync>,
    /// Those that were asked last: what is known of each of them is kept while they stay.
    known: Mutex<Option<(Vec<String>, Arc<RemoteState>)>>,
}

impl Others {
    /// `state` makes the state of those at some addresses.
    pub fn new(
        instances: Instances,
        state: impl Fn(Vec<String>) -> RemoteState + Send + Sync + 'static,
    ) -> Self {
        Self { instances, state: Box::new(state), known: Mutex::default() }
    }

    /// Those of `app` that are there, and those that are named.
    fn of(&self, app: &str, named: &[String]) -> Result<Arc<RemoteState>, TierFault> {
        let urls = self.instances.asked(app, named);
        if urls.is_empty() {
            return Err(TierFault::Unready(format!("no instance of {app} has announced itself")));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((asked, state)) if *asked == urls => Ok(Arc::clone(state)),
            Some(_) | None => {
                let state = Arc::new((self.state)(urls.clone()));
                *known = Some((urls, Arc::clone(&state)));
                Ok(state)
            }
        }
    }
}

impl LiveState {
    fn tier(&self) -> Result<Arc<dyn RankedTier>, TierFault> {
        let app = self.live.app();
        let is_own = app == self.app;
        let named = if is_own { self.named.as_slice() } else { &[] };
        match &self.own {
            Some(own) if is_own => Ok(Arc::clone(own)),
            Some(_) | None => self.others.of(&app, named).map(|state| state as Arc<dyn RankedTier>),
        }
    }
}

impl RankedTier for LiveState {
    fn feed(&self, user: UserId) -> BoxFuture<'_, Result<Option<Held>, TierFault>> {
        async move { self.tier()?.feed(user).await }.boxed()
    }

    fn trending(
        &self,
        window: TrendingWindow,
    ) -> BoxFuture<'_, Result<Option<Trending>, TierFault>> {
        async move { self.tier()?.trending(window).await }.boxed()
    }

    fn why(&self, user: UserId, post: PostId) -> BoxFuture<'_, Result<Option<Why>, TierFault>> {
        async move { self.tier()?.why(user, post).await }.boxed()
    }

    fn items(
        &self,
        user: UserId,
        posts: Vec<PostId>,
    ) -> BoxFuture<'_, Result<Option<Items>, TierFault>> {
        async move { self.tier()?.items(user, posts).await }.boxed()
    }

    fn post(&self, post: PostId) -> BoxFuture<'_, Result<Option<PostKnown>, TierFault>> {
        async move { self.tier()?.post(post).await }.boxed()
    }

    fn people(&self, asked: Asked) -> BoxFuture<'_, Result<Option<People>, TierFault>> {
        async move { self.tier()?.people(asked).await }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        async move {
            match self.tier() {
                Ok(tier) => tier.probe().await,
                Err(TierFault::Failed(words) | TierFault::Unready(words)) => Err(words),
            }
        }
        .boxed()
    }
}
