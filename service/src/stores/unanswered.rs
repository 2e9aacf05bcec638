//! Why a question of a store has no answer, by what whoever asks can do.

use millstream::{Fault, QueryError};

use crate::read::StateFault;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// There is no such store.
    NoStore,
    /// A parameter is not what it must be in this store: its name, and why.
    Unreadable(&'static str, String),
    /// Another instance shows it.
    NotOwner,
    /// Nobody shows it at the moment: ask again.
    NotReady(String),
    /// It does not hold yet what it must: ask again.
    Behind(String),
    /// It is further behind than it may be: ask again, or for less.
    Lagging(String),
}

impl From<millstream::Unanswered> for Unanswered {
    fn from(why: millstream::Unanswered) -> Self {
        match why {
            millstream::Unanswered::NoStore => Self::NoStore,
            millstream::Unanswered::Unreadable(name) => {
                let words = format!("is no {name} of this store: its rows show what its keys are");
                Self::Unreadable(name, words)
            }
            millstream::Unanswered::Missed(QueryError::NotHere(_)) => Self::NotOwner,
            millstream::Unanswered::Missed(QueryError::Opening(id)) => {
                Self::NotReady(format!("{id} is being restored"))
            }
            millstream::Unanswered::Missed(QueryError::Failed(
                Fault::Retry(words) | Fault::Reject(words) | Fault::Fatal(words),
            )) => Self::NotReady(words),
        }
    }
}

impl From<StateFault> for Unanswered {
    fn from(fault: StateFault) -> Self {
        match fault {
            StateFault::NotOwner => Self::NotOwner,
            StateFault::NotReady(words) => Self::NotReady(words),
        }
    }
}
