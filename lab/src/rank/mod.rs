//! The list that a policy makes for a reader at a time.
//!
//! A weight set is ranked by the stage, that is by the production function. Everything else orders what the reader may be
//! shown, or the candidates that `v1` has.

mod soft_decay;

use millstream::Result;
use schemas::{FeedItem, TrendingWindow};
use topologies::ranking::Weights;
use topologies::ranking::weights::{Limits, Spacing};

pub use soft_decay::soft_decay;

use crate::contender::Policy;
use crate::life::Life;
use crate::world::draw;

/// Every third post that the logging policy shows is drawn at random.
const RANDOM_EVERY: usize = 3;

/// At most so many posts for a reader at a time, the best first; none that they may not be shown.
pub fn list(
    life: &Life<'_>,
    policy: &Policy,
    (reader, at): (u32, i64),
    most: usize,
) -> Result<Vec<u32>> {
    let mut list = match policy {
        Policy::Random => random(life, (reader, at)),
        Policy::Chronological => chronological(life, (reader, at)),
        Policy::Logging => logging(life, (reader, at)),
        Policy::Popularity => popularity(life, (reader, at))?,
        Policy::SoftDecay => soft_decay(life, &candidates(life, (reader, at))?, (reader, at)),
        Policy::Weighed(weights) => weighed(life, weights, (reader, at))?,
        Policy::BestCandidates => {
            let items = candidates(life, (reader, at))?;
            let posts = items.iter().filter_map(|item| life.world.number(&item.post));
            best(life, posts.collect(), (reader, at))
        }
        Policy::KnownAuthors => known_authors(life, (reader, at)),
        Policy::Oracle => best(life, life.eligible(reader, at), (reader, at)),
    };
    let may_show = |number: &u32| {
        life.world.post(*number).is_some_and(|post| life.may_show(reader, (*number, post), at))
    };
    list.retain(may_show);
    list.truncate(most);
    Ok(list)
}

/// By true utility, ties by number.
pub fn best(life: &Life<'_>, posts: Vec<u32>, (reader, at): (u32, i64)) -> Vec<u32> {
    let mut worth: Vec<_> =
        posts.into_iter().map(|post| (life.utility(reader, post, at), post)).collect();
    worth.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    worth.into_iter().map(|(_, post)| post).collect()
}

fn known_authors(life: &Life<'_>, (reader, at): (u32, i64)) -> Vec<u32> {
    let expected = |post| (life.expected(reader, post, at), post);
    let mut worth: Vec<_> = life.eligible(reader, at).into_iter().map(expected).collect();
    worth.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    worth.into_iter().map(|(_, post)| post).collect()
}

fn random(life: &Life<'_>, (reader, at): (u32, i64)) -> Vec<u32> {
    let posts = life.eligible(reader, at);
    let seed = life.world.seed ^ at.cast_unsigned();
    let mut random = draw::chance(seed, 1_000 + u64::from(reader));
    let places = draw::by_weight(&vec![1.0; posts.len()], posts.len(), &mut random);
    places.into_iter().filter_map(|place| posts.get(place as usize).copied()).collect()
}

fn chronological(life: &Life<'_>, (reader, at): (u32, i64)) -> Vec<u32> {
    let newest_first = life.eligible(reader, at).into_iter().rev();
    let followed = |number: &u32| {
        life.world.post(*number).is_some_and(|post| life.follows(reader, post.author))
    };
    let (mut of_followees, others): (Vec<u32>, Vec<u32>) = newest_first.partition(followed);
    of_followees.extend(others);
    of_followees
}

fn logging(life: &Life<'_>, (reader, at): (u32, i64)) -> Vec<u32> {
    let mut newest = chronological(life, (reader, at)).into_iter();
    let mut drawn = random(life, (reader, at)).into_iter();
    let mut shown = std::collections::BTreeSet::new();
    let mut list = Vec::new();
    while let Some(post) = match list.len() % RANDOM_EVERY {
        0 => drawn.by_ref().find(|post| !shown.contains(post)),
        _ => newest.by_ref().find(|post| !shown.contains(post)),
    } {
        shown.insert(post);
        list.push(post);
    }
    list
}

/// What trends, the most points first, by the production list.
fn popularity(life: &Life<'_>, (_, at): (u32, i64)) -> Result<Vec<u32>> {
    let posts = life.stage.trending(TrendingWindow::Day, at)?;
    Ok(posts.iter().filter_map(|post| life.world.number(post)).collect())
}

fn weighed(life: &Life<'_>, weights: &Weights, (reader, at): (u32, i64)) -> Result<Vec<u32>> {
    let Some(person) = life.world.person(reader) else { return Ok(Vec::new()) };
    let body = life.stage.rank(person.id, weights, at)?;
    Ok(body.items.iter().filter_map(|item| life.world.number(&item.post)).collect())
}

/// All candidates that `v1` has, with their counts: its ranking, not cut and not spaced.
fn candidates(life: &Life<'_>, (reader, at): (u32, i64)) -> Result<Vec<FeedItem>> {
    let v1 = Weights::v1();
    let limits = Limits { kept_max: usize::from(u16::MAX), ..v1.limits };
    let whole = Weights { limits, spacing: Spacing { top: 0, distance: 0 }, ..v1 };
    let Some(person) = life.world.person(reader) else { return Ok(Vec::new()) };
    Ok(life.stage.rank(person.id, &whole, at)?.items)
}
