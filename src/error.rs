//! What can go wrong, named by what the engine must do about it.

use std::fmt;

/// What a processor may ask of the engine when it cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Dead-letter this record, without any of its effects.
    Reject(String),
    /// Abort, pause its partition, try again.
    Retry(String),
    /// Stop the task.
    Fatal(String),
}

/// What the library's calls answer.
pub type Result<T, E = Fault> = std::result::Result<T, E>;

impl Fault {
    /// The words of it.
    pub fn message(&self) -> &str {
        match self {
            Self::Reject(words) | Self::Retry(words) | Self::Fatal(words) => words,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Fault {}

/// Why the process ends; the code it ends with, which is never given another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Asked to stop, and stopped.
    Done = 0,
    /// A fault of the program or of its surroundings that no other code names.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Another process holds this instance's identity or state directory.
    Duplicate = 4,
    /// State, topics and offsets do not fit together; a person must decide.
    Mismatch = 5,
    /// The cluster cannot be reached: a later start may find it.
    Unavailable = 6,
    /// A thread or a call into librdkafka did not come back.
    Stalled = 7,
}

impl Exit {
    /// The code as the system wants it.
    pub fn code(self) -> i32 {
        self as i32
    }
}
