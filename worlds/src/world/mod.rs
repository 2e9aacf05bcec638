//! A world of any size, from a seed: what happens among so many users, in the order of time.
//!
//! Users come, and follow each other, before the days begin that the world tells of; then people write, look, like,
//! comment, share, follow and change their minds, more by day than by night, and now and then everybody looks at one
//! post. Who is followed, who writes and who reads goes by power laws. The database has a row of most likes and
//! comments of which an event tells, a little later; some are taken back, posts are deleted and some come back, and
//! so do users; a few events come twice.
//!
//! Nothing is remembered but numbers: ids and contents are made of the seed. So a world of millions is told in some
//! tens of bytes a tie or post, and told again whenever somebody asks, the same to the last byte.

mod inputs;
mod plans;
mod rhythm;
mod stories;
mod ties;

use std::collections::BTreeSet;

pub use inputs::Inputs;

use crate::history::Id;
use crate::random::{Kind, Random, id};

const DAY: i64 = 24 * 3_600_000;

/// How much there is of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows of `users`.
    pub users: u32,
    /// Rows of `follows` that are inserted; some are deleted again.
    pub follows: u32,
    /// Rows of `posts`.
    pub posts: u32,
    /// Behaviour events. Of likes and comments there are rows beside them.
    pub events: u32,
}

/// A world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    /// The same seed, size and times make the same world.
    pub seed: u64,
    /// How large it is.
    pub size: Size,
    /// Over how many days posts and events are spread, at least one.
    pub days: u32,
    /// When it ends, ms UTC.
    pub until: i64,
}

impl World {
    /// What is wrong with the size, if anything is.
    pub fn fault(&self) -> Option<String> {
        let Size { users, follows, posts, events } = self.size;
        let pairs = u64::from(users) * u64::from(users.saturating_sub(1));
        let faults = [
            (users < 2, "a world has two users at least".to_owned()),
            (self.days == 0, "a world lasts a day at least".to_owned()),
            (posts == 0 && events > 0, "events are about posts, and there are none".to_owned()),
            (
                u64::from(follows) > pairs / 2,
                format!("{users} users make {pairs} pairs; at most half of them may follow"),
            ),
        ];
        faults.into_iter().find_map(|(holds, fault)| holds.then_some(fault))
    }

    /// When its days begin, ms UTC: users and most follows are older.
    pub fn from(&self) -> i64 {
        self.until - i64::from(self.days.max(1)) * DAY
    }

    /// Everything that happens, in the order of time.
    pub fn inputs(&self) -> Inputs {
        Inputs::of(self)
    }

    /// How many users, follows, posts and events are made: [`Inputs::made`] at the end.
    pub fn asked(&self) -> u64 {
        let Size { users, follows, posts, events } = self.size;
        [users, follows, posts, events].into_iter().map(u64::from).sum()
    }

    /// Some of the users, drawn by how much they do; the same ones every time.
    pub fn readers(&self, count: usize) -> BTreeSet<Id> {
        let mut random = Random::of(self.seed ^ 0x5a_3b1e);
        let (mut readers, most) = (BTreeSet::new(), count.min(self.size.users as usize));
        while readers.len() < most {
            readers.insert(self.user(stories::reader(self.size.users, &mut random)));
        }
        readers
    }

    fn user(&self, number: u32) -> Id {
        id(self.seed, Kind::User, number)
    }
}

#[cfg(test)]
mod tests;
