//! The sink of feeds into Redis: group `<app>-redis`, or `<app>-redis-<epoch>` once another application has become the live one.
//!
//! It is a static member of its group, under its worker's name: after a crash it is back in its share at once instead of
//! waiting for its own session to end, and a stop need not wait for the group. While it is away, reads are answered by
//! state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use connectors::redis::{self, Progress, Sinking};
use millstream::broker::{Broker, GroupConsumer};
use millstream::{Family, Timestamp, Topic};
use schemas::topic::{FEEDS, TRENDING};
use tokio::runtime::Handle;

use super::sink::{Member, Sink, SinkThread, Standing, Sunk, seconds_since};
use crate::traces;

const WRITTEN: Family = Family::new("feedmill_redis_sink_written_total", "Feeds written.");
const OLDER: Family = Family::new(
    "feedmill_redis_sink_older_total",
    "Feeds that Redis had already, in this version or a newer one.",
);
const FOREIGN: Family =
    Family::new("feedmill_redis_sink_foreign_total", "Records that are no feed and were left out.");
const FAILED: Family = Family::new("feedmill_redis_sink_failed_total", "Attempts that failed.");
const RESTARTS: Family =
    Family::new("feedmill_redis_sink_restarts_total", "Times the sink was opened again.");
const WAITING: Family = Family::new(
    "feedmill_redis_sink_waiting_seconds",
    "How old the oldest feed is that was read and is not in Redis yet.",
);

/// What it has done, and what ails it.
#[derive(Debug, Default)]
pub struct RedisSunk {
    /// What was written.
    pub progress: Progress,
    standing: Standing,
}

impl Sunk for RedisSunk {
    fn look(&self) -> Result<(), String> {
        self.standing.look()?;
        match self.progress.fault() {
            Some(words) => Err(format!("feeds wait in kafka: {words}")),
            None => Ok(()),
        }
    }

    fn counts(&self) -> Vec<(Family, u64)> {
        let of = &self.progress;
        let counted = [(WRITTEN, &of.written), (OLDER, &of.older), (FOREIGN, &of.foreign)];
        let counted = counted.into_iter().chain([(FAILED, &of.failed)]);
        let counted = counted.map(|(family, count)| (family, count.load(Ordering::Relaxed)));
        counted.chain([(RESTARTS, self.standing.restarts())]).collect()
    }

    fn waiting(&self, now: Timestamp) -> (Family, f64) {
        (WAITING, seconds_since(&self.progress.in_hand, now))
    }
}

struct RedisSink {
    broker: Arc<dyn Broker>,
    group: String,
    topics: [Topic; 2],
    epoch: u32,
    instance: String,
    url: String,
    sunk: Arc<RedisSunk>,
    runtime: Handle,
}

/// Starts it, inside a Tokio runtime. Redis need not be there yet.
pub fn start(
    broker: Arc<dyn Broker>,
    member: Member<'_>,
    url: &str,
) -> Result<(Arc<RedisSunk>, SinkThread), String> {
    let sunk = Arc::new(RedisSunk::default());
    let sink = RedisSink {
        broker,
        group: member.pushing_group("redis"),
        topics: [FEEDS, TRENDING].map(|of| member.topic(&of)),
        epoch: member.epoch,
        instance: member.instance.to_owned(),
        url: url.to_owned(),
        sunk: Arc::clone(&sunk),
        runtime: Handle::current(),
    };
    Ok((sunk, SinkThread::start(sink)?))
}

impl Sink for RedisSink {
    const NAME: &'static str = "redis";
    type Opened = (Box<dyn GroupConsumer>, redis::Sink);

    fn open(&self) -> Result<Self::Opened, String> {
        let _inside = self.runtime.enter();
        let (group, name) = (&self.group, &self.instance);
        let consumer = self.broker.group_consumer(group, Some(name), &self.topics);
        let consumer = consumer.map_err(|e| e.to_string())?;
        Ok((consumer, redis::Sink::open(&self.url).map_err(|e| e.to_string())?))
    }

    fn run(&self, (consumer, sink): Self::Opened, stop: &AtomicBool) -> Result<(), String> {
        let (progress, tracer) = (&self.sunk.progress, traces::tracer());
        let sinking = Sinking { consumer, sink, epoch: self.epoch, progress, stop, tracer };
        redis::run(sinking, &self.runtime).map_err(|failure| failure.to_string())
    }

    fn standing(&self) -> &Standing {
        &self.sunk.standing
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use ::tests::poll_until;
    use millstream::SystemClock;
    use millstream::broker::embedded::Embedded;
    use millstream::broker::{Call, Code, Failure};

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
        let member = Member { app: "feedmill", instance: "one", epoch: 0 };
        let (sunk, sink) = start(Arc::new(broker.clone()), member, url).unwrap();
        let fault = poll_until(WAIT, || sunk.look().err()).unwrap();
        assert!(fault.contains("the handle is dead"), "{fault}");
        poll_until(WAIT, || sunk.look().ok()).unwrap();
        assert_eq!(sunk.standing.restarts(), 1);
        sink.ask_to_stop();
        sink.leave(Instant::now());
    }

    #[test]
    fn what_redis_says_is_what_readiness_hears() {
        let sunk = RedisSunk::default();
        assert_eq!(sunk.look(), Ok(()));
        sunk.progress.fault.note(Some("redis refuses: NOPERM".to_owned()));
        assert_eq!(sunk.look(), Err("feeds wait in kafka: redis refuses: NOPERM".to_owned()));
    }

    #[test]
    fn what_waits_is_as_old_as_the_oldest_record_in_hand() {
        let sunk = RedisSunk::default();
        assert_eq!(sunk.waiting(Timestamp(5_000)).1, 0.0);
        sunk.progress.in_hand.store(2_000, Ordering::Relaxed);
        assert_eq!(sunk.waiting(Timestamp(5_000)).1, 3.0);
    }
}
