//! What is kept of a person whom others may be suggested through, or who may be suggested.

use schemas::{Mark, Profile, UserId};
use serde::Serialize;

/// Who stands beside a person in the graph of follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    /// How many follow them.
    pub followers: u64,
    /// Whether they follow more than the first.
    pub follows_more: bool,
    /// Whom they follow, the first by id.
    pub first_followed: Vec<UserId>,
    /// Who follows them, the first by id.
    pub first_followers: Vec<UserId>,
}

/// What is kept of a person beside who follows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Person {
    /// The newest change of their row that came; none if none did.
    pub mark: Option<Mark>,
    /// Whether the row exists, undeleted.
    pub live: bool,
    /// How they are seen.
    pub profile: Profile,
    /// How many follow them; below zero while a deletion has come before its insertion.
    pub followers: i64,
}

impl Person {
    /// Whether their row was deleted.
    pub fn is_gone(&self) -> bool {
        self.mark.is_some() && !self.live
    }

    /// How many follow them, as it is told.
    pub fn followers(&self) -> u64 {
        u64::try_from(self.followers).unwrap_or(0)
    }

    /// Takes a change of their row; of a deletion and an image with equal marks the deletion wins.
    pub fn change(&mut self, mark: Mark, live: bool, profile: Option<&Profile>) {
        let age = |mark: Mark, live: bool| (mark, !live);
        if self.mark.is_some_and(|known| age(mark, live) <= age(known, self.live)) {
            return;
        }
        (self.mark, self.live) = (Some(mark), live);
        if let Some(profile) = profile {
            let before = std::mem::replace(&mut self.profile, profile.clone());
            self.profile.complete(&before);
        }
    }
}

#[cfg(test)]
mod tests {
    use schemas::Text;

    use super::*;

    fn named(name: &str) -> Profile {
        Profile { username: Text::Some(name.into()), ..Profile::default() }
    }

    #[test]
    fn the_newest_row_is_how_a_person_is_seen_also_after_it_was_deleted() {
        let mut person = Person::default();
        let mark = |lsn| Mark { epoch: 0, lsn };
        person.change(mark(5), true, Some(&named("mira")));
        person.change(mark(3), true, Some(&named("old")));
        person.change(mark(7), false, None);
        assert_eq!((person.profile.username.as_deref(), person.live), (Some("mira"), false));
        person.change(mark(7), true, Some(&named("again")));
        assert!(!person.live, "the deletion wins");
    }
}
