//! Routes as data, and the table of the public ones: the answers, the document of the API and the labels of metrics come from a
//! table.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use schemas::UserId;
use utoipa::ToSchema;
use utoipa::openapi::{KnownFormat, RefOr, Schema};
use warp::http::{HeaderMap, HeaderValue, Method};
use warp::hyper::body::Bytes;
use warp::reply::Response;

use super::parameter::{Described, Given, Parameter, Takes, Text, fault};
use super::{
    Api, Fault, Refusal, daily_metrics, discover, event_shape, events, explain, feed, preferences,
    stream, trending,
};
use crate::identity::{Caller, Role};

/// Whose feed.
pub static USER: Parameter<Text<UserId>> = Parameter {
    name: "user",
    about: "Whose feed, for the role support; the caller's own unless told",
    takes: Text {
        is_required: false,
        expected: "a UUID",
        format: Some(KnownFormat::Uuid),
        read: |text| text.parse().ok(),
    },
};

/// What answers the routes of a table.
pub trait Serves: Send + Sync + Sized + 'static {
    /// Who asks, once it is known who that is.
    type Caller: Send + 'static;
}

impl Serves for Api {
    type Caller = Caller;
}

/// A request of a caller who is known.
pub struct Request<S: Serves = Api> {
    /// Who asks.
    pub caller: S::Caller,
    /// The part of the path that is a parameter; empty if none is.
    pub segment: String,
    /// The query as it came.
    pub query: String,
    /// What its route says that it may have.
    pub parameters: &'static [&'static dyn Described],
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it comes.
    pub body: BoxStream<'static, Result<Bytes, warp::Error>>,
}

impl Request {
    /// Whose feed is asked for: the caller's, or another's by who may.
    pub fn reader(&self, given: &Given<'_>) -> Result<UserId, Refusal> {
        let reader = given.told(&USER).unwrap_or(UserId(self.caller.user.into_bytes()));
        let is_own = reader.0 == self.caller.user.into_bytes();
        if !is_own && !self.caller.roles.have(Role::Support) {
            let words = "is another's feed, which takes the role support";
            return Err(Refusal::forbidden(vec![Fault::of(USER.name, words)]));
        }
        Ok(reader)
    }
}

impl<S: Serves> Request<S> {
    /// What the query gives.
    pub fn given(&self) -> Result<Given<'_>, Refusal> {
        Given::read(&self.query, self.parameters).map_err(Refusal::invalid)
    }

    /// What the path names, by the route's parameter.
    pub fn named<T>(&self, of: &Parameter<Text<T>>) -> Result<T, Refusal> {
        let wrong = || Refusal::invalid(vec![fault(of, Some(&self.segment))]);
        of.takes.read(&self.segment).ok_or_else(wrong)
    }
}

/// A header as text, if it is there.
pub fn header<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Refusal> {
    let text = headers.get(name).map(HeaderValue::to_str).transpose();
    text.map_err(|_| Refusal::invalid(vec![Fault::of(name, "is not readable text")]))
}

/// Answers a request.
pub type Handler<S> = fn(Arc<S>, Request<S>) -> BoxFuture<'static, Result<Response, Refusal>>;

/// A value in the words of OpenAPI.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Its name.
    pub name: fn() -> String,
    /// Gathers it, and what it is made of, by name.
    pub gather: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Shape {
    /// That of a type.
    pub const fn of<T: ToSchema>() -> Self {
        Self { name: || T::name().into_owned(), gather: gather::<T> }
    }
}

fn gather<T: ToSchema>(to: &mut Vec<(String, RefOr<Schema>)>) {
    to.push((T::name().into_owned(), T::schema()));
    T::schemas(to);
}

/// A route.
pub struct Route<S: Serves = Api> {
    /// Its name in metrics.
    pub name: &'static str,
    /// Its method; where GET is, HEAD is too.
    pub method: Method,
    /// Its path, with `{name}` for a part that is a parameter.
    pub path: &'static str,
    /// That part.
    pub segment: Option<&'static dyn Described>,
    /// What it is for.
    pub about: &'static str,
    /// What its query may have.
    pub parameters: &'static [&'static dyn Described],
    /// What its body is, if it takes one.
    pub body: Option<Shape>,
    /// The status of its answer, and what the answer is.
    pub answer: (u16, Shape),
    /// The media type of the answer.
    pub media: &'static str,
    /// What answers.
    pub handler: Handler<S>,
}

/// What most answers are.
pub const JSON: &str = "application/json";

/// The public ones.
pub static ROUTES: [Route; 9] = [
    Route {
        name: "feed",
        method: Method::GET,
        path: "/api/v1/feed",
        segment: None,
        about: "The caller's feed",
        parameters: &[&feed::LIMIT, &feed::ALGO, &feed::EXPLAIN, &feed::CURSOR, &USER],
        body: None,
        answer: (200, Shape::of::<feed::Feed>()),
        media: JSON,
        handler: |api, request| async move { feed::get(&api, request).await }.boxed(),
    },
    Route {
        name: "stream",
        method: Method::GET,
        path: "/api/v1/feed/stream",
        segment: None,
        about: "The caller's feed, followed live: a snapshot, then JSON patches over it, as server-sent events",
        parameters: &[&feed::LIMIT],
        body: None,
        answer: (200, Shape::of::<stream::Snapshot>()),
        media: "text/event-stream",
        handler: |api, request| async move { stream::get(&api, request).await }.boxed(),
    },
    Route {
        name: "explain",
        method: Method::GET,
        path: "/api/v1/feed/explain/{post_id}",
        segment: Some(&explain::POST),
        about: "Why a post stands in the caller's feed, or does not",
        parameters: &[&USER],
        body: None,
        answer: (200, Shape::of::<explain::Answer>()),
        media: JSON,
        handler: |api, request| async move { explain::get(&api, request).await }.boxed(),
    },
    Route {
        name: "trending",
        method: Method::GET,
        path: "/api/v1/feed/trending",
        segment: None,
        about: "What trends, the same for everybody",
        parameters: &[&trending::WINDOW, &trending::LIMIT],
        body: None,
        answer: (200, Shape::of::<trending::Answer>()),
        media: JSON,
        handler: |api, request| async move { trending::get(&api, request).await }.boxed(),
    },
    Route {
        name: "metrics",
        method: Method::GET,
        path: "/api/v1/feed/metrics",
        segment: None,
        about: "The quality of a day's feeds, the same for everybody",
        parameters: &[&daily_metrics::DATE],
        body: None,
        answer: (200, Shape::of::<daily_metrics::Answer>()),
        media: JSON,
        handler: |api, request| async move { daily_metrics::get(&api, request).await }.boxed(),
    },
    Route {
        name: "suggestions",
        method: Method::GET,
        path: "/api/v1/discover/suggested-users",
        segment: None,
        about: "Whom the caller may want to follow, and why",
        parameters: &[&discover::LIMIT],
        body: None,
        answer: (200, Shape::of::<discover::Answer>()),
        media: JSON,
        handler: |api, request| async move { discover::get(&api, request).await }.boxed(),
    },
    Route {
        name: "dismiss",
        method: Method::POST,
        path: "/api/v1/discover/dismiss",
        segment: None,
        about: "Has somebody not suggested to the caller any more; answered when Kafka has it",
        parameters: &[],
        body: Some(Shape::of::<discover::Dismiss>()),
        answer: (202, Shape::of::<discover::Dismissed>()),
        media: JSON,
        handler: |api, request| async move { discover::post(&api, request).await }.boxed(),
    },
    Route {
        name: "preferences",
        method: Method::PUT,
        path: "/api/v1/feed/preferences",
        segment: None,
        about: "What the caller chooses of their feed, all of it at once; answered when Kafka has it",
        parameters: &[],
        body: Some(Shape::of::<preferences::Chosen>()),
        answer: (202, Shape::of::<preferences::Chosen>()),
        media: JSON,
        handler: |api, request| async move { preferences::put(&api, request).await }.boxed(),
    },
    Route {
        name: "events",
        method: Method::POST,
        path: "/api/v1/events",
        segment: None,
        about: "Takes behaviour events, all or none; answered when Kafka has them",
        parameters: &[],
        body: Some(event_shape::EVENTS),
        answer: (202, Shape::of::<events::Answer>()),
        media: JSON,
        handler: |api, request| async move { events::post(&api, request).await }.boxed(),
    },
];

/// Who answers a request, if anybody does.
pub enum Match<'p, S: Serves> {
    /// This route, with the part of the path that is a parameter.
    Route(&'static Route<S>, &'p str),
    /// There is one, but not for this method; for these.
    NotAllowed(String),
    /// None.
    Nothing,
}

/// The route of a method and a path.
pub fn find<'p, S: Serves>(
    routes: &'static [Route<S>],
    (method, path): (&Method, &'p str),
) -> Match<'p, S> {
    let mut allowed: Vec<&str> = Vec::new();
    for route in routes {
        let Some(segment) = route.segment_of(path) else { continue };
        let (methods, named): (&[Method], _) = match route.method {
            Method::GET => (&[Method::GET, Method::HEAD], "GET, HEAD"),
            _ => (std::slice::from_ref(&route.method), route.method.as_str()),
        };
        if methods.contains(method) {
            return Match::Route(route, segment);
        }
        allowed.push(named);
    }
    if allowed.is_empty() { Match::Nothing } else { Match::NotAllowed(allowed.join(", ")) }
}

impl<S: Serves> Route<S> {
    /// The part of a path that is this route's parameter, empty if it has none; none if the path is another one's.
    fn segment_of<'p>(&self, path: &'p str) -> Option<&'p str> {
        match self.path.split_once('{') {
            None => (path == self.path).then_some(""),
            Some((before, rest)) => {
                let after = rest.split_once('}').map_or("", |(_, after)| after);
                let segment = path.strip_prefix(before)?.strip_suffix(after)?;
                (!segment.is_empty() && !segment.contains('/')).then_some(segment)
            }
        }
    }
}
