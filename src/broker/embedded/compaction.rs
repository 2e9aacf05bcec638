//! What the cleaner leaves of a log: the last value of each key, tombstones included, under its old offset.
//!
//! It works on the stable part only: what lies at or beyond the first open transaction stays as it is.
//! Aborted records go. Nothing runs by itself; a test or a demo says when.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::log::Log;
use crate::record::{Offset, Timestamp};

/// Keeps the last committed record of each key.
pub(super) fn compact(log: &mut Log) {
    let stable = log.last_stable();
    let mut last: HashMap<&[u8], Offset, FxBuildHasher> = HashMap::default();
    for (record, transaction) in log.records_from(log.start()) {
        if record.offset < stable && log.is_committed(transaction) {
            last.insert(record.key.unwrap_or_default(), record.offset);
        }
    }
    let kept = log.thinned(|record, transaction| {
        let key = record.key.unwrap_or_default();
        let is_last = || last.get(key) == Some(&record.offset);
        record.offset >= stable || (log.is_committed(transaction) && is_last())
    });
    log.replace(kept);
}

/// Deletes the stable records at the front that are older than `oldest`.
pub(super) fn expire(log: &mut Log, oldest: Timestamp) {
    let stable = log.last_stable();
    let young = log
        .records_from(log.start())
        .find(|(record, _)| record.offset >= stable || record.timestamp >= oldest)
        .map_or(stable, |(record, _)| record.offset);
    log.delete_before(young.min(stable));
}
