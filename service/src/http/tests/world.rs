//! An API on a cluster in this process, the key to it, and state that holds what a test puts there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connectors::redis::FeedCache;
use http_body_util::{BodyExt, Full};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use millstream::broker::embedded::Embedded;
use millstream::broker::{Broker, Isolation};
use millstream::{Clock, ManualClock, Offset, SystemClock, Timestamp, Topic, TopicPartition};
use schemas::{FeedBody, FeedItem, FeedVersion, PostId, Sources, Trending, UserId};
use serde_json::Value;
use tempfile::TempDir;
use tests::{Part, Stack};
use tokio::sync::watch;
use topologies::suggestions::SuggestionWeights;
use uuid::Uuid;
use warp::http::{Request, StatusCode};
use warp::hyper::body::Bytes;
use warp::reply::Response;

use crate::commands::topics;
use crate::config::{self, Algorithm, Auth};
use crate::daily::Daily;
use crate::event_format::EventFormat;
use crate::flags::{FollowedFlags, SetFlags};
use crate::http::body::Bounds;
use crate::http::cursor::Cursors;
use crate::http::feed_page::FeedPage;
use crate::http::{Api, public};
use crate::identity::Verifier;
use crate::instance_client::Credentials;
use crate::limits::UserLimit;
use crate::log::{Appending, Log};
use crate::metrics::Metrics;
use crate::read::{
    Guard, Guarded, Held, LocalState, PostKnown, RankedTier, Reads, Source, StateFault, StateFeeds,
    Tiers,
};
use crate::secrets::Secrets;
use crate::token;
use crate::weights::WeightSets;

pub const NOW: i64 = 1_795_216_628_500;
pub const ME: Uuid = Uuid::from_bytes([1; 16]);
pub const OTHER: Uuid = Uuid::from_bytes([2; 16]);
pub const PARTITIONS: i32 = 3;

/// Feeds by user, as a worker's state would hold them; `None` as a whole: it cannot answer. And what trends.
#[derive(Default)]
pub struct Feeds(pub Mutex<Option<BTreeMap<UserId, Held>>>, pub Mutex<Option<Trending>>);

impl StateFeeds for Feeds {
    fn feed(&self, user: UserId, _now_ms: i64) -> Result<Option<Held>, StateFault> {
        match &*self.0.lock().unwrap() {
            Some(feeds) => Ok(feeds.get(&user).cloned()),
            None => Err(StateFault::NotReady("restoring".to_owned())),
        }
    }

    fn trending(&self) -> Result<Option<Trending>, StateFault> {
        Ok(self.1.lock().unwrap().clone())
    }

    fn post(&self, post: PostId) -> Result<Option<PostKnown>, StateFault> {
        let feeds = self.0.lock().unwrap();
        let feeds = feeds.as_ref().ok_or_else(|| StateFault::NotReady("restoring".to_owned()))?;
        let mut items = feeds.values().flat_map(|held| &held.body.items);
        Ok(items.find(|item| item.post == post).map(PostKnown::live))
    }

    fn ready(&self) -> Result<(), String> {
        self.0.lock().unwrap().as_ref().map(drop).ok_or_else(|| "restoring".to_owned())
    }
}

pub fn user(of: Uuid) -> UserId {
    UserId(of.into_bytes())
}

/// A feed of two items by different authors; the second is newer and has more to show for itself.
pub fn held(version: u64) -> Held {
    let item = FeedItem {
        post: PostId([0x11; 16]),
        author: UserId([0x21; 16]),
        created_at_ms: NOW - 500 - 24 * 3_600_000,
        sources: Sources::TRENDING,
        ..FeedItem::default()
    };
    let better = FeedItem {
        post: PostId([0x12; 16]),
        author: UserId([0x22; 16]),
        created_at_ms: NOW - 500,
        likes: 10,
        comments: 5,
        shares: 2,
        exposures: 100,
        affinity: 10,
        sources: Sources::FOLLOW.with(Sources::AFFINITY),
        ..item
    };
    let body = FeedBody {
        as_of_ms: NOW - 1000,
        valid_until_ms: NOW + 600_000,
        weight_set: schemas::V1,
        cold_start: false,
        items: vec![item, better],
        facts: None,
    };
    Held { version: FeedVersion { feeds_epoch: 0, version }, body, is_published: true }
}

pub struct World {
    pub broker: Embedded,
    pub state: Arc<Feeds>,
    pub clock: Arc<ManualClock>,
    pub metrics: Arc<Metrics>,
    pub auth: Auth,
    pub api: Arc<Api>,
    _keys: TempDir,
    _stop: watch::Sender<bool>,
}

impl World {
    /// One whose state is the only tier.
    pub fn new() -> Self {
        Self::with(|_, _| {})
    }

    /// One whose other tiers `add` adds.
    pub fn with(add: impl FnOnce(&mut Tiers, &dyn Fn(Source) -> Guard)) -> Self {
        Self::flagged(SetFlags::default(), add)
    }

    /// One with a Redis of its own before its state.
    pub fn with_redis() -> (Stack, Self) {
        let stack = Stack::of(&[Part::Redis]).start().unwrap();
        let cache = FeedCache::open(stack.redis(), Duration::from_secs(5)).unwrap();
        let world = Self::with(|tiers, guard| {
            tiers.redis = Some(Guarded::new(Box::new(cache), guard(Source::Redis)));
        });
        (stack, world)
    }

    /// The same with flags that are set.
    pub fn flagged(set: SetFlags, add: impl FnOnce(&mut Tiers, &dyn Fn(Source) -> Guard)) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let auth = Auth {
            algorithm: Algorithm::EdDsa,
            key_file: keys.path().join("token.pub.pem"),
            signing_key_file: keys.path().join("token.pem"),
            issuer: "us".to_owned(),
            audience: "feed".to_owned(),
            jwks_url: None,
            others: Vec::new(),
            leeway_s: 30,
        };
        token::ensure_keys(&auth).unwrap();
        let broker = Embedded::new(Arc::new(SystemClock));
        topics::create(&mut *broker.admin().unwrap(), "feedmill", PARTITIONS).unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(NOW)));
        let time: Arc<dyn Clock> = clock.clone();
        let metrics = Arc::new(Metrics::new().unwrap());
        let state = Arc::new(Feeds(Mutex::new(Some(BTreeMap::new())), Mutex::default()));
        let flags = FollowedFlags::of(set);
        let guard = |source| Guard {
            source,
            wait: Duration::from_secs(5),
            calls_max: 8,
            breaker: config::Breaker::default().into(),
            flags: flags.clone(),
            metrics: Arc::clone(&metrics),
        };
        let tier: Box<dyn RankedTier> = Box::new(LocalState {
            feeds: state.clone(),
            clock: Arc::clone(&time),
            elsewhere: None,
        });
        let ranked = Guarded::new(tier, guard(Source::State));
        let mut tiers = Tiers {
            redis: None,
            state: Some(ranked),
            clickhouse: None,
            postgres: None,
            versions: None,
            suggestions: None,
        };
        add(&mut tiers, &guard);
        let log = Log::start(Appending {
            broker: Arc::new(broker.clone()),
            clock: Arc::clone(&time),
            wait: Duration::from_secs(5).into(),
            metrics: Arc::clone(&metrics),
        });
        let log = log.unwrap();
        let stop = watch::Sender::new(false);
        let api = Arc::new(Api {
            limit: UserLimit::new(None.into(), None),
            verifier: Verifier::new(&auth).unwrap(),
            reads: Arc::new(Reads::new(tiers, log.clone(), time, Arc::clone(&metrics))),
            daily: Daily::default(),
            suggestions: Some(SuggestionWeights::default()).into(),
            flags,
            weights: WeightSets::default(),
            mutes_words: true,
            remembers_shown: false,
            log,
            format: EventFormat::Json,
            cursors: Cursors::new(Secrets::of("open sesame").ok().as_ref()).unwrap(),
            page: None,
            metrics: Arc::clone(&metrics),
            events_max: 100.into(),
            body: Bounds { bytes_max: 64 * 1024, wait: Duration::from_secs(30) }.into(),
            stopped: stop.subscribe(),
        });
        Self { broker, state, clock, metrics, auth, api, _keys: keys, _stop: stop }
    }

    /// One that has the metrics of days.
    pub fn with_daily(daily: Daily) -> Self {
        let mut world = Self::new();
        Arc::get_mut(&mut world.api).unwrap().daily = daily;
        world
    }

    /// One that shows the page.
    pub fn with_page(page: FeedPage) -> Self {
        let mut world = Self::new();
        Arc::get_mut(&mut world.api).unwrap().page = Some(page);
        world
    }

    pub fn token(&self, of: Uuid, roles: &[&str]) -> String {
        let roles: Vec<_> = roles.iter().map(|role| (*role).to_owned()).collect();
        format!("Bearer {}", token::sign(&self.auth, of, &roles, 60).unwrap())
    }

    pub fn hold(&self, of: Uuid, held: Held) {
        self.state.0.lock().unwrap().get_or_insert_default().insert(user(of), held);
    }

    pub async fn ask(&self, request: Request<Full<Bytes>>) -> (StatusCode, Value) {
        answer(TowerToHyperService::new(warp::service(public(&self.api))), request).await
    }

    /// The feed route as `ME`, with this query.
    pub async fn feed(&self, query: &str) -> (StatusCode, Value) {
        let request = Request::get(format!("/api/v1/feed{query}"))
            .header("authorization", self.token(ME, &[]))
            .body(Full::default());
        self.ask(request.unwrap()).await
    }

    /// The events route as `ME`, with this body.
    pub async fn post(&self, body: &str, roles: &[&str]) -> (StatusCode, Value) {
        let request = Request::post("/api/v1/events")
            .header("authorization", self.token(ME, roles))
            .header("content-type", "application/json; charset=utf-8")
            .header("content-length", body.len())
            .body(Full::from(body.to_owned()));
        self.ask(request.unwrap()).await
    }

    /// Every record of a topic as (key, value), by partition and offset.
    pub fn records(&self, topic: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        (0..PARTITIONS).flat_map(|partition| self.records_in(topic, partition)).collect()
    }

    /// Every record of a partition as (key, value), by offset.
    pub fn records_in(&self, topic: &str, partition: i32) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut consumer = self.broker.consumer("test", Isolation::ReadCommitted).unwrap();
        let of = TopicPartition::new(Topic::from(topic), partition);
        consumer.assign(&[(of, Offset(0))]).unwrap();
        let polled = consumer.poll(Duration::ZERO).unwrap();
        let records = polled.batches.iter().flat_map(|batch| batch.iter());
        records.map(|it| (it.key.unwrap().to_vec(), it.value.unwrap().to_vec())).collect()
    }
}

/// What an instance shows that has this secret.
pub fn showing(secret: &str) -> Credentials {
    Credentials::of(Secrets::of(secret).ok().as_ref(), None).unwrap()
}

pub async fn answer<S>(service: S, request: Request<Full<Bytes>>) -> (StatusCode, Value)
where
    S: Service<Request<Full<Bytes>>, Response = Response, Error = std::convert::Infallible>,
{
    let answer = service.call(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}
