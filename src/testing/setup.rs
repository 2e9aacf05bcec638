//! What a driver simulates: how many processes, partitions and workers, on which state, from which time on.

use std::sync::Arc;

use super::driver::Driver;
use crate::broker::embedded::Embedded;
use crate::broker::{Cleanup, TopicSpec};
use crate::clock::ManualClock;
use crate::config::Config;
use crate::error::Result;
use crate::record::{Timestamp, Topic};
use crate::store::Stores;
use crate::store::memory::MemoryStores;
use crate::topology::Topology;

type MakeStores = Box<dyn Fn(usize) -> Arc<dyn Stores>>;

/// How a driver is set up; [`Setup::start`] begins.
pub struct Setup {
    pub(super) topology: Topology,
    pub(super) partitions: i32,
    pub(super) topics: Option<Vec<(Topic, i32)>>,
    pub(super) instances: usize,
    pub(super) config: Config,
    pub(super) began: Timestamp,
    pub(super) seed: Option<u64>,
    pub(super) stores: MakeStores,
    pub(super) cluster: Option<(Arc<ManualClock>, Embedded)>,
}

impl Setup {
    pub(super) fn of(topology: Topology) -> Self {
        let config = Config { workers: 1, record_cache_bytes_max: 16 << 20, ..Config::default() };
        Self {
            topology,
            partitions: 1,
            topics: None,
            instances: 1,
            config,
            began: Timestamp(0),
            seed: None,
            stores: Box::new(|_| Arc::new(MemoryStores::default())),
            cluster: None,
        }
    }

    /// How many partitions every topic has; 1 unless told.
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = partitions;
        self
    }

    /// Creates these topics before the start, instead of every input.
    pub fn topics(mut self, topics: &[(&str, i32)]) -> Self {
        let topics = topics.iter().map(|(name, partitions)| ((*name).into(), *partitions));
        self.topics = Some(topics.collect());
        self
    }

    /// How many workers each process has; 1 unless told.
    pub fn workers(mut self, workers: usize) -> Self {
        self.config.workers = workers;
        self
    }

    /// How many processes there are; 1 unless told.
    pub fn instances(mut self, instances: usize) -> Self {
        self.instances = instances;
        self
    }

    /// Where the clock stands at the start; the epoch unless told.
    pub fn began(mut self, at: Timestamp) -> Self {
        self.began = at;
        self
    }

    /// Delivers broadcasts late and in another order of processes, by this seed.
    pub fn shuffled(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Runs on this cluster, whose clock it is, instead of an empty one: topics and positions are found as they lie there.
    pub fn on(mut self, clock: Arc<ManualClock>, broker: Embedded) -> Self {
        self.cluster = Some((clock, broker));
        self
    }

    /// Sets what else may be set.
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Where the state of each process lives. Called at every start of it: state in memory is lost in a
    /// crash, state on disk is found again.
    pub fn stores(mut self, make: impl Fn(usize) -> Arc<dyn Stores> + 'static) -> Self {
        self.stores = Box::new(make);
        self
    }

    /// Creates the topics and starts the processes.
    pub fn start(self) -> Result<Driver> {
        Driver::start(self)
    }

    /// The topics that are there before the start.
    pub(super) fn specs(&self) -> Vec<TopicSpec> {
        let inputs = self.topology.inputs().into_iter().map(|name| (name, self.partitions));
        let topics = self.topics.clone().unwrap_or_else(|| inputs.collect());
        let spec =
            |(name, partitions)| TopicSpec { name, partitions, cleanup: Cleanup::Delete(None) };
        topics.into_iter().map(spec).collect()
    }
}
