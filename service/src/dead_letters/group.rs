//! Letters counted by topic, node and reason, with the times of the first and the last, and an error to look at. Pure.

use std::collections::BTreeMap;

use millstream::dead_letter::Letter;
use serde::Serialize;

/// See the module.
#[derive(Debug, Default)]
pub struct Groups(BTreeMap<(String, String, &'static str), Counted>);

#[derive(Debug)]
struct Counted {
    letters: u64,
    first_at: i64,
    last_at: i64,
    last_error: String,
}

/// One of them.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Group<'a> {
    /// The topic of the records.
    pub topic: &'a str,
    /// Who gave them up.
    pub node: &'a str,
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub letters: u64,
    /// When the first was written, ms UTC.
    pub first_at: i64,
    /// When the last was.
    pub last_at: i64,
    /// What the last says.
    pub last_error: &'a str,
}

/// What the reason of a letter is called.
pub fn reason(letter: &Letter<'_>) -> &'static str {
    letter.reason.map_or("unknown", |reason| reason.name())
}

impl Groups {
    /// One more.
    pub fn add(&mut self, letter: &Letter<'_>) {
        let (group, at) = ((letter.topic.into(), letter.node.into(), reason(letter)), letter.at.0);
        let counted = self.0.entry(group).or_insert_with(|| Counted {
            letters: 0,
            first_at: at,
            last_at: at,
            last_error: letter.error.to_owned(),
        });
        counted.letters += 1;
        counted.first_at = counted.first_at.min(at);
        if at >= counted.last_at {
            counted.last_at = at;
            letter.error.clone_into(&mut counted.last_error);
        }
    }

    /// All of them, the largest first.
    pub fn all(&self) -> Vec<Group<'_>> {
        let of = self.0.iter().map(|((topic, node, reason), counted)| Group {
            topic,
            node,
            reason,
            letters: counted.letters,
            first_at: counted.first_at,
            last_at: counted.last_at,
            last_error: &counted.last_error,
        });
        let mut all: Vec<_> = of.collect();
        all.sort_by_key(|group| std::cmp::Reverse(group.letters));
        all
    }
}
