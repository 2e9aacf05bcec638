//! Which reads are told to the topic `reads`: a miss always, else one of a user in 5 minutes.
//!
//! Remembered are the users of this period and of the one before; a crowd larger than the bound begins a new
//! period early, which costs a few more records and never more memory.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use millstream::Timestamp;
use schemas::{Read, UserId};

const PERIOD_MS: i64 = 300_000;
const USERS_MAX: usize = 100_000;

/// The users whose reads were told lately.
#[derive(Debug, Default)]
pub struct Notes {
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    since: i64,
    users: HashSet<UserId>,
}

impl Notes {
    /// The record to be written for a read, if one is due.
    pub fn note(&self, user: UserId, now: Timestamp, miss: bool) -> Option<Read> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if now.0 >= told.since.saturating_add(PERIOD_MS) || told.users.len() >= USERS_MAX {
            told.since = now.0;
            told.users.clear();
        }
        let first = told.users.insert(user);
        (first || miss).then_some(Read { at_ms: now.0, miss })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_told_once_in_five_minutes_and_a_miss_always() {
        let notes = Notes::default();
        let user = UserId([1; 16]);
        let told = |at, miss| notes.note(user, Timestamp(at), miss).is_some();
        assert_eq!([told(1, false), told(2, false), told(3, true)], [true, false, true]);
        assert_eq!([told(299_999, false), told(300_000, false)], [false, true]);
    }
}
