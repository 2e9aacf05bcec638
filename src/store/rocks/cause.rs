//! What lies behind a failure of RocksDB: read from its kind, and from what the system said, in one place.
//!
//! What the machine lacks comes first, under whatever kind RocksDB tells it: state must never be given up for it. Then
//! damage; then what may pass by itself. Only what is left is a fault of the program.

use rocksdb::{Error, ErrorKind};

use crate::error::Fault;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The machine lacks something: space, descriptors, memory, a right.
    Machine,
    /// The files are not what RocksDB left.
    Files,
    /// It may pass by itself.
    Passing,
    /// The program asked for what cannot be.
    Program,
}

const OF_MACHINE: [&str; 5] = [
    "Too many open files",
    "No space left on device",
    "Cannot allocate memory",
    "Permission denied",
    "Read-only file system",
];

/// Files that are gone, are another thing, or lie on a bad sector: RocksDB has one kind for all that the system says.
const OF_FILES: [&str; 4] =
    ["No such file or directory", "Is a directory", "Not a directory", "Input/output error"];

impl Cause {
    pub(super) fn of(error: &Error) -> Self {
        Self::told(&error.kind(), error.as_ref())
    }

    fn told(kind: &ErrorKind, words: &str) -> Self {
        let said = |of: &[&str]| of.iter().any(|of| words.contains(of));
        match kind {
            _ if said(&OF_MACHINE) => Self::Machine,
            ErrorKind::Corruption => Self::Files,
            ErrorKind::IOError if said(&OF_FILES) => Self::Files,
            ErrorKind::IOError
            | ErrorKind::Incomplete
            | ErrorKind::TimedOut
            | ErrorKind::Aborted
            | ErrorKind::Busy
            | ErrorKind::TryAgain
            | ErrorKind::CompactionTooLarge
            | ErrorKind::ShutdownInProgress => Self::Passing,
            ErrorKind::NotFound
            | ErrorKind::NotSupported
            | ErrorKind::InvalidArgument
            | ErrorKind::MergeInProgress
            | ErrorKind::Expired
            | ErrorKind::ColumnFamilyDropped
            | ErrorKind::Unknown => Self::Program,
        }
    }
}

/// What a call that failed answers: damage is healed by another opening, so it is tried again too.
pub(super) fn fault(doing: &str, error: &Error) -> Fault {
    let words = format!("{doing}: {error}");
    match Cause::of(error) {
        Cause::Machine | Cause::Files | Cause::Passing => Fault::Retry(words),
        Cause::Program => Fault::Fatal(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_state_is_given_up_for_what_the_machine_lacks() {
        let corrupt = "While open a file for random read: /state/000123.sst: ";
        let rows = [
            (ErrorKind::Corruption, "bad block contents", Cause::Files),
            (ErrorKind::Corruption, "Too many open files", Cause::Machine),
            (ErrorKind::Corruption, "No such file or directory", Cause::Files),
            (ErrorKind::InvalidArgument, "Too many open files", Cause::Machine),
            (ErrorKind::IOError, "No space left on device", Cause::Machine),
            (ErrorKind::IOError, "Input/output error", Cause::Files),
            (ErrorKind::IOError, "Is a directory", Cause::Files),
            (ErrorKind::IOError, "Resource temporarily unavailable", Cause::Passing),
            (ErrorKind::Busy, "No such file or directory", Cause::Passing),
            (ErrorKind::InvalidArgument, "column family not found", Cause::Program),
        ];
        for (kind, words, cause) in rows {
            assert_eq!(Cause::told(&kind, &format!("{corrupt}{words}")), cause, "{kind:?} {words}");
        }
    }
}
