//! Serves routes on a socket, within bounds: so many connections, so long for a head, so long for a request.
//!
//! A connection beyond the bound waits in the kernel. A failed accept (no descriptors left) backs off. When
//! told to stop, the listener closes, each connection finishes the request in hand, and what is not done after
//! the grace is cut off.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Method, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use warp::reply::Response;
use warp::{Filter, Reply};

use super::{Fault, Refusal};

const HEAD_WAIT: Duration = Duration::from_secs(5);
const HEADERS_MAX: usize = 64;
const BUFFER_BYTES_MAX: usize = 16 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const GRACE: Duration = Duration::from_millis(1_500);

/// A bound socket and its bounds.
pub struct Listener {
    socket: TcpListener,
    connections_max: usize,
    request_wait: Duration,
}

impl Listener {
    /// Binds `address`.
    pub async fn bind(
        address: SocketAddr,
        connections_max: usize,
        request_wait: Duration,
    ) -> Result<Self, String> {
        let socket =
            TcpListener::bind(address).await.map_err(|e| format!("listen on {address}: {e}"))?;
        Ok(Self { socket, connections_max, request_wait })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves `routes` until `stop` turns true.
    pub async fn serve<F>(self, routes: F, stop: watch::Receiver<bool>)
    where
        F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
        F::Extract: Reply,
        F::Future: Send,
    {
        let slots = Arc::new(Semaphore::new(self.connections_max));
        let connections_max = u32::try_from(self.connections_max).unwrap_or(u32::MAX);
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&slots) => accepted,
                () = stopped(stop.clone()) => break,
            };
            let Some((stream, slot)) = accepted else { continue };
            let (routes, stop, wait) = (routes.clone(), stop.clone(), self.request_wait);
            tokio::spawn(async move {
                connection(stream, routes, stop, wait).await;
                drop(slot);
            });
        }
        drop(self.socket);
        let _ = timeout(GRACE, slots.acquire_many(connections_max)).await;
    }

    async fn accept(&self, slots: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let slot = Arc::clone(slots).acquire_owned().await.ok()?;
        match self.socket.accept().await {
            Ok((stream, _)) => Some((stream, slot)),
            Err(fault) => {
                tracing::warn!(%fault, "accept failed");
                sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

async fn connection<F>(stream: TcpStream, routes: F, stop: watch::Receiver<bool>, wait: Duration)
where
    F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
    F::Extract: Reply,
    F::Future: Send,
{
    let _ = stream.set_nodelay(true);
    let routes = TowerToHyperService::new(warp::service(routes));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answer = admitted(request).map(|request| routes.call(request));
        async move {
            Ok::<Response, Infallible>(match answer {
                Ok(answer) => within(wait, answer).await,
                Err(refusal) => refusal.into_response(),
            })
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stopped(stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(fault) = ended {
        tracing::debug!(%fault, "connection ended");
    }
}

/// The request as routes take it. HEAD is answered as GET, and hyper leaves the body out (RFC 9110, 9.3.2); a request of
/// HTTP/1.1 names one host, or is refused (RFC 9112, 3.2).
fn admitted(mut request: hyper::Request<Incoming>) -> Result<hyper::Request<Incoming>, Refusal> {
    let hosts = request.headers().get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        let found = if hosts == 0 { "found none" } else { "found several" };
        return Err(Refusal::invalid(vec![Fault::of("host", format!("expected one, {found}"))]));
    }
    if request.method() == Method::HEAD {
        *request.method_mut() = Method::GET;
    }
    Ok(request)
}

/// Returns once `stop` is true, or nobody can make it so any more.
pub async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await.map(|_| ());
}

async fn within(
    wait: Duration,
    answer: impl Future<Output = Result<Response, Infallible>>,
) -> Response {
    match timeout(wait, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(never)) => match never {},
        Err(_) => Refusal::unavailable("the request took too long").into_response(),
    }
}
