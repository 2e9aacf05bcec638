//! What suggestions are made of, as instances tell each other: each says what it owns, and whoever asks puts it together.

use std::collections::BTreeMap;

use schemas::{Text, UserId};
use serde::{Deserialize, Serialize};
use topologies::suggestions::person::Person;
use topologies::suggestions::{Neighbours, Sketch};
use uuid::Uuid;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// What is known of this user, to suggest others to them.
    pub sketch: Option<UserId>,
    /// How these are seen.
    pub people: Vec<UserId>,
    /// With so many who stand beside them on either side; none with 0.
    pub neighbours: usize,
}

/// What an instance knows of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct People {
    /// None if another one owns the user.
    pub sketch: Option<SketchKnown>,
    /// Those whom it owns.
    pub people: Vec<PersonKnown>,
}

impl People {
    /// Adds what another one knows.
    pub fn add(&mut self, other: Self) {
        self.sketch = self.sketch.take().or(other.sketch);
        self.people.extend(other.people);
    }

    /// What is still missing of what was asked.
    pub fn missing(&self, asked: &Asked) -> Asked {
        let known = |of: &UserId| self.people.iter().any(|person| person.user_id == uuid(of));
        Asked {
            sketch: asked.sketch.filter(|_| self.sketch.is_none()),
            people: asked.people.iter().filter(|of| !known(of)).copied().collect(),
            neighbours: asked.neighbours,
        }
    }
}

impl Asked {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.sketch.is_none() && self.people.is_empty()
    }
}

/// What is known of a user, to suggest others to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SketchKnown {
    user: Uuid,
    followed: Vec<Uuid>,
    affinity: Vec<(Uuid, u32)>,
    unwanted: Vec<Uuid>,
}

/// How somebody is seen, and who stands beside them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PersonKnown {
    /// Who.
    pub user_id: Uuid,
    /// Whether their row was deleted.
    pub is_gone: bool,
    /// What they are called, if that is known.
    pub username: Option<String>,
    /// Where their picture is.
    pub avatar_url: Option<String>,
    /// A line about them.
    pub bio: Option<String>,
    /// How many follow them.
    pub followers: u64,
    follows_more: bool,
    first_followed: Vec<Uuid>,
    first_followers: Vec<Uuid>,
}

fn uuid(of: &UserId) -> Uuid {
    Uuid::from_bytes(of.0)
}

fn uuids(of: &[UserId]) -> Vec<Uuid> {
    of.iter().map(uuid).collect()
}

fn users(of: &[Uuid]) -> Vec<UserId> {
    of.iter().map(|id| UserId(id.into_bytes())).collect()
}

impl From<&Sketch> for SketchKnown {
    fn from(sketch: &Sketch) -> Self {
        Self {
            user: uuid(&sketch.user),
            followed: uuids(&sketch.followed),
            affinity: sketch.affinity.iter().map(|(of, count)| (uuid(of), *count)).collect(),
            unwanted: uuids(&sketch.unwanted),
        }
    }
}

impl From<&SketchKnown> for Sketch {
    fn from(known: &SketchKnown) -> Self {
        let affinity = known.affinity.iter().map(|(of, count)| (UserId(of.into_bytes()), *count));
        Self {
            user: UserId(known.user.into_bytes()),
            followed: users(&known.followed),
            affinity: affinity.collect(),
            unwanted: users(&known.unwanted),
        }
    }
}

impl PersonKnown {
    /// Of what is kept; of who is not known nothing is.
    pub fn of(user: UserId, person: Option<&Person>, beside: &Neighbours) -> Self {
        let text = |of: fn(&Person) -> &Text| {
            person.and_then(|person| of(person).as_deref()).map(str::to_owned)
        };
        Self {
            user_id: uuid(&user),
            is_gone: person.is_some_and(Person::is_gone),
            username: text(|of| &of.profile.username),
            avatar_url: text(|of| &of.profile.avatar_url),
            bio: text(|of| &of.profile.bio),
            followers: person.map_or(0, Person::followers),
            follows_more: beside.follows_more,
            first_followed: uuids(&beside.first_followed),
            first_followers: uuids(&beside.first_followers),
        }
    }
}

/// Who stands beside each of these.
pub fn neighbours(people: &[PersonKnown]) -> BTreeMap<UserId, Neighbours> {
    let of = |person: &PersonKnown| Neighbours {
        follows_more: person.follows_more,
        followers: person.followers,
        first_followed: users(&person.first_followed),
        first_followers: users(&person.first_followers),
    };
    people.iter().map(|person| (UserId(person.user_id.into_bytes()), of(person))).collect()
}
