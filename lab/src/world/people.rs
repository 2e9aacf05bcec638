//! Who lives in a world: appetites, skills, closeness, and when they come, look and go.
//!
//! An appetite is in 0..=1 for each topic: two to four favourites of 1.0, 0.7, 0.45 and 0.3, and little for the rest, as
//! interests of people are sparse. An author writes of one topic mostly (0.8), of a second (0.15) and of a third (0.05).
//! Everybody is close to a few authors, whose posts are worth something to them whatever they are about.

use schemas::UserId;
use worlds::random::Random;

use super::{BEGINS, DAY_MS, HOUR_MS, Happening, RING_SIZE, Size, TOPICS, What, draw, user_id};

/// Appetites for one's favourite topics, the first one first.
const FAVOURITES: [f64; 4] = [1.0, 0.7, 0.45, 0.3];
/// No appetite for the rest is above this.
const REST_MAX: f64 = 0.12;
/// How an author's posts fall on their topics.
const MIX: [f64; 3] = [0.8, 0.15, 0.05];
/// One reader in so many joins in the midst of it, and one author in so many.
const NEWCOMERS: u32 = 16;
/// One person in so many leaves.
const LEAVERS: u32 = 50;
/// What closeness to an author is worth.
const CLOSE: f64 = 0.6;
/// Nobody opens their feed again within this.
const APART_MS: i64 = 40 * 60_000;

/// Somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Their id.
    pub id: UserId,
    /// Appetite for each topic.
    pub appetite: [f64; TOPICS],
    /// Authors whom they are close to, by number, ascending.
    pub close: Vec<u32>,
    /// How often a day they open their feed.
    pub opens_a_day: f64,
    /// When they join, ms UTC.
    pub joins: i64,
    /// When they leave, if they do.
    pub leaves: Option<i64>,
    /// What they write, if they do.
    pub author: Option<Author>,
    /// The ring that they belong to.
    pub ring: Option<u32>,
}

/// What somebody writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Author {
    /// How much of it is about each topic; they add up to 1.
    pub topics: [f64; TOPICS],
    /// The mean quality of their posts before chance, as a logit.
    pub skill: f64,
    /// Posts a day.
    pub posts_a_day: f64,
    /// How attractive they are to followers beyond taste.
    pub fame: f64,
}

impl Person {
    /// Whether they have an account at a time.
    pub fn is_there(&self, at: i64) -> bool {
        self.joins <= at && self.leaves.is_none_or(|leaves| at < leaves)
    }

    /// Whether they joined in the midst of the world, and not before.
    pub fn is_new(&self) -> bool {
        self.joins > BEGINS
    }

    /// What closeness to an author is worth to them.
    pub fn closeness(&self, author: u32) -> f64 {
        if self.close.binary_search(&author).is_ok() { CLOSE } else { 0.0 }
    }

    /// How much they like what an author writes of, in 0..=1.
    pub fn taste_for(&self, author: &Author) -> f64 {
        self.appetite.iter().zip(author.topics).map(|(appetite, share)| appetite * share).sum()
    }
}

/// Everybody of a world.
pub fn plant(seed: u64, size: Size) -> Vec<Person> {
    let mut random = draw::chance(seed, 1);
    let readers = (0..size.readers).map(|number| reader(seed, size, number, &mut random));
    let mut people: Vec<_> = readers.collect();
    let spammers = 0..size.rings * RING_SIZE;
    people.extend(spammers.map(|number| {
        let mut spammer = reader(seed, size, size.readers + number, &mut random);
        spammer.ring = Some(number / RING_SIZE);
        spammer.opens_a_day = 0.0;
        spammer.author = Some(Author { posts_a_day: 1.0, ..author(number, &mut random) });
        (spammer.joins, spammer.leaves) = (BEGINS, None);
        spammer
    }));
    people
}

fn reader(seed: u64, size: Size, number: u32, random: &mut Random) -> Person {
    let mut appetite = [0.0; TOPICS].map(|_: f64| random.unit() * REST_MAX);
    let count = 2 + random.below(3) as usize;
    let topics = draw::by_weight(&[1.0; TOPICS], count, random);
    for (topic, favourite) in topics.into_iter().zip(FAVOURITES) {
        if let Some(appetite) = appetite.get_mut(topic as usize) {
            *appetite = favourite;
        }
    }
    let close = 2 + random.below(4) as usize;
    let others: Vec<f64> =
        (0..size.authors).map(|other| if other == number { 0.0 } else { 1.0 }).collect();
    let mut close = draw::by_weight(&others, close, random);
    close.sort_unstable();
    let writes = (number < size.authors).then(|| author(number, random));
    // The last of the readers and the last of the authors come late.
    let is_late = |of: u32| number < of && number >= of - of / NEWCOMERS;
    let late_by = (random.unit() * DAY_MS as f64) as i64;
    let joins = match is_late(size.readers) || is_late(size.authors) {
        true => size.judged_from() + late_by,
        false => size.past_from(),
    };
    let span = (size.ends() - joins.max(BEGINS)) as f64;
    let leaves = random.happens(1.0 / f64::from(LEAVERS));
    let leaves_at = joins.max(BEGINS) + 1 + (random.unit() * span) as i64;
    Person {
        id: user_id(seed, number),
        appetite,
        close,
        opens_a_day: 1.8 * libm::exp(0.6 * draw::normal(random)) + 0.8,
        joins,
        leaves: leaves.then_some(leaves_at),
        author: writes,
        ring: None,
    }
}

fn author(number: u32, random: &mut Random) -> Author {
    let mut topics = [0.0; TOPICS];
    for (topic, share) in draw::by_weight(&[1.0; TOPICS], MIX.len(), random).into_iter().zip(MIX) {
        if let Some(of_topic) = topics.get_mut(topic as usize) {
            *of_topic = share;
        }
    }
    Author {
        topics,
        skill: -0.6 + draw::normal(random),
        posts_a_day: (libm::exp(0.8 * draw::normal(random)) * 1.2).min(8.0),
        fame: libm::pow(f64::from(number) + 1.0, -0.5),
    }
}

/// When people join, leave and open their feeds.
pub fn happenings(seed: u64, size: Size, people: &[Person], out: &mut Vec<Happening>) {
    let mut random = draw::chance(seed, 2);
    for (number, person) in (0_u32..).zip(people) {
        out.push(Happening { at: person.joins, what: What::Join(number) });
        let leaves = person.leaves.map(|at| Happening { at, what: What::Leave(number) });
        out.extend(leaves);
        let mut times = Vec::new();
        for day in 0..i64::from(size.days) {
            let begins = BEGINS + day * DAY_MS;
            let count = draw::poisson(person.opens_a_day, &mut random);
            times.extend((0..count).map(|_| draw::moment(begins, &mut random)));
        }
        // Whoever is new looks around at once, and again in the first hours.
        let first = [HOUR_MS / 6, 2 * HOUR_MS, 5 * HOUR_MS].map(|after| person.joins + after);
        times.extend(first.into_iter().filter(|_| person.is_new()));
        times.sort_unstable();
        let mut last = i64::MIN;
        for at in times.into_iter().filter(|at| person.is_there(*at)) {
            if at.saturating_sub(last) >= APART_MS {
                out.push(Happening { at, what: What::Open(number) });
                last = at;
            }
        }
    }
}
