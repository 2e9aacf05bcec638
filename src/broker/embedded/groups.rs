//! The groups of the cluster, by name; a group exists from its first mention on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::group::Group;
use crate::record::{Timestamp, Topic};

#[derive(Debug, Default)]
pub(super) struct Groups(BTreeMap<Arc<str>, Group>);

impl Groups {
    pub fn of(&mut self, name: &Arc<str>) -> &mut Group {
        self.0.entry(name.clone()).or_default()
    }

    /// Forgets a group; `false` if it has members.
    pub fn delete(&mut self, name: &str) -> bool {
        let is_empty = self.0.get(name).is_none_or(|group| group.members() == 0);
        if is_empty {
            self.0.remove(name);
        }
        is_empty
    }

    /// Removes silent members everywhere, after a span in which nobody asked anything.
    pub fn expire(&mut self, now: Timestamp, idle: Duration) {
        for group in self.0.values_mut() {
            group.expire(now, idle);
        }
    }

    /// Whoever subscribes to a new topic shares it out.
    pub fn topic_created(&mut self, topic: &Topic) {
        for group in self.0.values_mut() {
            group.topic_created(topic);
        }
    }

    /// Whoever subscribes to a topic that is gone shares out the others; nobody has a position in it.
    pub fn topic_deleted(&mut self, topic: &Topic) {
        for group in self.0.values_mut() {
            group.offsets.forget(topic);
            group.topic_created(topic);
        }
    }

    /// When the next member will have been silent for too long.
    pub fn due(&self) -> Option<Timestamp> {
        self.0.values().filter_map(Group::due).min()
    }
}
