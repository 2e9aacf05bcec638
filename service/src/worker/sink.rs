//! The Redis sink beside a worker: group `<app>-redis`, one thread, for as long as the process lives.
//!
//! It is a static member of its group, under its worker's name: after a crash it is back in its share at once instead of
//! waiting for its own session to end, and a stop need not wait for the group.
//!
//! A sink that ends (its Kafka handle is dead, or it panicked) is opened again, ever more slowly: feeds wait in
//! Kafka, and reads are answered by state meanwhile. What it does and what ails it is told to readiness and
//! metrics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use connectors::backoff::Backoff;
use connectors::redis::{Progress, Sink, Sinking, run};
use millstream::Topic;
use millstream::broker::{Broker, GroupConsumer};
use schemas::topic::{FEEDS, TRENDING};
use tokio::runtime::Handle;

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A sink that ran for so long was well: its next pause is short again.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// What the sink has done, and what ails it.
#[derive(Debug, Default)]
pub struct Sunk {
    /// What was written.
    pub progress: Progress,
    /// How often it was opened again.
    pub restarts: AtomicU64,
    ended: Mutex<Option<String>>,
}

impl Sunk {
    /// Whether feeds reach Redis; the words of it if not.
    pub fn look(&self) -> Result<(), String> {
        if let Some(words) = &*self.ended() {
            return Err(words.clone());
        }
        match self.progress.fault() {
            Some(words) => Err(format!("feeds wait in kafka: {words}")),
            None => Ok(()),
        }
    }

    /// How old the oldest record is that was polled and is not applied, ms; 0 if there is none.
    pub fn lag_ms(&self, now: millstream::Timestamp) -> i64 {
        match self.progress.in_hand.load(Ordering::Relaxed) {
            0 => 0,
            oldest => now.0.saturating_sub(oldest).max(0),
        }
    }

    /// What was counted, by the names of the metrics.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let of = &self.progress;
        let counted = [
            ("feedmill_redis_sink_written_total", &of.written),
            ("feedmill_redis_sink_older_total", &of.older),
            ("feedmill_redis_sink_foreign_total", &of.foreign),
            ("feedmill_redis_sink_failed_total", &of.failed),
            ("feedmill_redis_sink_restarts_total", &self.restarts),
        ];
        counted.map(|(name, count)| (name, count.load(Ordering::Relaxed))).into()
    }

    fn ended(&self) -> MutexGuard<'_, Option<String>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a stop waits for a sink: what Redis or Kafka keep it with is applied again by whoever comes next.
const LEAVE_WAIT: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Who a sink is.
pub struct Member<'a> {
    /// The application.
    pub app: &'a str,
    /// The worker beside it.
    pub instance: &'a str,
}

/// A sink at work.
pub struct RedisSink {
    /// What it has done.
    pub sunk: Arc<Sunk>,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

struct Sinks {
    broker: Arc<dyn Broker>,
    group: String,
    instance: String,
    url: String,
    sunk: Arc<Sunk>,
    stop: Arc<AtomicBool>,
    runtime: Handle,
}

type Opened = (Box<dyn GroupConsumer>, Sink);

impl RedisSink {
    /// Starts it, inside a Tokio runtime. Redis need not be there yet.
    pub fn start(broker: Arc<dyn Broker>, member: &Member<'_>, url: &str) -> Result<Self, String> {
        let (sunk, stop) = (Arc::new(Sunk::default()), Arc::new(AtomicBool::new(false)));
        let sinks = Sinks {
            broker,
            group: format!("{}-redis", member.app),
            instance: member.instance.to_owned(),
            url: url.to_owned(),
            sunk: Arc::clone(&sunk),
            stop: Arc::clone(&stop),
            runtime: Handle::current(),
        };
        let first = sinks.open()?;
        let body = move || sinks.keep(first);
        let spawned = thread::Builder::new().name("redis-sink".to_owned()).spawn(body);
        let thread = spawned.map_err(|e| e.to_string())?;
        Ok(Self { sunk, stop, thread })
    }

    /// Has it stop after the batch in hand.
    pub fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Stops it, and waits for it, but not for ever.
    pub fn leave(self) {
        self.ask_to_stop();
        let began = Instant::now();
        while !self.thread.is_finished() && began.elapsed() < LEAVE_WAIT {
            thread::sleep(LOOK_EVERY);
        }
        if !self.thread.is_finished() {
            tracing::warn!(
                "the redis sink is held up and left behind; its last feeds are pushed again"
            );
        }
    }
}

impl Sinks {
    fn open(&self) -> Result<Opened, String> {
        let _inside = self.runtime.enter();
        let topics = [FEEDS, TRENDING].map(|topic| Topic::from(topic.name));
        let consumer = self.broker.group_consumer(&self.group, Some(&self.instance), &topics);
        let consumer = consumer.map_err(|e| e.to_string())?;
        Ok((consumer, Sink::open(&self.url).map_err(|e| e.to_string())?))
    }

    /// Has a sink at work until it is asked to stop.
    fn keep(&self, first: Opened) {
        let (mut next, mut backoff) = (Ok(first), Backoff::new(PAUSE_MIN, PAUSE_MAX));
        loop {
            let began = Instant::now();
            let ended = next.and_then(|opened| self.run(opened));
            let Err(words) = ended else { return };
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            if began.elapsed() >= WELL_AFTER {
                backoff.reset();
            }
            let pause = backoff.next();
            tracing::error!(error = words, ?pause, "the redis sink ended; it is opened again");
            *self.sunk.ended() = Some(words);
            if !backoff.pause(&self.stop) {
                return;
            }
            self.sunk.restarts.fetch_add(1, Ordering::Relaxed);
            next = self.open();
        }
    }

    fn run(&self, (consumer, sink): Opened) -> Result<(), String> {
        *self.sunk.ended() = None;
        let sinking = Sinking { consumer, sink, progress: &self.sunk.progress, stop: &self.stop };
        match catch_unwind(AssertUnwindSafe(|| run(sinking, &self.runtime))) {
            Ok(ended) => ended.map_err(|failure| failure.to_string()),
            Err(_) => Err("the redis sink panicked".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use ::tests::poll_until;
    use millstream::broker::embedded::Embedded;
    use millstream::broker::{Call, Code, Failure};
    use millstream::{SystemClock, Timestamp};

    use super::*;
    use crate::commands::topics;

    const WAIT: Duration = Duration::from_secs(30);

    #[test]
    fn a_sink_whose_handle_is_dead_is_opened_again_and_says_so() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _inside = runtime.enter();
        let broker = Embedded::new(Arc::new(SystemClock));
        topics::create(&mut *broker.admin().unwrap(), "feedmill", 1).unwrap();
        let dead = || Failure::new(Call::Poll, Code::Other(-1), "the handle is dead").fatal();
        broker.faults().refuse_next("feedmill-redis", dead());
        let url = "redis://127.0.0.1:1";
        let member = Member { app: "feedmill", instance: "one" };
        let sink = RedisSink::start(Arc::new(broker.clone()), &member, url).unwrap();
        let fault = poll_until(WAIT, || sink.sunk.look().err()).unwrap();
        assert!(fault.contains("the handle is dead"), "{fault}");
        poll_until(WAIT, || sink.sunk.look().ok()).unwrap();
        assert_eq!(sink.sunk.restarts.load(Ordering::Relaxed), 1);
        sink.leave();
    }

    #[test]
    fn what_redis_says_is_what_readiness_hears() {
        let sunk = Sunk::default();
        assert_eq!(sunk.look(), Ok(()));
        *sunk.progress.fault.lock().unwrap() = Some("redis refuses: NOPERM".to_owned());
        assert_eq!(sunk.look(), Err("feeds wait in kafka: redis refuses: NOPERM".to_owned()));
    }

    #[test]
    fn the_lag_is_the_age_of_the_oldest_record_in_hand() {
        let sunk = Sunk::default();
        assert_eq!(sunk.lag_ms(Timestamp(5_000)), 0);
        sunk.progress.in_hand.store(2_000, Ordering::Relaxed);
        assert_eq!(sunk.lag_ms(Timestamp(5_000)), 3_000);
    }
}
