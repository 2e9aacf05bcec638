//! One thing that two servers do not have alike, for a person and for a program.

use std::fmt;

use serde::Serialize;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// A table, or `feeds`.
    pub part: &'static str,
    /// The row, or the reader.
    pub key: String,
    /// A column; `row` or `feed` if the whole of it is missing.
    pub column: String,
    /// What each server has.
    pub found: [Found; 2],
}

/// What a server has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Which.
    pub server: &'static str,
    /// What.
    pub value: String,
}

impl Found {
    /// What a server has.
    pub fn at(server: &'static str, value: impl fmt::Display) -> Self {
        Self { server, value: value.to_string() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, key, column, found: [one, other] } = self;
        write!(f, "{part} {key}: {column}: ")?;
        write!(f, "{} {}, {} {}", one.server, one.value, other.server, other.value)
    }
}
