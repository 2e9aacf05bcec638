//! Which partitions this process owns, under which assignment epoch, and which worker works them. Pure.
//!
//! Every assignment of a partition gets a new epoch. A transaction remembers the epochs of all its work and is committed
//! only if each is still the current one. Revocation and loss remove the epoch *before* the partition can be another
//! process's, so an epoch is never valid in two places.

use std::collections::BTreeMap;

/// The epoch of one assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AssignmentEpoch(u64);

#[derive(Clone, Copy, Debug)]
struct Owned {
    epoch: AssignmentEpoch,
    worker: usize,
    revoked: bool,
    /// The worker has begun to open its tasks under this epoch.
    taken_over: bool,
}

/// What a worker is to have of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub partition: i32,
    pub epoch: AssignmentEpoch,
    /// The group wants it back: commit and give it up.
    pub revoked: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ownership {
    last: u64,
    owned: BTreeMap<i32, Owned>,
    /// Partitions whose tasks a worker has open, owned or not: nobody else may open them here.
    open_by: BTreeMap<i32, usize>,
}

impl Ownership {
    /// Takes partitions in, each for the worker with the fewest; one that a worker still holds stays there.
    pub(crate) fn assign(&mut self, partitions: &[i32], workers: usize) {
        for partition in partitions {
            let worker = match self.open_by.get(partition) {
                Some(holder) => *holder,
                None => self.idlest(workers),
            };
            self.last += 1;
            let epoch = AssignmentEpoch(self.last);
            self.owned
                .insert(*partition, Owned { epoch, worker, revoked: false, taken_over: false });
        }
    }

    fn idlest(&self, workers: usize) -> usize {
        let load = |worker| self.owned.values().filter(|owned| owned.worker == worker).count();
        (0..workers).min_by_key(|worker| load(*worker)).unwrap_or(0)
    }

    /// Asks the workers to commit and give these up.
    pub(crate) fn revoke(&mut self, partitions: &[i32]) {
        for partition in partitions {
            if let Some(owned) = self.owned.get_mut(partition) {
                owned.revoked = true;
            }
        }
    }

    /// Whether no worker holds any of these.
    pub(crate) fn all_released(&self, partitions: &[i32]) -> bool {
        partitions.iter().all(|partition| !self.open_by.contains_key(partition))
    }

    /// How many partitions workers hold.
    pub(crate) fn open(&self) -> usize {
        self.open_by.len()
    }

    /// Whether any worker holds anything.
    pub(crate) fn any_open(&self) -> bool {
        !self.open_by.is_empty()
    }

    /// Takes the epochs away: work of theirs that is not committed is void.
    pub(crate) fn remove(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.owned.remove(partition);
        }
    }

    /// What `worker` is to have.
    pub(crate) fn assignments(&self, worker: usize) -> Vec<Assignment> {
        let owned = self.owned.iter().filter(|(_, owned)| owned.worker == worker);
        owned
            .map(|(partition, owned)| Assignment {
                partition: *partition,
                epoch: owned.epoch,
                revoked: owned.revoked,
            })
            .collect()
    }

    /// Whether each of these has an epoch in `epochs`, and it is still the current one.
    pub(crate) fn are_current(
        &self,
        partitions: impl IntoIterator<Item = i32>,
        epochs: &BTreeMap<i32, AssignmentEpoch>,
    ) -> bool {
        partitions.into_iter().all(|partition| {
            let current = self.owned.get(&partition).map(|owned| owned.epoch);
            current.is_some() && current.as_ref() == epochs.get(&partition)
        })
    }

    /// `worker` opens the tasks of a partition, if under this epoch they are still its to open.
    pub(crate) fn claim(&mut self, partition: i32, epoch: AssignmentEpoch, worker: usize) -> bool {
        let Some(owned) = self.owned.get_mut(&partition) else { return false };
        let is_its = owned.epoch == epoch && owned.worker == worker && !owned.revoked;
        let may = is_its && self.open_by.get(&partition).is_none_or(|holder| *holder == worker);
        if may {
            owned.taken_over = true;
            self.open_by.insert(partition, worker);
        }
        may
    }

    /// Whether the workers have taken over everything that is owned.
    pub(crate) fn is_taken_over(&self) -> bool {
        self.owned.values().all(|owned| owned.taken_over)
    }

    /// `worker` has closed them; what another one holds stays held.
    pub(crate) fn release(&mut self, partition: i32, worker: usize) {
        if self.open_by.get(&partition) == Some(&worker) {
            self.open_by.remove(&partition);
        }
    }

    /// Whether a partition is owned.
    pub(crate) fn owns(&self, partition: i32) -> bool {
        self.owned.contains_key(&partition)
    }

    /// Every partition that is owned.
    pub(crate) fn partitions(&self) -> Vec<i32> {
        self.owned.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_go_to_the_worker_with_the_fewest() {
        let mut ownership = Ownership::default();
        ownership.assign(&[0, 1, 2], 2);
        let of = |ownership: &Ownership, worker| -> Vec<i32> {
            ownership.assignments(worker).iter().map(|assignment| assignment.partition).collect()
        };
        assert_eq!((of(&ownership, 0), of(&ownership, 1)), (vec![0, 2], vec![1]));
        ownership.remove(&[0]);
        ownership.assign(&[5], 2);
        assert_eq!((of(&ownership, 0), of(&ownership, 1)), (vec![2, 5], vec![1]));
    }

    #[test]
    fn a_partition_that_left_and_came_back_has_another_epoch() {
        let mut ownership = Ownership::default();
        ownership.assign(&[3], 1);
        let first = ownership.assignments(0)[0].epoch;
        let epochs = BTreeMap::from([(3, first)]);
        assert!(ownership.are_current([3], &epochs));
        ownership.remove(&[3]);
        assert!(!ownership.are_current([3], &epochs));
        ownership.assign(&[3], 1);
        assert!(!ownership.are_current([3], &epochs));
    }

    #[test]
    fn a_partition_without_an_epoch_is_not_current_whether_it_is_owned_or_not() {
        let mut ownership = Ownership::default();
        assert!(!ownership.are_current([3], &BTreeMap::new()));
        ownership.assign(&[3], 1);
        assert!(!ownership.are_current([3], &BTreeMap::new()));
        assert!(ownership.are_current([], &BTreeMap::new()));
    }

    #[test]
    fn a_partition_that_is_still_held_comes_back_to_its_holder() {
        let mut ownership = Ownership::default();
        ownership.assign(&[0, 1], 2);
        let first = ownership.assignments(1)[0].epoch;
        assert!(ownership.claim(1, first, 1));
        ownership.remove(&[1]);
        ownership.assign(&[1], 2);
        assert_eq!(ownership.assignments(1).len(), 1);
        assert!(!ownership.all_released(&[1]));
        ownership.release(1, 1);
        assert!(ownership.all_released(&[1]));
    }

    #[test]
    fn only_its_own_worker_claims_a_partition_and_only_under_its_epoch() {
        let mut ownership = Ownership::default();
        ownership.assign(&[0], 2);
        let old = ownership.assignments(0)[0].epoch;
        ownership.remove(&[0]);
        ownership.assign(&[0], 2);
        let new = ownership.assignments(0)[0].epoch;
        assert_eq!(
            [(old, 0), (new, 1)].map(|(epoch, by)| ownership.claim(0, epoch, by)),
            [false; 2]
        );
        ownership.revoke(&[0]);
        assert!(!ownership.claim(0, new, 0), "the group wants it back");
    }

    #[test]
    fn an_old_epoch_claims_nothing_and_releases_nothing_of_the_holder() {
        let mut ownership = Ownership::default();
        ownership.assign(&[0], 2);
        let old = ownership.assignments(0)[0].epoch;
        ownership.remove(&[0]);
        ownership.assign(&[5, 0], 2);
        let new = ownership.assignments(1)[0].epoch;
        assert!(ownership.claim(0, new, 1));
        assert!(!ownership.claim(0, old, 0));
        ownership.release(0, 0);
        assert!(!ownership.all_released(&[0]));
    }

    #[test]
    fn what_is_wanted_back_or_not_owned_is_not_opened() {
        let mut ownership = Ownership::default();
        ownership.assign(&[0], 1);
        let epoch = ownership.assignments(0)[0].epoch;
        ownership.revoke(&[0]);
        assert!(!ownership.claim(0, epoch, 0));
        assert!(!ownership.claim(7, epoch, 0));
        assert!(!ownership.any_open());
        assert_eq!((ownership.owns(0), ownership.owns(7)), (true, false));
    }

    #[test]
    fn a_partition_counts_as_held_from_its_claim_until_its_release() {
        let mut ownership = Ownership::default();
        ownership.assign(&[0, 1], 1);
        let held = |ownership: &Ownership| (ownership.open(), ownership.any_open());
        assert_eq!(held(&ownership), (0, false));
        for Assignment { partition, epoch, .. } in ownership.assignments(0) {
            assert!(ownership.claim(partition, epoch, 0));
        }
        ownership.remove(&[0, 1]);
        assert_eq!(held(&ownership), (2, true));
        ownership.release(0, 0);
        ownership.release(1, 0);
        assert_eq!(held(&ownership), (0, false));
    }

    #[test]
    fn a_holder_to_whom_a_partition_comes_back_opens_it_anew() {
        let mut ownership = Ownership::default();
        ownership.assign(&[0], 1);
        let first = ownership.assignments(0)[0].epoch;
        assert!(ownership.claim(0, first, 0));
        ownership.remove(&[0]);
        ownership.assign(&[0], 1);
        let second = ownership.assignments(0)[0].epoch;
        assert!(ownership.claim(0, second, 0));
    }
}
