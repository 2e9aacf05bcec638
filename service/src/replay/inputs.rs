//! What a rebuild will lack because retention has deleted the first records of an input. Pure.

use std::fmt;

use schemas::topic::{self, Topic};
use serde::Serialize;

/// An input whose first records are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// Its name.
    pub topic: String,
    /// How many records are gone, at most.
    pub records: u64,
    /// What nobody will know.
    pub missing: &'static str,
    /// Whether feeds are wrong without it.
    pub is_grave: bool,
}

impl Cut {
    /// What is missing of a topic of which so many offsets are gone; nothing if none is.
    pub fn of(input: &Topic, records: u64) -> Option<Self> {
        let (missing, is_grave) = missing(input);
        (records > 0).then(|| Self { topic: input.name.to_owned(), records, missing, is_grave })
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, records, missing, .. } = self;
        write!(f, "{topic}: the first {records} records are gone: {missing}")
    }
}

/// What goes with the first records of an input, and whether feeds are wrong without it.
fn missing(input: &Topic) -> (&'static str, bool) {
    match input.name {
        name if name == topic::EVENTS.name => {
            ("what readers did then counts no more, neither for affinity nor for posts", false)
        }
        name if name == topic::READS.name => (
            "who has not read since is ranked at their next read; what was shown then is forgotten",
            false,
        ),
        name if name == topic::DISMISSALS.name => {
            ("who was dismissed then is suggested again", false)
        }
        name if name == topic::PREFERENCES.name => ("what readers chose then", true),
        _ => (
            "rows that have not changed since; have the connector take a snapshot of the table first",
            true,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_is_whole_lacks_nothing_and_rows_are_missed_most() {
        assert_eq!(Cut::of(&topic::EVENTS, 0), None);
        let grave = |of: Topic| Cut::of(&of, 3).is_some_and(|cut| cut.is_grave);
        assert_eq!(
            [topic::CDC_LIKES, topic::EVENTS, topic::READS].map(grave),
            [true, false, false]
        );
        let told = Cut::of(&topic::DISMISSALS, 3).unwrap().to_string();
        assert_eq!(
            told,
            "dismissals: the first 3 records are gone: who was dismissed then is suggested again"
        );
    }
}
