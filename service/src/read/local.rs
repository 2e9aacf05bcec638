//! The state of the workers in this process: ranked on demand, and of users owned elsewhere asked for there.
//!
//! To be asked costs it nothing while it opens or another owns the user, so neither counts against it.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millstream::Clock;
use schemas::{PostId, Trending, TrendingWindow, UserId};

use super::{Asked, Held, Items, People, PostKnown, RankedTier, RemoteState, TierFault, Why};

/// Why state does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateFault {
    /// Another instance owns the user.
    NotOwner,
    /// This one does, but cannot answer yet.
    NotReady(String),
}

/// The state of the workers in this process.
pub trait StateFeeds: Send + Sync {
    /// The user's feed, ranked as of `now_ms` from committed state; `None` if the reader is unknown.
    fn feed(&self, user: UserId, now_ms: i64) -> Result<Option<Held>, StateFault>;

    /// What trends, as this process has it; `None` if nobody said yet.
    fn trending(&self) -> Result<Option<Trending>, StateFault>;

    /// Why a post stands in the user's feed as of `now_ms`, or does not; `None` if nothing is ranked yet.
    fn why(&self, _user: UserId, _post: PostId, _now_ms: i64) -> Result<Option<Why>, StateFault> {
        Ok(None)
    }

    /// What of these posts the user may still be shown as of `now_ms`; `None` if nothing is ranked yet.
    fn items(
        &self,
        _user: UserId,
        _posts: &[PostId],
        _now_ms: i64,
    ) -> Result<Option<Items>, StateFault> {
        Ok(None)
    }

    /// What is known of a post; `None` if nothing is.
    fn post(&self, _post: PostId) -> Result<Option<PostKnown>, StateFault> {
        Ok(None)
    }

    /// What suggestions are made of, as far as this process owns it; `None` if users are not suggested.
    fn people(&self, _asked: &Asked, _now_ms: i64) -> Result<Option<People>, StateFault> {
        Ok(None)
    }

    /// Whether it can be asked: this process is a member of its group, with at least one task that has state.
    fn ready(&self) -> Result<(), String>;
}

/// Asks state on a thread that may wait: it reads from disk, and for a view while somebody writes it.
pub async fn ask<T: Send + 'static>(
    feeds: &Arc<dyn StateFeeds>,
    what: impl FnOnce(&dyn StateFeeds) -> Result<T, StateFault> + Send + 'static,
) -> Result<T, StateFault> {
    let feeds = Arc::clone(feeds);
    let asked = tokio::task::spawn_blocking(move || what(&*feeds));
    asked.await.unwrap_or_else(|e| Err(StateFault::NotReady(format!("it did not answer: {e}"))))
}

/// The state of this process, as a tier.
pub struct LocalState {
    /// The state.
    pub feeds: Arc<dyn StateFeeds>,
    /// By which it ranks.
    pub clock: Arc<dyn Clock>,
    /// Who has the users that this process does not own, if anybody is named.
    pub elsewhere: Option<RemoteState>,
}

impl LocalState {
    /// What the own state says, or what the others do where it is not the owner.
    async fn find<T: Send + 'static>(
        &self,
        own: impl FnOnce(&dyn StateFeeds) -> Result<T, StateFault> + Send + 'static,
        elsewhere: impl AsyncFnOnce(&RemoteState) -> Result<T, TierFault>,
    ) -> Result<T, TierFault> {
        let words = match ask(&self.feeds, own).await {
            Ok(found) => return Ok(found),
            Err(StateFault::NotOwner) => "another process owns this user".to_owned(),
            Err(StateFault::NotReady(words)) => words,
        };
        match &self.elsewhere {
            Some(others) => match elsewhere(others).await {
                // What fails there is left alone there, and the own state must not suffer.
                Err(TierFault::Failed(others)) => {
                    Err(TierFault::Unready(format!("{words}; {others}")))
                }
                found => found,
            },
            None => Err(TierFault::Unready(words)),
        }
    }
}

impl RankedTier for LocalState {
    fn feed(&self, user: UserId) -> BoxFuture<'_, Result<Option<Held>, TierFault>> {
        let now_ms = self.clock.now().0;
        let own = move |feeds: &dyn StateFeeds| feeds.feed(user, now_ms);
        self.find(own, async move |others| others.find(user).await).boxed()
    }

    fn trending(
        &self,
        window: TrendingWindow,
    ) -> BoxFuture<'_, Result<Option<Trending>, TierFault>> {
        let own = |feeds: &dyn StateFeeds| feeds.trending();
        self.find(own, async move |others| others.trending(window).await).boxed()
    }

    fn why(&self, user: UserId, post: PostId) -> BoxFuture<'_, Result<Option<Why>, TierFault>> {
        let now_ms = self.clock.now().0;
        let own = move |feeds: &dyn StateFeeds| feeds.why(user, post, now_ms);
        self.find(own, async move |others| others.why(user, post).await).boxed()
    }

    fn items(
        &self,
        user: UserId,
        posts: Vec<PostId>,
    ) -> BoxFuture<'_, Result<Option<Items>, TierFault>> {
        let (now_ms, asked) = (self.clock.now().0, posts.clone());
        let own = move |feeds: &dyn StateFeeds| feeds.items(user, &asked, now_ms);
        self.find(own, async move |others| others.items(user, &posts).await).boxed()
    }

    fn post(&self, post: PostId) -> BoxFuture<'_, Result<Option<PostKnown>, TierFault>> {
        let own = move |feeds: &dyn StateFeeds| feeds.post(post);
        self.find(own, async move |others| others.post(post).await).boxed()
    }

    fn people(&self, asked: Asked) -> BoxFuture<'_, Result<Option<People>, TierFault>> {
        async move {
            let (now_ms, of) = (self.clock.now().0, asked.clone());
            let own = ask(&self.feeds, move |feeds| feeds.people(&of, now_ms)).await;
            let mut found = own.ok().flatten().unwrap_or_default();
            let missing = found.missing(&asked);
            if !missing.is_empty() {
                let elsewhere = || TierFault::Unready("another process owns them".to_owned());
                let others = self.elsewhere.as_ref().ok_or_else(elsewhere)?;
                found.add(others.people(&missing).await?);
            }
            Ok(Some(found))
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        let ready = self.feeds.ready();
        async move { ready }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use millstream::{ManualClock, Timestamp};

    use super::*;
    use crate::config;
    use crate::instance_client::Credentials;
    use crate::read::Workers;

    /// State that answers when it is told to.
    struct Slow(Mutex<Receiver<()>>);

    impl StateFeeds for Slow {
        fn feed(&self, _user: UserId, _now_ms: i64) -> Result<Option<Held>, StateFault> {
            self.0.lock().unwrap().recv().unwrap();
            Ok(None)
        }

        fn trending(&self) -> Result<Option<Trending>, StateFault> {
            Ok(None)
        }

        fn ready(&self) -> Result<(), String> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn state_that_waits_for_disk_or_view_holds_up_nobody_else() {
        let (go, wait) = channel();
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let feeds = Arc::new(Slow(Mutex::new(wait)));
        let tier = LocalState { feeds, clock, elsewhere: None };
        let mut asked = RankedTier::feed(&tier, UserId([1; 16]));
        assert_eq!((&mut asked).now_or_never(), None);
        go.send(()).unwrap();
        assert_eq!(asked.await, Ok(None));
    }

    /// State of which others own everything.
    struct Others;

    impl StateFeeds for Others {
        fn feed(&self, _user: UserId, _now_ms: i64) -> Result<Option<Held>, StateFault> {
            Err(StateFault::NotOwner)
        }

        fn trending(&self) -> Result<Option<Trending>, StateFault> {
            Ok(None)
        }

        fn ready(&self) -> Result<(), String> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_user_of_another_instance_is_no_failure_of_the_own_state() {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let mut tier =
            LocalState { feeds: Arc::new(Others), clock: clock.clone(), elsewhere: None };
        let unready = |words: &str| {
            let words = words.to_owned();
            move |found: Result<_, _>| match found {
                Err(TierFault::Unready(said)) => said.contains(&words),
                Ok(_) | Err(TierFault::Failed(_)) => false,
            }
        };
        let asked = RankedTier::feed(&tier, UserId([1; 16])).await;
        assert!(unready("another process owns this user")(asked));
        let workers = Workers {
            urls: vec!["http://127.0.0.1:1".to_owned()],
            credentials: Credentials::of(None, None).unwrap(),
            partitions: 1,
            wait: Duration::from_secs(5),
            breaker: config::Breaker::default().into(),
        };
        tier.elsewhere = Some(RemoteState::new(workers, clock));
        let asked = RankedTier::feed(&tier, UserId([1; 16])).await;
        assert!(unready("http://127.0.0.1:1")(asked));
    }
}
