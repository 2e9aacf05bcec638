//! What is added up of one contender in one world, look by look, and the figures that come of it.

use std::collections::BTreeSet;

use crate::life::{Life, Look};
use crate::metric::{Metric, gini, median, ndcg, regret};
use crate::world::{BEGINS, DAY_MS, behaviour};

/// Places that readers really see.
pub const TOP: usize = 10;
/// Places of a page.
pub const PAGE: usize = 50;
/// Who joined within this is a cold reader.
const COLD_MS: i64 = 2 * DAY_MS;

/// A mean that grows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    /// Adds one.
    pub fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
    }

    /// The mean; none of nothing.
    pub fn value(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    ndcg_top: Mean,
    ndcg_page: Mean,
    regret: Mean,
    ages: Vec<f64>,
    repeats: Mean,
    spam: Mean,
    cold_readers: Mean,
    enjoyed: Mean,
    /// Places of new authors: in the lists, and in the ideals.
    new_authors: (f64, f64),
    /// Places in the top tens, by author.
    places: Vec<f64>,
    paged: BTreeSet<u32>,
    eligible: BTreeSet<u32>,
    by_day: Vec<Mean>,
}

/// The best that could be shown at a look, the best first, with what it is worth.
#[derive(Clone, Debug)]
pub struct Ideal {
    posts: Vec<u32>,
    gains: Vec<f64>,
    /// All that might be shown.
    eligible: Vec<u32>,
}

impl Ideal {
    /// Of a look.
    pub fn of(life: &Life<'_>, look: &Look) -> Self {
        let eligible = life.eligible(look.reader, look.at);
        let mut posts = crate::rank::best(life, eligible.clone(), (look.reader, look.at));
        posts.truncate(PAGE);
        let worth = posts.iter().map(|post| life.utility(look.reader, *post, look.at));
        let gains = worth.collect();
        Self { posts, gains, eligible }
    }
}

/// Whether it is a look of somebody who has just joined.
pub fn is_cold(life: &Life<'_>, look: &Look) -> bool {
    let person = life.world.person(look.reader);
    person.is_some_and(|who| who.is_new() && look.at - who.joins < COLD_MS)
}

impl Tally {
    /// Adds the list that a contender had for a look.
    pub fn add(&mut self, life: &Life<'_>, (look, ideal): (&Look, &Ideal), list: &[u32]) {
        let gains: Vec<f64> =
            list.iter().map(|post| life.utility(look.reader, *post, look.at)).collect();
        let found = ndcg(&gains, &ideal.gains, TOP);
        self.ndcg_top.add(found);
        self.ndcg_page.add(ndcg(&gains, &ideal.gains, PAGE));
        self.regret.add(regret(&gains, &ideal.gains, TOP));
        let seen = gains.iter().take(look.depth).enumerate();
        self.enjoyed.add(seen.map(|(place, gain)| behaviour::bias(place) * gain).sum());
        if is_cold(life, look) {
            self.cold_readers.add(found);
        }
        self.note_day(look.at, found);
        self.add_places(life, (look, ideal), list);
    }

    /// Adds what a list is worth to somebody who has just joined to the figure about them, and to no other.
    pub fn add_cold(&mut self, life: &Life<'_>, (look, ideal): (&Look, &Ideal), list: &[u32]) {
        let gains = list.iter().map(|post| life.utility(look.reader, *post, look.at));
        self.cold_readers.add(ndcg(&gains.collect::<Vec<_>>(), &ideal.gains, TOP));
    }

    /// Adds no more than what a list before the judged time is worth to the figures by day.
    pub fn add_early(&mut self, life: &Life<'_>, (look, ideal): (&Look, &Ideal), list: &[u32]) {
        let gains = list.iter().map(|post| life.utility(look.reader, *post, look.at));
        self.note_day(look.at, ndcg(&gains.collect::<Vec<_>>(), &ideal.gains, TOP));
    }

    fn note_day(&mut self, at: i64, found: f64) {
        let day = usize::try_from((at - BEGINS).div_euclid(DAY_MS)).unwrap_or(0);
        if self.by_day.len() <= day {
            self.by_day.resize(day + 1, Mean::default());
        }
        self.by_day.iter_mut().skip(day).take(1).for_each(|mean| mean.add(found));
    }

    fn add_places(&mut self, life: &Life<'_>, (look, ideal): (&Look, &Ideal), list: &[u32]) {
        self.places.resize(life.world.people.len(), 0.0);
        for number in list.iter().take(TOP) {
            let Some(post) = life.world.post(*number) else { continue };
            self.ages.push((look.at - post.at).max(0) as f64 / 3_600_000.0);
            self.repeats.add(f64::from(u8::from(life.has_viewed(look.reader, *number))));
            self.spam.add(f64::from(u8::from(post.is_spam)));
            self.places.iter_mut().skip(post.author as usize).take(1).for_each(|of| *of += 1.0);
        }
        let of_new = |posts: &[u32]| {
            let new = posts.iter().take(TOP).filter(|number| {
                let post = life.world.post(**number);
                post.and_then(|post| life.world.person(post.author)).is_some_and(|who| who.is_new())
            });
            new.count() as f64
        };
        self.new_authors.0 += of_new(list);
        self.new_authors.1 += of_new(&ideal.posts);
        self.paged.extend(list.iter().take(PAGE));
        self.eligible.extend(&ideal.eligible);
    }

    /// The figure of a metric; none if nothing of the kind happened.
    pub fn figure(&self, metric: Metric, life: &Life<'_>) -> Option<f64> {
        match metric {
            Metric::Ndcg10 => self.ndcg_top.value(),
            Metric::Ndcg50 => self.ndcg_page.value(),
            Metric::Regret => self.regret.value(),
            Metric::Coverage => {
                let all = self.eligible.len() as f64;
                (all > 0.0).then(|| self.paged.intersection(&self.eligible).count() as f64 / all)
            }
            Metric::Gini => {
                let authors = life.world.people.iter().zip(&self.places);
                let honest = authors.filter(|(who, _)| who.author.is_some() && who.ring.is_none());
                Some(gini(&honest.map(|(_, places)| *places).collect::<Vec<_>>()))
            }
            Metric::Freshness => median(self.ages.clone()),
            Metric::Repeats => self.repeats.value(),
            Metric::Spam => self.spam.value(),
            Metric::ColdReader => self.cold_readers.value(),
            Metric::ColdAuthor => {
                let (found, ideal) = self.new_authors;
                (ideal > 0.0).then(|| found / ideal)
            }
            Metric::Enjoyed => self.enjoyed.value(),
        }
    }

    /// NDCG@10 of each day of the world.
    pub fn by_day(&self) -> Vec<Option<f64>> {
        self.by_day.iter().map(Mean::value).collect()
    }
}
