//! Which partitions this process owns, under which number, and which worker works them. Pure.
//!
//! Every assignment gives a partition a new number. A transaction remembers the numbers of all its work and
//! is committed only if each is still the current one; revocation and loss remove the number *before* the
//! partition can be another's. So a number is never valid in two places.

use std::collections::BTreeMap;

/// The number of one assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(u64);

#[derive(Clone, Copy, Debug)]
struct Owned {
    number: Number,
    worker: usize,
    releasing: bool,
}

/// What a worker is to have of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Duty {
    pub partition: i32,
    pub number: Number,
    /// The group wants it back: commit and give it up.
    pub releasing: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ownership {
    last: u64,
    owned: BTreeMap<i32, Owned>,
    /// Partitions whose tasks a worker has open, owned or not: nobody else may open them here.
    held: BTreeMap<i32, usize>,
}

impl Ownership {
    /// Takes partitions in, each for the worker with the fewest; one that a worker still holds stays there.
    pub(crate) fn assign(&mut self, partitions: &[i32], workers: usize) {
        for partition in partitions {
            let worker = match self.held.get(partition) {
                Some(holder) => *holder,
                None => self.idlest(workers),
            };
            self.last += 1;
            let owned = Owned { number: Number(self.last), worker, releasing: false };
            self.owned.insert(*partition, owned);
        }
    }

    fn idlest(&self, workers: usize) -> usize {
        let load = |worker| self.owned.values().filter(|owned| owned.worker == worker).count();
        (0..workers).min_by_key(|worker| load(*worker)).unwrap_or(0)
    }

    /// Asks the workers to commit and give these up.
    pub(crate) fn release(&mut self, partitions: &[i32]) {
        for partition in partitions {
            if let Some(owned) = self.owned.get_mut(partition) {
                owned.releasing = true;
            }
        }
    }

    /// Whether no worker holds any of these.
    pub(crate) fn are_free(&self, partitions: &[i32]) -> bool {
        partitions.iter().all(|partition| !self.held.contains_key(partition))
    }

    /// Whether any worker holds anything.
    pub(crate) fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes the numbers away: work of theirs that is not committed is void.
    pub(crate) fn remove(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.owned.remove(partition);
        }
    }

    /// What `worker` is to have.
    pub(crate) fn duties(&self, worker: usize) -> Vec<Duty> {
        let owned = self.owned.iter().filter(|(_, owned)| owned.worker == worker);
        owned
            .map(|(partition, owned)| Duty {
                partition: *partition,
                number: owned.number,
                releasing: owned.releasing,
            })
            .collect()
    }

    /// Whether every pair is still owned.
    pub(crate) fn still(&self, pairs: impl IntoIterator<Item = (i32, Number)>) -> bool {
        pairs.into_iter().all(|(partition, number)| {
            self.owned.get(&partition).is_some_and(|owned| owned.number == number)
        })
    }

    /// `worker` opens the tasks of a partition, if under this number they are still its to open.
    pub(crate) fn hold(&mut self, partition: i32, number: Number, worker: usize) -> bool {
        let is_its = self.owned.get(&partition).is_some_and(|owned| {
            owned.number == number && owned.worker == worker && !owned.releasing
        });
        let may = is_its && self.held.get(&partition).is_none_or(|holder| *holder == worker);
        if may {
            self.held.insert(partition, worker);
        }
        may
    }

    /// `worker` has closed them; what another one holds stays held.
    pub(crate) fn give_back(&mut self, partition: i32, worker: usize) {
        if self.held.get(&partition) == Some(&worker) {
            self.held.remove(&partition);
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
            ownership.duties(worker).iter().map(|duty| duty.partition).collect()
        };
        assert_eq!((of(&ownership, 0), of(&ownership, 1)), (vec![0, 2], vec![1]));
        ownership.remove(&[0]);
        ownership.assign(&[5], 2);
        assert_eq!((of(&ownership, 0), of(&ownership, 1)), (vec![2, 5], vec![1]));
    }

    #[test]
    fn a_partition_that_left_and_came_back_has_another_number() {
        let mut ownership = Ownership::default();
        ownership.assign(&[3], 1);
        let first = ownership.duties(0)[0].number;
        assert!(ownership.still([(3, first)]));
        ownership.remove(&[3]);
        assert!(!ownership.still([(3, first)]));
        ownership.assign(&[3], 1);
        assert!(!ownership.still([(3, first)]));
    }

    #[test]
    fn a_partition_that_is_still_held_comes_back_to_its_holder() {
        let mut ownership = Ownership::default();
        ownership.assign(&[0, 1], 2);
        let first = ownership.duties(1)[0].number;
        assert!(ownership.hold(1, first, 1));
        ownership.remove(&[1]);
        ownership.assign(&[1], 2);
        assert_eq!(ownership.duties(1).len(), 1);
        assert!(!ownership.are_free(&[1]));
        ownership.give_back(1, 1);
        assert!(ownership.are_free(&[1]));
    }

    #[test]
    fn a_number_of_before_holds_nothing_and_takes_nothing_from_the_holder() {
        let mut ownership = Ownership::default();
        ownership.assign(&[0], 2);
        let old = ownership.duties(0)[0].number;
        ownership.remove(&[0]);
        ownership.assign(&[5, 0], 2);
        let new = ownership.duties(1)[0].number;
        assert!(ownership.hold(0, new, 1));
        assert!(!ownership.hold(0, old, 0));
        ownership.give_back(0, 0);
        assert!(!ownership.are_free(&[0]));
    }
}
