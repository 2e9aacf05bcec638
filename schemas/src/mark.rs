//! How new a fact about a row is.
//!
//! A row's changes arrive in order within its partition, but a snapshot may be taken again and a
//! connector repeats itself after a crash. The mark is the pair that decides which image is newer:
//! first the epoch, which a person raises when the database was restored from a backup (positions in
//! its log then start again), then the position in the log.

use serde::Serialize;

use crate::poison::Poison;
use crate::wire::Cursor;

/// The age of a row's image: a higher mark is newer. Equal marks are the same change, delivered again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Mark {
    /// The configured `cdc.epoch`.
    pub epoch: u32,
    /// The position in the database's log; 0 if the source names none.
    pub lsn: u64,
}

impl Mark {
    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.lsn.to_le_bytes());
    }

    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Poison> {
        Ok(Self { epoch: cursor.u32("epoch")?, lsn: cursor.u64("lsn")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_epoch_is_newer_whatever_the_position() {
        assert!(Mark { epoch: 1, lsn: 5 } > Mark { epoch: 0, lsn: 900 });
        assert!(Mark { epoch: 0, lsn: 901 } > Mark { epoch: 0, lsn: 900 });
    }
}
