//! The sink of feeds into Redis: group `<app>-redis`, or `<app>-redis-<epoch>` once another application has become the live one.
//!
//! It is a static member of its group, under its worker's name: after a crash it is back in its share at once instead of
//! waiting for its own session to end, and a stop need not wait for the group. While it is away, reads are answered by
//! state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use connectors::redis::{self, Progress, Sinking};
use millstream::broker::{Broker, GroupConsumer};
use millstream::{Timestamp, Topic};
use schemas::topic::{FEEDS, TRENDING};
use tokio::runtime::Handle;

use super::sink::{Member, Sink, SinkThread, Standing, Sunk};

/// What it has done, and what ails it.
#[derive(Debug, Default)]
pub struct RedisSunk {
    /// What was written.
    pub progress: Progress,
    standing: Standing,
}

impl RedisSunk {
    /// How old the oldest record is that was polled and is not applied, ms; 0 if there is none.
    pub fn lag_ms(&self, now: Timestamp) -> i64 {
        match self.progress.in_hand.load(Ordering::Relaxed) {
            0 => 0,
            oldest => now.0.saturating_sub(oldest).max(0),
        }
    }
}

impl Sunk for RedisSunk {
    fn look(&self) -> Result<(), String> {
        self.standing.look()?;
        match self.progress.fault() {
            Some(words) => Err(format!("feeds wait in kafka: {words}")),
            None => Ok(()),
        }
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let of = &self.progress;
        let counted = [
            ("feedmill_redis_sink_written_total", &of.written),
            ("feedmill_redis_sink_older_total", &of.older),
            ("feedmill_redis_sink_foreign_total", &of.foreign),
            ("feedmill_redis_sink_failed_total", &of.failed),
        ];
        let counted = counted.map(|(name, count)| (name, count.load(Ordering::Relaxed)));
        let restarts = ("feedmill_redis_sink_restarts_total", self.standing.restarts());
        counted.into_iter().chain([restarts]).collect()
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
        let progress = &self.sunk.progress;
        let sinking = Sinking { consumer, sink, epoch: self.epoch, progress, stop };
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
    fn the_lag_is_the_age_of_the_oldest_record_in_hand() {
        let sunk = RedisSunk::default();
        assert_eq!(sunk.lag_ms(Timestamp(5_000)), 0);
        sunk.progress.in_hand.store(2_000, Ordering::Relaxed);
        assert_eq!(sunk.lag_ms(Timestamp(5_000)), 3_000);
    }
}
