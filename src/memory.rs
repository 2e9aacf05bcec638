//! One bound of memory, divided among those who hold much of it.
//!
//! It bounds what grows with the input: rows, blocks, queues, open transactions. Broadcasts and timers are in memory whole:
//! they take from the rows' part, up to two thirds of it, and beyond that stand beside the bound, as the program itself does and
//! what allocators keep between uses.

/// How many bytes each part may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// The decoded rows of all stores of the process ([`Config::record_cache_bytes_max`](crate::Config)).
    pub record_caches: usize,
    /// Blocks read from disk and write buffers, of all tasks ([`RocksStores`](crate::store::rocks::RocksStores)).
    pub stores: usize,
    /// An open transaction, one a worker.
    pub transaction: usize,
    /// Records that wait in the tasks of a worker.
    pub queued: usize,
    /// What a consumer has fetched ahead, one a worker.
    pub fetched: usize,
    /// What a producer has not sent yet, one a worker.
    pub sending: usize,
}

/// The parts of a hundred that each gets. What is left is for what is in no part: an open database of each task, what processors
/// keep themselves, copies on their way to disk and network.
const RECORD_CACHES: usize = 34;
const STORES: usize = 26;
const TRANSACTIONS: usize = 10;
const QUEUED: usize = 6;
const FETCHED: usize = 6;
const SENDING: usize = 10;

/// Less than this for a queue or a transaction makes every record wait.
const QUEUE_BYTES_MIN: usize = 1 << 20;

impl MemoryPlan {
    /// Divides `bytes` for a process of so many workers.
    pub fn of(bytes: usize, workers: usize) -> Self {
        let part = |percent: usize| bytes / 100 * percent;
        let per_worker = |percent| (part(percent) / workers.max(1)).max(QUEUE_BYTES_MIN);
        Self {
            record_caches: part(RECORD_CACHES),
            stores: part(STORES),
            transaction: per_worker(TRANSACTIONS),
            queued: per_worker(QUEUED),
            fetched: per_worker(FETCHED),
            sending: per_worker(SENDING),
        }
    }
}

/// What a part of the process takes in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// Which part.
    pub part: &'static str,
    /// How many bytes it takes, counted as its bound is; none if nobody can tell.
    pub bytes: Option<usize>,
    /// How many it may take, if it is bounded.
    pub bytes_max: Option<usize>,
}

impl MemoryUse {
    /// A part that is in memory whole.
    pub(crate) fn unbounded(part: &'static str, bytes: usize) -> Self {
        Self { part, bytes: Some(bytes), bytes_max: None }
    }

    /// A part that takes `bytes` of the `bytes_max` that it may.
    pub(crate) fn bounded(part: &'static str, bytes: usize, bytes_max: usize) -> Self {
        Self { part, bytes: Some(bytes), bytes_max: Some(bytes_max) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_all_workers_together_leave_a_twelfth_of_what_was_divided() {
        for workers in [1, 2, 12] {
            let plan = MemoryPlan::of(1 << 30, workers);
            let each = plan.transaction + plan.queued + plan.fetched + plan.sending;
            let all = plan.record_caches + plan.stores + each * workers;
            let left = (1 << 30) - all;
            assert!((left * 12).abs_diff(1 << 30) < 64 << 20, "{workers} workers: {left}");
        }
    }

    #[test]
    fn no_queue_becomes_so_small_that_a_record_does_not_fit() {
        let plan = MemoryPlan::of(64 << 20, 64);
        assert_eq!((plan.transaction, plan.queued), (1 << 20, 1 << 20));
    }
}
