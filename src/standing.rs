//! Where a task stands: what of its inputs its committed state holds, and how far that is behind.
//!
//! A [`Position`] is also what a writer is told of its records: who asks for state that holds them sends it back. Its text
//! has no letter that a URL would not take; what it says is nobody's business but its reader's.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::record::{Offset, TopicPartition};

/// Places in logs: for each partition the offset before which everything is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position(Vec<(TopicPartition, Offset)>);

/// Where a task stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What its committed state holds of its inputs.
    pub position: Position,
    /// How many offsets of its inputs it has not committed; none as long as an end is not known here.
    pub behind_records: Option<u64>,
    /// The same of each partition of its inputs whose end is known.
    pub behind_by_input: Vec<(TopicPartition, u64)>,
    /// So long ago it knew everything there was.
    pub behind: Option<Duration>,
}

/// In what right state is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Its task runs here.
    Active,
    /// Its task ran here, and this is what it committed last: another process is about to run it, or does.
    LastCommitted,
}

impl Role {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::LastCommitted => "last_committed",
        }
    }
}

impl Position {
    /// These places; of two in one partition the later one.
    pub fn of(places: impl IntoIterator<Item = (TopicPartition, Offset)>) -> Self {
        let mut position = Self::default();
        places.into_iter().for_each(|(at, offset)| position.extend(at, offset));
        position
    }

    /// Takes in one more place.
    pub fn extend(&mut self, at: TopicPartition, offset: Offset) {
        match self.0.binary_search_by(|(held, _)| held.cmp(&at)) {
            Ok(found) => {
                if let Some((_, held)) = self.0.get_mut(found) {
                    *held = offset.max(*held);
                }
            }
            Err(place) => self.0.insert(place, (at, offset)),
        }
    }

    /// Each of them, in order.
    pub fn places(&self) -> &[(TopicPartition, Offset)] {
        &self.0
    }

    /// The place in one partition.
    pub fn at(&self, of: &TopicPartition) -> Option<Offset> {
        self.0.iter().find(|(held, _)| held == of).map(|(_, offset)| *offset)
    }

    /// Whether it holds everything that `other` means, of those partitions that both have.
    pub fn reaches(&self, other: &Self) -> bool {
        other.0.iter().all(|(of, offset)| self.at(of).is_none_or(|held| held >= *offset))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (at, offset)) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { "," };
            write!(f, "{between}{at}@{offset}")?;
        }
        Ok(())
    }
}

/// A text that is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let place = |part: &str| {
            let (at, offset) = part.rsplit_once('@')?;
            let (topic, partition) = at.rsplit_once('-').filter(|(topic, _)| !topic.is_empty())?;
            let partition = partition.parse().ok().filter(|partition| *partition >= 0)?;
            let offset = offset.parse().ok().filter(|offset| *offset >= 0)?;
            Some((TopicPartition::new(topic, partition), Offset(offset)))
        };
        let places: Option<Vec<_>> = text.split(',').map(place).collect();
        places.map(Self::of).ok_or(NoPosition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str) -> Position {
        text.parse().unwrap_or_default()
    }

    #[test]
    fn a_position_comes_back_from_its_text_in_order_and_once_for_each_partition() {
        let text = "cdc.likes-0@7,by-user-11@42";
        assert_eq!(position(text).to_string(), "by-user-11@42,cdc.likes-0@7");
        assert_eq!(position("events-1@5,events-1@9,events-1@2").to_string(), "events-1@9");
    }

    #[test]
    fn what_is_no_position_is_none() {
        for text in
            ["", "events", "events-1", "events-1@", "-1@5", "events-x@5", "events-1@-5", "a-1@5,"]
        {
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text:?}");
        }
    }

    #[test]
    fn a_position_reaches_another_where_no_partition_of_both_is_behind() {
        let held = position("events-0@10,events-1@5");
        let reached = ["events-0@10", "events-1@4,events-0@9", "reads-0@99"];
        assert_eq!(reached.map(|other| held.reaches(&position(other))), [true, true, true]);
        assert!(!held.reaches(&position("events-0@1,events-1@6")));
    }
}
