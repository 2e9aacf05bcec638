//! What an application may set. Every value has a default that suits production.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::memory::MemoryPlan;
use crate::trace::Tracer;

/// How an application runs. The application's name is the topology's.
#[derive(Clone, Debug)]
pub struct Config {
    /// The static name of this process: kept over restarts, unlike any other's. Without one, the UUID kept in the
    /// state directory.
    pub instance: Option<String>,
    /// How many threads process.
    pub workers: usize,
    /// The longest a transaction stays open under load.
    pub commit_interval: Duration,
    /// The bytes a transaction may hold in memory.
    pub transaction_bytes_max: usize,
    /// The records a transaction may hold.
    pub transaction_records_max: u64,
    /// How long the group waits for a silent member.
    pub session_timeout: Duration,
    /// Bytes of fetched records that may wait in the tasks of a worker.
    pub queue_bytes_max: usize,
    /// The largest record that is decoded; beyond it a record is dead-lettered.
    pub record_bytes_max: usize,
    /// The largest record that is made, as the broker takes it (`message.max.bytes`): beyond it the record that it
    /// is made from is dead-lettered.
    pub sent_bytes_max: usize,
    /// Bytes of decoded rows that all stores of the process may keep.
    pub record_cache_bytes_max: usize,
    /// The longest that committed state stays in memory only; what is not on disk is restored after a kill.
    pub flush_interval: Duration,
    /// Whether missing topics are created at the start.
    pub create_topics: bool,
    /// Whether a start may begin stores empty that the application had not when it was started before: they know nothing
    /// of what was read until then. See [`StartPlan`](crate::StartPlan).
    pub rebuild_stores: bool,
    /// Partitions of internal topics that are created.
    pub partitions: i32,
    /// Where this process keeps its name and its lock: one directory a process. Usually its stores lie there too.
    pub state_dir: PathBuf,
    /// A worker that has not come round for this long ends the process.
    pub worker_stall: Duration,
    /// How long partitions that are wanted back may take to commit.
    pub revoke_timeout: Duration,
    /// Who is told of the steps of traced records; nobody, and no header is looked at.
    pub tracer: Option<Arc<dyn Tracer>>,
}

impl Default for Config {
    /// One worker and 1 GiB.
    fn default() -> Self {
        Self::within(1 << 30, 1)
    }
}

impl Config {
    /// `workers` threads that share `memory` bytes with the stores and the client: see [`MemoryPlan`].
    pub fn within(memory: usize, workers: usize) -> Self {
        let plan = MemoryPlan::of(memory, workers);
        Self {
            instance: None,
            workers,
            commit_interval: Duration::from_millis(100),
            transaction_bytes_max: plan.transaction,
            transaction_records_max: 1_000_000,
            session_timeout: Duration::from_secs(20),
            queue_bytes_max: plan.queued,
            record_bytes_max: 1 << 20,
            sent_bytes_max: 1 << 20,
            record_cache_bytes_max: plan.record_caches,
            flush_interval: Duration::from_secs(10),
            create_topics: true,
            rebuild_stores: false,
            partitions: 12,
            state_dir: "state".into(),
            worker_stall: Duration::from_secs(60),
            revoke_timeout: Duration::from_secs(5),
            tracer: None,
        }
    }
}
