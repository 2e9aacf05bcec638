//! When a change of a row is news: the high-water mark of every row.
//!
//! Marks order the changes of one row. Of a deletion and an image with equal marks the deletion wins.

use schemas::{Delta, Mark};
use serde::Serialize;

/// The mark of a row's last change, and whether the row lives since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RowVersion {
    /// The newest change that counted.
    pub mark: Mark,
    /// Whether the row exists, undeleted.
    pub live: bool,
}

/// Whether `next` is newer than what is `stored` of the row.
pub fn is_newer(next: RowVersion, stored: Option<RowVersion>) -> bool {
    let age = |version: RowVersion| (version.mark, !version.live);
    stored.is_none_or(|stored| age(next) > age(stored))
}

/// Keeps the next version of a row that counts while it lives; none if it is stale, else how many rows there are more, if
/// that changes.
pub fn take(stored: &mut Option<RowVersion>, next: RowVersion) -> Option<Option<Delta>> {
    if !is_newer(next, *stored) {
        return None;
    }
    let was_live = stored.is_some_and(|stored| stored.live);
    *stored = Some(next);
    Some(match (was_live, next.live) {
        (false, true) => Some(Delta::Plus),
        (true, false) => Some(Delta::Minus),
        (true, true) | (false, false) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(lsn: u64, live: bool) -> RowVersion {
        RowVersion { mark: Mark { epoch: 0, lsn }, live }
    }

    #[test]
    fn the_first_change_is_news_and_its_repetition_is_not() {
        assert!(is_newer(version(1, true), None));
        assert!(!is_newer(version(1, true), Some(version(1, true))));
    }

    #[test]
    fn of_equal_marks_the_deletion_wins_in_either_order() {
        assert!(is_newer(version(1, false), Some(version(1, true))));
        assert!(!is_newer(version(1, true), Some(version(1, false))));
    }

    #[test]
    fn a_newer_mark_brings_a_deleted_row_back() {
        assert!(is_newer(version(2, true), Some(version(1, false))));
    }
}
