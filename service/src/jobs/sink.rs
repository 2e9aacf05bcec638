//! The Redis sink beside a worker: group `<app>-redis`, one thread, for as long as the process lives.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use connectors::redis::{Progress, Sink, Sinking, run};
use millstream::Topic;
use millstream::broker::Broker;
use schemas::topic::FEEDS;
use tokio::runtime::Handle;

/// A sink at work.
pub struct RedisSink {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl RedisSink {
    /// Starts it. Redis need not be there yet.
    pub fn start(broker: &dyn Broker, app: &str, url: &str) -> Result<Self, String> {
        let group = format!("{app}-redis");
        let topics = [Topic::from(FEEDS.name)];
        let consumer = broker.group_consumer(&group, &topics).map_err(|e| e.to_string())?;
        let sink = Sink::open(url).map_err(|e| e.to_string())?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, runtime) = (Arc::clone(&stop), Handle::current());
        let body = move || {
            let progress = Progress::default();
            let at = Sinking { consumer, sink, progress: &progress, stop: &stopped };
            if let Err(failure) = run(at, &runtime) {
                tracing::error!(%failure, "the redis sink ends");
            }
        };
        let spawned = thread::Builder::new().name("redis-sink".to_owned()).spawn(body);
        let thread = spawned.map_err(|e: io::Error| e.to_string())?;
        Ok(Self { stop, thread })
    }

    /// Stops it after the batch in hand.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
    }
}
