//! A socket whose connections are served within bounds, until told to stop.
//!
//! A connection beyond the bound of all waits in the kernel; one beyond that of its address is closed. A failed accept (no descriptors
//! left) backs off. When told to stop, the socket closes, each connection finishes the requests in hand, and what is
//! not done after the grace is cut off.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower_http::cors::{AllowOrigin, CorsLayer};
use warp::{Filter, Reply};

use super::addresses::{Addresses, Counted};
use super::admission::HeadBounds;
use super::client::Proxies;
use super::connection::{self, Routes, Shared};
use super::tls::Certificate;
use crate::config::{Http, PerAddress, Waits};
use crate::limits::AddressLimit;
use crate::metrics::Metrics;

/// How long what operators ask for may take.
const ADMIN_WAIT: Duration = Duration::from_secs(30);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For how long a browser may remember who may call.
const CORS_AGE: Duration = Duration::from_secs(3_600);

/// The bounds of a listener.
#[derive(Clone)]
pub struct Bounds {
    connections_max: usize,
    per_address: PerAddress,
    requests_max: usize,
    pub(super) head: HeadBounds,
    pub(super) waits: Waits,
    pub(super) proxies: Proxies,
    pub(super) addresses: Option<AddressLimit>,
    cors_origins: Vec<HeaderValue>,
    certificate: Option<Certificate>,
}

impl Bounds {
    /// Those of the public listener: whoever is out there.
    pub fn public(http: &Http) -> Result<Self, String> {
        Ok(Self {
            per_address: http.connections_per_address_max,
            proxies: Proxies::new(http.forwarded, http.trusted_proxies.clone()),
            addresses: AddressLimit::of(http),
            cors_origins: http.cors_origins.clone(),
            certificate: http.tls.as_ref().map(Certificate::read).transpose()?,
            ..Self::internal(http)
        })
    }

    /// Those of the listener of operators, who may ask for what takes long.
    pub fn admin(http: &Http) -> Result<Self, String> {
        let bounds = Self::internal(http);
        Ok(Self {
            waits: Waits { request: ADMIN_WAIT, ..http.waits },
            certificate: http.tls.as_ref().map(Certificate::read).transpose()?,
            ..bounds
        })
    }

    /// Those of the others: our own instances, operators and their tools.
    pub fn internal(http: &Http) -> Self {
        Self {
            connections_max: http.connections_max,
            per_address: PerAddress { max: 0, with_loopback: false },
            requests_max: http.requests_max,
            head: HeadBounds { bytes_max: http.head_bytes_max, headers_max: http.headers_max },
            waits: http.waits,
            proxies: Proxies::none(),
            addresses: None,
            cors_origins: Vec::new(),
            certificate: None,
        }
    }
}

/// A bound socket and its bounds.
pub struct Listener {
    socket: TcpListener,
    name: &'static str,
    bounds: Bounds,
}

/// What each connection holds as long as it lasts.
type Slot = (OwnedSemaphorePermit, Counted);

impl Listener {
    /// Binds `address`; it is called `name` in metrics.
    pub async fn bind(
        address: SocketAddr,
        name: &'static str,
        bounds: Bounds,
    ) -> Result<Self, String> {
        let socket =
            TcpListener::bind(address).await.map_err(|e| format!("listen on {address}: {e}"))?;
        Ok(Self { socket, name, bounds })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves `routes` until `stop` turns true, and then what is in hand.
    pub async fn serve<F>(self, routes: F, metrics: Arc<Metrics>, stop: watch::Receiver<bool>)
    where
        F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
        F::Extract: Reply,
        F::Future: Send,
    {
        let Self { socket, name, bounds } = self;
        let acceptor = match bounds.certificate.as_ref().map(Certificate::acceptor).transpose() {
            Ok(acceptor) => acceptor,
            Err(words) => return tracing::error!(%words, "nothing is served"),
        };
        let following = bounds.certificate.clone().map(|of| tokio::spawn(of.follow()));
        let slots = Arc::new(Semaphore::new(bounds.connections_max));
        let addresses = Addresses::new(bounds.per_address);
        let requests = Semaphore::new(bounds.requests_max);
        let cors = cors(&bounds.cors_origins);
        let shared = Arc::new(Shared { name, bounds, requests, cors, metrics });
        let routes = warp::service(routes);
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = accept(&socket, &slots) => accepted,
                Some(_) = connections.join_next() => continue,
                () = stopped(stop.clone()) => break,
            };
            let Some((stream, peer, permit)) = accepted else { continue };
            let Some(counted) = shared.counted(&addresses, peer) else { continue };
            let of = (Arc::clone(&shared), routes.clone());
            let slot = (permit, counted);
            connections.spawn(handled((stream, peer), acceptor.clone(), of, (stop.clone(), slot)));
        }
        drop(socket);
        let drained = timeout(shared.bounds.waits.drain, async {
            while connections.join_next().await.is_some() {}
        });
        if drained.await.is_err() {
            let left = connections.len();
            tracing::warn!(listener = name, left, "connections were cut off");
        }
        connections.shutdown().await;
        following.inspect(tokio::task::JoinHandle::abort);
    }
}

async fn accept(
    socket: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(slots).acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, peer)) => Some((stream, peer.ip(), permit)),
        Err(fault) => {
            tracing::warn!(%fault, "accept failed");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

impl Shared {
    /// Counts a connection of an address; none if it has as many as it may.
    fn counted(&self, addresses: &Addresses, peer: IpAddr) -> Option<Counted> {
        // A proxy has the connections of everybody behind it.
        let counted = match self.bounds.proxies.trusts(peer) {
            true => Some(Counted::nobody()),
            false => addresses.count(peer),
        };
        if counted.is_none() {
            self.metrics.cut_off.with_label_values(&[self.name, "address"]).inc();
        }
        counted
    }
}

/// Serves a connection, after its handshake if there is one.
async fn handled(
    (stream, peer): (TcpStream, IpAddr),
    acceptor: Option<TlsAcceptor>,
    (shared, routes): (Arc<Shared>, impl Routes),
    (stop, _slot): (watch::Receiver<bool>, Slot),
) {
    let _ = stream.set_nodelay(true);
    let open = shared.metrics.connections.with_label_values(&[shared.name]);
    open.inc();
    let _closed = Closed(open);
    let Some(acceptor) = acceptor else {
        return connection::serve((stream, peer), shared, routes, stop).await;
    };
    match timeout(shared.bounds.waits.first_byte, acceptor.accept(stream)).await {
        // Who speaks TLS needs more memory: not everybody is to have room for it.
        Ok(Ok(stream)) => Box::pin(connection::serve((stream, peer), shared, routes, stop)).await,
        Ok(Err(fault)) => tracing::debug!(%fault, "no handshake"),
        Err(_) => shared.metrics.cut_off.with_label_values(&[shared.name, "handshake"]).inc(),
    }
}

/// Counts a connection out, however it ends.
struct Closed(prometheus::IntGauge);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Which pages of other origins may call, and what they may send and read.
fn cors(origins: &[HeaderValue]) -> Option<CorsLayer> {
    let named = HeaderName::from_static;
    let layer = || {
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins.to_vec()))
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT])
            .allow_headers([
                AUTHORIZATION,
                CONTENT_TYPE,
                CONTENT_ENCODING,
                named("last-event-id"),
                named("traceparent"),
            ])
            .expose_headers([
                RETRY_AFTER,
                named("x-request-id"),
                named("ratelimit"),
                named("ratelimit-policy"),
            ])
            .max_age(CORS_AGE)
    };
    (!origins.is_empty()).then(layer)
}

/// Returns once `stop` is true, or nobody can make it so any more.
pub async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await.map(|_| ());
}
