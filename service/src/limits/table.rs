//! The levels of very many subjects in a fixed size, without locks.
//!
//! A subject has one of eight places of a set, both told by a hash with a secret key. A bucket that is full needs no place,
//! so a place is free again when its time has passed. Where eight subjects of a set are under way, a ninth takes the place of the one with the most left
//! and begins at that one's level, and so does whoever lost a place and returns. So a level is never higher than it
//! should be (this is Space-Saving, Metwally, Agrawal and El Abbadi 2005, set by set): the table errs towards refusing.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use super::bucket::{Level, Rate};

const PLACES: usize = 8;
/// Of a place, this much is the time at which the bucket is full, us: nine years; what is above it tells the subject.
const TIME_BITS: u32 = 48;
const TIME_MAX: u64 = (1 << TIME_BITS) - 1;

/// See the module.
pub struct Table {
    places: Box<[AtomicU64]>,
    sets: u64,
    key: RandomState,
}

impl Table {
    /// One of so many sets of eight places, 64 bytes each.
    pub fn new(sets: usize) -> Self {
        // Memory that the system gives zeroed is not touched until it is used: a start writes none of it.
        let places = bytemuck::zeroed_slice_box(sets * PLACES);
        Self { places, sets: sets as u64, key: RandomState::new() }
    }

    /// Takes one request of `subject` at `now`, us.
    pub fn take(&self, subject: &impl Hash, now: u64, rate: &Rate) -> Level {
        let hash = self.key.hash_one(subject);
        let (set, tag) = ((hash % self.sets) as usize, hash >> TIME_BITS);
        let places = self.places.chunks_exact(PLACES).nth(set).unwrap_or_default();
        loop {
            let Some((place, found)) = choose(places, tag, now) else { return rate.level(0) };
            let (level, full_at) = rate.take(found & TIME_MAX, now);
            if !level.is_taken {
                return level;
            }
            let put = tag << TIME_BITS | full_at.min(TIME_MAX);
            let relaxed = Ordering::Relaxed;
            // Somebody else had the place in between: look again.
            if place.compare_exchange(found, put, relaxed, relaxed).is_ok() {
                return level;
            }
        }
    }
}

/// The place of a subject: its own, else one that is free, else the one with the most left; and what is there.
fn choose(places: &[AtomicU64], tag: u64, now: u64) -> Option<(&AtomicU64, u64)> {
    let mut most_left: Option<(&AtomicU64, u64)> = None;
    for place in places {
        let found = place.load(Ordering::Relaxed);
        if found >> TIME_BITS == tag && found & TIME_MAX > now {
            return Some((place, found));
        }
        if most_left.is_none_or(|(_, most)| found & TIME_MAX < most & TIME_MAX) {
            most_left = Some((place, found));
        }
    }
    most_left
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn taken(table: &Table, subject: u64, times: usize, rate: &Rate) -> usize {
        (0..times).filter(|_| table.take(&subject, 100 * SECOND, rate).is_taken).count()
    }

    #[test]
    fn each_subject_has_its_own_level() {
        let (table, rate) = (Table::new(1 << 10), Rate::new(60, 60).unwrap());
        for subject in 0..100 {
            assert_eq!(taken(&table, subject, 100, &rate), 60, "{subject}");
        }
        let later = table.take(&7_u64, 110 * SECOND, &rate);
        assert_eq!((later.is_taken, later.remaining), (true, 9));
    }

    #[test]
    fn where_a_set_is_full_nobody_gets_more_than_the_rate_however_many_come() {
        let (table, rate) = (Table::new(1), Rate::new(10, 60).unwrap());
        let mut taken = vec![0_u32; 50];
        for _ in 0..20 {
            for (subject, count) in taken.iter_mut().enumerate() {
                *count += u32::from(table.take(&subject, 100 * SECOND, &rate).is_taken);
            }
        }
        assert!(taken.iter().all(|count| *count <= 10), "{taken:?}");
        // All eight places together gave what eight buckets hold.
        assert_eq!(taken.iter().sum::<u32>(), 80);
    }

    #[test]
    fn ten_million_subjects_who_ask_now_and_then_are_all_let_through_in_a_table_of_32_mib() {
        let (table, rate) = (Table::new(super::super::USER_SETS), Rate::new(60, 60).unwrap());
        assert_eq!(size_of_val(&*table.places), 32 << 20);
        let refused =
            (0..10_000_000_u64).filter(|of| !table.take(of, 100 * SECOND, &rate).is_taken).count();
        assert_eq!(refused, 0);
    }

    #[test]
    fn many_threads_take_no_more_than_the_rate() {
        let (table, rate) = (Table::new(1), Rate::new(1_000, 60).unwrap());
        let counts: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| taken(&table, 1, 1_000, &rate))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(counts.iter().sum::<usize>(), 1_000);
    }
}
