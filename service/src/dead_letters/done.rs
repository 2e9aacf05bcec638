//! What was done to letters: a note for each, under its place.
//!
//! A note holds for the letter that lay there when it was written: it carries the letter's time, so that a topic that was
//! deleted and made anew, whose places begin again, has no letter that passes for done.

use std::collections::BTreeMap;

use millstream::Timestamp;
use millstream::broker::Bounds;
use millstream::dead_letter::{Letter, Place};
use serde::{Deserialize, Serialize};

/// What was done to a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Its record was appended again.
    Redriven,
    /// It was given up.
    Dropped,
}

/// See the module. JSON in the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What.
    pub done: What,
    /// When, ms UTC.
    pub at: i64,
    /// The time of the letter, ms UTC.
    pub letter_at: i64,
}

impl Note {
    /// That this was done to a letter.
    pub fn of(letter: &Letter<'_>, done: What, at: Timestamp) -> Self {
        Self { done, at: at.0, letter_at: letter.at.0 }
    }
}

/// All notes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done(BTreeMap<Place, Note>);

impl Done {
    /// Takes a record of the topic; what is no note says nothing.
    pub fn take(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        let place = key.and_then(|key| std::str::from_utf8(key).ok()?.parse().ok());
        let Some(place) = place else { return };
        match value.map(serde_json::from_slice) {
            Some(Ok(note)) => drop(self.0.insert(place, note)),
            None => drop(self.0.remove(&place)),
            Some(Err(_)) => {}
        }
    }

    /// What was done to this letter.
    pub fn of(&self, letter: &Letter<'_>) -> Option<Note> {
        self.0.get(&letter.place).copied().filter(|note| note.letter_at == letter.at.0)
    }

    /// The places of letters that are deleted: nobody asks for them any more. Of a partition that is not known nothing is said.
    pub fn behind(&self, logs: &BTreeMap<i32, Bounds>) -> Vec<Place> {
        let is_gone =
            |place: &&Place| logs.get(&place.partition).is_some_and(|log| place.offset < log.start);
        self.0.keys().filter(is_gone).copied().collect()
    }
}
