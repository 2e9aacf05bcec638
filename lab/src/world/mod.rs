//! The planted world: what everybody likes, how good every post is, and all that happens but for what readers do.
//!
//! 1. [`people`]: readers with latent appetites for topics, authors with a mix of topics and a skill, whom one is close to.
//! 2. [`posts`]: what is written and when, its topic and latent quality; bursts, rings of spammers, deletions.
//! 3. [`ties`]: who follows whom, by taste and popularity, and how that changes.
//! 4. [`past`]: what readers liked in the two months before, which is where affinity comes from.
//! 5. [`utility`]: the truth, what a post is worth to a reader at a time; and [`behaviour`], what they do when it is shown.
//!
//! The same seed and size make the same world, to the last bit. What readers do is not in it, because it depends on
//! what they are shown: [`crate::life`] asks for it.

pub mod behaviour;
pub mod draw;
pub mod past;
pub mod people;
pub mod posts;
pub mod ties;
pub mod utility;

use std::collections::HashMap;

use schemas::{PostId, UserId};
use serde::Serialize;
use worlds::random::{Kind, id};

pub use people::Person;
pub use posts::{Burst, Post};

/// One hour in ms.
pub const HOUR_MS: i64 = 3_600_000;
/// One day in ms.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// The midnight at which every world begins.
pub const BEGINS: i64 = 20_600 * DAY_MS;

/// How much there is of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// People who read; the first of them write too.
    pub readers: u32,
    /// How many of them write.
    pub authors: u32,
    /// Rings of spammers, beside these people.
    pub rings: u32,
    /// How long it lasts; the first half is there to be learnt from, and the second is judged.
    pub days: u32,
    /// Bursts of interest in the second half.
    pub bursts: u32,
    /// Of so many days before there are posts that readers liked.
    pub past_days: u32,
}

impl Size {
    /// The world of the report.
    pub const FULL: Self =
        Self { readers: 400, authors: 160, rings: 2, days: 10, bursts: 5, past_days: 60 };
    /// One that a test can afford.
    pub const TINY: Self =
        Self { readers: 30, authors: 12, rings: 1, days: 2, bursts: 1, past_days: 12 };

    /// When it ends, ms UTC.
    pub fn ends(&self) -> i64 {
        BEGINS + i64::from(self.days) * DAY_MS
    }

    /// Since when whoever is not new has been there.
    pub fn past_from(&self) -> i64 {
        BEGINS - i64::from(self.past_days) * DAY_MS
    }

    /// When its second half begins, from which on all is judged.
    pub fn judged_from(&self) -> i64 {
        BEGINS + i64::from(self.days / 2) * DAY_MS
    }
}

/// Topics there are.
pub const TOPICS: usize = 10;
/// So many accounts are in a ring.
pub const RING_SIZE: u32 = 5;

/// Something that happens whatever is shown to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When, ms UTC.
    pub at: i64,
    /// What.
    pub what: What,
}

/// What happens; people and posts by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Somebody signs up.
    Join(u32),
    /// Somebody deletes their account.
    Leave(u32),
    /// A post is published.
    Publish(u32),
    /// A post is deleted.
    Delete(u32),
    /// The first follows the second.
    Follow(u32, u32),
    /// The first no longer follows the second.
    Unfollow(u32, u32),
    /// A spammer likes, comments on and shares a post of their ring.
    Boost(u32, u32),
    /// In the past somebody liked a post.
    Liked(u32, u32),
    /// Somebody opens their feed.
    Open(u32),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct World {
    /// Its seed.
    pub seed: u64,
    /// Its size.
    pub size: Size,
    /// Everybody, readers first, then the spammers.
    pub people: Vec<Person>,
    /// All posts that are ever written, by time.
    pub posts: Vec<Post>,
    /// What everybody is interested in for a while.
    pub bursts: Vec<Burst>,
    /// All that happens, by time.
    pub happenings: Vec<Happening>,
    numbers: HashMap<PostId, u32>,
    people_by_id: HashMap<UserId, u32>,
}

impl World {
    /// The world of a seed.
    pub fn plant(seed: u64, size: Size) -> Self {
        let people = people::plant(seed, size);
        let bursts = posts::bursts(seed, size);
        let posts = posts::plant(seed, size, &people, &bursts);
        let mut happenings = Vec::new();
        people::happenings(seed, size, &people, &mut happenings);
        posts::happenings(seed, size, (&people, &posts), &mut happenings);
        let followed = ties::happenings(seed, size, &people, &mut happenings);
        past::happenings(seed, (&people, &posts), &followed, &mut happenings);
        // Whoever is drawn first comes first among equals: the sort is stable.
        happenings.sort_by_key(|happening| happening.at);
        happenings.retain(|happening| happening.at < size.ends());
        let numbers = (0_u32..).zip(&posts).map(|(number, post)| (post.id, number)).collect();
        let people_by_id = (0_u32..).zip(&people).map(|(number, who)| (who.id, number)).collect();
        Self { seed, size, people, posts, bursts, happenings, numbers, people_by_id }
    }

    /// The number of a post; none if this world has no such post.
    pub fn number(&self, post: &PostId) -> Option<u32> {
        self.numbers.get(post).copied()
    }

    /// The number of a person.
    pub fn person_number(&self, person: &UserId) -> Option<u32> {
        self.people_by_id.get(person).copied()
    }

    /// A person by number.
    pub fn person(&self, number: u32) -> Option<&Person> {
        self.people.get(number as usize)
    }

    /// A post by number.
    pub fn post(&self, number: u32) -> Option<&Post> {
        self.posts.get(number as usize)
    }
}

/// The id of the person of this number.
pub fn user_id(seed: u64, number: u32) -> UserId {
    UserId(id(seed, Kind::User, number))
}

/// The id of the post of this number.
pub fn post_id(seed: u64, number: u32) -> PostId {
    PostId(id(seed, Kind::Post, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_world_twice_and_another_seed_another_one() {
        let [one, again, other] = [1, 1, 2].map(|seed| World::plant(seed, Size::TINY));
        assert_eq!(one.happenings, again.happenings);
        assert_eq!((&one.people, &one.posts), (&again.people, &again.posts));
        assert_ne!(one.happenings, other.happenings);
    }

    #[test]
    fn things_happen_in_order_and_nobody_acts_before_they_joined() {
        let world = World::plant(3, Size::TINY);
        assert!(world.happenings.windows(2).all(|pair| pair[0].at <= pair[1].at));
        for Happening { at, what } in &world.happenings {
            if let What::Open(who) | What::Follow(who, _) = what {
                assert!(world.people[*who as usize].is_there(*at), "{what:?} at {at}");
            }
        }
    }
}
