//! When a change of a row is news: the high-water mark of every row.
//!
//! Marks order the changes of one row. Of a deletion and an image with equal marks the deletion wins.

use schemas::Mark;

/// The mark of a row's last change, and whether the row lives since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// The newest change that counted.
    pub mark: Mark,
    /// Whether the row exists, undeleted.
    pub live: bool,
}

/// Whether `next` is newer than what is `held` of the row.
pub fn newer(next: Life, held: Option<Life>) -> bool {
    let age = |life: Life| (life.mark, !life.live);
    held.is_none_or(|held| age(next) > age(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(lsn: u64, live: bool) -> Life {
        Life { mark: Mark { epoch: 0, lsn }, live }
    }

    #[test]
    fn the_first_change_is_news_and_its_repetition_is_not() {
        assert!(newer(life(1, true), None));
        assert!(!newer(life(1, true), Some(life(1, true))));
    }

    #[test]
    fn of_equal_marks_the_deletion_wins_in_either_order() {
        assert!(newer(life(1, false), Some(life(1, true))));
        assert!(!newer(life(1, true), Some(life(1, false))));
    }

    #[test]
    fn a_newer_mark_brings_a_deleted_row_back() {
        assert!(newer(life(2, true), Some(life(1, false))));
    }
}
