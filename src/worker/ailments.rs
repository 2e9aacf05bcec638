//! What ails the tasks and the workers of this process, in words, for whoever looks from outside.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::record::TaskId;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ailments {
    /// Tasks that a fault has stopped.
    pub(crate) stopped: Told<TaskId>,
    /// Tasks that could not be opened for a while.
    pub(crate) delayed: Told<TaskId>,
    /// Workers that have begun no transaction for a while, by their numbers.
    pub(crate) held_up: Told<usize>,
}

/// Reasons, by whom they concern.
#[derive(Debug)]
pub(crate) struct Told<K>(Mutex<BTreeMap<K, String>>);

impl<K> Default for Told<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone> Told<K> {
    pub(crate) fn tell(&self, of: K, why: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(of, why);
    }

    /// It is over, or no concern of this process any more.
    pub(crate) fn clear(&self, of: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(of);
    }

    pub(crate) fn all(&self) -> BTreeMap<K, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
