//! The internal routes: liveness, readiness, metrics, and the state of this instance for the others.
//!
//! Liveness looks at nothing: a dead neighbour is no reason to be killed. Readiness says what was last seen of
//! each component.

use std::convert::Infallible;
use std::sync::Arc;

use schemas::{PostId, RedisValue, TrendingWindow, UserId, Wire};
use serde::Serialize;
use warp::http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode};
use warp::path::{FullPath, Tail};
use warp::reply::Response;
use warp::{Filter, Reply};

use super::console::{self, Console};
use super::parameter::{Given, Number, Parameter, Text, number};
use super::{READING, Refusal, json, none_of, raw_query, recover, request_id, stores, with};
use crate::certificate::Certified;
use crate::health::{Health, IsEnough, Readiness, answers_reads, is_ready};
use crate::metrics::{Metrics, openmetrics};
use crate::read::{self, Asked, PUBLISHED, StateFault, StateFeeds};
use crate::secrets::Secrets;
use crate::stores::elsewhere::{Elsewhere, PASSED};
use crate::stores::peers::HOP;
use crate::stores::{Reach, Stores};

/// What metrics are for whoever accepts nothing newer.
pub(super) const TEXT: &str = "text/plain; version=0.0.4";

/// As of which time state ranks; the current one unless told.
static AS_OF: Parameter<Text<i64>> = Parameter {
    name: "as_of",
    about: "As of which time, ms UTC",
    takes: Text { is_required: false, expected: "a time in ms UTC", format: None, read: number },
};

/// Of which posts is asked what may still be shown.
static POSTS: Parameter<Text<Vec<PostId>>> = Parameter {
    name: "posts",
    about: "Which posts",
    takes: Text {
        is_required: true,
        expected: "ids of posts with commas between",
        format: None,
        read: |text| text.split(',').map(|post| post.parse().ok()).collect(),
    },
};

/// Of whom is asked, to suggest others to them.
static SKETCH: Parameter<Text<UserId>> = Parameter {
    name: "sketch",
    about: "To suggest others to whom",
    takes: Text {
        is_required: false,
        expected: "the id of a user",
        format: None,
        read: |text| text.parse().ok(),
    },
};

/// Which people are asked for.
static OF: Parameter<Text<Vec<UserId>>> = Parameter {
    name: "of",
    about: "Which people",
    takes: Text {
        is_required: true,
        expected: "ids of users with commas between",
        format: None,
        read: |text| {
            let named = text.split(',').filter(|user| !user.is_empty());
            named.map(|user| user.parse().ok()).collect()
        },
    },
};

/// With how many beside them.
static NEIGHBOURS: Parameter<Number> = Parameter {
    name: "neighbours",
    about: "With how many who stand beside them",
    takes: Number { from: 0, to: 10_000, unless_told: 0 },
};

/// What the internal routes need.
pub struct Internal {
    /// What was last seen of each component.
    pub health: Arc<Health>,
    /// Everything counted.
    pub metrics: Arc<Metrics>,
    /// The state of this process, if it has any.
    pub state: Option<Arc<dyn StateFeeds>>,
    /// The stores of the application, if this process has any.
    pub stores: Option<Arc<Stores>>,
    /// Those of others, if it has none.
    pub elsewhere: Option<Elsewhere>,
    /// What the console needs, if this process can show one.
    pub console: Option<Console>,
    /// What other instances show; without it nobody is asked for it.
    pub secrets: Option<Secrets>,
    /// Whether state is for callers with a certificate alone.
    pub asks_certificate: bool,
    /// The time by which state ranks.
    pub clock: Arc<dyn millstream::Clock>,
}

/// The internal routes.
pub fn internal(
    of: &Arc<Internal>,
) -> impl Filter<Extract = (impl Reply,), Error = Infallible> + Clone + Send + Sync + 'static {
    let health = warp::path!("health").and(warp::get()).map(|| "ok\n".into_response());
    let ready = warp::path!("ready").and(warp::get()).and(with(of));
    let ready = ready.map(|of: Arc<Internal>| readiness(&of.health, is_ready));
    // For whoever takes a process away that is not ready: without Kafka all of them would go, and reads with them.
    let reads = warp::path!("ready" / "reads").and(warp::get()).and(with(of));
    let reads = reads.map(|of: Arc<Internal>| readiness(&of.health, answers_reads));
    let ready = ready.or(reads).unify();
    let metrics = warp::path!("metrics")
        .and(warp::get())
        .and(with(of))
        .and(warp::header::optional("accept"))
        .map(|of: Arc<Internal>, accept: Option<String>| scraped(&of.metrics, accept.as_deref()));
    let state = warp::path!("state" / "v1" / ..)
        .and(warp::path::tail())
        .and(warp::method())
        .and(raw_query())
        .and(with(of))
        .and(caller())
        .then(|path: Tail, method, query: String, of: Arc<Internal>, caller: Caller| async move {
            let path: Vec<_> = path.as_str().split('/').collect();
            let answer = of.state(&method, (&path, &query), &caller).await;
            answer.unwrap_or_else(Refusal::into_response)
        });
    let console = warp::path!("console" / ..)
        .and(warp::path::full())
        .and(warp::method())
        .and(with(of))
        .and(caller())
        .then(|path: FullPath, method, of: Arc<Internal>, caller: Caller| async move {
            let answer = of.page((&method, path.as_str()), &caller).await;
            answer.unwrap_or_else(Refusal::into_response)
        });
    let routes = health.or(ready).unify().or(metrics).unify().or(state).unify().or(console).unify();
    let ready = warp::path!("ready").or(warp::path!("ready" / "reads")).unify();
    let others = warp::path!("health").or(ready).unify();
    let others = others.or(warp::path!("metrics")).unify().and(none_of(READING));
    // No route of these takes a body.
    routes.or(others).unify().recover(|rejection| recover(rejection, 0))
}

/// Who asks.
struct Caller {
    headers: HeaderMap,
    /// By the edge, as far as it asks.
    is_certified: bool,
}

fn caller() -> impl Filter<Extract = (Caller,), Error = Infallible> + Copy + Send + Sync {
    let certified = warp::ext::optional::<Certified>();
    certified.and(warp::header::headers_cloned()).map(|certified: Option<Certified>, headers| {
        Caller { headers, is_certified: certified.is_some() }
    })
}

/// What was last seen of each component, and whether that is enough.
fn readiness(health: &Health, is_enough: IsEnough) -> Response {
    let readiness = Readiness::of(health, is_enough);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &readiness, request_id())
}

/// As whoever asks accepts it.
fn scraped(metrics: &Metrics, accept: Option<&str>) -> Response {
    if openmetrics::is_accepted(accept) {
        return bytes(metrics.open_text().into(), openmetrics::MEDIA);
    }
    bytes(metrics.text().into(), TEXT)
}

pub(super) fn bytes(body: Vec<u8>, kind: &'static str) -> Response {
    warp::reply::with_header(body, "content-type", kind).into_response()
}

impl Internal {
    /// What the state of this instance says to another one.
    async fn state(
        &self,
        method: &Method,
        (path, query): (&[&str], &str),
        caller: &Caller,
    ) -> Result<Response, Refusal> {
        match path {
            ["feed" | "trending" | "post" | "items", _] | ["why", _, _] | ["people"] => {}
            ["stores"] | ["stores", _] | ["stores", _, _] => {}
            _ => return Err(Refusal::not_found()),
        }
        if !READING.0.contains(method) {
            return Err(Refusal::not_allowed(READING.1));
        }
        self.admit(caller)?;
        match *path {
            ["stores", ref rest @ ..] => {
                let Some(stores) = &self.stores else {
                    return self.passed((path, query), caller).await;
                };
                let reach =
                    if caller.headers.contains_key(HOP) { Reach::Own } else { Reach::Anybody };
                stores::answer(stores, (rest, query), reach).await
            }
            ["feed", user] => self.feed(user, query).await,
            ["trending", window] => self.trending(window).await,
            ["why", user, post] => self.why(user, post).await,
            ["post", post] => self.post(post).await,
            ["items", user] => self.items(user, query).await,
            ["people"] => self.people(query).await,
            _ => Err(Refusal::not_found()),
        }
    }

    /// What somebody else answers who has stores.
    async fn passed(
        &self,
        (path, query): (&[&str], &str),
        caller: &Caller,
    ) -> Result<Response, Refusal> {
        let elsewhere = self.elsewhere.as_ref();
        let is_first = ![HOP, PASSED].iter().any(|name| caller.headers.contains_key(*name));
        let elsewhere = elsewhere.filter(|_| is_first).ok_or_else(Refusal::not_shown)?;
        let mark = if query.is_empty() { "" } else { "?" };
        let told = elsewhere.ask(&format!("/state/v1/{}{mark}{query}", path.join("/"))).await;
        let told = told.map_err(Refusal::failed)?;
        let mut answer = bytes(told.body.into(), "application/json");
        *answer.status_mut() = told.status;
        for name in [CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS, RETRY_AFTER] {
            if let Some(value) = told.headers.get(&name) {
                answer.headers_mut().insert(name, value.clone());
            }
        }
        Ok(answer)
    }

    /// Whether the caller showed what is asked for: a certificate, a secret, or both.
    fn admit(&self, caller: &Caller) -> Result<(), Refusal> {
        if self.asks_certificate && !caller.is_certified {
            return Err(Refusal::uncertified());
        }
        let shown = caller.headers.get(AUTHORIZATION).and_then(|shown| shown.to_str().ok());
        match self.secrets.as_ref().is_some_and(|secrets| !secrets.admit(shown)) {
            true => Err(Refusal::unauthenticated()),
            false => Ok(()),
        }
    }

    /// The console's page, and what it asks for.
    async fn page(
        &self,
        (method, path): (&Method, &str),
        caller: &Caller,
    ) -> Result<Response, Refusal> {
        if !READING.0.contains(method) {
            return Err(Refusal::not_allowed(READING.1));
        }
        if let Some(file) = console::file(path, &caller.headers) {
            return Ok(file);
        }
        self.admit(caller)?;
        let path: Vec<_> = path.split('/').skip(2).collect();
        self.console(&path).await
    }

    async fn trending(&self, window: &str) -> Result<Response, Refusal> {
        let window = TrendingWindow::of_name(window).ok_or_else(Refusal::not_found)?;
        let state = self.state.as_ref().ok_or_else(Refusal::not_owner)?;
        let found = read::ask(state, |state| state.trending()).await;
        let found = found.map_err(|_| Refusal::unavailable("the state is not ready"))?;
        let trending = found.ok_or_else(Refusal::not_found)?;
        Ok(bytes(trending.only(window).to_bytes(), "application/octet-stream"))
    }

    /// Ranked as of now, or as of a time that was asked for, which may have passed.
    async fn feed(&self, user: &str, query: &str) -> Result<Response, Refusal> {
        let user: UserId = user.parse().map_err(|_| Refusal::not_found())?;
        let given = Given::read(query, &[&AS_OF]).map_err(Refusal::invalid)?;
        let state = self.state.as_ref().ok_or_else(Refusal::not_owner)?;
        let as_of = given.told(&AS_OF).unwrap_or_else(|| self.clock.now().0);
        let found = read::ask(state, move |state| state.feed(user, as_of)).await;
        let found = found.map_err(unanswered)?;
        let held = found.ok_or_else(Refusal::not_found)?;
        let mut value = Vec::new();
        RedisValue { version: held.version, body: Some(&held.body.to_bytes()) }.encode(&mut value);
        let mut answer = bytes(value, "application/octet-stream");
        if held.is_published {
            answer.headers_mut().insert(PUBLISHED, HeaderValue::from_static("1"));
        }
        Ok(answer)
    }

    /// Why a post stands in a feed as of now, or does not, as instances tell each other.
    async fn why(&self, user: &str, post: &str) -> Result<Response, Refusal> {
        let user: UserId = user.parse().map_err(|_| Refusal::not_found())?;
        let post: PostId = post.parse().map_err(|_| Refusal::not_found())?;
        let now_ms = self.clock.now().0;
        self.told(move |state| state.why(user, post, now_ms)).await
    }

    /// What of some posts a user may still be shown, as instances tell each other.
    async fn items(&self, user: &str, query: &str) -> Result<Response, Refusal> {
        let user: UserId = user.parse().map_err(|_| Refusal::not_found())?;
        let given = Given::read(query, &[&POSTS]).map_err(Refusal::invalid)?;
        let (posts, now_ms) = (given.told(&POSTS).unwrap_or_default(), self.clock.now().0);
        self.told(move |state| state.items(user, &posts, now_ms)).await
    }

    /// What suggestions are made of, as far as it is owned here, as instances tell each other.
    async fn people(&self, query: &str) -> Result<Response, Refusal> {
        let given = Given::read(query, &[&SKETCH, &OF, &NEIGHBOURS]).map_err(Refusal::invalid)?;
        let asked = Asked {
            sketch: given.told(&SKETCH),
            people: given.told(&OF).unwrap_or_default(),
            neighbours: given.get(&NEIGHBOURS),
        };
        let now_ms = self.clock.now().0;
        self.told(move |state| state.people(&asked, now_ms)).await
    }

    /// What is known of a post, as instances tell each other.
    async fn post(&self, post: &str) -> Result<Response, Refusal> {
        let post: PostId = post.parse().map_err(|_| Refusal::not_found())?;
        self.told(move |state| state.post(post)).await
    }

    async fn told<T: Serialize + Send + 'static>(
        &self,
        what: impl FnOnce(&dyn StateFeeds) -> Result<Option<T>, StateFault> + Send + 'static,
    ) -> Result<Response, Refusal> {
        let state = self.state.as_ref().ok_or_else(Refusal::not_owner)?;
        let found = read::ask(state, what).await.map_err(unanswered)?;
        let found = found.ok_or_else(Refusal::not_found)?;
        Ok(json(StatusCode::OK, &found, request_id()))
    }
}

fn unanswered(fault: StateFault) -> Refusal {
    match fault {
        StateFault::NotOwner => Refusal::not_owner(),
        StateFault::NotReady(_) => Refusal::unavailable("the state is not ready"),
    }
}
