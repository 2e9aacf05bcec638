//! One connection: HTTP/1.1 or HTTP/2, whichever it begins with, until it ends, is overdue, or is told to stop.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;
use warp::reply::Response;

use super::activity::{Activity, Busy, Overdue, Watched};
use super::admission::admitted;
use super::listener::{Bounds, stopped};
use super::turns::Turns;
use crate::certificate::Certified;
use crate::config::{HEAD_BYTES_HARD, HEADERS_HARD};
use crate::http::{Refusal, with_id};
use crate::metrics::Metrics;

/// How long a request waits for another to be done before it is refused.
const TURN_WAIT: Duration = Duration::from_millis(50);
/// How long an idle client has to take that it was told goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Requests that one connection of HTTP/2 may have under way.
const STREAMS_MAX: u32 = 100;
/// Streams that it may open and reset before it is cut off: CVE-2023-44487.
const RESETS_MAX: usize = 50;

/// What all connections of a listener share.
pub(super) struct Shared {
    /// Its name, in metrics.
    pub(super) name: &'static str,
    pub(super) bounds: Bounds,
    pub(super) requests: Turns,
    pub(super) cors: CorsLayer,
    pub(super) metrics: Arc<Metrics>,
}

/// What answers the requests of a listener; each connection has a clone.
pub(super) trait Routes:
    Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<R> Routes for R where
    R: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Serves what `peer` asks on `stream` by `routes`.
pub(super) async fn serve<S>(
    (stream, peer, certified): (S, IpAddr, Option<Certified>),
    shared: Arc<Shared>,
    routes: impl Routes,
    stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::begin();
    let io = TokioIo::new(Watched::new(stream, activity.clone()));
    let (asked, of) = (activity.clone(), Arc::clone(&shared));
    let service = service_fn(move |mut request: Request<Incoming>| {
        certified.and_then(|of| request.extensions_mut().insert(of));
        let busy = asked.request(request.version());
        let (of, routes) = (Arc::clone(&of), routes.clone());
        async move {
            // hyper keeps room for this as long as the connection lasts; what it takes to answer is given back.
            let answer = Box::pin(with_id(of.answer(request, peer, routes))).await;
            Ok::<_, Infallible>(answer.map(|body| Answering { body, _busy: busy }))
        }
    });
    let builder = builder();
    let mut serving = pin!(builder.serve_connection(io, TowerToHyperService::new(service)));
    let mut overdue = pin!(activity.overdue(&shared.bounds.waits));
    let ended = tokio::select! {
        ended = serving.as_mut() => Ok(ended),
        what = overdue.as_mut() => Err(what),
        () = stopped(stop) => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                ended = serving.as_mut() => Ok(ended),
                what = overdue.as_mut() => Err(what),
            }
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => tracing::debug!(%fault, "connection ended"),
        Err(what) => {
            shared.metrics.cut_off.with_label_values(&[shared.name, what.name()]).inc();
            if what == Overdue::Idle {
                serving.as_mut().graceful_shutdown();
                let _ = timeout(GOODBYE, serving).await;
            }
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // The time of a head is ours to tell: hyper's begins while nobody asks.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_headers(HEADERS_HARD)
        .max_buf_size(HEAD_BYTES_HARD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(RESETS_MAX)
        .max_header_list_size(HEAD_BYTES_HARD as u32);
    builder
}

impl Shared {
    /// The answer to a request, which pages of other origins may read if they are listed.
    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        routes: impl Routes,
    ) -> Response {
        if self.bounds.cors_origins.get().is_empty() {
            return self.bounded(request, peer, routes).await;
        }
        let inner = service_fn(|request| {
            let routes = routes.clone();
            async move { Ok::<_, Infallible>(self.bounded(request, peer, routes).await) }
        });
        let answered = self.cors.layer(inner).oneshot(request).await;
        answered.unwrap_or_else(|never| match never {})
    }

    /// The answer to a request, if it is within bounds.
    async fn bounded(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        routes: impl Routes,
    ) -> Response {
        let bounds = &self.bounds;
        let client = bounds.proxies.get().client(peer, request.headers());
        let level = bounds.addresses.as_ref().and_then(|limit| limit.take(client));
        if let Some(level) = level.filter(|level| !level.is_taken) {
            return self.refused("address", Refusal::too_often(level.wait_s()));
        }
        let request = match admitted(request, bounds.head.get()) {
            Ok(request) => request,
            Err(refusal) => return self.refused("head", refusal),
        };
        let Ok(Some(_turn)) = timeout(TURN_WAIT, self.requests.take()).await else {
            let refusal = Refusal::unavailable("too many requests are worked on at once");
            return self.refused("busy", refusal);
        };
        match timeout(bounds.waits.get().request, routes.oneshot(request)).await {
            Ok(answered) => answered.unwrap_or_else(|never| match never {}),
            Err(_) => self.refused("slow", Refusal::unavailable("the request took too long")),
        }
    }

    fn refused(&self, reason: &'static str, refusal: Refusal) -> Response {
        self.metrics.refused.with_label_values(&[self.name, reason]).inc();
        refusal.into_response()
    }
}

/// An answer whose request lasts until it is sent.
struct Answering<B> {
    body: B,
    _busy: Busy,
}

impl<B: Body + Unpin> Body for Answering<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
