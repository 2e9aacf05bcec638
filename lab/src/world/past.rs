//! The past: a service in operation knows what readers liked in the weeks before; the days of a world are too few for that.
//!
//! Of each author's posts that are too old for any feed those who follow the author when the world begins liked some: each with
//! the probability that it was shown and viewed, once, at a middling place, and was liked.

use super::people::Person;
use super::utility::worth;
use super::{BEGINS, DAY_MS, Happening, Post, What, draw};

/// The probability that a follower was shown a post and viewed it.
const VIEWED: f64 = 0.4;
/// So much of a post's freshness was left then.
const FRESH: f64 = 0.8;
/// Posts of the past are at least so much older than the world.
pub const OLD_MS: i64 = 8 * DAY_MS;

/// What was liked before the world began. `followed`: whom each reader followed at its beginning.
pub fn happenings(
    seed: u64,
    (people, posts): (&[Person], &[Post]),
    followed: &[(u32, Vec<u32>)],
    out: &mut Vec<Happening>,
) {
    let mut random = draw::chance(seed, 8);
    let old: Vec<_> = (0_u32..).zip(posts).filter(|(_, post)| post.at < BEGINS).collect();
    for (reader, of) in followed {
        let Some(person) = people.get(*reader as usize) else { continue };
        for (number, post) in &old {
            if of.binary_search(&post.author).is_err() {
                continue;
            }
            let utility = worth(person, post) * FRESH;
            if random.happens(VIEWED * super::behaviour::LIKE * utility) {
                let at = post.at + 1 + random.wait_ms(0.3 * DAY_MS as f64).min(2 * DAY_MS);
                out.push(Happening { at, what: What::Liked(*reader, *number) });
            }
        }
    }
}
