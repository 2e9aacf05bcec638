//! Who follows whom: by taste, by fame, and whom one is close to; some ties are cut and others made every day.

use std::collections::BTreeSet;

use worlds::random::Random;

use super::people::Person;
use super::{BEGINS, DAY_MS, Happening, Size, What, draw};

/// Followees of a reader at the start, on average: a quarter of the authors at most.
const FOLLOWEES: f64 = 36.0;
/// So much a day of one's ties is cut, and as many are made.
const CHURN: f64 = 0.03;
/// What draws one to an author whom one has no taste for.
const CURIOSITY: f64 = 0.05;
/// How much a spammer draws, beside an author.
const SPAMMER: f64 = 0.05;

/// The follows of a world, from its beginning and as they change; newcomers begin with none. Gives whom each reader follows at
/// the beginning, ascending.
pub fn happenings(
    seed: u64,
    size: Size,
    people: &[Person],
    out: &mut Vec<Happening>,
) -> Vec<(u32, Vec<u32>)> {
    let mut random = draw::chance(seed, 6);
    let mut first = Vec::new();
    let readers = (0_u32..).zip(people).filter(|(_, who)| who.ring.is_none() && !who.is_new());
    for (number, person) in readers {
        let mut of = Ties { number, person, people, followed: BTreeSet::new() };
        let mean = FOLLOWEES.min(f64::from(size.authors) / 4.0);
        let count = (mean * libm::exp(0.5 * draw::normal(&mut random) - 0.125)) as usize;
        let close = person.close.iter().copied();
        let close: Vec<u32> = close.filter(|author| of.attraction(*author, BEGINS) > 0.0).collect();
        of.followed.extend(close);
        of.make(count.saturating_sub(of.followed.len()), BEGINS, &mut random);
        out.extend(
            of.followed.iter().map(|followee| Happening {
                at: BEGINS + 1,
                what: What::Follow(number, *followee),
            }),
        );
        first.push((number, of.followed.iter().copied().collect()));
        for day in 0..i64::from(size.days) {
            of.change(BEGINS + day * DAY_MS, &mut random, out);
        }
    }
    first
}

/// Whom one reader follows.
struct Ties<'p> {
    number: u32,
    person: &'p Person,
    people: &'p [Person],
    followed: BTreeSet<u32>,
}

impl Ties<'_> {
    /// How much the reader is drawn to an author, of whom they know what they write.
    fn attraction(&self, whom: u32, at: i64) -> f64 {
        let Some(other) = self.people.get(whom as usize) else { return 0.0 };
        let Some(author) = other.author.as_ref().filter(|_| other.is_there(at)) else { return 0.0 };
        if whom == self.number {
            return 0.0;
        }
        let taste = CURIOSITY + self.person.taste_for(author);
        let of_ring = if other.ring.is_some() { SPAMMER } else { 1.0 };
        taste * taste * author.fame * of_ring
    }

    /// Follows some more; gives whom.
    fn make(&mut self, count: usize, at: i64, random: &mut Random) -> Vec<u32> {
        let everybody = 0..u32::try_from(self.people.len()).unwrap_or(u32::MAX);
        let drawn = everybody.map(|whom| match self.followed.contains(&whom) {
            true => 0.0,
            false => self.attraction(whom, at),
        });
        let drawn: Vec<f64> = drawn.collect();
        let made = draw::by_weight(&drawn, count, random);
        self.followed.extend(&made);
        made
    }

    /// Cuts some ties within a day, those of least taste first to go, and makes as many.
    fn change(&mut self, day_ms: i64, random: &mut Random, out: &mut Vec<Happening>) {
        let count = draw::poisson(CHURN * self.followed.len() as f64, random) as usize;
        let followed: Vec<u32> = self.followed.iter().copied().collect();
        let dislike = followed.iter().map(|whom| match self.person.close.contains(whom) {
            true => 0.0,
            false => 1.0 / (0.02 + self.attraction(*whom, day_ms)),
        });
        let cut = draw::by_weight(&dislike.collect::<Vec<_>>(), count, random);
        let mut moments = || draw::moment(day_ms, random);
        let (cut_at, made_at) = (moments(), moments());
        let is_there = |at: &i64| self.person.is_there(*at);
        if !is_there(&cut_at) || !is_there(&made_at) {
            return;
        }
        for place in cut {
            let Some(whom) = followed.get(place as usize) else { continue };
            self.followed.remove(whom);
            out.push(Happening { at: cut_at, what: What::Unfollow(self.number, *whom) });
        }
        for whom in self.make(count, made_at, random) {
            out.push(Happening { at: made_at, what: What::Follow(self.number, whom) });
        }
    }
}
