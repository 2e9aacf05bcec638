//! Whether the database of a task was found damaged while it was open.
//!
//! Whoever meets the damage says so here, be it the task, a query, or RocksDB behind the scenes whose failure a write hears
//! of. The worker looks, and opens the task anew; the next opening sets the database aside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rocksdb::Error;

use super::cause::{Cause, fault};
use crate::error::Fault;
use crate::record::TaskId;

/// See the module.
pub(super) struct Damage {
    task: TaskId,
    found: AtomicBool,
}

impl Damage {
    pub(super) fn of(task: TaskId) -> Self {
        Self { task, found: AtomicBool::new(false) }
    }

    pub(super) fn is_found(&self) -> bool {
        self.found.load(Ordering::Relaxed)
    }

    /// What a call that failed with `error` answers.
    pub(super) fn fault(&self, doing: &str, error: &Error) -> Fault {
        if Cause::of(error) == Cause::Files && !self.found.swap(true, Ordering::Relaxed) {
            tracing::error!(task = %self.task, %error, doing, "state is damaged");
        }
        fault(doing, error)
    }
}

/// How often state may be set aside within [`AGAIN_WITHIN`].
const TIMES_MAX: usize = 2;
const AGAIN_WITHIN: Duration = Duration::from_secs(3600);

/// When the state of a task was set aside.
#[derive(Default)]
pub(super) struct SetAside(Vec<Instant>);

impl SetAside {
    /// Whether it may be set aside now, which is noted.
    pub(super) fn may_be_again(&mut self, now: Instant) -> bool {
        self.0.retain(|at| now.duration_since(*at) < AGAIN_WITHIN);
        let may = self.0.len() < TIMES_MAX;
        if may {
            self.0.push(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(path: &std::path::Path) -> Error {
        rocksdb::DB::open_default(path).unwrap_err()
    }

    #[test]
    fn files_that_are_not_what_they_were_are_damage_and_a_lock_that_another_has_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let held = rocksdb::DB::open_default(dir.path().join("held")).unwrap();
        assert_ne!(Cause::of(&failed(&dir.path().join("held"))), Cause::Files);
        drop(held);
        std::fs::write(dir.path().join("held/CURRENT"), "MANIFEST-000777\n").unwrap();
        assert_eq!(Cause::of(&failed(&dir.path().join("held"))), Cause::Files);
    }

    #[test]
    fn state_is_set_aside_twice_within_an_hour_and_again_after_it() {
        let (mut times, began) = (SetAside::default(), Instant::now());
        let at = |minutes: u64| began + Duration::from_secs(60 * minutes);
        let asked = [0, 10, 20, 59, 60, 61, 70, 131].map(|minute| times.may_be_again(at(minute)));
        assert_eq!(asked, [true, true, false, false, true, false, true, true]);
    }
}
