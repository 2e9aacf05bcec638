//! What a reader does with a list: how far they look, and what each post gets of them.
//!
//! A post at position k (from 1) is on the screen if the reader came that far. With bias(k) = k^-0.4 (an examination model with
//! an exponent; Craswell and others, WSDM 2008, have the family) and utility u, P(action | shown at k) = bias(k) x rate x u,
//! with the rates of click 0.5, like 0.35, comment 0.08 and share 0.06, each by itself. A post is viewed with bias(k) x
//! (0.4 + 0.6 u), as one passes by what does not look good, and nothing is done with what was not viewed. A liked author whom
//! one does not follow is followed with 0.3 u.
//!
//! Chance belongs to the reader, the post and the time of the look, not to the list: two lists that show a reader the same
//! post at one time get the same answer, unless the position decides. So contenders differ by what they show.

use schemas::Action;
use worlds::random::Random;

use super::World;
use super::draw;

/// Posts on a screen before anybody stops.
const LEAST: u32 = 4;
/// The mean of what comes beyond, before appetite ends.
const BEYOND: f64 = 16.0;
/// Nobody goes further.
pub const SHOWN_MAX: usize = 50;
const BIAS: f64 = -0.4;
const CLICK: f64 = 0.5;
/// Also in the past.
pub const LIKE: f64 = 0.35;
/// What is viewed of the worst, and how much more of the best.
const VIEWED: (f64, f64) = (0.4, 0.6);
const COMMENT: f64 = 0.08;
const SHARE: f64 = 0.06;
const FOLLOW: f64 = 0.3;

/// What came of one post on a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Which post.
    pub post: u32,
    /// What was done, the impression first.
    pub actions: Vec<Action>,
    /// Whether the author is followed from then on, if they were not.
    pub follows: bool,
}

impl Response {
    /// Whether it was viewed, and not only on the screen.
    pub fn is_viewed(&self) -> bool {
        self.actions.contains(&Action::View)
    }
}

/// The probability that a post at this position, from 0, is looked at when it is on the screen.
pub fn bias(position: usize) -> f64 {
    libm::pow(position as f64 + 1.0, BIAS)
}

/// How many posts a reader looks through at a time: decided by them, not by the list.
pub fn depth(world: &World, reader: u32, at: i64) -> usize {
    let mut random = of(world, (reader, u32::MAX), at);
    let beyond = -libm::log1p(-random.unit()) * BEYOND;
    ((f64::from(LEAST) + beyond) as usize).min(SHOWN_MAX)
}

/// What a reader does with a post of this utility at this position, from 0.
pub fn respond(
    world: &World,
    (reader, post): (u32, u32),
    at: i64,
    (position, utility): (usize, f64),
) -> Response {
    let mut random = of(world, (reader, post), at);
    let mut response = Response { post, actions: vec![Action::Impression], follows: false };
    // All chances are drawn whatever happens, so that one does not move another.
    let looks_good = VIEWED.0 + VIEWED.1 * utility;
    let viewed = random.happens(bias(position) * looks_good);
    let acts = [
        (Action::Click, CLICK),
        (Action::Like, LIKE),
        (Action::Comment, COMMENT),
        (Action::Share, SHARE),
    ];
    let acts = acts.map(|(action, rate)| (action, random.happens(rate * utility / looks_good)));
    let follows = random.happens(FOLLOW * utility);
    if viewed {
        response.actions.push(Action::View);
        let done = acts.into_iter().filter(|(_, happens)| *happens).map(|(action, _)| action);
        response.actions.extend(done);
        response.follows = follows && response.actions.contains(&Action::Like);
    }
    response
}

fn of(world: &World, (reader, post): (u32, u32), at: i64) -> Random {
    let pair = u64::from(reader) << 32 | u64::from(post);
    let mut mixed = draw::chance(world.seed ^ at.cast_unsigned(), 7);
    Random::of(mixed.word() ^ pair.wrapping_mul(0xbf58_476d_1ce4_e5b9))
}

#[cfg(test)]
mod tests {
    use super::super::{BEGINS, Size};
    use super::*;

    #[test]
    fn actions_come_as_often_as_bias_and_utility_say() {
        let world = World::plant(1, Size::TINY);
        let (utility, position, shown) = (0.6, 3, 40_000);
        let mut counts = std::collections::BTreeMap::<Action, u32>::new();
        for look in 0..shown {
            let of = respond(&world, (1, 2), BEGINS + look, (position, utility));
            of.actions.into_iter().for_each(|action| *counts.entry(action).or_default() += 1);
        }
        let rate = |action: Action| f64::from(counts[&action]) / shown as f64;
        let expected = [(Action::View, 0.76), (Action::Click, 0.3), (Action::Like, 0.21)];
        for (action, of_utility) in expected {
            let expected = bias(position) * of_utility;
            assert!((rate(action) - expected).abs() < 0.01, "{action}: {}", rate(action));
        }
    }

    #[test]
    fn two_lists_get_the_same_answer_about_the_same_post_at_the_same_place() {
        let world = World::plant(1, Size::TINY);
        let look = || respond(&world, (3, 4), BEGINS, (2, 0.5));
        assert_eq!(look(), look());
    }
}
