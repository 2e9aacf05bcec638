//! Whom a user may want to follow: a pure function of what is known of them, of those whom they follow, and of a time.
//!
//! Three sources propose somebody: people whom the user follows follow them (friends of friends); they follow the same
//! people (same people); and the user likes, comments or shares what they post (affinity). With A the user's interactions
//! with somebody as affinity counts them, those on posts that were deleted too, and F how many follow them,
//!
//! ```text
//! w(v)  = (1 + ln(1 + A(v))) / ln(2 + F(v))           a path through v, whom the user follows
//! score = friends * sum of w(v) over v who follow them
//!       + same_people * sum of w(v) over v whom they follow
//!       + affinity * ln(1 + A(them))
//! ```
//!
//! so that a path through somebody close counts more, and one through somebody whom everybody follows says little. Sums go
//! in the order of ids. Left out are the user, whom they follow, and those who are dismissed, gone, muted, or blocked by
//! either. Bounds hold the work down, and what they leave out is counted: of whom the user follows those with the most
//! interactions are walked, and of the neighbours of each the first by id.

pub mod person;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use schemas::UserId;

pub use person::Neighbours;

/// What the sources are worth, and how far they are followed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuggestionWeights {
    /// Of a path through somebody who follows them.
    pub friends: f64,
    /// Of a path through somebody whom they follow too.
    pub same_people: f64,
    /// Of the affinity with them.
    pub affinity: f64,
    /// So many of those whom the user follows are walked.
    pub followed_max: usize,
    /// So many whom each of these follows, and so many who follow them.
    pub neighbours_max: usize,
}

impl Default for SuggestionWeights {
    fn default() -> Self {
        Self {
            friends: 1.0,
            same_people: 0.5,
            affinity: 1.0,
            followed_max: 100,
            neighbours_max: 200,
        }
    }
}

/// So many are named of those through whom somebody is proposed.
pub const NAMED_MAX: usize = 3;

/// What is known of the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    /// Who asks.
    pub user: UserId,
    /// Whom they follow, ascending.
    pub followed: Vec<UserId>,
    /// Their interactions with the posts of others, by author, ascending; none is zero.
    pub affinity: Vec<(UserId, u32)>,
    /// Who is never suggested to them: dismissed, muted, or blocked by either; ascending.
    pub unwanted: Vec<UserId>,
}

impl Sketch {
    fn interactions(&self, with: &UserId) -> u32 {
        let found = self.affinity.binary_search_by_key(with, |(author, _)| *author);
        found.ok().and_then(|at| self.affinity.get(at)).map_or(0, |(_, count)| *count)
    }

    /// Through whom others are found: of those whom the user follows the closest, then by id; at most so many.
    pub fn walked(&self, weights: &SuggestionWeights) -> Vec<UserId> {
        let mut closest: Vec<_> =
            self.followed.iter().map(|of| (Reverse(self.interactions(of)), *of)).collect();
        closest.sort_unstable();
        closest.truncate(weights.followed_max);
        let mut walked: Vec<_> = closest.into_iter().map(|(_, of)| of).collect();
        walked.sort_unstable();
        walked
    }

    fn excludes(&self, whom: &UserId) -> bool {
        *whom == self.user
            || self.followed.binary_search(whom).is_ok()
            || self.unwanted.binary_search(whom).is_ok()
    }
}

/// Why somebody is suggested.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suggestion {
    /// Who.
    pub user: UserId,
    /// How much speaks for them.
    pub score: f64,
    /// Who follows them, of those whom the user follows.
    pub friends: Proof,
    /// Whom they follow too.
    pub same_people: Proof,
    /// The user's interactions with their posts.
    pub interactions: u32,
}

/// Those through whom somebody was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proof {
    /// The strongest, by their paths, then by id.
    pub named: Vec<UserId>,
    /// How many there are beside them.
    pub more: usize,
}

/// How much the bounds left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Of those whom the user follows, how many were not walked.
    pub followed: usize,
    /// How many of those who were walked follow more than was looked at.
    pub friends: usize,
    /// Of those who follow them, how many were not looked at.
    pub followers: u64,
}

/// The sum over some paths, and each of them.
#[derive(Default)]
struct Paths {
    sum: f64,
    through: Vec<(f64, UserId)>,
}

impl Paths {
    fn add(&mut self, weight: f64, through: UserId) {
        self.sum += weight;
        self.through.push((weight, through));
    }

    fn proof(mut self) -> Proof {
        self.through.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let more = self.through.len().saturating_sub(NAMED_MAX);
        self.through.truncate(NAMED_MAX);
        Proof { named: self.through.into_iter().map(|(_, through)| through).collect(), more }
    }
}

/// How strong a path is through somebody with whom there are so many interactions, and who has so many followers.
fn path(interactions: u32, followers: u64) -> f64 {
    (1.0 + libm::log1p(f64::from(interactions))) / libm::log1p(1.0 + followers as f64)
}

/// Suggests to a user, the best first; of equal scores the lower id. `neighbours` are those of whom [`Sketch::walked`] names.
pub fn suggest(
    sketch: &Sketch,
    neighbours: &BTreeMap<UserId, Neighbours>,
    is_gone: impl Fn(&UserId) -> bool,
    weights: &SuggestionWeights,
) -> (Vec<Suggestion>, LeftOut) {
    let walked = sketch.walked(weights);
    let mut left_out =
        LeftOut { followed: sketch.followed.len() - walked.len(), ..LeftOut::default() };
    let mut found: BTreeMap<UserId, (Paths, Paths)> = BTreeMap::new();
    for through in walked.iter().filter(|of| !is_gone(of)) {
        let Some(of) = neighbours.get(through) else { continue };
        let weight = path(sketch.interactions(through), of.followers);
        left_out.friends += usize::from(of.follows_more);
        left_out.followers += of.followers.saturating_sub(of.first_followers.len() as u64);
        for whom in &of.first_followed {
            found.entry(*whom).or_default().0.add(weight, *through);
        }
        for whom in &of.first_followers {
            found.entry(*whom).or_default().1.add(weight, *through);
        }
    }
    let with_affinity: BTreeSet<UserId> =
        sketch.affinity.iter().map(|(author, _)| *author).collect();
    for author in with_affinity {
        found.entry(author).or_default();
    }
    let wanted = found.into_iter().filter(|(whom, _)| !sketch.excludes(whom) && !is_gone(whom));
    let mut suggestions: Vec<_> = wanted
        .map(|(user, (friends, same_people))| {
            let interactions = sketch.interactions(&user);
            let score = weights.friends * friends.sum
                + weights.same_people * same_people.sum
                + weights.affinity * libm::log1p(f64::from(interactions));
            let (friends, same_people) = (friends.proof(), same_people.proof());
            Suggestion { user, score, friends, same_people, interactions }
        })
        .collect();
    suggestions.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.user.cmp(&b.user)));
    (suggestions, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u8) -> UserId {
        UserId([id; 16])
    }

    fn users(ids: &[u8]) -> Vec<UserId> {
        ids.iter().map(|id| user(*id)).collect()
    }

    fn neighbours(followed: &[u8], followers: &[u8]) -> Neighbours {
        Neighbours {
            followers: followers.len() as u64,
            follows_more: false,
            first_followed: users(followed),
            first_followers: users(followers),
        }
    }

    fn of(sketch: &Sketch, people: &[(u8, Neighbours)]) -> Vec<(u8, f64)> {
        let people = people.iter().map(|(id, of)| (user(*id), of.clone())).collect();
        let (found, _) = suggest(sketch, &people, |_| false, &SuggestionWeights::default());
        found.into_iter().map(|of| (of.user.0[0], of.score)).collect()
    }

    #[test]
    fn a_friend_of_a_friend_counts_more_through_somebody_close_and_less_through_a_hub() {
        let sketch = Sketch {
            user: user(1),
            followed: users(&[2, 3]),
            affinity: vec![(user(2), 10)],
            unwanted: Vec::new(),
        };
        let hub = Neighbours { followers: 1_000_000, ..neighbours(&[5], &[]) };
        let found = of(&sketch, &[(2, neighbours(&[4], &[1])), (3, hub)]);
        let expected = [(4, (1.0 + 11f64.ln()) / 3f64.ln()), (5, 1.0 / 1_000_002f64.ln())];
        assert_eq!(found.iter().map(|of| of.0).collect::<Vec<_>>(), [4, 5]);
        assert!(found.iter().zip(expected).all(|(a, b)| (a.1 - b.1).abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn nobody_is_suggested_who_is_followed_unwanted_gone_or_oneself() {
        let sketch = Sketch {
            user: user(1),
            followed: users(&[2]),
            affinity: vec![(user(7), 1), (user(8), 1)],
            unwanted: users(&[4, 8]),
        };
        let people = BTreeMap::from([(user(2), neighbours(&[1, 2, 4, 5, 6], &[1]))]);
        let gone = |of: &UserId| *of == user(5);
        let (found, _) = suggest(&sketch, &people, gone, &SuggestionWeights::default());
        assert_eq!(found.iter().map(|of| of.user).collect::<Vec<_>>(), users(&[6, 7]));
    }

    #[test]
    fn three_are_named_the_strongest_first_and_the_others_counted() {
        let sketch = Sketch {
            user: user(1),
            followed: users(&[2, 3, 4, 5]),
            affinity: vec![(user(4), 3)],
            ..Sketch::default()
        };
        let people = [2, 3, 4, 5].map(|id| (user(id), neighbours(&[9], &[9])));
        let (found, _) = suggest(&sketch, &people.into(), |_| false, &SuggestionWeights::default());
        let proof = Proof { named: users(&[4, 2, 3]), more: 1 };
        assert_eq!((&found[0].friends, &found[0].same_people), (&proof, &proof));
    }

    #[test]
    fn what_the_bounds_leave_out_is_counted() {
        let weights = SuggestionWeights { followed_max: 1, ..SuggestionWeights::default() };
        let sketch = Sketch {
            user: user(1),
            followed: users(&[2, 3]),
            affinity: vec![(user(3), 1)],
            ..Sketch::default()
        };
        let hub = Neighbours { followers: 1_000_000, follows_more: true, ..neighbours(&[9], &[8]) };
        let people = BTreeMap::from([(user(3), hub)]);
        let (found, left_out) = suggest(&sketch, &people, |_| false, &weights);
        assert_eq!(found.len(), 2);
        assert_eq!(left_out, LeftOut { followed: 1, friends: 1, followers: 999_999 });
    }
}
