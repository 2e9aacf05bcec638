//! A sink beside a worker: one thread, for as long as the process lives.
//!
//! A sink that ends (its Kafka handle is dead, or it panicked) is opened again, ever more slowly: what it should have
//! applied waits in Kafka. What it does and what ails it is told to readiness and metrics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use connectors::backoff::Backoff;
use millstream::{Family, Timestamp, Topic};
use schemas::{application, topic};

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A sink that ran for so long was well: its next pause is short again.
const WELL_AFTER: Duration = Duration::from_secs(60);
/// How long a stop waits for a sink: what a server keeps it with is applied again by whoever comes next.
const LEAVE_WAIT: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Who a sink is.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    /// The application, which is the live one.
    pub app: &'a str,
    /// The worker beside it.
    pub instance: &'a str,
    /// Since when it is the live one: all that it publishes is newer than what was before.
    pub epoch: u32,
}

impl Member<'_> {
    /// The group by which a sink pushes what is published.
    pub fn pushing_group(&self, sink: &str) -> String {
        application::pushing_group(application::first(self.app), sink, self.epoch)
    }

    /// What the application calls a topic.
    pub fn topic(&self, of: &topic::Topic) -> Topic {
        Topic::from(&*application::topic(self.app, of))
    }
}

/// What is opened and run, again and again.
pub trait Sink: Send + 'static {
    /// What it is called: `redis`.
    const NAME: &'static str;
    /// The handles that it runs on.
    type Opened: Send + 'static;

    /// Opens them; no server need be there yet.
    fn open(&self) -> Result<Self::Opened, String>;

    /// Runs on them until `stop` is set; ends with words if it cannot go on.
    fn run(&self, opened: Self::Opened, stop: &AtomicBool) -> Result<(), String>;

    /// Where it is noted how it stands with it.
    fn standing(&self) -> &Standing;
}

/// How it stands with a sink.
#[derive(Debug, Default)]
pub struct Standing {
    restarts: AtomicU64,
    ended: Mutex<Option<String>>,
}

impl Standing {
    /// How often it was opened again.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Whether it runs; what it ended with if not.
    pub fn look(&self) -> Result<(), String> {
        self.ended().clone().map_or(Ok(()), Err)
    }

    fn ended(&self) -> MutexGuard<'_, Option<String>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What readiness and metrics are told of a sink.
pub trait Sunk: Send + Sync {
    /// Whether it does what it is there for; the words of it if not.
    fn look(&self) -> Result<(), String>;

    /// What was counted.
    fn counts(&self) -> Vec<(Family, u64)>;

    /// For how long, s, the record waits as of now that it has had longest without its server having it; 0 if there is none.
    fn waiting(&self, now: Timestamp) -> (Family, f64);
}

/// How long before `now` a time was, s; 0 for one that is 0, which stands for none.
pub fn seconds_since(time_ms: &AtomicI64, now: Timestamp) -> f64 {
    match time_ms.load(Ordering::Relaxed) {
        0 => 0.0,
        time => now.since(Timestamp(time)).as_secs_f64(),
    }
}

/// A sink at work.
pub struct SinkThread {
    name: &'static str,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl SinkThread {
    /// Starts it.
    pub fn start<S: Sink>(sink: S) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let (first, stopping) = (sink.open()?, Arc::clone(&stop));
        let body = move || keep(&sink, first, &stopping);
        let spawned = thread::Builder::new().name(format!("{}-sink", S::NAME)).spawn(body);
        Ok(Self { name: S::NAME, stop, thread: spawned.map_err(|e| e.to_string())? })
    }

    /// Has it stop after what is in hand.
    pub fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for one that was asked to stop at this time, but not for ever.
    pub fn leave(self, asked: Instant) {
        while !self.thread.is_finished() && asked.elapsed() < LEAVE_WAIT {
            thread::sleep(LOOK_EVERY);
        }
        if !self.thread.is_finished() {
            tracing::warn!(
                sink = self.name,
                "a sink is held up and left behind; what it had in hand is applied again"
            );
        }
    }
}

/// Has a sink at work until it is asked to stop.
fn keep<S: Sink>(sink: &S, first: S::Opened, stop: &AtomicBool) {
    let (mut next, mut backoff) = (Ok(first), Backoff::new(PAUSE_MIN, PAUSE_MAX));
    let standing = sink.standing();
    loop {
        let began = Instant::now();
        let ended = next.and_then(|opened| {
            *standing.ended() = None;
            catch_unwind(AssertUnwindSafe(|| sink.run(opened, stop)))
                .unwrap_or_else(|_| Err(format!("the {} sink panicked", S::NAME)))
        });
        let Err(words) = ended else { return };
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if began.elapsed() >= WELL_AFTER {
            backoff.reset();
        }
        let pause = backoff.next();
        tracing::error!(sink = S::NAME, error = words, ?pause, "a sink ended; it is opened again");
        *standing.ended() = Some(words);
        if !backoff.pause(stop) {
            return;
        }
        standing.restarts.fetch_add(1, Ordering::Relaxed);
        next = sink.open();
    }
}
