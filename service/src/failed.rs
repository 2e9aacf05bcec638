//! How a command ends that did not do what it was told: a code for whoever called it, and words.
//!
//! A server that does not answer is [`Exit::Unavailable`]; what it refuses is none of the caller's business and the code 1.

use std::fmt;

use connectors::clickhouse::ClickHouseFault;
use connectors::postgres::PostgresFault;
use connectors::redis::RedisFault;
use millstream::broker::Failure;
use millstream::{Ended, Exit};

/// Why a command did not do what it was told.
#[derive(Debug)]
pub struct Failed(pub Exit, pub String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

impl From<Ended> for Failed {
    fn from(ended: Ended) -> Self {
        Self(ended.exit, ended.why)
    }
}

impl From<String> for Failed {
    fn from(words: String) -> Self {
        Self(Exit::Failed, words)
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self(failure.exit(), failure.to_string())
    }
}

impl From<PostgresFault> for Failed {
    fn from(fault: PostgresFault) -> Self {
        let exit = match &fault {
            PostgresFault::Unavailable(_) => Exit::Unavailable,
            PostgresFault::Refused(_) => Exit::Failed,
        };
        Self(exit, fault.to_string())
    }
}

impl From<ClickHouseFault> for Failed {
    fn from(fault: ClickHouseFault) -> Self {
        let exit = match &fault {
            ClickHouseFault::Unavailable(_) => Exit::Unavailable,
            ClickHouseFault::Refused(_) | ClickHouseFault::Rows(_) => Exit::Failed,
        };
        Self(exit, fault.to_string())
    }
}

impl From<RedisFault> for Failed {
    fn from(fault: RedisFault) -> Self {
        let exit = match &fault {
            RedisFault::Unavailable(_) => Exit::Unavailable,
            RedisFault::Refused(_) => Exit::Failed,
        };
        Self(exit, fault.to_string())
    }
}
