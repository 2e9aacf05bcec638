//! The routes of operators, on a listener of their own, which is there only where it was asked for.
//!
//! Who is let in shows a token for the admin audience that names the role admin, or the secret of operators' tools. What they
//! change is told with who they are.

mod cached_feed;
mod dead_letters;
mod flags;
mod post_metrics;
pub mod routes;
mod system;
mod weights;

use std::convert::Infallible;
use std::sync::Arc;

use connectors::redis::FeedCache;
use futures_util::{Stream, StreamExt, TryStreamExt};
use millstream::broker::Broker;
use millstream::{Clock, Exit};
use serde_json::{Map, Value};
use uuid::Uuid;
use warp::http::header::AUTHORIZATION;
use warp::http::{HeaderMap, Method};
use warp::hyper::body::Buf;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::routes::{Match, Request, Route, Serves, find, header};
use super::{Fault, Refusal, asked, body, document, finish, recover};
use crate::config::Live;
use crate::failed::Failed;
use crate::flags::FollowedFlags;
use crate::health::Health;
use crate::identity::{Role, Verifier};
use crate::metrics::Metrics;
use crate::read::Reads;
use crate::replay::{self, Instances};
use crate::secrets::Secrets;
use routes::ROUTES;

/// What the routes of operators need.
pub struct Admin {
    /// Who callers are, by tokens for the admin audience.
    pub verifier: Verifier,
    /// What operators' tools show, if they may.
    pub secrets: Option<Secrets>,
    /// The cluster.
    pub broker: Arc<dyn Broker>,
    /// The application, and which of it is live.
    pub live: replay::Live,
    /// The flags as this process knows them.
    pub flags: FollowedFlags,
    /// The feeds in Redis, if there is one.
    pub feeds: Option<FeedCache>,
    /// The tiers of reads.
    pub reads: Arc<Reads>,
    /// What was last seen of each component.
    pub health: Arc<Health>,
    /// Who shows state.
    pub instances: Instances,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counts requests.
    pub metrics: Arc<Metrics>,
    /// The bounds of a body.
    pub body: Live<body::Bounds>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Somebody with a token.
    User(Uuid),
    /// Somebody with the secret.
    Secret,
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(user) => write!(f, "user {user}"),
            Self::Secret => f.write_str("the admin secret"),
        }
    }
}

impl Serves for Admin {
    type Caller = Operator;
}

/// The routes of operators.
pub fn admin(
    of: &Arc<Admin>,
) -> impl Filter<Extract = (impl Reply,), Error = Infallible> + Clone + Send + Sync + 'static {
    let bounds = of.body.clone();
    let answered = asked(of).then(
        |of: Arc<Admin>, method: Method, path: FullPath, query: String, headers, parts| async move {
            match find(&ROUTES, (&method, path.as_str())) {
                Match::Route(route, segment) => {
                    let metrics = Arc::clone(&of.metrics);
                    let asked = of.ask((route, segment.to_owned()), (query, headers, parts));
                    finish(&metrics, route.name, asked).await
                }
                Match::NotAllowed(named) => Refusal::not_allowed(named).into_response(),
                Match::Nothing => Refusal::not_found().into_response(),
            }
        },
    );
    let document = document("Feedmill, for operators", &ROUTES);
    document
        .or(answered)
        .unify()
        .recover(move |rejection| recover(rejection, bounds.get().bytes_max))
}

impl Admin {
    async fn ask<B: Buf + 'static>(
        self: Arc<Self>,
        (route, segment): (&'static Route<Self>, String),
        (query, headers, parts): (
            String,
            HeaderMap,
            impl Stream<Item = Result<B, warp::Error>> + Send + 'static,
        ),
    ) -> Result<Response, Refusal> {
        let caller = self.admit(header(&headers, AUTHORIZATION.as_str())?).await?;
        let body = parts.map_ok(|mut part| part.copy_to_bytes(part.remaining())).boxed();
        let parameters = route.parameters;
        (route.handler)(self, Request { caller, segment, query, parameters, headers, body }).await
    }

    async fn admit(&self, authorization: Option<&str>) -> Result<Operator, Refusal> {
        if self.secrets.as_ref().is_some_and(|secrets| secrets.admit(authorization)) {
            return Ok(Operator::Secret);
        }
        let caller = self.verifier.caller(authorization).await;
        let caller = caller.map_err(|_| Refusal::unauthenticated())?;
        match caller.roles.have(Role::Admin) {
            true => Ok(Operator::User(caller.user)),
            false => Err(Refusal::forbidden(vec![Fault::of("roles", "takes the role admin")])),
        }
    }
}

/// The body of a request, a JSON object.
async fn object(admin: &Admin, request: Request<Admin>) -> Result<Map<String, Value>, Refusal> {
    let body = body::of_json(request.body, &request.headers, admin.body.get()).await?;
    serde_json::from_slice(&body)
        .map_err(|e| Refusal::invalid(vec![Fault::of("body", e.to_string())]))
}

/// Does what waits for Kafka where nobody else has to wait for it.
async fn waiting<T: Send + 'static>(
    what: impl FnOnce() -> Result<T, Failed> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(what).await;
    done.map_err(|e| Refusal::failed(e.to_string()))?.map_err(|Failed(exit, words)| match exit {
        Exit::Mismatch => Refusal::conflict(vec![Fault::of("request", words)]),
        Exit::Done
        | Exit::Failed
        | Exit::Usage
        | Exit::Duplicate
        | Exit::Unavailable
        | Exit::Stalled => Refusal::failed(words),
    })
}
