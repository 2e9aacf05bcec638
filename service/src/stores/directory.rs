//! Which instance shows which task, as their announcements say. Pure but for its lock and its log.
//!
//! Who has said nothing for a while is not there: it was killed, or has no cluster. An announcement bears the time of whoever
//! wrote it, so clocks may differ by less than that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millstream::broker::Batch;
use millstream::{Role, Timestamp};
use schemas::iso_time;

use super::announcement::{Announcement, Signer};

/// So long an announcement holds: ten of them may get lost.
const HOLDS: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Default)]
pub struct Directory {
    heard: Mutex<BTreeMap<String, Announcement>>,
    /// Who is not heard: that is told once, and not of each record that the topic still has.
    unheard: Mutex<BTreeSet<String>>,
}

impl Directory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Announcement>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An instance said this, or that it stops.
    pub fn heard(&self, name: String, announcement: Option<Announcement>) {
        match announcement {
            Some(announcement) => self.lock().insert(name, announcement),
            None => self.lock().remove(&name),
        };
    }

    /// Hears what is written in the topic; what nobody of us has signed is not heard.
    pub fn take(&self, batch: &Batch, signer: &Signer, now: Timestamp) {
        for record in batch.iter() {
            let name = record.key.and_then(|key| std::str::from_utf8(key).ok());
            let Some(name) = name else { continue };
            match record.value.map(|value| signer.read(name, value)).transpose() {
                Ok(said) => self.heard(name.to_owned(), said),
                // Of whoever is gone it does not matter.
                Err(why) if now.since(record.timestamp) > HOLDS => {
                    tracing::debug!(name, why, "an announcement of long ago is not heard");
                }
                Err(why) => self.not_heard((name, record.timestamp), &why),
            }
        }
    }

    fn not_heard(&self, (name, at): (&str, Timestamp), why: &str) {
        let mut unheard = self.unheard.lock().unwrap_or_else(PoisonError::into_inner);
        if unheard.insert(name.to_owned()) {
            tracing::warn!(name, why, at = iso_time(at.0), "its announcements are not heard");
        }
    }

    /// Who is there, by name.
    pub fn instances(&self, now: Timestamp) -> Vec<(String, Announcement)> {
        let held = self.lock();
        let there = held.iter().filter(|(_, said)| is_there(said, now));
        there.map(|(name, said)| (name.clone(), said.clone())).collect()
    }

    /// Where those are who are there. Asked for at every read of state: what they show is not copied.
    pub fn addresses(&self, now: Timestamp) -> Vec<String> {
        let held = self.lock();
        held.values().filter(|said| is_there(said, now)).map(|said| said.url.clone()).collect()
    }

    /// Who has said nothing for so long that it is not there, and said something within `within`: where it was, and since when.
    pub fn silent(&self, now: Timestamp, within: Duration) -> Vec<(String, Duration)> {
        let held = self.lock();
        let silent = held.values().filter(|said| !is_there(said, now));
        let since = silent
            .map(|said| (said.url.clone(), Duration::from_millis(now.0.abs_diff(said.at_ms))));
        since.filter(|(_, since)| *since <= within).collect()
    }

    /// Which tasks of a sub-topology are run.
    pub fn active(&self, sub: &str, now: Timestamp) -> BTreeSet<i32> {
        let held = self.lock();
        let there = held.values().filter(|said| is_there(said, now));
        let shown = there.flat_map(|said| said.shows.get(sub).into_iter().flatten());
        let active = shown.filter(|shown| shown.role == Role::Active.name());
        active.map(|shown| shown.partition).collect()
    }

    /// Where a task can be read but at `own`: at whoever runs it, the newest word first, then at whoever has given it up.
    pub fn urls(&self, (sub, partition): (&str, i32), own: &str, now: Timestamp) -> Vec<String> {
        let held = self.lock();
        let mut found = Vec::new();
        for (name, said) in held.iter().filter(|(name, said)| *name != own && is_there(said, now)) {
            let shown = said.shows.get(sub).into_iter().flatten();
            for shown in shown.filter(|shown| shown.partition == partition) {
                let is_active = shown.role == Role::Active.name();
                found.push((!is_active, -said.at_ms, name, &said.url));
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, _, _, url)| url.clone()).collect()
    }
}

fn is_there(said: &Announcement, now: Timestamp) -> bool {
    now.0.abs_diff(said.at_ms) <= HOLDS.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::announcement::Shown;
    use crate::stores::answer::Lag;

    fn said(url: &str, at_ms: i64, shown: &[(i32, Role)]) -> Option<Announcement> {
        let shown = shown.iter().map(|(partition, role)| Shown {
            partition: *partition,
            role: role.name().into(),
            position: String::new(),
            lag: Lag::default(),
        });
        let shows = [("reader".to_owned(), shown.collect())].into();
        Some(Announcement { url: url.into(), at_ms, shows })
    }

    #[test]
    fn a_task_is_read_at_whoever_runs_it_and_else_at_whoever_has_given_it_up() {
        let directory = Directory::default();
        directory
            .heard("a".into(), said("http://a", 9, &[(1, Role::LastCommitted), (2, Role::Active)]));
        directory.heard("b".into(), said("http://b", 7, &[(1, Role::Active)]));
        directory.heard("c".into(), said("http://c", 8, &[(1, Role::Active)]));
        let urls = |partition, own| directory.urls(("reader", partition), own, Timestamp(10));
        assert_eq!(urls(1, "d"), ["http://c", "http://b", "http://a"]);
        assert_eq!(
            (urls(1, "c"), urls(2, "a")),
            (vec!["http://b".into(), "http://a".into()], vec![])
        );
        assert_eq!(directory.urls(("people", 1), "d", Timestamp(10)), Vec::<String>::new());
        assert_eq!(directory.active("reader", Timestamp(10)), [1, 2].into());
    }

    #[test]
    fn who_stops_or_has_said_nothing_for_ten_seconds_is_not_there() {
        let directory = Directory::default();
        directory.heard("a".into(), said("http://a", 1_000, &[(1, Role::Active)]));
        directory.heard("b".into(), said("http://b", 5_000, &[(1, Role::Active)]));
        let names = |now| -> Vec<String> {
            directory.instances(Timestamp(now)).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(
            (names(11_000), names(11_001)),
            (vec!["a".into(), "b".into()], vec!["b".into()])
        );
        directory.heard("b".into(), None);
        assert_eq!(names(5_000), ["a"]);
        assert!(directory.urls(("reader", 1), "d", Timestamp(60_000)).is_empty());
    }
}
