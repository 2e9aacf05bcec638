//! Which letters are meant: all that fit everything that is said. Pure.

use millstream::dead_letter::{Letter, Place, Reason};

/// See the module. Where nothing is said, everything fits; of a list one is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// These letters.
    pub places: Vec<Place>,
    /// Of records of these topics.
    pub topics: Vec<String>,
    /// Given up by these.
    pub nodes: Vec<String>,
    /// For these reasons.
    pub reasons: Vec<Reason>,
    /// Whose error has this in it, letter for letter.
    pub error: Option<String>,
    /// Written at this time or later, ms UTC.
    pub since: Option<i64>,
    /// Written before this time, ms UTC.
    pub until: Option<i64>,
}

impl Filter {
    /// Whether all letters fit.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this letter is meant.
    pub fn fits(&self, letter: &Letter<'_>) -> bool {
        let Self { places, topics, nodes, reasons, error, since, until } = self;
        let named =
            |names: &[String], name: &str| names.is_empty() || names.iter().any(|one| one == name);
        let reason = |reason| reasons.contains(&reason);
        let at = letter.at.0;
        (places.is_empty() || places.contains(&letter.place))
            && named(topics, letter.topic)
            && named(nodes, letter.node)
            && (reasons.is_empty() || letter.reason.is_some_and(reason))
            && error.as_ref().is_none_or(|part| letter.error.contains(part.as_str()))
            && since.is_none_or(|since| at >= since)
            && until.is_none_or(|until| at < until)
    }
}
