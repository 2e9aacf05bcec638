//! Whether the database of a task was found damaged while it was open.
//!
//! Whoever meets the damage says so here, be it the task, a query, or RocksDB behind the scenes whose failure a write hears
//! of. The worker looks, and opens the task anew; the next opening sets the database aside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rocksdb::{Error, ErrorKind};

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
        if is_damage(error) && !self.found.swap(true, Ordering::Relaxed) {
            tracing::error!(task = %self.task, %error, doing, "state is damaged");
        }
        super::fault(doing, error)
    }
}

/// What the system says of files that are not what RocksDB left: gone, another thing, or on a bad sector. All else that
/// it may say (no space, no permission, a lock) is of the machine, and no state is given up for it.
const OF_FILES: [&str; 4] =
    ["No such file or directory", "Is a directory", "Not a directory", "Input/output error"];

/// Whether a failure says that the files are damaged. RocksDB has one kind for all that the system says.
pub(super) fn is_damage(error: &Error) -> bool {
    let said = || OF_FILES.iter().any(|of| error.as_ref().contains(of));
    error.kind() == ErrorKind::Corruption || (error.kind() == ErrorKind::IOError && said())
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
        assert!(!is_damage(&failed(&dir.path().join("held"))));
        drop(held);
        std::fs::write(dir.path().join("held/CURRENT"), "MANIFEST-000777\n").unwrap();
        assert!(is_damage(&failed(&dir.path().join("held"))));
    }

    #[test]
    fn state_is_set_aside_twice_within_an_hour_and_again_after_it() {
        let (mut times, began) = (SetAside::default(), Instant::now());
        let at = |minutes: u64| began + Duration::from_secs(60 * minutes);
        let asked = [0, 10, 20, 59, 60, 61, 70, 131].map(|minute| times.may_be_again(at(minute)));
        assert_eq!(asked, [true, true, false, false, true, false, true, true]);
    }
}
