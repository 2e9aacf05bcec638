//! The posts that there are so far: each author's chain, and which of them somebody looks at.

use crate::random::{Random, shuffled};

/// Authors: the first 1 % of users write 8 % of the posts.
const TALK: f64 = 1.8;
/// How far back people look among all posts: half of the looks go to the newest 3 %.
const RECENCY: f64 = 4.0;
const LOOKED_BACK: f64 = 0.5;
/// How often somebody looks at an author's post before the one they looked at first.
const FURTHER: f64 = 0.4;
/// One post in so many says what an earlier one said.
const REPOSTED: u32 = 100;
const WORDS: [&str; 32] = [
    "morning",
    "river",
    "kitchen",
    "train",
    "garden",
    "window",
    "coffee",
    "winter",
    "concert",
    "letter",
    "market",
    "harbour",
    "mountain",
    "bicycle",
    "evening",
    "library",
    "bridge",
    "bread",
    "storm",
    "holiday",
    "neighbour",
    "painting",
    "football",
    "forest",
    "recipe",
    "station",
    "summer",
    "violin",
    "island",
    "lantern",
    "orchard",
    "street",
];

/// A post.
#[derive(Clone, Copy, Debug)]
pub struct Story {
    /// When it was written, ms UTC.
    pub at: i64,
    /// Its author's number.
    pub author: u32,
    /// The number of its author's post before.
    before: Option<u32>,
}

impl Story {
    /// A post that nobody told of.
    pub const UNKNOWN: Self = Self { at: 0, author: 0, before: None };
}

/// The posts, by number.
#[derive(Debug)]
pub struct Stories {
    told: Vec<Story>,
    latest: Vec<Option<u32>>,
}

impl Stories {
    /// No posts, of so many users.
    pub fn none(users: u32) -> Self {
        Self { told: Vec::new(), latest: vec![None; users as usize] }
    }

    /// Somebody writes a post; its number.
    pub fn tell(&mut self, at: i64, random: &mut Random) -> u32 {
        let users = u32::try_from(self.latest.len()).unwrap_or(u32::MAX);
        let author = random.rank(users, TALK);
        let number = u32::try_from(self.told.len()).unwrap_or(u32::MAX);
        let latest = self.latest.get_mut(author as usize);
        let before = latest.and_then(|latest| latest.replace(number));
        self.told.push(Story { at, author, before });
        number
    }

    /// The post of a number.
    pub fn story(&self, number: u32) -> Option<Story> {
        self.told.get(number as usize).copied()
    }

    /// One of an author's newest.
    pub fn of_author(&self, author: u32, random: &mut Random) -> Option<u32> {
        let mut found = self.latest.get(author as usize).copied().flatten()?;
        while random.happens(FURTHER) {
            let Some(before) = self.story(found).and_then(|story| story.before) else { break };
            found = before;
        }
        Some(found)
    }

    /// One of the newest of all; the first one, which may be still to come, if there is none.
    pub fn of_all(&self, random: &mut Random) -> u32 {
        let count = u32::try_from(self.told.len()).unwrap_or(u32::MAX);
        let back = libm::pow(random.unit(), RECENCY) * LOOKED_BACK * f64::from(count);
        count.saturating_sub(1 + back as u32)
    }
}

/// What a post says.
pub fn content(seed: u64, number: u32) -> String {
    let mut random = Random::of(seed ^ 0xc0_47e4 ^ u64::from(number));
    let says = match random.below(REPOSTED) {
        0 => number.saturating_sub(1 + random.below(50)),
        _ => number,
    };
    let mut random = Random::of(seed ^ 0x5a15 ^ u64::from(says));
    let count = 4 + random.below(10);
    let mut word = || *WORDS.get(random.below(32) as usize).unwrap_or(&"sea");
    let words: Vec<&str> = (0..count).map(|_| word()).collect();
    format!("{says}: {}", words.join(" "))
}

/// Who reads: few do most of it, and they are not those who write.
pub fn reader(users: u32, random: &mut Random) -> u32 {
    /// The first 1 % of readers do 3 % of what is done.
    const HABIT: f64 = 1.3;
    shuffled(random.rank(users, HABIT), users, 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authors_posts_are_a_chain_from_the_newest() {
        let (mut stories, mut random) = (Stories::none(3), Random::of(2));
        (0..300).for_each(|at| {
            stories.tell(at, &mut random);
        });
        let authors: Vec<_> =
            (0..300).map(|number| stories.story(number).unwrap().author).collect();
        for author in 0..3 {
            let found: Vec<_> =
                (0..100).map(|_| stories.of_author(author, &mut random).unwrap()).collect();
            assert!(found.iter().all(|number| authors[*number as usize] == author));
            let newest = (0..300).rev().find(|number| authors[*number as usize] == author);
            assert_eq!(found.iter().max().copied(), newest);
        }
    }

    #[test]
    fn looks_go_to_what_is_new() {
        let (mut stories, mut random) = (Stories::none(3), Random::of(2));
        (0..10_000).for_each(|at| {
            stories.tell(at, &mut random);
        });
        let new = (0..10_000).filter(|_| stories.of_all(&mut random) >= 9_688).count();
        assert!((4_800..=5_200).contains(&new), "{new}");
    }

    #[test]
    fn one_post_in_a_hundred_says_what_another_one_said() {
        let mut said: Vec<_> = (0..10_000).map(|number| content(1, number)).collect();
        said.sort();
        let equal = said.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!((70..=130).contains(&equal), "{equal}");
    }
}
