//! A stretch of a partition that becomes rows by one insert.
//!
//! Its bounds are committed beside the position before it is inserted, so whoever comes after a crash makes the same
//! stretch again, and its token is made of its bounds alone, so the server knows that it is the same. A member that was
//! given up cannot commit the bounds of another stretch; and what it still sends is a stretch that its successor has read
//! of, and sends too.

use std::fmt;

use millstream::broker::Position;
use millstream::{Offset, TopicPartition};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The partition.
    pub of: TopicPartition,
    /// Its first offset.
    pub from: Offset,
    /// The offset after its last.
    pub to: Offset,
}

/// What stands before the end of the next stretch in the words beside a position.
const UP_TO: &str = "inserting up to ";

impl Stretch {
    /// The position that is committed before it is inserted.
    pub(super) fn begun(&self) -> Position {
        Position { next: self.from, metadata: format!("{UP_TO}{}", self.to) }
    }

    /// The stretch that was begun at a committed position, and may have been inserted.
    pub(super) fn doubtful(of: &TopicPartition, position: &Position) -> Option<Self> {
        let to = position.metadata.strip_prefix(UP_TO)?.parse().ok()?;
        let (of, from, to) = (of.clone(), position.next, Offset(to));
        (from < to).then_some(Self { of, from, to })
    }

    /// What the server knows it by.
    pub(super) fn token(&self) -> String {
        self.to_string()
    }

    /// Its two halves; none if it is a single offset.
    pub(super) fn halves(&self) -> Option<[Self; 2]> {
        let middle = Offset(self.from.0 + (self.to.0 - self.from.0) / 2);
        (self.from < middle)
            .then(|| [Self { to: middle, ..self.clone() }, Self { from: middle, ..self.clone() }])
    }

    /// Whether an offset lies in it.
    pub(super) fn has(&self, offset: Offset) -> bool {
        self.from <= offset && offset < self.to
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}..{}", self.of, self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(from: i64, to: i64) -> Stretch {
        let of = TopicPartition::new("events", 3);
        Stretch { of, from: Offset(from), to: Offset(to) }
    }

    #[test]
    fn who_comes_after_a_crash_makes_the_same_stretch() {
        let begun = stretch(10, 25);
        assert_eq!(Stretch::doubtful(&begun.of, &begun.begun()), Some(begun.clone()));
        assert_eq!(begun.token(), "events-3@10..25");
    }

    #[test]
    fn a_position_that_says_nothing_of_a_stretch_begins_none() {
        for metadata in ["", "inserting up to 10", "inserting up to x", "another's words"] {
            let position = Position { next: Offset(10), metadata: metadata.to_owned() };
            assert_eq!(Stretch::doubtful(&stretch(0, 1).of, &position), None, "{metadata}");
        }
    }

    #[test]
    fn halves_are_the_whole_and_an_offset_alone_has_none() {
        assert_eq!(stretch(10, 13).halves(), Some([stretch(10, 11), stretch(11, 13)]));
        assert_eq!(stretch(10, 12).halves(), Some([stretch(10, 11), stretch(11, 12)]));
        assert_eq!(stretch(10, 11).halves(), None);
        let has = [9, 10, 12, 13].map(|at| stretch(10, 13).has(Offset(at)));
        assert_eq!(has, [false, true, true, false]);
    }
}
