//! Why records are dead letters, in a word of a closed set: what is counted and grouped by. The error says it in full.

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Its key or value has not the form that it should have.
    Decode,
    /// Its time cannot be meant, or lies too far ahead.
    Timestamp,
    /// It is longer than what is taken.
    TooLarge,
    /// A processor does not take it, or would make a record of it that is too large to send.
    Rejected,
    /// A processor panicked over it.
    Panicked,
    /// The server that a sink writes to does not take what becomes of it.
    Refused,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Decode,
        Self::Timestamp,
        Self::TooLarge,
        Self::Rejected,
        Self::Panicked,
        Self::Refused,
    ];

    /// Its word, in headers and labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Timestamp => "timestamp",
            Self::TooLarge => "too_large",
            Self::Rejected => "rejected",
            Self::Panicked => "panicked",
            Self::Refused => "refused",
        }
    }

    /// The reason of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_by_its_name() {
        assert_eq!(Reason::ALL.map(|reason| Reason::named(reason.name())), Reason::ALL.map(Some));
        assert_eq!(Reason::named("tired"), None);
    }
}
