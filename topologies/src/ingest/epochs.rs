//! Under which epoch of the database's log a record was written. Pure.
//!
//! A database that is restored from a backup begins its log again at lower positions, so a person raises the epoch. State that goes on
//! needs no more: what comes is of the new epoch. Whoever reads the topics from their beginnings comes by records of before, and tells
//! them by the times at which the database was restored: without these all of them are of the present epoch, and what was written
//! before the last restoration wins over what was after it.

use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CdcEpochs {
    /// The present one.
    pub epoch: u32,
    /// When the database was restored, ms UTC, ascending.
    pub restored_at_ms: Arc<[i64]>,
}

impl CdcEpochs {
    /// That of a record of this time.
    pub fn at(&self, at_ms: i64) -> u32 {
        let later = self.restored_at_ms.iter().filter(|restored| at_ms < **restored).count();
        self.epoch.saturating_sub(u32::try_from(later).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_of_the_epoch_that_began_by_the_last_restoration_before_it() {
        let epochs = CdcEpochs { epoch: 2, restored_at_ms: [100, 200].into() };
        assert_eq!([99, 100, 199, 200].map(|at| epochs.at(at)), [0, 1, 1, 2]);
        let untold = CdcEpochs { epoch: 2, ..CdcEpochs::default() };
        assert_eq!([0, i64::MAX].map(|at| untold.at(at)), [2, 2]);
    }
}
