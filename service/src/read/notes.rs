//! Which reads are told to the topic `reads`: a miss always, a hit if nothing of its user was told for 5 minutes.
//!
//! Remembered are the users of this period and of the one before, each with the time of the last read that was
//! told: so every user is remembered for a whole period. A crowd larger than the bound begins a new period early,
//! which costs a few more records and never more memory.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use millstream::Timestamp;
use schemas::{Read, UserId};

const PERIOD_MS: i64 = 300_000;
/// Users of a period: twice so many take about 10 MB.
const USERS_MAX: usize = 100_000;

/// The users whose reads were told lately.
#[derive(Debug, Default)]
pub struct Notes {
    told: Mutex<Told>,
}

/// When a read of a user was told last, ms.
#[derive(Debug, Default)]
struct Told {
    since: i64,
    period: HashMap<UserId, i64>,
    before: HashMap<UserId, i64>,
}

impl Notes {
    /// The record to be written for a read, if one is due.
    pub fn note(&self, user: UserId, now: Timestamp, miss: bool) -> Option<Read> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !miss && told.is_recent(user, now.0) {
            return None;
        }
        told.begin_period(now.0);
        told.period.insert(user, now.0);
        Some(Read { at_ms: now.0, miss, served: Vec::new() })
    }
}

impl Told {
    /// Whether less than a period has passed; a clock that was set back has nobody wait for it.
    fn is_recent(&self, user: UserId, now: i64) -> bool {
        let last = self.period.get(&user).or_else(|| self.before.get(&user));
        last.is_some_and(|last| (0..PERIOD_MS).contains(&now.saturating_sub(*last)))
    }

    fn begin_period(&mut self, now: i64) {
        if now >= self.since.saturating_add(PERIOD_MS) || self.period.len() >= USERS_MAX {
            self.since = now;
            self.before = mem::take(&mut self.period);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u64) -> UserId {
        UserId(u128::from(number).to_be_bytes())
    }

    #[test]
    fn a_hit_is_told_five_minutes_after_the_last_read_that_was_and_a_miss_always() {
        let notes = Notes::default();
        let told = |at, miss| notes.note(user(1), Timestamp(at), miss).is_some();
        assert_eq!([told(1, false), told(2, false), told(3, true)], [true, false, true]);
        assert_eq!([told(300_002, false), told(300_003, false)], [false, true]);
        assert_eq!([told(600_002, false), told(600_003, false)], [false, true]);
    }

    #[test]
    fn the_end_of_a_period_is_not_the_end_of_a_users_five_minutes() {
        let notes = Notes::default();
        let told = |of, at| notes.note(user(of), Timestamp(at), false).is_some();
        assert_eq!([told(1, 1_000_000), told(2, 1_299_999), told(3, 1_300_000)], [true; 3]);
        assert_eq!(
            [told(2, 1_300_001), told(2, 1_599_998), told(2, 1_599_999)],
            [false, false, true]
        );
    }

    #[test]
    fn a_crowd_is_forgotten_early_instead_of_filling_memory() {
        let notes = Notes::default();
        let crowd = 2 * USERS_MAX as u64 + 1;
        assert!((0..crowd).all(|of| notes.note(user(of), Timestamp(1), false).is_some()));
        let told = notes.told.lock().unwrap();
        assert_eq!((told.period.len(), told.before.len()), (1, USERS_MAX));
    }
}
