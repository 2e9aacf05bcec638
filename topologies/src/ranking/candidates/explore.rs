//! Exploration: new posts that few have seen, of authors whom the reader does not know.
//!
//! Nothing is drawn by chance: the reader and the time of their refresh grid name points on a circle on which authors stand by
//! the hash of their id, and the author who stands next has one post proposed, the newest. So it is the same wherever and
//! whenever it is asked, and each author is as likely as another, whether they post often or seldom.

use std::cmp::Reverse;

use schemas::{Sources, UserId};

use super::{Candidates, Pick, Removing};
use crate::ranking::score::age_ms;
use crate::ranking::validity::next_grid_time;
use crate::ranking::weights::{Explore, Weights};

/// So many points are tried for each position that may be filled: not every author has a post of that kind.
const TRIES: usize = 3;

impl Candidates {
    /// Takes what is explored for `reader` as of `at`.
    pub(super) fn take_by_exploring(
        &mut self,
        (reader, explore): (&UserId, Explore),
        removing: Removing<'_>,
        at: i64,
    ) {
        let weights = removing.1.weights;
        let tries = weights.limits.kept_max / explore.every.max(1) * TRIES;
        let begin = self.picks.len();
        for point in points(reader, weights, at).take(tries) {
            let Some(pick) = self.explored(explore, removing, (point, at)) else { continue };
            let explored = self.picks.get(begin..).unwrap_or_default();
            if !explored.iter().any(|other| other.author == pick.author) {
                self.picks.push(pick);
            }
        }
    }

    /// The post that is proposed at a point, if there is one there.
    fn explored(
        &mut self,
        explore: Explore,
        removing: Removing<'_>,
        (point, at): (u64, i64),
    ) -> Option<Pick> {
        let (removal, world) = removing;
        let slot = world.posts.author_after(point)?;
        let newest = world.posts.lines(slot).first()?;
        let known = &newest.known;
        let is_new = age_ms(known.created_at_ms, at) <= explore.age_ms_max;
        if !is_new || known.exposures > explore.exposures_max {
            return None;
        }
        if removal.of_author(&known.author).is_some() || removal.of_post(&newest.post).is_some() {
            return None;
        }
        let author = self.author_number(known.author, removing);
        let is_stranger = author as usize >= self.known_authors;
        let is_free = || !self.picks.iter().any(|pick| (pick.author, pick.line) == (author, 0));
        let age = (Reverse(known.created_at_ms), newest.post);
        (is_stranger && is_free()).then_some(Pick {
            age,
            author,
            line: 0,
            sources: Sources::EXPLORE,
        })
    }
}

/// Points on the circle: those of a reader in one period of their grid.
fn points(reader: &UserId, weights: &Weights, at: i64) -> impl Iterator<Item = u64> {
    let period = next_grid_time(reader, at, weights).cast_unsigned();
    let [a, b, c, d, e, f, g, h, low @ ..] = reader.0;
    let seed =
        u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ u64::from_le_bytes(low).rotate_left(32);
    (0_u64..).map(move |n| mix(seed ^ mix(period ^ mix(n))))
}

/// The finaliser of splitmix64 (Steele, Lea, Flood, 2014).
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
