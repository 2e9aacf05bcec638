//! The feed's topology at work in this process, and its state as a tier of reads.
//!
//! Whoever reads its state while it ends finds nobody who owns it.

mod state;

use std::path::Path;
use std::sync::Arc;

use millstream::broker::Broker;
use millstream::store::Stores;
use millstream::{Ended, Exit, FailPoints, Streams, Surroundings};
use topologies::feed::{Feed, Settings, feed};

use crate::config::Config;
use crate::read::StateFeeds;
use state::ReaderState;

/// For the block cache and the write buffers of all tasks.
#[cfg(feature = "rocksdb")]
const MEMORY_BYTES_MAX: usize = 256 << 20;

/// The topology at work.
pub struct Engine {
    /// Its state, for reads.
    pub state: Arc<dyn StateFeeds>,
    streams: Streams,
}

impl Engine {
    /// Starts it on `broker`; returns when its topics are checked and its threads run.
    pub fn start(config: &Config, broker: Arc<dyn Broker>) -> Result<Self, Ended> {
        let feed = topology(config).map_err(|why| Ended { exit: Exit::Usage, why })?;
        let engine = millstream::Config {
            workers: config.worker.threads,
            create_topics: config.kafka.create_topics,
            partitions: config.kafka.partitions,
            state_dir: config.worker.state_dir.clone(),
            ..millstream::Config::default()
        };
        let stores = stores(&config.worker.state_dir.join(&config.app));
        let on = Surroundings { broker: Arc::clone(&broker), stores, fail: FailPoints::default() };
        let streams = Streams::start(&feed.topology, engine, on)?;
        let epoch = u32::try_from(config.worker.feeds_epoch).unwrap_or(u32::MAX);
        let state = ReaderState::of(&feed, (&streams, epoch), &*broker);
        let state = state.map_err(|why| Ended { exit: Exit::Failed, why })?;
        Ok(Self { state: Arc::new(state), streams })
    }

    /// Whether every thread still runs.
    pub fn is_running(&self) -> bool {
        self.streams.is_running()
    }

    /// Commits, closes, and tells why it ended.
    pub fn stop(self) -> Ended {
        self.streams.stop();
        self.streams.wait()
    }
}

/// The topology in words.
pub fn describe(config: &Config) -> Result<String, String> {
    topology(config).map(|feed| feed.topology.describe())
}

fn topology(config: &Config) -> Result<Feed, String> {
    let epoch = |name: &str, epoch: u64| {
        u32::try_from(epoch).map_err(|_| format!("{name} is at most {}", u32::MAX))
    };
    let settings = Settings {
        app: config.app.clone(),
        cdc_epoch: epoch("worker.cdc_epoch", config.worker.cdc_epoch)?,
        feeds_epoch: epoch("worker.feeds_epoch", config.worker.feeds_epoch)?,
        ..Settings::default()
    };
    feed(&settings).map_err(|fault| fault.to_string())
}

#[cfg(feature = "rocksdb")]
fn stores(dir: &Path) -> Arc<dyn Stores> {
    Arc::new(millstream::store::rocks::RocksStores::new(dir, MEMORY_BYTES_MAX))
}

#[cfg(not(feature = "rocksdb"))]
fn stores(_dir: &Path) -> Arc<dyn Stores> {
    Arc::new(millstream::store::memory::MemoryStores::default())
}
