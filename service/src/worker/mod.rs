//! A worker: the engine that ranks feeds and keeps their state, and the sink that pushes them to Redis, if there is one.

mod engine;
mod sink;
mod supervisor;

use std::sync::Arc;

use millstream::broker::Broker;
use millstream::{Ended, Exit};

use crate::config::Config;
use crate::metrics::WorkerReport;
pub use engine::{Engine, create_topics, describe};
use sink::Member;
pub use sink::{RedisSink, Sunk};
pub use supervisor::Supervisor;

/// A worker at work.
pub struct Worker {
    /// What ranks.
    pub engine: Engine,
    /// What pushes.
    pub sink: Option<RedisSink>,
}

impl Worker {
    /// Starts the engine, then the sink, inside a Tokio runtime; returns when the engine's threads run.
    pub fn start(config: &Config, broker: &Arc<dyn Broker>) -> Result<Self, Ended> {
        let engine = Engine::start(config, Arc::clone(broker))?;
        let sink = config.redis.as_ref().map(|redis| {
            let member = Member { app: &config.app, instance: engine.name() };
            RedisSink::start(Arc::clone(broker), &member, &redis.url)
        });
        match sink.transpose() {
            Ok(sink) => Ok(Self { engine, sink }),
            Err(why) => {
                // The sink's fault is the reason, however the engine ends.
                let _ = engine.stop();
                Err(Ended { exit: Exit::Failed, why })
            }
        }
    }

    /// Whether every thread of the engine still runs.
    pub fn is_running(&self) -> bool {
        self.engine.is_running()
    }

    /// What it tells for metrics.
    fn report(&self, config: &Config) -> WorkerReport {
        let of = &config.worker;
        let sink = self.sink.as_ref();
        WorkerReport {
            engine: Arc::clone(&self.engine.metrics),
            memory: self.engine.memory(&of.memory_plan(), of.threads),
            is_settled: self.engine.is_settled(),
            waiting_partitions: self.engine.waiting_partitions(),
            sink: sink.map(|sink| (sink.sunk.counts(), sink.sunk.progress.took.durations())),
        }
    }

    /// Stops the sink and the engine; tells why the engine ended if it was not asked to. Waits for the engine, and a little
    /// for the sink.
    pub fn stop(self) -> Result<(), Ended> {
        if let Some(sink) = &self.sink {
            sink.ask_to_stop();
        }
        let stopped = self.engine.stop();
        if let Some(sink) = self.sink {
            sink.leave();
        }
        stopped
    }
}
