//! The routes: public ones for callers with a token, internal ones for operators and other instances.
//!
//! [`public`] and [`internal`] are values that a test can ask without a socket; [`crate::edge`] serves them. The public ones are
//! a table, [`routes`]; the files of the page, for a browser, stand beside it ([`feed_page`]). A handler answers a [`Response`] or a [`Refusal`], and every refusal has the one JSON form of the API.

pub mod admin;
pub mod body;
pub mod cast;
pub mod console;
pub mod cursor;
mod daily_metrics;
mod discover;
mod event_shape;
mod events;
mod explain;
mod feed;
pub mod feed_page;
#[cfg(test)]
#[path = "../../../tests/fuzz/edge.rs"]
mod fuzz;
pub mod internal;
mod openapi;
mod page;
mod page_file;
mod parameter;
mod patch;
mod preferences;
mod refusal;
mod request_id;
mod routes;
mod stores;
mod stream;
#[cfg(test)]
mod tests;
mod trending;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{Stream, StreamExt, TryStreamExt};
use millstream::Position;
use serde::Serialize;
use tokio::sync::watch;
use topologies::suggestions::SuggestionWeights;
use utoipa::openapi::OpenApi;
use uuid::Uuid;
use warp::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use warp::http::{HeaderMap, Method, Response as HttpResponse, StatusCode};
use warp::hyper::body::Buf;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use crate::config::Live;
use crate::daily::Daily;
use crate::event_format::EventFormat;
use crate::flags::{Flag, FollowedFlags};
use crate::identity::{Caller, Role, Verifier};
use crate::limits::{Level, Rate, UserLimit};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::read::Reads;
use crate::traces;
use crate::weights::WeightSets;
use cursor::Cursors;
use feed_page::FeedPage;
pub use refusal::{Fault, Refusal, recover};
pub use request_id::{request_id, with_id};
use routes::{Match, ROUTES, Request, Route, Serves};

/// The header that says where a write was put down.
const POSITION: &str = "x-feed-position";

/// What the public routes need.
pub struct Api {
    /// Who callers are.
    pub verifier: Verifier,
    /// How often they may ask.
    pub limit: UserLimit,
    /// Answers reads.
    pub reads: Arc<Reads>,
    /// Knows the metrics of days.
    pub daily: Daily,
    /// By which users are suggested to each other, if they are.
    pub suggestions: Live<Option<SuggestionWeights>>,
    /// What operators turn on and off.
    pub flags: FollowedFlags,
    /// The numbers by which feeds were made.
    pub weights: WeightSets,
    /// Whether words can be muted.
    pub mutes_words: bool,
    /// Whether workers are told what was shown.
    pub remembers_shown: bool,
    /// Takes events.
    pub log: Log,
    /// How events are written.
    pub format: EventFormat,
    /// Signs where feeds go on.
    pub cursors: Cursors,
    /// The page, if it was asked for.
    pub page: Option<FeedPage>,
    /// Counts requests.
    pub metrics: Arc<Metrics>,
    /// The most events of one request.
    pub events_max: Live<usize>,
    /// The bounds of a body.
    pub body: Live<body::Bounds>,
    /// Turns true when the process is to stop.
    pub stopped: watch::Receiver<bool>,
}

/// The public routes.
pub fn public(
    api: &Arc<Api>,
) -> impl Filter<Extract = (impl Reply,), Error = Infallible> + Clone + Send + Sync + 'static {
    let bounds = api.body.clone();
    let answered = asked(api).then(
        |api: Arc<Api>,
         method: Method,
         path: FullPath,
         query: String,
         headers: HeaderMap,
         parts| async move {
            match routes::find(&ROUTES, (&method, path.as_str())) {
                Match::Route(route, segment) => {
                    let trace = traces::named(&headers);
                    let asked =
                        Arc::clone(&api).ask((route, segment.to_owned()), (query, headers, parts));
                    let asked = finish(&api.metrics, route.name, asked);
                    traces::request(route.name, trace, asked).await
                }
                Match::NotAllowed(named) => Refusal::not_allowed(named).into_response(),
                Match::Nothing => {
                    let asked = (path.as_str(), &*query);
                    let page = api.page.as_ref();
                    let page = page.filter(|_| api.flags.known().is_on(Flag::Page));
                    let shown = page.and_then(|page| page.answer(&method, asked, &headers));
                    shown.unwrap_or_else(|| Refusal::not_found().into_response())
                }
            }
        },
    );
    document("Feedmill", &ROUTES)
        .or(answered)
        .unify()
        .recover(move |rejection| recover(rejection, bounds.get().bytes_max))
}

/// An answer to a write, with where it was put down: whoever asks a store for that position reads it. What the writer need
/// not know is not in the way of who does not ask.
fn at(mut answer: Response, position: &Position) -> Response {
    if let Ok(position) = HeaderValue::from_str(&position.to_string()) {
        answer.headers_mut().insert(POSITION, position);
    }
    answer
}

/// What the routes are, for whoever asks.
fn document<S: Serves>(
    title: &str,
    routes: &[Route<S>],
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + use<S> {
    // Each connection has the routes for itself: what is large in them is shared.
    let document = Arc::new(openapi::document(title, routes));
    let document = warp::path!("openapi.json")
        .and(warp::get())
        .and(with(&document))
        .map(|document: Arc<OpenApi>| json(StatusCode::OK, &*document, request_id()));
    document.or(warp::path!("openapi.json").and(none_of(READING))).unify()
}

impl Api {
    /// Has a route answer a caller who is known.
    async fn ask<B: Buf + 'static>(
        self: Arc<Self>,
        (route, segment): (&'static Route, String),
        (query, headers, parts): (
            String,
            HeaderMap,
            impl Stream<Item = Result<B, warp::Error>> + Send + 'static,
        ),
    ) -> Result<Response, Refusal> {
        let authorization = routes::header(&headers, AUTHORIZATION.as_str())?;
        let caller = self.verifier.caller(authorization).await;
        let caller = caller.map_err(|_| Refusal::unauthenticated())?;
        let level = self.level(route, &caller).await;
        let body = parts.map_ok(|mut part| part.copy_to_bytes(part.remaining())).boxed();
        let parameters = route.parameters;
        let request = Request { caller, segment, query, parameters, headers, body };
        let answered = match &level {
            Some((_, level)) if !level.is_taken => {
                self.metrics.refused.with_label_values(&["public", "user"]).inc();
                Err(Refusal::too_often(level.wait_s()))
            }
            Some(_) | None => (route.handler)(self, request).await,
        };
        let mut answer = answered.unwrap_or_else(Refusal::into_response);
        if let Some((rate, level)) = &level {
            tell_level(rate, level, answer.headers_mut());
        }
        Ok(answer)
    }

    /// What is left of what a caller may ask. Who tells of others' events does so for as many, and is bounded by
    /// what Kafka takes.
    async fn level(&self, route: &Route, caller: &Caller) -> Option<(Rate, Level)> {
        if caller.roles.have(Role::Ingest) && route.name == "events" {
            return None;
        }
        self.limit.take(caller.user).await
    }
}

/// Counts a request and makes its refusal an answer.
async fn finish(
    metrics: &Metrics,
    route: &'static str,
    asked: impl Future<Output = Result<Response, Refusal>>,
) -> Response {
    let began = Instant::now();
    let answer = asked.await.unwrap_or_else(Refusal::into_response);
    let (status, place) = (answer.status(), traces::at_hand());
    metrics.answered((route, status.as_str()), began.elapsed(), place);
    answer
}

/// Tells how much a caller may ask: draft-ietf-httpapi-ratelimit-headers.
fn tell_level(rate: &Rate, level: &Level, headers: &mut HeaderMap) {
    let policy = format!("\"user\";q={};w={}", rate.requests, rate.window_s);
    let left = format!("\"user\";r={};t={}", level.remaining, level.wait_s());
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", left)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// The methods of a route, as they are allowed and as they are named.
type Methods = (&'static [Method], &'static str);
const READING: Methods = (&[Method::GET, Method::HEAD], "GET, HEAD");

/// Answers requests of any other method with those that the route has.
fn none_of(
    (methods, named): Methods,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::method().and_then(move |method: Method| async move {
        match methods.contains(&method) {
            // Whatever kept the route from taking it is the answer.
            true => Err(warp::reject::reject()),
            false => Ok(Refusal::not_allowed(named).into_response()),
        }
    })
}

/// A request as it comes, with what answers it.
fn asked<T: Send + Sync + 'static>(
    of: &Arc<T>,
) -> impl Filter<
    Extract = (
        Arc<T>,
        Method,
        FullPath,
        String,
        HeaderMap,
        impl Stream<Item = Result<impl Buf + use<T>, warp::Error>> + Send + use<T>,
    ),
    Error = Rejection,
> + Clone
+ Send
+ Sync
+ use<T> {
    with(of)
        .and(warp::method())
        .and(warp::path::full())
        .and(raw_query())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
}

fn with<T: Send + Sync + 'static>(
    of: &Arc<T>,
) -> impl Filter<Extract = (Arc<T>,), Error = Infallible> + Clone + Send + Sync + use<T> {
    let of = Arc::clone(of);
    warp::any().map(move || Arc::clone(&of))
}

fn raw_query()
-> impl Filter<Extract = (String,), Error = Infallible> + Clone + Send + Sync + 'static {
    warp::query::raw().or_else(|_| async { Ok::<_, Infallible>((String::new(),)) })
}

/// A JSON answer that nobody may keep or guess the type of.
fn json(status: StatusCode, body: &impl Serialize, request: Uuid) -> Response {
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let mut answer = HttpResponse::new(bytes.into());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&request.to_string()) {
        headers.insert("x-request-id", id);
    }
    answer
}
