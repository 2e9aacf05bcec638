//! How long things took, counted in fixed buckets: a handful of atomics, read by people.
//!
//! The bounds are the same everywhere, so that the parts of one way can be laid beside each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in milliseconds; beyond the last one there is one more bucket.
const BOUNDS_MS: [u64; 15] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];

/// Durations, by bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS_MS.len() + 1],
    micros: AtomicU64,
}

/// What a histogram stands at.
#[derive(Clone, Debug, PartialEq)]
pub struct Durations {
    /// By upper bound in seconds, how many took at most so long; the last bound is infinite.
    pub at_most: Vec<(f64, u64)>,
    /// All of them together, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// Counts one that took so long.
    pub fn observe(&self, took: Duration) {
        let millis = u64::try_from(took.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
        let place = BOUNDS_MS.partition_point(|bound| *bound < millis);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// What it stands at.
    pub fn durations(&self) -> Durations {
        let bounds = BOUNDS_MS.iter().map(|bound| *bound as f64 / 1e3).chain([f64::INFINITY]);
        let mut count = 0;
        let at_most = bounds.zip(&self.buckets).map(|(bound, bucket)| {
            count += bucket.load(Ordering::Relaxed);
            (bound, count)
        });
        let at_most = at_most.collect();
        Durations { at_most, sum: self.micros.load(Ordering::Relaxed) as f64 / 1e6 }
    }
}

impl Durations {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.at_most.last().map_or(0, |(_, count)| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::default();
        for micros in [0, 1_000, 1_001, 2_000, 99_999, 60_000_000, 60_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let found = histogram.durations();
        let counts: Vec<_> = found.at_most.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 6, 7]);
        assert_eq!((found.count(), found.sum), (7, 120.104001));
        assert_eq!(found.at_most[6].0, 0.1);
        assert!(found.at_most[15].0.is_infinite());
    }
}
