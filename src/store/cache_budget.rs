//! The memory that the decoded rows of all stores of a process share.
//!
//! While the whole is within its bound, a store takes what it needs. Beyond it a store that has more than an equal part
//! gives rows up, down to that part: busy stores take from idle ones what those do not use, and none starves.
//!
//! What is in memory whole, as timers and broadcasts are, is reserved: rows get what that leaves, but never less than
//! a third of the bound.

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
    reserved: AtomicUsize,
}

impl CacheBudget {
    /// `bytes_max` for whoever takes a share.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        let zero = || AtomicUsize::new(0);
        Arc::new(Self { bytes_max, bytes: zero(), stores: zero(), reserved: zero() })
    }

    /// How many bytes its stores take, and how many they may.
    pub(crate) fn taken(&self) -> (usize, usize) {
        (self.bytes.load(Ordering::Relaxed), self.room())
    }

    /// How many bytes are in memory whole.
    pub(crate) fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    fn room(&self) -> usize {
        let left = self.bytes_max.saturating_sub(self.reserved());
        left.max(self.bytes_max / 3)
    }
}

/// Bytes that rows may not have, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<CacheBudget>,
    told: usize,
}

impl Reservation {
    pub(crate) fn of(budget: &Arc<CacheBudget>) -> Self {
        Self { budget: Arc::clone(budget), told: 0 }
    }

    /// Reserves `bytes`, in place of what was reserved before.
    pub(crate) fn tell(&mut self, bytes: usize) {
        move_by(&self.budget.reserved, std::mem::replace(&mut self.told, bytes), bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.tell(0);
    }
}

/// Counts `after` in a sum, in place of `before`.
fn move_by(sum: &AtomicUsize, before: usize, after: usize) {
    if after > before {
        sum.fetch_add(after - before, Ordering::Relaxed);
    } else {
        sum.fetch_sub(before - after, Ordering::Relaxed);
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
        move_by(&self.budget.bytes, std::mem::replace(&mut self.told, bytes), bytes);
    }

    /// Whether the store, which takes `bytes`, must give rows up.
    pub(super) fn is_exceeded(&self, bytes: usize) -> bool {
        let CacheBudget { bytes: all, stores, .. } = &*self.budget;
        let others = all.load(Ordering::Relaxed).saturating_sub(self.told);
        let room = self.budget.room();
        others + bytes > room && bytes > room / stores.load(Ordering::Relaxed).max(1)
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
    fn rows_have_what_reservations_leave_but_never_less_than_a_third() {
        let budget = CacheBudget::new(1 << 20);
        let mut share = CacheShare::of(&budget);
        share.tell(900 << 10);
        let (mut one, mut other) = (Reservation::of(&budget), Reservation::of(&budget));
        one.tell(100 << 10);
        assert!(!share.is_exceeded(900 << 10));
        other.tell(100 << 10);
        assert!(share.is_exceeded(900 << 10));
        assert_eq!(budget.taken(), (900 << 10, (1 << 20) - (200 << 10)));
        one.tell(2 << 20);
        assert!(share.is_exceeded((1 << 20) / 3 + 1));
        assert!(!share.is_exceeded((1 << 20) / 3), "a third is left");
        drop((one, other));
        assert_eq!(budget.taken(), (900 << 10, 1 << 20));
    }

    #[test]
    fn the_others_hear_of_a_share_when_it_has_changed_by_a_step() {
        let budget = CacheBudget::new(1 << 20);
        let mut share = CacheShare::of(&budget);
        share.tell((16 << 10) - 1);
        assert_eq!(budget.taken().0, 0);
        share.tell(16 << 10);
        assert_eq!(budget.taken().0, 16 << 10);
        share.tell(1);
        assert_eq!(budget.taken().0, 16 << 10);
        share.tell(0);
        assert_eq!(budget.taken().0, 0);
    }

    #[test]
    fn who_has_just_an_equal_part_keeps_it() {
        let budget = CacheBudget::new(1 << 20);
        let (share, mut greedy) = (CacheShare::of(&budget), CacheShare::of(&budget));
        greedy.tell(2 << 20);
        assert!(!share.is_exceeded(1 << 19));
        assert!(share.is_exceeded((1 << 19) + 1));
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
