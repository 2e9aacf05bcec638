//! A request in each bucket of a histogram whose trace may be looked at: the last one that was traced.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use millstream::{Timestamp, TraceContext};

/// See the module.
#[derive(Debug)]
pub struct Exemplars {
    bounds: &'static [f64],
    /// By the histogram's label, and by bucket.
    last: Mutex<Last>,
}

type Last = BTreeMap<&'static str, BTreeMap<usize, Exemplar>>;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar {
    /// Where it stands in its trace.
    pub place: TraceContext,
    /// What was observed.
    pub value: f64,
    /// When.
    pub at: Timestamp,
}

impl Exemplars {
    /// None yet, for buckets that end at these bounds.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, last: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes one. Labels are of a closed set, so there are never more than buckets.
    pub fn note(&self, label: &'static str, exemplar: Exemplar) {
        self.lock().entry(label).or_default().insert(self.bucket(exemplar.value), exemplar);
    }

    /// That of the bucket that ends at this bound.
    pub fn of(&self, label: &str, bound: f64) -> Option<Exemplar> {
        self.lock().get(label)?.get(&self.bucket(bound)).copied()
    }

    fn bucket(&self, value: f64) -> usize {
        self.bounds.partition_point(|bound| *bound < value)
    }
}
