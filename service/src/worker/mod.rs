//! A worker: the engine that ranks feeds and keeps their state, and the sinks that take what it reads and ranks elsewhere, if
//! there are any.

mod clickhouse_sink;
mod engine;
mod postgres_sink;
mod redis_sink;
mod sink;
mod supervisor;

use std::sync::Arc;
use std::time::Instant;

use connectors::clickhouse::Reading;
use millstream::broker::Broker;
use millstream::{Clock, Ended, Exit, SystemClock};

use crate::config::Config;
use crate::metrics::WorkerReport;
pub use clickhouse_sink::ClickHouseSunk;
pub use engine::{
    Engine, create_topics, describe, orphans, plan, sent_bytes_max, settings, topology,
};
pub use postgres_sink::PostgresSunk;
pub use redis_sink::RedisSunk;
pub use sink::Sunk;
use sink::{Member, SinkThread};
pub use supervisor::Supervisor;

/// A worker at work.
pub struct Worker {
    /// What ranks.
    pub engine: Engine,
    /// What its sinks have done.
    pub sunk: Sinks,
    threads: Vec<SinkThread>,
}

/// What the sinks have done that there are.
#[derive(Clone, Default)]
pub struct Sinks {
    /// Feeds pushed to Redis.
    pub redis: Option<Arc<RedisSunk>>,
    /// Rows inserted into ClickHouse.
    pub clickhouse: Option<Arc<ClickHouseSunk>>,
    /// What readers said against posts, noted in PostgreSQL.
    pub postgres: Option<Arc<PostgresSunk>>,
}

impl Sinks {
    /// Starts those that are configured, each beside the others; gives their threads to `threads`.
    fn start(
        config: &Config,
        broker: &Arc<dyn Broker>,
        engine: &Engine,
        threads: &mut Vec<SinkThread>,
    ) -> Result<Self, String> {
        let member = Member { app: &config.app, instance: engine.name() };
        let mut sinks = Self::default();
        if let Some(redis) = &config.redis {
            let (sunk, thread) = redis_sink::start(Arc::clone(broker), member, &redis.url)?;
            sinks.redis = Some(sunk);
            threads.push(thread);
        }
        if let Some(clickhouse) = &config.clickhouse {
            let reading = Reading {
                schemas: engine.schemas(),
                cdc_epoch: config.worker.cdc_epoch,
                record_bytes_max: engine::record_bytes_max(config),
            };
            let started = clickhouse_sink::start(Arc::clone(broker), member, clickhouse, reading)?;
            sinks.clickhouse = Some(started.0);
            threads.push(started.1);
        }
        if let Some(postgres) = &config.postgres {
            let started = postgres_sink::start(Arc::clone(broker), member, &postgres.url)?;
            sinks.postgres = Some(started.0);
            threads.push(started.1);
        }
        Ok(sinks)
    }

    /// Each of them.
    fn all(&self) -> impl Iterator<Item = &dyn Sunk> {
        let redis = self.redis.as_deref().map(|sunk| sunk as &dyn Sunk);
        let clickhouse = self.clickhouse.as_deref().map(|sunk| sunk as &dyn Sunk);
        let postgres = self.postgres.as_deref().map(|sunk| sunk as &dyn Sunk);
        redis.into_iter().chain(clickhouse).chain(postgres)
    }
}

impl Worker {
    /// Starts the engine, then the sinks, inside a Tokio runtime; returns when the engine's threads run.
    pub fn start(config: &Config, broker: &Arc<dyn Broker>) -> Result<Self, Ended> {
        let engine = Engine::start(config, Arc::clone(broker))?;
        let mut threads = Vec::new();
        match Sinks::start(config, broker, &engine, &mut threads) {
            Ok(sunk) => Ok(Self { engine, sunk, threads }),
            Err(why) => {
                // The sink's fault is the reason, however the others end.
                let asked = ask_to_stop(&threads);
                let _ = engine.stop();
                leave(threads, asked);
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
        WorkerReport {
            engine: Arc::clone(&self.engine.metrics),
            memory: self.engine.memory(&of.memory_plan(), of.threads),
            is_settled: self.engine.is_settled(),
            waiting_partitions: self.engine.waiting_partitions(),
            lag_records: self.engine.lag_records(),
            store_bytes: self.engine.store_bytes(),
            sunk: self.sunk.all().flat_map(Sunk::counts).collect(),
            sinks_waiting: self.sunk.all().map(|sunk| sunk.waiting(SystemClock.now())).collect(),
            redis_took: self.sunk.redis.as_ref().map(|redis| redis.progress.took.durations()),
        }
    }

    /// Stops the sinks and the engine; tells why the engine ended if it was not asked to. Waits for the engine, and a little
    /// for the sinks.
    pub fn stop(self) -> Result<(), Ended> {
        let asked = ask_to_stop(&self.threads);
        let stopped = self.engine.stop();
        leave(self.threads, asked);
        stopped
    }
}

/// Has all stop, and answers when.
fn ask_to_stop(threads: &[SinkThread]) -> Instant {
    threads.iter().for_each(SinkThread::ask_to_stop);
    Instant::now()
}

fn leave(threads: Vec<SinkThread>, asked: Instant) {
    threads.into_iter().for_each(|thread| thread.leave(asked));
}
