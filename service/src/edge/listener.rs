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
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower_http::cors::{AllowOrigin, CorsLayer};
use warp::{Filter, Reply};

use super::addresses::{Addresses, Counted};
use super::admission::HeadBounds;
use super::client::Proxies;
use super::connection::{self, Routes, Shared};
use super::turns::Turns;
use crate::certificate::{Certificate, Certified};
use crate::config::{InForce, Live, PerAddress, Waits};
use crate::limits::AddressLimit;
use crate::metrics::Metrics;

/// How many connections may wait to be accepted; the kernel has the last word (`net.core.somaxconn`).
///
/// One that finds no room here has a caller who believes it is open, and whom nobody counts, cuts off or hears before the
/// kernel's next attempt.
const BACKLOG: u32 = 65_535;
/// How long what operators ask for may take.
const ADMIN_WAIT: Duration = Duration::from_secs(30);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often a full listener looks whether it may have more.
const ROOM_LOOK: Duration = Duration::from_secs(1);
/// For how long a browser may remember who may call.
const CORS_AGE: Duration = Duration::from_secs(3_600);

/// The bounds of a listener.
#[derive(Clone)]
pub struct Bounds {
    connections_max: Live<usize>,
    per_address: Live<PerAddress>,
    requests_max: Live<usize>,
    pub(super) head: Live<HeadBounds>,
    pub(super) waits: Live<Waits>,
    pub(super) proxies: Live<Proxies>,
    pub(super) addresses: Option<AddressLimit>,
    pub(super) cors_origins: Live<Arc<[HeaderValue]>>,
    certificate: Option<Certificate>,
}

impl Bounds {
    /// Those of the public listener: whoever is out there.
    pub fn public(config: &InForce) -> Result<Self, String> {
        Ok(Self {
            per_address: config.live(|of| of.http.connections_per_address_max),
            proxies: config
                .live(|of| Proxies::new(of.http.forwarded, Arc::clone(&of.http.trusted_proxies))),
            addresses: Some(AddressLimit::new(config.live(|of| of.http.address_per_second))),
            cors_origins: config.live(|of| Arc::clone(&of.http.cors_origins)),
            certificate: certificate(config)?,
            ..Self::internal(config, None)
        })
    }

    /// Those of the listener of operators, who may ask for what takes long.
    pub fn admin(config: &InForce) -> Result<Self, String> {
        Ok(Self {
            waits: config.live(|of| Waits { request: ADMIN_WAIT, ..of.http.waits }),
            certificate: certificate(config)?,
            ..Self::internal(config, None)
        })
    }

    /// Those of the others: our own instances, operators and their tools.
    pub fn internal(config: &InForce, certificate: Option<Certificate>) -> Self {
        Self {
            connections_max: config.live(|of| of.http.connections_max),
            per_address: PerAddress { max: 0, with_loopback: false }.into(),
            requests_max: config.live(|of| of.http.requests_max),
            head: config.live(|of| HeadBounds {
                bytes_max: of.http.head_bytes_max,
                headers_max: of.http.headers_max,
            }),
            waits: config.live(|of| of.http.waits),
            proxies: Proxies::none().into(),
            addresses: None,
            cors_origins: Live::from(Arc::default()),
            certificate,
        }
    }
}

fn certificate(config: &InForce) -> Result<Option<Certificate>, String> {
    config.config().http.tls.as_ref().map(Certificate::read).transpose()
}

/// A bound socket and its bounds.
pub struct Listener {
    socket: TcpListener,
    name: &'static str,
    bounds: Bounds,
}

impl Listener {
    /// Binds `address`; it is called `name` in metrics.
    pub fn bind(address: SocketAddr, name: &'static str, bounds: Bounds) -> Result<Self, String> {
        let words = |e| format!("the {name} listener cannot have {address}: {e}");
        let socket = listening(address).map_err(words)?;
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
        let addresses = Addresses::new(bounds.per_address.clone());
        let requests = Turns::new(bounds.requests_max.clone());
        let cors = cors(bounds.cors_origins.clone());
        let shared = Arc::new(Shared { name, bounds, requests, cors, metrics });
        let routes = warp::service(routes);
        let mut connections = JoinSet::new();
        loop {
            let has_room = connections.len() < shared.bounds.connections_max.get();
            let accepted = tokio::select! {
                accepted = accept(&socket), if has_room => accepted,
                Some(_) = connections.join_next() => continue,
                () = sleep(ROOM_LOOK), if !has_room => continue,
                () = stopped(stop.clone()) => break,
            };
            let Some((stream, peer)) = accepted else { continue };
            let Some(counted) = shared.counted(&addresses, peer) else { continue };
            let of = (Arc::clone(&shared), routes.clone());
            let held = (stop.clone(), counted);
            connections.spawn(handled((stream, peer), acceptor.clone(), of, held));
        }
        drop(socket);
        let drained = timeout(shared.bounds.waits.get().drain, async {
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

fn listening(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart does not wait for the connections of the process before it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(socket: &TcpListener) -> Option<(TcpStream, IpAddr)> {
    match socket.accept().await {
        Ok((stream, peer)) => Some((stream, peer.ip())),
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
        let counted = match self.bounds.proxies.get().trusts(peer) {
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
    (stop, _counted): (watch::Receiver<bool>, Counted),
) {
    let _ = stream.set_nodelay(true);
    let open = shared.metrics.connections.with_label_values(&[shared.name]);
    open.inc();
    let _closed = Closed(open);
    let Some(acceptor) = acceptor else {
        return connection::serve((stream, peer, None), shared, routes, stop).await;
    };
    match timeout(shared.bounds.waits.get().first_byte, acceptor.accept(stream)).await {
        // Who speaks TLS needs more memory: not everybody is to have room for it.
        Ok(Ok(stream)) => {
            let certified = stream.get_ref().1.peer_certificates().map(|_| Certified);
            Box::pin(connection::serve((stream, peer, certified), shared, routes, stop)).await;
        }
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
fn cors(origins: Live<Arc<[HeaderValue]>>) -> CorsLayer {
    let named = HeaderName::from_static;
    let is_listed = AllowOrigin::predicate(move |origin, _| origins.get().contains(origin));
    CorsLayer::new()
        .allow_origin(is_listed)
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
}

/// Returns once `stop` is true, or nobody can make it so any more.
pub async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await.map(|_| ());
}
