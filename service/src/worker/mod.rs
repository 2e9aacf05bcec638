//! A worker: the engine that ranks feeds and keeps their state, and the sinks that take what it reads and ranks elsewhere, if
//! there are any.

mod clickhouse_sink;
mod engine;
pub mod left_state;
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
    /// What its sinks have done, while they publish.
    pub sunk: Sinks,
    /// The application that it runs.
    app: String,
    /// Under which epoch its sinks publish, if it is the live one.
    publishes: Option<u32>,
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
    /// Those that are configured, while they publish nothing.
    fn silent(config: &Config) -> Self {
        Self {
            redis: config.redis.as_ref().map(|_| Arc::default()),
            clickhouse: config.clickhouse.as_ref().map(|_| Arc::default()),
            postgres: config.postgres.as_ref().map(|_| Arc::default()),
        }
    }

    /// Starts those that are configured, each beside the others; gives their threads to `threads`.
    fn start(
        config: &Config,
        broker: &Arc<dyn Broker>,
        (engine, member): (&Engine, Member<'_>),
        threads: &mut Vec<SinkThread>,
    ) -> Result<Self, String> {
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
            let of = (clickhouse, reading);
            sinks.clickhouse = Some(clickhouse_sink::start(broker, member, of, threads)?);
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
    /// Starts the engine, and the sinks if it is to publish, inside a Tokio runtime; returns when the engine's threads run.
    pub fn start(
        config: &Config,
        broker: &Arc<dyn Broker>,
        publishes: Option<u32>,
    ) -> Result<Self, Ended> {
        let engine = Engine::start(config, Arc::clone(broker))?;
        let (app, sunk) = (config.app.clone(), Sinks::silent(config));
        let mut worker = Self { engine, sunk, app, publishes: None, threads: Vec::new() };
        match worker.publish(config, broker, publishes) {
            Ok(()) => Ok(worker),
            Err(why) => {
                // The sink's fault is the reason, however the others end.
                let _ = worker.stop();
                Err(Ended { exit: Exit::Failed, why })
            }
        }
    }

    /// The application that it runs.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// Under which epoch its sinks publish, if they do.
    pub fn publishes(&self) -> Option<u32> {
        self.publishes
    }

    /// Starts the sinks, if they are to publish; those of before have to be stopped.
    pub fn publish(
        &mut self,
        config: &Config,
        broker: &Arc<dyn Broker>,
        publishes: Option<u32>,
    ) -> Result<(), String> {
        if let Some(epoch) = publishes {
            let member = Member { app: &self.app, instance: self.engine.name(), epoch };
            let of = (&self.engine, member);
            self.sunk = Sinks::start(config, broker, of, &mut self.threads)?;
        }
        self.publishes = publishes;
        Ok(())
    }

    /// Has the sinks publish nothing more; they are to be left without holding up anybody who looks at the worker.
    pub fn fall_silent(&mut self, config: &Config) -> Leaving {
        (self.sunk, self.publishes) = (Sinks::silent(config), None);
        Leaving::of(std::mem::take(&mut self.threads))
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
        let leaving = Leaving::of(self.threads);
        let stopped = self.engine.stop();
        leaving.leave();
        stopped
    }
}

/// Sinks that were asked to stop.
pub struct Leaving {
    threads: Vec<SinkThread>,
    asked: Instant,
}

impl Leaving {
    fn of(threads: Vec<SinkThread>) -> Self {
        threads.iter().for_each(SinkThread::ask_to_stop);
        Self { threads, asked: Instant::now() }
    }

    /// Waits for them a little.
    pub fn leave(self) {
        self.threads.into_iter().for_each(|thread| thread.leave(self.asked));
    }
}
