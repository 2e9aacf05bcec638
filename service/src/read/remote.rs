//! The state of workers elsewhere, asked over their internal listeners.
//!
//! Who owns a partition of users is learnt from the answers: the owner is asked first, and where it is not known,
//! has lost the partition or does not answer, all others at once. So a wrong guess costs one call more, and only
//! until the right worker has answered. A worker that fails is left alone by itself; the others go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use hyper::StatusCode;
use hyper::body::Bytes;
use millstream::Clock;
use millstream::broker::partition_of;
use schemas::{FeedBody, PostId, RedisValue, Trending, TrendingWindow, UserId, Wire};
use serde::de::DeserializeOwned;

use super::guard::{Passed, call};
use super::{Asked, Held, Items, People, PostKnown, RankedTier, TierFault, Why};
use crate::breaker::{Breaker, Mode};
use crate::config::{self, Live};
use crate::instance_client::{Credentials, InstanceClient};

/// The longest answer taken from a worker: 100 items are 6 KiB.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// With this header a worker says that a feed of the reader is published now.
pub const PUBLISHED: &str = "x-feed-published";
/// So many people are asked for at once: with 200 neighbours on either side each is 16 KiB.
const PEOPLE_MAX: usize = 20;
/// No worker is known to own a partition.
const UNKNOWN: usize = usize::MAX;

/// What is told of workers elsewhere.
pub struct Workers {
    /// Their internal listeners.
    pub urls: Vec<String>,
    /// What they are shown.
    pub credentials: Credentials,
    /// How many partitions of users there are. A wrong number costs calls, never an answer.
    pub partitions: i32,
    /// How long all calls of one read may take together.
    pub wait: Duration,
    /// When one of them is left alone.
    pub breaker: Live<config::Breaker>,
}

/// The state of workers elsewhere.
pub struct RemoteState {
    workers: Vec<Worker>,
    client: InstanceClient,
    /// By partition, the worker that owned it when it answered last.
    owners: Box<[AtomicUsize]>,
    wait: Duration,
    clock: Arc<dyn Clock>,
}

struct Worker {
    url: String,
    breaker: Breaker,
}

/// What a worker has.
struct Found {
    bytes: Bytes,
    is_published: bool,
}

/// What a worker made of a question.
enum Answer {
    /// It owns what was asked for, and has this.
    Found(Option<Found>),
    /// Another one owns it.
    NotOwner,
}

/// What became of a question, over all workers that were asked.
#[derive(Default)]
struct Missed {
    not_owner: bool,
    unready: Option<String>,
    failed: Option<String>,
}

impl RemoteState {
    /// The state of `workers`.
    pub fn new(workers: Workers, clock: Arc<dyn Clock>) -> Self {
        let Workers { urls, credentials, partitions, wait, breaker } = workers;
        let client = InstanceClient::new(credentials, ANSWER_BYTES_MAX);
        let owners = (0..partitions.max(1)).map(|_| AtomicUsize::new(UNKNOWN)).collect();
        // Who asks this tier waits so long in all, and one that is mute must leave time for the others: their failures are
        // theirs, and not those of the own state, which may be asked by the same guard.
        let wait = wait * 9 / 10;
        let wait = if urls.len() > 1 { wait / 2 } else { wait };
        let worker = |url| Worker { url, breaker: Breaker::new(breaker.clone()) };
        let workers = urls.into_iter().map(worker).collect();
        Self { workers, client, owners, wait, clock }
    }

    /// The feed of a user, as its owner has it now; `None` if the owner has none.
    pub async fn find(&self, user: UserId) -> Result<Option<Held>, TierFault> {
        self.ask_owner(&user.0, &format!("/state/v1/feed/{user}"), held).await
    }

    /// The same, ranked as of a time that may have passed, from what the owner knows now.
    pub async fn find_as_of(&self, user: UserId, ms: i64) -> Result<Option<Held>, TierFault> {
        self.ask_owner(&user.0, &format!("/state/v1/feed/{user}?as_of={ms}"), held).await
    }

    /// Why a post stands in the feed of a user, or does not, as the user's owner has it now.
    pub async fn why(&self, user: UserId, post: PostId) -> Result<Option<Why>, TierFault> {
        self.ask_owner(&user.0, &format!("/state/v1/why/{user}/{post}"), from_json).await
    }

    /// What of these posts a user may still be shown, as the user's owner has it now.
    pub async fn items(&self, user: UserId, posts: &[PostId]) -> Result<Option<Items>, TierFault> {
        let named: Vec<_> = posts.iter().map(PostId::to_string).collect();
        let path = format!("/state/v1/items/{user}?posts={}", named.join(","));
        self.ask_owner(&user.0, &path, from_json).await
    }

    /// What the owner of a post knows of it.
    pub async fn post(&self, post: PostId) -> Result<Option<PostKnown>, TierFault> {
        self.ask_owner(&post.0, &format!("/state/v1/post/{post}"), from_json).await
    }

    /// What suggestions are made of: every worker says what it owns of it. What nobody owns is no answer.
    pub async fn people(&self, asked: &Asked) -> Result<People, TierFault> {
        let mut found = People::default();
        let paths = people_paths(asked);
        let workers = 0..self.workers.len();
        let mut answers: FuturesUnordered<_> =
            workers.flat_map(|at| paths.iter().map(move |path| self.ask(at, path))).collect();
        let mut fault = TierFault::Unready("nobody owns all of them".to_owned());
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(Answer::Found(Some(known))) => {
                    found.add(from_json(&known).map_err(TierFault::Failed)?);
                }
                Ok(Answer::Found(None) | Answer::NotOwner) => {}
                Err(words) => fault = words,
            }
        }
        if found.missing(asked).is_empty() { Ok(found) } else { Err(fault) }
    }

    /// Partitions of users and of posts have the same owners: a worker has those of one number.
    async fn ask_owner<T>(
        &self,
        key: &[u8; 16],
        path: &str,
        read: impl Fn(&Found) -> Result<T, String>,
    ) -> Result<Option<T>, TierFault> {
        let partitions = i32::try_from(self.owners.len()).unwrap_or(i32::MAX);
        let partition = usize::try_from(partition_of(key, partitions)).unwrap_or_default();
        let owner = self.owners.get(partition);
        let known = owner.map_or(UNKNOWN, |owner| owner.load(Ordering::Relaxed));
        let first = if known == UNKNOWN { partition % self.workers.len().max(1) } else { known };
        let (at, body) = self.ask_all(first, path).await?;
        if let Some(owner) = owner {
            owner.store(at, Ordering::Relaxed);
        }
        body.map(|body| read(&body)).transpose().map_err(TierFault::Failed)
    }

    /// What the owner says, and which worker it is: `first` is asked, and if it is not the one, all others at once.
    async fn ask_all(&self, first: usize, path: &str) -> Result<(usize, Option<Found>), TierFault> {
        let mut missed = Missed::default();
        if let Some(found) = missed.note(first, self.ask(first, path).await) {
            return Ok(found);
        }
        let others = (0..self.workers.len()).filter(|at| *at != first);
        let mut others: FuturesUnordered<_> =
            others.map(|at| self.ask(at, path).map(move |answer| (at, answer))).collect();
        while let Some((at, answer)) = others.next().await {
            if let Some(found) = missed.note(at, answer) {
                return Ok(found);
            }
        }
        Err(missed.fault())
    }

    /// What the worker at `at` says, if it may be asked and answers in time.
    async fn ask(&self, at: usize, path: &str) -> Result<Answer, TierFault> {
        let missing = || TierFault::Failed("no worker is named".to_owned());
        let worker = self.workers.get(at).ok_or_else(missing)?;
        let now = self.clock.now();
        let admission = worker.breaker.admit(now);
        // Where every one is left alone, one of them may be well by now.
        let is_last = || self.workers.iter().all(|worker| worker.breaker.mode() == Mode::Open);
        let admission = match admission {
            None if is_last() => worker.breaker.admit_early(now),
            admission => admission,
        };
        let asked = self.request(&worker.url, path);
        let name = (worker.url.as_str(), &worker.breaker);
        let asked = call(name, &*self.clock, admission, self.wait, asked);
        asked.await.map_err(|passed| match passed {
            Passed::Unready(words) => TierFault::Unready(words),
            Passed::Failed(words) => TierFault::Failed(words),
            Passed::Open => TierFault::Failed(format!("{}: left alone after faults", worker.url)),
            Passed::Busy | Passed::Off => TierFault::Failed(format!("{}: busy", worker.url)),
            Passed::Late => TierFault::Failed(format!("{}: late", worker.url)),
        })
    }

    /// Whether a worker is there, and shows its state: what trends is known to each.
    async fn look_at(&self, url: &str) -> Result<(), String> {
        for (path, may_be_missing) in [("/health", false), ("/state/v1/trending/1h", true)] {
            match self.request(url, path).await {
                Ok(Answer::Found(found)) if found.is_some() || may_be_missing => {}
                Ok(Answer::Found(_) | Answer::NotOwner) => {
                    return Err(format!("{url}: answers, but is no worker"));
                }
                Err(TierFault::Failed(words) | TierFault::Unready(words)) => return Err(words),
            }
        }
        Ok(())
    }

    async fn request(&self, url: &str, path: &str) -> Result<Answer, TierFault> {
        let told = self.client.get((url, path), &[]).await.map_err(TierFault::Failed)?;
        let is_published = told.headers.contains_key(PUBLISHED);
        match told.status {
            StatusCode::OK => Ok(Answer::Found(Some(Found { bytes: told.body, is_published }))),
            StatusCode::NOT_FOUND => Ok(Answer::Found(None)),
            StatusCode::MISDIRECTED_REQUEST => Ok(Answer::NotOwner),
            StatusCode::SERVICE_UNAVAILABLE => {
                Err(TierFault::Unready(format!("{url}: its state is not ready")))
            }
            other => Err(TierFault::Failed(format!("{url}: {other}"))),
        }
    }
}

/// The questions that come to this one, none of which has a long answer.
fn people_paths(asked: &Asked) -> Vec<String> {
    let path = |sketch: Option<UserId>, of: &[UserId]| {
        let sketch = sketch.map(|user| format!("sketch={user}&")).unwrap_or_default();
        let named: Vec<_> = of.iter().map(UserId::to_string).collect();
        let (named, neighbours) = (named.join(","), asked.neighbours);
        format!("/state/v1/people?{sketch}of={named}&neighbours={neighbours}")
    };
    let mut paths: Vec<_> = asked.people.chunks(PEOPLE_MAX).map(|of| path(None, of)).collect();
    paths.extend(asked.sketch.map(|user| path(Some(user), &[])));
    paths
}

impl Missed {
    /// Notes what the worker at `at` said, unless it is the answer.
    fn note(
        &mut self,
        at: usize,
        answer: Result<Answer, TierFault>,
    ) -> Option<(usize, Option<Found>)> {
        match answer {
            Ok(Answer::Found(body)) => return Some((at, body)),
            Ok(Answer::NotOwner) => self.not_owner = true,
            Err(TierFault::Unready(words)) => self.unready = Some(words),
            Err(TierFault::Failed(words)) => self.failed = Some(words),
        }
        None
    }

    /// The tier has failed if no worker is well: else one is missing, and the users of the others must not suffer.
    fn fault(self) -> TierFault {
        match self {
            Self { unready: Some(words), .. } => TierFault::Unready(words),
            Self { not_owner: true, failed, .. } => {
                let words = "every worker that was asked says it is not the owner: state.workers names too few";
                TierFault::Unready(failed.unwrap_or_else(|| words.to_owned()))
            }
            Self { failed: Some(words), .. } => TierFault::Failed(words),
            Self { .. } => TierFault::Failed("no worker is named".to_owned()),
        }
    }
}

fn from_json<T: DeserializeOwned>(found: &Found) -> Result<T, String> {
    serde_json::from_slice(&found.bytes).map_err(|fault| fault.to_string())
}

fn held(found: &Found) -> Result<Held, String> {
    let value = RedisValue::decode(&found.bytes).map_err(|poison| poison.to_string())?;
    let body = value.body.ok_or("no body")?;
    let body = FeedBody::decode(body).map_err(|poison| poison.to_string())?;
    Ok(Held { version: value.version, body, is_published: found.is_published })
}

impl RankedTier for RemoteState {
    fn feed(&self, user: UserId) -> BoxFuture<'_, Result<Option<Held>, TierFault>> {
        self.find(user).boxed()
    }

    fn why(&self, user: UserId, post: PostId) -> BoxFuture<'_, Result<Option<Why>, TierFault>> {
        Self::why(self, user, post).boxed()
    }

    fn items(
        &self,
        user: UserId,
        posts: Vec<PostId>,
    ) -> BoxFuture<'_, Result<Option<Items>, TierFault>> {
        async move { Self::items(self, user, &posts).await }.boxed()
    }

    fn post(&self, post: PostId) -> BoxFuture<'_, Result<Option<PostKnown>, TierFault>> {
        Self::post(self, post).boxed()
    }

    fn people(&self, asked: Asked) -> BoxFuture<'_, Result<Option<People>, TierFault>> {
        async move { Self::people(self, &asked).await.map(Some) }.boxed()
    }

    fn trending(
        &self,
        window: TrendingWindow,
    ) -> BoxFuture<'_, Result<Option<Trending>, TierFault>> {
        async move {
            let path = format!("/state/v1/trending/{}", window.name());
            let (_, body) = self.ask_all(0, &path).await?;
            let decoded = body.map(|found| Trending::decode(&found.bytes)).transpose();
            decoded.map_err(|poison| TierFault::Failed(poison.to_string()))
        }
        .boxed()
    }

    /// Whether any worker has state to show; a breaker has no say in it, so that it is seen when one is back.
    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        async move {
            let mut asked: FuturesUnordered<_> =
                self.workers.iter().map(|worker| self.look_at(&worker.url)).collect();
            let mut said = "no worker is named".to_owned();
            while let Some(answer) = asked.next().await {
                match answer {
                    Ok(()) => return Ok(()),
                    Err(words) => said = words,
                }
            }
            Err(said)
        }
        .boxed()
    }
}
