//! The memory that the decoded rows of all stores of a process share.
//!
//! While the whole is within its bound, a store takes what it needs. Beyond it a store that has more than an equal part
//! gives rows up, down to that part: busy stores take from idle ones what those do not use, and none starves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So much of a share changes before the others hear of it.
const STEP_BYTES: usize = 16 << 10;

/// See the module. Relaxed: a bound that is kept a moment later is kept.
#[derive(Debug)]
pub struct CacheBudget {
    bytes_max: usize,
    bytes: AtomicUsize,
    stores: AtomicUsize,
}

impl CacheBudget {
    /// `bytes_max` for whoever takes a share.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, bytes: AtomicUsize::new(0), stores: AtomicUsize::new(0) })
    }

    /// How many bytes its stores take, and how many they may.
    pub(crate) fn taken(&self) -> (usize, usize) {
        (self.bytes.load(Ordering::Relaxed), self.bytes_max)
    }
}

/// One store's part of it, given back when it is dropped.
#[derive(Debug)]
pub(super) struct CacheShare {
    budget: Arc<CacheBudget>,
    told: usize,
}

impl CacheShare {
    pub(super) fn of(budget: &Arc<CacheBudget>) -> Self {
        budget.stores.fetch_add(1, Ordering::Relaxed);
        Self { budget: Arc::clone(budget), told: 0 }
    }

    /// The store takes `bytes` now.
    pub(super) fn tell(&mut self, bytes: usize) {
        if bytes.abs_diff(self.told) < STEP_BYTES {
            return;
        }
        if bytes > self.told {
            self.budget.bytes.fetch_add(bytes - self.told, Ordering::Relaxed);
        } else {
            self.budget.bytes.fetch_sub(self.told - bytes, Ordering::Relaxed);
        }
        self.told = bytes;
    }

    /// Whether the store, which takes `bytes`, must give rows up.
    pub(super) fn is_exceeded(&self, bytes: usize) -> bool {
        let CacheBudget { bytes_max, bytes: all, stores } = &*self.budget;
        let others = all.load(Ordering::Relaxed).saturating_sub(self.told);
        others + bytes > *bytes_max && bytes > bytes_max / stores.load(Ordering::Relaxed).max(1)
    }
}

impl Drop for CacheShare {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.told, Ordering::Relaxed);
        self.budget.stores.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_store_takes_what_idle_ones_leave_and_gives_it_back_to_those_that_come() {
        let budget = CacheBudget::new(1 << 20);
        let (mut busy, mut late) = (CacheShare::of(&budget), CacheShare::of(&budget));
        busy.tell(1 << 20);
        assert!(!busy.is_exceeded(1 << 20));
        late.tell(256 << 10);
        assert!(busy.is_exceeded(1 << 20), "it has more than its part");
        assert!(!late.is_exceeded(256 << 10), "it has less");
        busy.tell(700 << 10);
        assert!(!busy.is_exceeded(700 << 10), "there is room again");
    }

    #[test]
    fn a_closed_store_gives_its_part_back() {
        let budget = CacheBudget::new(1 << 20);
        let mut share = CacheShare::of(&budget);
        share.tell(1 << 19);
        assert_eq!(budget.taken(), (1 << 19, 1 << 20));
        drop(share);
        assert_eq!(budget.taken(), (0, 1 << 20));
        assert!(!CacheShare::of(&budget).is_exceeded(1 << 20));
    }
}
