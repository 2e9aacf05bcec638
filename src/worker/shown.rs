//! The tasks of this process whose committed state can be read, and where each stands.
//!
//! A task that was given up is shown for a while longer, as it was committed last: until it is opened here again, its time is
//! over or the process stops. Its store stays open for that, brought to disk as if it were closed; nobody writes to it, and
//! whoever runs the task elsewhere has files of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::record::{TaskId, Timestamp, Topic};
use crate::standing::{Role, Standing};
use crate::store::{StateReader, TaskStore};

/// How long what was committed last is shown: a group that rebalances and a new owner that restores take less.
const KEPT: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Default)]
pub(crate) struct ShownTasks(Mutex<BTreeMap<TaskId, ShownTask>>);

struct ShownTask {
    reader: Arc<dyn StateReader>,
    standing: Standing,
    kept: Option<Kept>,
}

/// The state of a task that was given up, open until it is closed.
struct Kept {
    since: Timestamp,
    store: Box<dyn TaskStore>,
}

impl ShownTask {
    fn role(&self) -> Role {
        if self.kept.is_some() { Role::LastCommitted } else { Role::Active }
    }
}

fn close(kept: impl IntoIterator<Item = (TaskId, ShownTask)>) {
    for (id, task) in kept {
        if let Some(Err(fault)) = task.kept.map(|kept| kept.store.close()) {
            tracing::warn!(task = %id, %fault, "state was not flushed; its tail will be restored");
        }
    }
}

impl ShownTasks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, ShownTask>> {
        // A lock whose holder panicked is taken all the same: what it guards is replaced whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a task that runs.
    pub(super) fn show(&self, id: &TaskId, reader: Arc<dyn StateReader>, standing: Standing) {
        let task = ShownTask { reader, standing, kept: None };
        drop(self.lock().insert(id.clone(), task));
    }

    /// Where a task that runs stands by now.
    pub(super) fn moved(&self, id: &TaskId, standing: Standing) {
        if let Some(task) = self.lock().get_mut(id).filter(|task| task.kept.is_none()) {
            task.standing = standing;
        }
    }

    /// Shows it no more; what was kept of it is closed.
    pub(super) fn hide(&self, id: &TaskId) {
        // Closing waits for the disk and for readers, who ask for this lock.
        let hidden = self.lock().remove_entry(id);
        close(hidden);
    }

    /// A task that was shown is given up: its store stays open and is shown as it is.
    pub(super) fn keep(&self, id: &TaskId, store: Box<dyn TaskStore>, now: Timestamp) {
        if let Some(task) = self.lock().get_mut(id) {
            // How far it is behind it will never know again.
            task.standing =
                Standing { position: task.standing.position.clone(), ..Standing::default() };
            task.kept = Some(Kept { since: now, store });
        }
    }

    /// Closes what was kept for long enough.
    pub(super) fn close_kept(&self, now: Timestamp) {
        let is_over = |_: &TaskId, task: &mut ShownTask| {
            task.kept.as_ref().is_some_and(|kept| now.has_passed(kept.since, KEPT))
        };
        let over: Vec<_> = self.lock().extract_if(.., is_over).collect();
        close(over);
    }

    /// Closes everything that was kept.
    pub(crate) fn close_all_kept(&self) {
        let over: Vec<_> = self.lock().extract_if(.., |_, task| task.kept.is_some()).collect();
        close(over);
    }

    /// The state of a task that runs.
    pub(crate) fn reader(&self, id: &TaskId) -> Option<Arc<dyn StateReader>> {
        self.lock().get(id).filter(|task| task.kept.is_none()).map(|task| task.reader.clone())
    }

    /// All tasks that are shown, in their order, each with its role.
    pub(crate) fn roles(&self) -> Vec<(TaskId, Role)> {
        self.lock().iter().map(|(id, task)| (id.clone(), task.role())).collect()
    }

    /// The state of a task, in what right it is shown, and where it stood before it was taken.
    pub(crate) fn shown(&self, id: &TaskId) -> Option<(Arc<dyn StateReader>, Role, Standing)> {
        let tasks = self.lock();
        let task = tasks.get(id)?;
        Some((task.reader.clone(), task.role(), task.standing.clone()))
    }

    /// How many offsets of each input the tasks that run have not committed, as far as ends are known.
    pub(crate) fn behind_by_topic(&self) -> BTreeMap<Topic, u64> {
        let mut all = BTreeMap::new();
        for task in self.lock().values().filter(|task| task.kept.is_none()) {
            for (input, behind) in &task.standing.behind_by_input {
                *all.entry(input.topic.clone()).or_default() += behind;
            }
        }
        all
    }

    /// Every task that runs.
    #[cfg(feature = "testing")]
    pub(crate) fn readers(&self) -> BTreeMap<TaskId, Arc<dyn StateReader>> {
        let tasks = self.lock();
        let running = tasks.iter().filter(|(_, task)| task.kept.is_none());
        running.map(|(id, task)| (id.clone(), task.reader.clone())).collect()
    }

    /// How many of them run.
    pub(crate) fn running(&self) -> usize {
        self.lock().values().filter(|task| task.kept.is_none()).count()
    }
}
