//! A TCP proxy that understands just enough of Kafka's protocol to fail at a chosen moment.
//!
//! Every request and answer is a frame: a length, then for a request the API's number, its version, a
//! correlation id and the client's name, and for an answer the correlation id. Frames pass unchanged and
//! in order. A test may lose the answer to the next request of one kind (the broker has done it, the
//! client never learns) or write another in its place, stall a client as a broken network would, or cut connections.
//! Before a server of another protocol bytes pass as they come, and what needs no frames can be done all the same.

mod connection;
mod frame;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use frame::Api;
use frame::Request;

/// Whom a fault concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Every connection.
    Everyone,
    /// Connections whose `client.id` contains this.
    Client(String),
}

impl Who {
    /// A connection that has not sent anything has no name yet: only a fault for everyone concerns it.
    fn includes(&self, client: Option<&str>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Client(part) => client.is_some_and(|name| name.contains(part.as_str())),
        }
    }
}

/// What becomes of the connection whose answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It breaks: the client knows at once that something happened.
    Break,
    /// It stays and goes on: the client waits until its own timeout.
    Silence,
}

/// Makes the answer that a client gets from the one that the broker gave; both are whole frames.
pub type Rewrite = fn(&[u8]) -> Vec<u8>;

/// What becomes of an answer.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Lose(Loss),
    Rewrite(Rewrite),
}

/// A proxy on a port of its own, in front of one broker.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    faults: Arc<Faults>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// Listens; connections wait until [`Self::forward_to`] names the broker.
    pub fn bind() -> io::Result<Self> {
        Self::listening(true)
    }

    /// The same before a server that does not speak Kafka's protocol.
    pub fn bind_plain() -> io::Result<Self> {
        Self::listening(false)
    }

    fn listening(frames: bool) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let faults = Arc::new(Faults { frames, ..Faults::default() });
        let proxy = Self { port, faults, listening: Mutex::default() };
        proxy.listen(listener)?;
        Ok(proxy)
    }

    fn listen(&self, listener: TcpListener) -> io::Result<()> {
        let faults = Arc::clone(&self.faults);
        let thread = thread::Builder::new().name("proxy".into());
        let listening = thread.spawn(move || accept(&listener, &faults))?;
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) = Some(listening);
        Ok(())
    }

    /// Breaks every connection and refuses new ones, as if nobody were there, until [`Self::come_back`].
    pub fn go_away(&self) {
        self.faults.lock().closed = true;
        self.heal();
        self.cut(&Who::Everyone);
        // Wakes the listening thread, which then sees that it is over.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It ends whatever it met.
        let _ = listening.map(JoinHandle::join);
    }

    /// Listens again at the same port.
    pub fn come_back(&self) -> io::Result<()> {
        self.faults.lock().closed = false;
        self.listen(TcpListener::bind(("127.0.0.1", self.port))?)
    }

    /// The port clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address clients connect to.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Names the broker; may be called again, for connections to come.
    pub fn forward_to(&self, broker: &str) -> io::Result<()> {
        self.faults.lock().broker = broker.to_socket_addrs()?.next();
        self.faults.changed.notify_all();
        Ok(())
    }

    /// The broker serves the next such request of `who`; its answer never arrives.
    pub fn lose_next_answer(&self, api: Api, who: Who, loss: Loss) {
        self.arm(api, who, Fault::Lose(loss));
    }

    /// The next such request of `who` is answered by what `rewrite` makes of the broker's answer.
    pub fn rewrite_next_answer(&self, api: Api, who: Who, rewrite: Rewrite) {
        self.arm(api, who, Fault::Rewrite(rewrite));
    }

    fn arm(&self, api: Api, who: Who, fault: Fault) {
        self.faults.lock().armed.push(Armed { api, who, fault });
    }

    /// Has every answer pass as it is.
    pub fn disarm(&self) {
        self.faults.lock().armed.clear();
    }

    /// How many answers were lost so far.
    pub fn lost(&self) -> usize {
        self.faults.lock().lost
    }

    /// Nothing of `who` passes in either direction, and no connection breaks, until [`Self::heal`].
    pub fn stall(&self, who: Who) {
        self.faults.lock().stalled.push(who);
    }

    /// Every answer comes so much later, until [`Self::heal`].
    pub fn slow(&self, by: Duration) {
        self.faults.lock().delay = by;
    }

    /// Ends every stall and delay: what was held goes on its way.
    pub fn heal(&self) {
        let mut state = self.faults.lock();
        state.stalled.clear();
        state.delay = Duration::ZERO;
        drop(state);
        self.faults.changed.notify_all();
    }

    /// Breaks the connections of `who` that are open; new ones are served.
    pub fn cut(&self, who: &Who) {
        self.faults.lock().open.retain(|open| {
            let cut = who.includes(open.client.as_deref());
            if cut {
                open.shut();
            }
            !cut
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.go_away();
    }
}

/// What all connections of one proxy look at.
#[derive(Debug, Default)]
struct Faults {
    /// Whether what passes is read frame by frame.
    frames: bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    broker: Option<SocketAddr>,
    armed: Vec<Armed>,
    stalled: Vec<Who>,
    delay: Duration,
    open: Vec<Open>,
    lost: usize,
    connections: u64,
    closed: bool,
}

#[derive(Debug)]
struct Armed {
    api: Api,
    who: Who,
    fault: Fault,
}

/// An open connection, as far as cutting it needs.
#[derive(Debug)]
struct Open {
    id: u64,
    client: Option<String>,
    ends: [TcpStream; 2],
}

impl Open {
    fn shut(&self) {
        for end in &self.ends {
            let _ = end.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The broker, once it is named; `None` when the proxy is dropped.
    fn broker(&self) -> Option<SocketAddr> {
        let unnamed = |state: &mut State| state.broker.is_none() && !state.closed;
        let state = self.changed.wait_while(self.lock(), unnamed);
        state.unwrap_or_else(PoisonError::into_inner).broker
    }

    /// Waits while `client` is stalled.
    fn pass(&self, client: Option<&str>) {
        let stalled = |state: &mut State| {
            !state.closed && state.stalled.iter().any(|who| who.includes(client))
        };
        drop(self.changed.wait_while(self.lock(), stalled));
    }

    /// Waits as long as an answer is late.
    fn linger(&self) {
        let state = self.lock();
        let delay = state.delay;
        let late = |state: &mut State| !state.closed && !state.delay.is_zero();
        drop(self.changed.wait_timeout_while(state, delay, late));
    }

    /// Remembers a connection for [`Proxy::cut`].
    fn opened(&self, ends: [TcpStream; 2]) -> u64 {
        let mut state = self.lock();
        state.connections += 1;
        let id = state.connections;
        state.open.push(Open { id, client: None, ends });
        id
    }

    fn ended(&self, connection: u64) {
        self.lock().open.retain(|open| open.id != connection);
    }

    /// Learns the client's name, and what is to become of the answer to this request.
    fn requested(&self, connection: u64, request: &Request) -> Option<Fault> {
        let mut state = self.lock();
        if let Some(open) = state.open.iter_mut().find(|open| open.id == connection) {
            open.client.clone_from(&request.client);
        }
        let hit = |armed: &Armed| {
            armed.api == request.api && armed.who.includes(request.client.as_deref())
        };
        let at = state.armed.iter().position(hit)?;
        Some(state.armed.remove(at).fault)
    }
}

fn accept(listener: &TcpListener, faults: &Arc<Faults>) {
    for client in listener.incoming() {
        if faults.lock().closed {
            return;
        }
        let faults = Arc::clone(faults);
        let serve = move || {
            // A connection that fails is what a proxy is about: both ends notice by themselves.
            let _ = client.and_then(|client| connection::serve(client, &faults));
        };
        let _ = thread::Builder::new().name("proxied".into()).spawn(serve);
    }
}
