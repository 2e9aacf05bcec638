//! Why a reader sees nothing of an author: a mute, a block by either of them, or the wish for less.

use serde::Serialize;

use super::days::Days;

/// What is kept of a reader and an author; counts may pass below zero while a deletion comes before its insertion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Silence {
    /// How many live rows say that the reader mutes the author.
    pub mutes: i64,
    /// How many live rows say that one blocks the other.
    pub blocks: i64,
    /// The wishes for less of the author, by UTC day.
    pub less: Days,
}

impl Silence {
    /// Whether it says nothing, so that it need not be kept.
    pub fn is_empty(&self) -> bool {
        self.mutes == 0 && self.blocks == 0 && self.less.is_empty()
    }
}
