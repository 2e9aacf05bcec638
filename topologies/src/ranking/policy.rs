//! Who is ranked by which weight set: the versions of topic `weights`, of which the last is in force.
//!
//! A set's number says the same for ever: a version that gives it other numbers is not put. So a body is read by the numbers
//! it was made with, whatever is in force. Who takes part in an experiment, and in which arm, is said by hashes of the reader
//! and its name, so that every process says the same, and one experiment says nothing of another.

use std::collections::BTreeMap;

use millstream::broker::murmur2;
use millstream::store::Index;
use schemas::{FieldFault, Poison, UserId, V1, WeightsVersion, Wire};
use serde::{Deserialize, Serialize};

use super::Weights;

/// One version of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Which; 0 before there was one.
    pub version: u32,
    /// When it was put, ms UTC.
    pub at_ms: i64,
    /// The set of whoever is in no experiment.
    pub default: u16,
    /// All sets; `v1` need not be among them.
    pub sets: Vec<Weights>,
    /// In this order: a reader is in the first that takes them.
    pub experiments: Vec<Experiment>,
    /// What is ranked beside, to be compared.
    pub shadow: Option<Shadow>,
    /// Whether nobody takes part in an experiment for now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

/// Sets that are tried against each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Its name; another name divides readers otherwise.
    pub name: String,
    /// So much of all readers takes part, in millionths.
    pub share_ppm: u32,
    /// The sets, and what part each has of those.
    pub arms: Vec<Arm>,
}

/// One set of an experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm {
    /// Its number.
    pub set: u16,
    /// Its part, beside the parts of the others.
    pub weight: u32,
}

/// A set that is ranked and not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    /// Its number.
    pub set: u16,
    /// One in so many rankings is compared.
    pub one_in: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            version: 0,
            at_ms: 0,
            default: V1,
            sets: Vec::new(),
            experiments: Vec::new(),
            shadow: None,
            paused: false,
        }
    }
}

impl Policy {
    /// The number of the set by which `user` is ranked.
    pub fn assigned(&self, user: &UserId) -> u16 {
        self.taking(user).and_then(|of| of.arm(user)).unwrap_or(self.default)
    }

    /// The experiment that takes `user`, if one does.
    pub fn experiment(&self, user: &UserId) -> Option<&str> {
        self.taking(user).map(|of| of.name.as_str())
    }

    fn taking(&self, user: &UserId) -> Option<&Experiment> {
        self.experiments.iter().find(|of| !self.paused && of.takes(user))
    }
}

impl Experiment {
    fn takes(&self, user: &UserId) -> bool {
        place(user, &self.name) < self.share_ppm
    }

    fn arm(&self, user: &UserId) -> Option<u16> {
        let parts = self.arms.iter().map(|arm| u64::from(arm.weight)).sum::<u64>();
        // The name first: who is in must not say which arm.
        let mut left = u64::from(hash(self.name.as_bytes(), &user.0)).checked_rem(parts)?;
        let arm = self.arms.iter().find(|arm| {
            let is_theirs = left < u64::from(arm.weight);
            left = left.saturating_sub(arm.weight.into());
            is_theirs
        });
        arm.map(|arm| arm.set)
    }
}

/// Where a user stands among all, in millionths: by this name always there, by another one anywhere.
pub fn place(user: &UserId, name: &str) -> u32 {
    hash(&user.0, name.as_bytes()) % 1_000_000
}

/// Kafka's hash of both, one after the other, mixed so that its low bits are as good as any.
fn hash(first: &[u8], second: &[u8]) -> u32 {
    let hash = murmur2(&[first, second].concat());
    (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d) >> 8
}

impl Wire for Policy {
    fn encode(&self, out: &mut Vec<u8>) {
        // Plain data with names for keys: it cannot fail.
        out.extend(serde_json::to_vec(self).unwrap_or_default());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        serde_json::from_slice(bytes).map_err(|fault| {
            FieldFault::told("value", "JSON of weight sets", fault.to_string()).of("weights")
        })
    }
}

/// What is in force, and all sets that ever were.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    versions: BTreeMap<u32, Policy>,
    sets: BTreeMap<u16, Weights>,
    v1: Weights,
    none: Policy,
}

impl Policies {
    /// What is in force.
    pub fn current(&self) -> &Policy {
        self.versions.last_key_value().map_or(&self.none, |(_, policy)| policy)
    }

    /// All versions, the first first.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = &Policy> {
        self.versions.values()
    }

    /// The set by which `user` is ranked.
    pub fn of(&self, user: &UserId) -> &Weights {
        self.of_set(self.current().assigned(user))
    }

    /// The set of this number; `v1` of one that is not known, or not yet.
    pub fn of_set(&self, id: u16) -> &Weights {
        self.sets.get(&id).unwrap_or(&self.v1)
    }

    /// Whether this number is a set's.
    pub fn knows(&self, id: u16) -> bool {
        id == V1 || self.sets.contains_key(&id)
    }

    /// Takes a version.
    pub fn put(&mut self, policy: Policy) {
        self.versions.insert(policy.version, policy);
        self.collect();
    }

    fn collect(&mut self) {
        let sets = self.versions.values().flat_map(|of| &of.sets).filter(|set| set.id != V1);
        self.sets = sets.map(|set| (set.id, set.clone())).collect();
    }
}

impl Index<WeightsVersion, Policy> for Policies {
    fn changed(&mut self, version: &WeightsVersion, _old: Option<&Policy>, new: Option<&Policy>) {
        match new {
            Some(policy) => self.versions.insert(version.0, policy.clone()),
            None => self.versions.remove(&version.0),
        };
        self.collect();
    }

    fn bytes(&self) -> usize {
        let sets = self.versions.values().map(|of| of.sets.len() + 1).sum::<usize>();
        (sets + self.sets.len()) * size_of::<Weights>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u32) -> UserId {
        let mut id = [7; 16];
        id[12..].copy_from_slice(&n.to_be_bytes());
        UserId(id)
    }

    fn experiment(name: &str, share_ppm: u32, arms: &[(u16, u32)]) -> Experiment {
        let arm = |(set, weight): &(u16, u32)| Arm { set: *set, weight: *weight };
        Experiment { name: name.into(), share_ppm, arms: arms.iter().map(arm).collect() }
    }

    fn assigned(policy: &Policy) -> BTreeMap<u16, usize> {
        let mut counts = BTreeMap::new();
        (0..100_000).for_each(|n| *counts.entry(policy.assigned(&user(n))).or_default() += 1);
        counts
    }

    #[test]
    fn readers_are_divided_by_the_share_and_the_parts_of_its_arms() {
        let experiments = vec![experiment("calm", 200_000, &[(2, 3), (3, 1)])];
        let counts = assigned(&Policy { experiments, ..Policy::default() });
        let near = |set, expected: usize| counts[&set].abs_diff(expected) < expected / 20;
        assert!(near(V1, 80_000) && near(2, 15_000) && near(3, 5_000), "{counts:?}");
    }

    #[test]
    fn one_experiment_says_nothing_of_another() {
        let both = [("first", 2), ("second", 3)]
            .map(|(name, set)| experiment(name, 500_000, &[(set, 1), (V1, 1)]));
        let [first, second] = both.map(|of| Policy { experiments: vec![of], ..Policy::default() });
        let in_both = (0..100_000)
            .filter(|n| (first.assigned(&user(*n)), second.assigned(&user(*n))) == (2, 3))
            .count();
        assert!(in_both.abs_diff(6_250) < 400, "{in_both}");
    }

    #[test]
    fn a_reader_is_in_the_first_experiment_that_takes_them() {
        let experiments =
            vec![experiment("a", 1_000_000, &[(5, 1)]), experiment("b", 1_000_000, &[(6, 1)])];
        let policy = Policy { experiments, ..Policy::default() };
        assert_eq!((policy.assigned(&user(1)), policy.experiment(&user(1))), (5, Some("a")));
    }

    #[test]
    fn nobody_takes_part_while_experiments_are_paused() {
        let experiments = vec![experiment("a", 1_000_000, &[(5, 1)])];
        let policy = Policy { experiments, paused: true, ..Policy::default() };
        assert_eq!((policy.assigned(&user(1)), policy.experiment(&user(1))), (V1, None));
        assert_eq!(Policy::decode(&policy.to_bytes()).unwrap(), policy);
    }

    #[test]
    fn the_last_version_is_in_force_and_the_sets_of_all_are_known() {
        let set = |id| Weights { id, affinity: f64::from(id), ..Weights::v1() };
        let policy =
            |version, id| Policy { version, default: id, sets: vec![set(id)], ..Policy::default() };
        let mut policies = Policies::default();
        assert_eq!(policies.of(&user(1)), &Weights::v1());
        for (version, id) in [(2, 8), (1, 7)] {
            policies.changed(&WeightsVersion(version), None, Some(&policy(version, id)));
        }
        assert_eq!(policies.of(&user(1)).id, 8);
        assert_eq!([7, 8, 9].map(|id| policies.of_set(id).id), [7, 8, V1]);
        assert!(policies.knows(7) && policies.knows(V1) && !policies.knows(9));
    }

    #[test]
    fn a_version_comes_back_from_its_bytes_and_others_are_poison() {
        let mut set = Weights { id: 2, ..Weights::v1() };
        set.arms.normalised_affinity = true;
        let policy = Policy { version: 3, sets: vec![set], ..Policy::default() };
        assert_eq!(Policy::decode(&policy.to_bytes()).unwrap(), policy);
        assert!(Policy::decode(b"{}").is_err());
    }
}
