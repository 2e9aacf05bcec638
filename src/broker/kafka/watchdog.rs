//! Ends the process when a call into librdkafka does not come back.
//!
//! Some of its transactional calls ignore their timeout (librdkafka #5456: `send_offsets_to_transaction` with the
//! group's coordinator down). A thread that hangs in C cannot be stopped, and while it hangs its transaction blocks
//! every reader; a new process can take over. One thread watches for all.

use std::collections::BTreeMap;
use std::process;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::broker::Call;
use crate::error::Exit;

/// What a call may take beyond its own timeout.
const GRACE: Duration = Duration::from_secs(5);

/// After a deadline a call has this long once more: a process that was stopped for a while wakes with every
/// deadline behind it and none of its calls stuck.
const SECOND_LOOK: Duration = Duration::from_secs(2);

static WATCH: LazyLock<Watch> = LazyLock::new(Watch::start);

#[derive(Default)]
struct Watch {
    calls: Mutex<Calls>,
    changed: Condvar,
}

#[derive(Default)]
struct Calls {
    number: u64,
    open: BTreeMap<(Instant, u64), Call>,
}

/// A call that is being watched, until this is dropped.
#[derive(Debug)]
pub(super) struct Watched(Instant, u64);

/// Watches a call that should be over after `timeout`.
pub(super) fn watch(call: Call, timeout: Duration) -> Watched {
    let deadline = Instant::now() + timeout + GRACE;
    let mut calls = WATCH.lock();
    calls.number += 1;
    let watched = Watched(deadline, calls.number);
    calls.open.insert((watched.0, watched.1), call);
    if calls.open.len() == 1 {
        WATCH.changed.notify_one();
    }
    watched
}

impl Drop for Watched {
    fn drop(&mut self) {
        WATCH.lock().open.remove(&(self.0, self.1));
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
        let mut suspect = None;
        loop {
            let first = calls.open.first_key_value().map(|(key, call)| (*key, *call));
            let now = Instant::now();
            let wait = match first {
                None => Duration::from_secs(3600),
                Some(((deadline, _), _)) if deadline > now => deadline - now,
                Some((key, call)) if suspect == Some(key) => end(call),
                Some((key, _)) => {
                    suspect = Some(key);
                    SECOND_LOOK
                }
            };
            let waited = self.changed.wait_timeout(calls, wait);
            calls = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn end(call: Call) -> ! {
    tracing::error!(?call, "a call into librdkafka did not come back; the process ends");
    process::exit(Exit::Stalled.code())
}
