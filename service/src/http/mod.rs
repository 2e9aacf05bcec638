//! The routes: public ones for callers with a token, internal ones for operators and other instances.
//!
//! [`public`] and [`internal`] are values that a test can ask without a socket; [`listener`] serves them. A
//! handler answers a [`Response`] or a [`Refusal`], and every refusal has the one JSON form of the API.

pub mod auth;
pub mod body;
mod daily_metrics;
mod events;
mod feed;
pub mod internal;
pub mod listener;
mod query;
mod refusal;
#[cfg(test)]
mod tests;
mod trending;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use uuid::Uuid;
use warp::http::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use warp::http::{Method, Response as HttpResponse, StatusCode};
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use crate::daily::Daily;
use crate::event_format::EventFormat;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::read::Reads;
use auth::{Caller, Verifier};
pub use refusal::{Fault, Refusal, recover};

/// What the public routes need.
pub struct Api {
    /// Who callers are.
    pub verifier: Verifier,
    /// Answers reads.
    pub reads: Arc<Reads>,
    /// Knows the metrics of days.
    pub daily: Daily,
    /// Takes events.
    pub log: Log,
    /// How events are written.
    pub format: EventFormat,
    /// Counts requests.
    pub metrics: Arc<Metrics>,
    /// The most events of one request.
    pub events_max: usize,
    /// The bounds of a body.
    pub body: body::Bounds,
}

/// The public routes.
pub fn public(
    api: &Arc<Api>,
) -> impl Filter<Extract = (impl Reply,), Error = Infallible> + Clone + Send + Sync + 'static {
    let feed = warp::path!("api" / "v1" / "feed")
        .and(warp::get())
        .and(with(api))
        .and(warp::header::optional("authorization"))
        .and(raw_query())
        .and_then(|api: Arc<Api>, authorization: Option<String>, query: String| async move {
            let asked = async {
                let caller = api.caller(authorization.as_deref())?;
                feed::get(&api, &caller, &query).await
            };
            Ok::<_, Rejection>(api.finish("feed", asked).await)
        });
    let trending = warp::path!("api" / "v1" / "feed" / "trending")
        .and(warp::get())
        .and(with(api))
        .and(warp::header::optional("authorization"))
        .and(raw_query())
        .and_then(|api: Arc<Api>, authorization: Option<String>, query: String| async move {
            let asked = async {
                api.caller(authorization.as_deref())?;
                trending::get(&api, &query).await
            };
            Ok::<_, Rejection>(api.finish("trending", asked).await)
        });
    let events = warp::path!("api" / "v1" / "events")
        .and(warp::post())
        .and(with(api))
        .and(warp::header::optional("authorization"))
        .and(warp::header::optional("content-type"))
        .and(warp::header::optional("content-encoding"))
        .and(warp::header::optional("content-length"))
        .and(warp::body::stream())
        .and_then(
            |api: Arc<Api>,
             authorization: Option<String>,
             kind: Option<String>,
             encoding: Option<String>,
             length: Option<u64>,
             parts| async move {
                let asked = async {
                    let caller = api.caller(authorization.as_deref())?;
                    let body = body::read(parts, (encoding.as_deref(), length), api.body).await?;
                    events::post(&api, &caller, kind.as_deref(), &body).await
                };
                Ok::<_, Rejection>(api.finish("events", asked).await)
            },
        );
    let bytes_max = api.body.bytes_max;
    let reading = warp::path!("api" / "v1" / "feed")
        .or(warp::path!("api" / "v1" / "feed" / "trending"))
        .unify()
        .or(warp::path!("api" / "v1" / "feed" / "metrics"));
    let reading = reading.unify().and(none_of(READING));
    let writing = warp::path!("api" / "v1" / "events").and(none_of(WRITING));
    let routes = feed.or(trending).or(daily_metrics(api)).or(events).or(reading).or(writing);
    routes.recover(move |rejection| recover(rejection, bytes_max))
}

fn daily_metrics(
    api: &Arc<Api>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::path!("api" / "v1" / "feed" / "metrics")
        .and(warp::get())
        .and(with(api))
        .and(warp::header::optional("authorization"))
        .and(raw_query())
        .and_then(|api: Arc<Api>, authorization: Option<String>, query: String| async move {
            let asked = async {
                api.caller(authorization.as_deref())?;
                daily_metrics::get(&api, &query).await
            };
            Ok::<_, Rejection>(api.finish("metrics", asked).await)
        })
}

impl Api {
    fn caller(&self, authorization: Option<&str>) -> Result<Caller, Refusal> {
        self.verifier.caller(authorization).map_err(|_| Refusal::unauthenticated())
    }

    /// Counts a request and makes its refusal an answer.
    async fn finish(
        &self,
        route: &'static str,
        asked: impl Future<Output = Result<Response, Refusal>>,
    ) -> Response {
        let began = Instant::now();
        let answer = asked.await.unwrap_or_else(Refusal::into_response);
        self.metrics.seconds.with_label_values(&[route]).observe(began.elapsed().as_secs_f64());
        self.metrics.requests.with_label_values(&[route, answer.status().as_str()]).inc();
        answer
    }
}

/// The methods of a route, as they are allowed and as they are named.
type Methods = (&'static [Method], &'static str);
const READING: Methods = (&[Method::GET, Method::HEAD], "GET, HEAD");
const WRITING: Methods = (&[Method::POST], "POST");

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

fn with<T: Send + Sync + 'static>(
    of: &Arc<T>,
) -> impl Filter<Extract = (Arc<T>,), Error = Infallible> + Clone + Send + Sync + 'static {
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
