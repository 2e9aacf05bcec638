//! What a caller may do: a closed list of words, of which a token may name several.
//!
//! Whoever has a token may read what is theirs and write events of their own: that is `reader`, named or not. Words that are
//! none of these are somebody else's and are passed over.

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Read what is theirs, write events of their own.
    Reader,
    /// Write events for others.
    Ingest,
    /// Read others' feeds.
    Support,
    /// Use the routes of operators.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Ingest, Self::Support, Self::Admin];

    /// Its word in a token.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Ingest => "ingest",
            Self::Support => "support",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The roles of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Those that a token names.
    pub fn named<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let of = |word: &str| Role::ALL.into_iter().find(|role| role.name() == word);
        let bits = words.filter_map(of).map(Role::bit);
        Self(bits.fold(Role::Reader.bit(), |all, bit| all | bit))
    }

    /// Whether this is one of them.
    pub const fn have(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }
}
