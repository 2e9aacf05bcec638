//! Where ranked feeds are: Redis, the state of this process, or the state of a worker elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use connectors::redis::Reader;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::AUTHORIZATION;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use millstream::Clock;
use schemas::{FeedBody, FeedVersion, RedisValue, Trending, TrendingWindow, UserId, Wire};

/// The longest answer taken from a worker: 100 items are 6 KiB.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A ranked feed, as a tier holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Which publication.
    pub version: FeedVersion,
    /// The body.
    pub body: FeedBody,
}

/// A tier that holds ranked feeds.
///
/// # Contract
/// 1. `feed` answers `None` if it is well and has none; whatever keeps it from answering is a fault in words.
/// 2. Neither call waits for longer than the tier's own bound; the caller may stop waiting at any time.
pub trait RankedTier: Send + Sync {
    /// The user's feed.
    fn feed(&self, user: UserId) -> BoxFuture<'_, Result<Option<Held>, String>>;

    /// What trends in `window`; `None` if it knows of nothing.
    fn trending(&self, window: TrendingWindow) -> BoxFuture<'_, Result<Option<Trending>, String>>;

    /// Whether it can answer.
    fn probe(&self) -> BoxFuture<'_, Result<(), String>>;
}

impl RankedTier for Reader {
    fn feed(&self, user: UserId) -> BoxFuture<'_, Result<Option<Held>, String>> {
        async move {
            let found = Reader::feed(self, user).await.map_err(|fault| fault.to_string())?;
            Ok(found.and_then(|feed| Some(Held { version: feed.version, body: feed.body? })))
        }
        .boxed()
    }

    fn trending(&self, window: TrendingWindow) -> BoxFuture<'_, Result<Option<Trending>, String>> {
        async move { Reader::trending(self, window).await.map_err(|fault| fault.to_string()) }
            .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        async move { self.ping().await.map_err(|fault| fault.to_string()) }.boxed()
    }
}

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

    /// Whether it can be asked: this process is a member of its group, with at least one task that has state.
    fn ready(&self) -> Result<(), String>;
}

/// Asks state on a thread that may wait: it reads from disk, and for a view while somebody writes it.
pub async fn feed(
    feeds: Arc<dyn StateFeeds>,
    user: UserId,
    now_ms: i64,
) -> Result<Option<Held>, StateFault> {
    let asked = tokio::task::spawn_blocking(move || feeds.feed(user, now_ms));
    asked.await.unwrap_or_else(|e| Err(StateFault::NotReady(format!("it did not answer: {e}"))))
}

/// What trends as the state of this process has it, on a thread that may wait.
pub async fn trending(feeds: Arc<dyn StateFeeds>) -> Result<Option<Trending>, StateFault> {
    let asked = tokio::task::spawn_blocking(move || feeds.trending());
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

impl RankedTier for LocalState {
    fn feed(&self, user: UserId) -> BoxFuture<'_, Result<Option<Held>, String>> {
        async move {
            match feed(Arc::clone(&self.feeds), user, self.clock.now().0).await {
                Ok(held) => Ok(held),
                Err(StateFault::NotReady(words)) => Err(words),
                // No failure: with several instances it is so for most users, and the others must not suffer.
                Err(StateFault::NotOwner) => match &self.elsewhere {
                    Some(others) => others.find(user).await,
                    None => Ok(None),
                },
            }
        }
        .boxed()
    }

    fn trending(&self, _window: TrendingWindow) -> BoxFuture<'_, Result<Option<Trending>, String>> {
        async move {
            trending(Arc::clone(&self.feeds)).await.map_err(|fault| match fault {
                StateFault::NotOwner => "this process has no lists".to_owned(),
                StateFault::NotReady(words) => words,
            })
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        let ready = self.feeds.ready();
        async move { ready }.boxed()
    }
}

/// The state of workers elsewhere, asked over their internal listeners.
///
/// Whom to ask first is what answered last; one that is not the owner says so at once.
pub struct RemoteState {
    workers: Vec<String>,
    secret: Option<String>,
    client: Client<HttpConnector, Empty<Bytes>>,
    last: AtomicUsize,
}

impl RemoteState {
    /// The workers at these URLs.
    pub fn new(workers: Vec<String>, secret: Option<String>) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { workers, secret, client, last: AtomicUsize::new(0) }
    }

    async fn ask(&self, worker: &str, path: &str) -> Result<(StatusCode, Bytes), String> {
        let mut request = Request::get(format!("{worker}{path}"));
        if let Some(secret) = &self.secret {
            request = request.header(AUTHORIZATION, format!("Bearer {secret}"));
        }
        let request = request.body(Empty::new()).map_err(|e| format!("{worker}: {e}"))?;
        let answer = self.client.request(request).await.map_err(|e| format!("{worker}: {e}"))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok((status, body.map_err(|e| format!("{worker}: {e}"))?.to_bytes()))
    }

    async fn find(&self, user: UserId) -> Result<Option<Held>, String> {
        let first = self.last.load(Ordering::Relaxed);
        let mut said = "no worker owns this user".to_owned();
        for step in 0..self.workers.len() {
            let at = (first + step) % self.workers.len();
            let Some(worker) = self.workers.get(at) else { continue };
            // Whoever gives up waiting for this one leaves the next one to be asked first.
            self.last.store(at + 1, Ordering::Relaxed);
            match self.ask(worker, &format!("/state/v1/feed/{user}")).await {
                Ok((StatusCode::OK, body)) => {
                    self.last.store(at, Ordering::Relaxed);
                    return held(&body).map(Some).map_err(|fault| format!("{worker}: {fault}"));
                }
                Ok((StatusCode::NOT_FOUND, _)) => {
                    self.last.store(at, Ordering::Relaxed);
                    return Ok(None);
                }
                Ok((StatusCode::MISDIRECTED_REQUEST, _)) => {}
                Ok((status, _)) => said = format!("{worker}: {status}"),
                Err(fault) => said = fault,
            }
        }
        Err(said)
    }
}

fn held(bytes: &[u8]) -> Result<Held, String> {
    let value = RedisValue::decode(bytes).map_err(|poison| poison.to_string())?;
    let body = value.body.ok_or("no body")?;
    let body = FeedBody::decode(body).map_err(|poison| poison.to_string())?;
    Ok(Held { version: value.version, body })
}

impl RankedTier for RemoteState {
    fn feed(&self, user: UserId) -> BoxFuture<'_, Result<Option<Held>, String>> {
        self.find(user).boxed()
    }

    fn trending(&self, window: TrendingWindow) -> BoxFuture<'_, Result<Option<Trending>, String>> {
        async move {
            let mut said = "no worker is named".to_owned();
            for worker in &self.workers {
                match self.ask(worker, &format!("/state/v1/trending/{}", window.name())).await {
                    Ok((StatusCode::OK, body)) => {
                        let decoded = Trending::decode(&body);
                        return decoded.map(Some).map_err(|fault| format!("{worker}: {fault}"));
                    }
                    Ok((StatusCode::NOT_FOUND, _)) => return Ok(None),
                    Ok((status, _)) => said = format!("{worker}: {status}"),
                    Err(fault) => said = fault,
                }
            }
            Err(said)
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        async move {
            let mut said = "no worker is named".to_owned();
            for worker in &self.workers {
                match self.ask(worker, "/health").await {
                    Ok((StatusCode::OK, _)) => return Ok(()),
                    Ok((status, _)) => said = format!("{worker}: {status}"),
                    Err(fault) => said = fault,
                }
            }
            Err(said)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, channel};

    use millstream::{ManualClock, Timestamp};

    use super::*;

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
    async fn a_user_of_another_instance_is_looked_for_there_and_is_no_failure_of_the_own_state() {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let mut tier = LocalState { feeds: Arc::new(Others), clock, elsewhere: None };
        assert_eq!(RankedTier::feed(&tier, UserId([1; 16])).await, Ok(None));
        tier.elsewhere = Some(RemoteState::new(vec!["http://127.0.0.1:1".to_owned()], None));
        let asked = RankedTier::feed(&tier, UserId([1; 16])).await;
        assert!(asked.is_err_and(|words| words.starts_with("http://127.0.0.1:1")));
    }

    #[tokio::test]
    async fn a_worker_that_never_answered_is_not_the_first_to_be_asked_again() {
        let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", mute.local_addr().unwrap());
        let tier = RemoteState::new(vec![url, "http://127.0.0.1:1".to_owned()], None);
        assert_eq!(RankedTier::feed(&tier, UserId([1; 16])).now_or_never(), None);
        assert_eq!(tier.last.load(Ordering::Relaxed), 1);
    }
}
