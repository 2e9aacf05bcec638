//! Ends the process when a call into librdkafka does not come back although the cluster is there.
//!
//! Some of its transactional calls ignore their timeout (librdkafka #5456: `send_offsets_to_transaction` with the
//! group's coordinator down). A thread that hangs in C cannot be stopped, and while it hangs its transaction blocks
//! every reader; a new process can take over. But while no broker can be reached a new process would do no better, and
//! what else this one does would end with it: then the call is waited for, until a broker is back and it has had its time
//! once more. One thread watches for all.

use std::collections::BTreeMap;
use std::net::{TcpStream, ToSocketAddrs};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::broker::Call;
use crate::error::Exit;

/// What a call may take beyond its own timeout.
const GRACE: Duration = Duration::from_secs(5);

/// After a deadline a call has this long once more: a process that was stopped for a while wakes with every
/// deadline behind it and none of its calls stuck.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// A broker that is back takes its connections before it has loaded what it coordinates.
const COMING_BACK: Duration = Duration::from_secs(30);

/// How often a cluster that is away is looked for, and how long a look may take for each of its addresses.
const LOOK_EVERY: Duration = Duration::from_secs(1);

static WATCH: LazyLock<Watch> = LazyLock::new(Watch::start);
static IS_AWAY: AtomicBool = AtomicBool::new(false);

/// Whether a call waits for a cluster of which no broker can be reached.
pub(super) fn is_away() -> bool {
    IS_AWAY.load(Ordering::Relaxed)
}

#[derive(Default)]
struct Watch {
    calls: Mutex<Calls>,
    changed: Condvar,
}

#[derive(Default)]
struct Calls {
    number: u64,
    open: BTreeMap<u64, Open>,
}

/// A call that is under way.
struct Open {
    call: Call,
    /// The cluster that it waits for: `host:port`, comma-separated.
    brokers: Arc<str>,
    /// How long it may take.
    limit: Duration,
    deadline: Instant,
    overdue: Overdue,
}

/// What is known of a call whose deadline has passed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overdue {
    /// Nothing yet, or it is not.
    No,
    /// It was so at the first look.
    Seen,
    /// No broker could be reached at the last look.
    Away,
}

/// A call that is being watched, until this is dropped.
#[derive(Debug)]
pub(super) struct Watched(u64);

/// Watches a call to the cluster at `brokers` that should be over after `timeout`.
pub(super) fn watch(call: Call, timeout: Duration, brokers: &Arc<str>) -> Watched {
    let limit = timeout + GRACE;
    let mut calls = WATCH.lock();
    calls.number += 1;
    let watched = Watched(calls.number);
    let (brokers, deadline) = (Arc::clone(brokers), Instant::now() + limit);
    let open = Open { call, brokers, limit, deadline, overdue: Overdue::No };
    calls.open.insert(watched.0, open);
    if calls.open.len() == 1 {
        WATCH.changed.notify_one();
    }
    watched
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut calls = WATCH.lock();
        calls.open.remove(&self.0);
        let is_away = calls.open.values().any(|open| open.overdue == Overdue::Away);
        IS_AWAY.store(is_away, Ordering::Relaxed);
    }
}

impl Watch {
    fn start() -> Self {
        let spawned = thread::Builder::new().name("kafka-watchdog".into()).spawn(|| WATCH.run());
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread to watch calls into librdkafka");
        }
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut calls = self.lock();
        loop {
            let first = calls.open.iter().min_by_key(|(_, open)| open.deadline);
            let first = first.map(|(number, open)| (*number, open.deadline, open.brokers.clone()));
            let wait = match first {
                None => Duration::from_secs(3600),
                Some((number, deadline, brokers)) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        // Not under the lock: a call that comes back must not wait for the look.
                        drop(calls);
                        let is_there = can_be_reached(&brokers);
                        calls = self.lock();
                        if let Some(open) = calls.open.get_mut(&number) {
                            open.look(is_there, Instant::now());
                        }
                        continue;
                    }
                    left
                }
            };
            let waited = self.changed.wait_timeout(calls, wait);
            calls = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Open {
    /// Its deadline has passed: says what comes of it, whether a broker `is_there` or not.
    fn look(&mut self, is_there: bool, now: Instant) {
        let call = self.call;
        let next = match (self.overdue, is_there) {
            (Overdue::Seen, true) => end(call),
            (Overdue::No, true) => (Overdue::Seen, SECOND_LOOK),
            (Overdue::Away, true) => {
                tracing::info!(?call, "kafka is back; a call that hung has its time once more");
                (Overdue::No, self.limit + COMING_BACK)
            }
            (Overdue::No | Overdue::Seen, false) => {
                tracing::warn!(?call, brokers = %self.brokers, "kafka is away and a call hangs; waiting for both");
                (Overdue::Away, LOOK_EVERY)
            }
            (Overdue::Away, false) => (Overdue::Away, LOOK_EVERY),
        };
        (self.overdue, self.deadline) = (next.0, now + next.1);
        IS_AWAY.store(self.overdue == Overdue::Away, Ordering::Relaxed);
    }
}

/// Whether anybody listens at one of these addresses.
fn can_be_reached(brokers: &str) -> bool {
    let addresses = brokers.split(',').filter_map(|broker| {
        // librdkafka takes a protocol before the host, and no port where it is 9092.
        let host = broker.trim().rsplit("//").next()?;
        if host.contains(':') {
            host.to_socket_addrs().ok()
        } else {
            (host, 9092).to_socket_addrs().ok()
        }
    });
    addresses.flatten().any(|at| TcpStream::connect_timeout(&at, LOOK_EVERY).is_ok())
}

fn end(call: Call) -> ! {
    tracing::error!(?call, "a call into librdkafka did not come back; the process ends");
    process::exit(Exit::Stalled.code())
}
