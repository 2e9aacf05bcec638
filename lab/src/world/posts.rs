//! What is written in a world: topics, latent quality, news and talk, bursts, spam, deletions.
//!
//! Quality is the logistic of the author's skill and chance, so that a good author writes a poor post now and then. Of the
//! posts two in five are news, which are worth little after some hours; the others are talk, which keeps. A burst is a topic
//! of which everybody wants to hear for some hours, and of which many write then. A ring's posts are worth nothing; its
//! members like, comment on and share each other's within the half hour.

use schemas::PostId;
use worlds::random::Random;

use super::past::OLD_MS;
use super::people::Person;
use super::{BEGINS, DAY_MS, HOUR_MS, Happening, Size, TOPICS, What, draw, post_id};

/// How much quality is chance, as a deviation of the logit.
const CHANCE: f64 = 0.7;
/// The quality of spam.
const SPAM: f64 = 0.02;
/// How many posts are news.
pub const NEWS: f64 = 0.4;
/// How many posts are deleted, and after how long on average.
const DELETED: f64 = 0.03;
const DELETED_AFTER_MS: f64 = 10.0 * HOUR_MS as f64;
/// So long a burst goes on.
const BURST_MS: i64 = 6 * HOUR_MS;
/// So many posts are written about it.
const BURST_POSTS: u32 = 24;
/// A member of a ring boosts another's post with this probability, within this time.
const BOOSTED: f64 = 0.8;
const BOOSTED_WITHIN_MS: f64 = 30.0 * 60_000.0;

/// A post.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    /// Its id.
    pub id: PostId,
    /// Who wrote it, by number.
    pub author: u32,
    /// When, ms UTC.
    pub at: i64,
    /// What it is about.
    pub topic: usize,
    /// How good it is, in 0..=1.
    pub quality: f64,
    /// Whether it is news, and not talk.
    pub is_news: bool,
    /// The burst that it is about.
    pub burst: Option<usize>,
    /// Whether a ring wrote it.
    pub is_spam: bool,
    /// When it is deleted, if it is.
    pub deleted: Option<i64>,
}

/// A while in which everybody wants to hear of one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// Of what.
    pub topic: usize,
    /// When it begins, ms UTC.
    pub from: i64,
    /// When it ends.
    pub until: i64,
}

/// The bursts of a world: one in each of as many parts of its second half, by day.
pub fn bursts(seed: u64, size: Size) -> Vec<Burst> {
    let mut random = draw::chance(seed, 3);
    let from = size.judged_from();
    let part = (size.ends() - from) / i64::from(size.bursts.max(1));
    let burst = |number| {
        let of_day = 9 + i64::from(random.below(8));
        let day = (from + i64::from(number) * part).div_euclid(DAY_MS);
        let from = day * DAY_MS + of_day * HOUR_MS;
        Burst { topic: random.below(TOPICS as u32) as usize, from, until: from + BURST_MS }
    };
    (0..size.bursts).map(burst).collect()
}

/// All posts of a world, by time.
pub fn plant(seed: u64, size: Size, people: &[Person], bursts: &[Burst]) -> Vec<Post> {
    let mut random = draw::chance(seed, 4);
    let mut posts = Vec::new();
    for (number, person) in (0_u32..).zip(people) {
        let Some(author) = &person.author else { continue };
        let old = -i64::from(size.past_days)..-(OLD_MS / DAY_MS);
        for day in old.chain(0..i64::from(size.days)) {
            let count = draw::poisson(author.posts_a_day, &mut random);
            for _ in 0..count {
                let at = draw::moment(BEGINS + day * DAY_MS, &mut random);
                let topic = draw::by_weight(&author.topics, 1, &mut random);
                let topic = topic.first().map_or(0, |topic| *topic as usize);
                posts.push(post((number, person), (at, topic), &mut random));
            }
        }
    }
    for (number, burst) in bursts.iter().enumerate() {
        let interest = people.iter().map(|person| match (&person.author, person.ring) {
            (Some(author), None) if person.is_there(burst.from) => {
                0.03 + author.topics.get(burst.topic).copied().unwrap_or_default()
            }
            _ => 0.0,
        });
        let interest: Vec<f64> = interest.collect();
        for _ in 0..BURST_POSTS {
            let Some(author) = draw::by_weight(&interest, 1, &mut random).pop() else { continue };
            let Some(person) = people.get(author as usize) else { continue };
            let early = random.unit() * random.unit();
            let at = burst.from + (early * BURST_MS as f64) as i64;
            let about = post((author, person), (at, burst.topic), &mut random);
            posts.push(Post { burst: Some(number), is_news: true, ..about });
        }
    }
    posts.retain(|post| people.get(post.author as usize).is_some_and(|who| who.is_there(post.at)));
    posts.sort_by_key(|post| post.at);
    (0_u32..).zip(&mut posts).for_each(|(number, post)| post.id = post_id(seed, number));
    posts
}

fn post((author, person): (u32, &Person), (at, topic): (i64, usize), random: &mut Random) -> Post {
    let is_spam = person.ring.is_some();
    let skill = person.author.as_ref().map_or(0.0, |author| author.skill);
    let logit = skill + CHANCE * draw::normal(random);
    let quality = if is_spam { SPAM } else { 1.0 / (1.0 + libm::exp(-logit)) };
    let is_news = random.happens(NEWS);
    let (is_deleted, after) = (random.happens(DELETED), random.wait_ms(DELETED_AFTER_MS));
    let deleted = (is_deleted && !is_spam).then_some(at + 1 + after);
    Post {
        id: PostId::default(),
        author,
        at,
        topic,
        quality,
        is_news,
        burst: None,
        is_spam,
        deleted,
    }
}

/// When posts are published, deleted, and boosted by their rings.
pub fn happenings(
    seed: u64,
    _size: Size,
    (people, posts): (&[Person], &[Post]),
    out: &mut Vec<Happening>,
) {
    let mut random = draw::chance(seed, 5);
    for (number, post) in (0_u32..).zip(posts) {
        out.push(Happening { at: post.at, what: What::Publish(number) });
        out.extend(post.deleted.map(|at| Happening { at, what: What::Delete(number) }));
        let ring = people.get(post.author as usize).and_then(|who| who.ring);
        if ring.is_none() {
            continue;
        }
        for (member, _) in (0_u32..).zip(people).filter(|(_, who)| who.ring == ring) {
            let after = (random.unit() * BOOSTED_WITHIN_MS) as i64;
            if random.happens(BOOSTED) && member != post.author {
                let at = post.at + 1 + after;
                out.push(Happening { at, what: What::Boost(member, number) });
            }
        }
    }
}
