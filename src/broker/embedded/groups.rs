//! The groups of the cluster, by name; a group exists from its first mention on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::group::Group;
use crate::record::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Groups(BTreeMap<Arc<str>, Group>);

impl Groups {
    pub fn of(&mut self, name: &Arc<str>) -> &mut Group {
        self.0.entry(name.clone()).or_default()
    }

    /// Removes silent members everywhere; answers whether there were any.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        self.0.values_mut().fold(false, |any, group| group.expire(now) || any)
    }

    /// When the next member will have been silent for too long.
    pub fn due(&self) -> Option<Timestamp> {
        self.0.values().filter_map(Group::due).min()
    }
}
