//! The truth: what a post is worth to a reader at a time, in 0..=1. Rankings are judged by it, and never see it.
//!
//! ```text
//! u = quality * freshness * (1 - (1 - taste) (1 - closeness)) * repeat
//!
//! taste      the reader's appetite for the post's topic; of a post about a burst, while that goes on,
//!            1 - (1 - appetite) (1 - 0.8)
//! closeness  0.6 for authors whom the reader is close to, else 0
//! freshness  0.05 + 0.95 exp(-age / 5 h) for news, 0.35 + 0.65 exp(-age / 30 h) for talk
//! repeat     0.2 for a post that the reader viewed before, else 1
//! ```

use super::people::Person;
use super::posts::{NEWS as NEWS_SHARE, Post};
use super::{HOUR_MS, World};

/// How much everybody wants to hear of a burst.
const BURST: f64 = 0.8;
/// What a post is worth that was viewed before.
const REPEATED: f64 = 0.2;
/// What stays of news and of talk, and how fast the rest goes, in hours.
const NEWS: (f64, f64) = (0.05, 5.0);
const TALK: (f64, f64) = (0.35, 30.0);

impl World {
    /// What a post is worth to a reader at a time; `viewed`: they viewed it before.
    pub fn utility(&self, reader: u32, post: u32, (at, viewed): (i64, bool)) -> f64 {
        let (Some(person), Some(post)) = (self.person(reader), self.post(post)) else { return 0.0 };
        let burst = post.burst.and_then(|burst| self.bursts.get(burst));
        let appetite = person.appetite.get(post.topic).copied().unwrap_or_default();
        let taste = match burst {
            Some(burst) if (burst.from..burst.until).contains(&at) => {
                1.0 - (1.0 - appetite) * (1.0 - BURST)
            }
            Some(_) | None => appetite,
        };
        let kind = if post.is_news { NEWS } else { TALK };
        post.quality
            * freshness(kind, at - post.at)
            * either(taste, person, post.author)
            * again(viewed)
    }

    /// What is to be expected of a post by its author and age, if tastes, closeness and skills were known, and of the post
    /// itself nothing: neither its topic, nor how good it is, nor whether it is news.
    pub fn expected(&self, reader: u32, post: u32, (at, viewed): (i64, bool)) -> f64 {
        let (Some(person), Some(post)) = (self.person(reader), self.post(post)) else { return 0.0 };
        let Some(other) = self.person(post.author) else { return 0.0 };
        let Some(author) = other.author.as_ref().filter(|_| other.ring.is_none()) else {
            return 0.0;
        };
        let quality = 1.0 / (1.0 + libm::exp(-author.skill));
        let age = at - post.at;
        let freshness =
            NEWS_SHARE * freshness(NEWS, age) + (1.0 - NEWS_SHARE) * freshness(TALK, age);
        quality * freshness * either(person.taste_for(author), person, post.author) * again(viewed)
    }
}

/// What a post is worth to somebody while it is new, apart from bursts.
pub fn worth(reader: &Person, post: &Post) -> f64 {
    let appetite = reader.appetite.get(post.topic).copied().unwrap_or_default();
    post.quality * either(appetite, reader, post.author)
}

fn freshness((stays, hours): (f64, f64), age_ms: i64) -> f64 {
    let age_hours = age_ms.max(0) as f64 / HOUR_MS as f64;
    stays + (1.0 - stays) * libm::exp(-age_hours / hours)
}

/// Of taste and closeness either may do.
fn either(taste: f64, reader: &Person, author: u32) -> f64 {
    1.0 - (1.0 - taste) * (1.0 - reader.closeness(author))
}

fn again(viewed: bool) -> f64 {
    if viewed { REPEATED } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::super::Size;
    use super::*;

    /// A world in which the first reader and the first post are as a test wants them.
    fn world(change: impl FnOnce(&mut World)) -> World {
        let mut world = World::plant(1, Size::TINY);
        let about = Post {
            topic: 0,
            quality: 0.5,
            is_news: false,
            author: 5,
            burst: None,
            ..world.posts[0].clone()
        };
        world.posts[0] = about;
        world.people[0].appetite[0] = 0.8;
        world.people[0].close = vec![7];
        change(&mut world);
        world
    }

    fn at_once(world: &World) -> f64 {
        world.utility(0, 0, (world.posts[0].at, false))
    }

    #[test]
    fn a_new_post_is_worth_its_quality_times_the_taste_for_it() {
        assert!((at_once(&world(|_| {})) - 0.5 * 0.8).abs() < 1e-12);
    }

    #[test]
    fn closeness_and_a_burst_make_up_for_taste_and_a_repeat_is_worth_a_fifth() {
        let close = world(|world| world.people[0].close = vec![5]);
        assert!((at_once(&close) - 0.5 * (1.0 - 0.2 * 0.4)).abs() < 1e-12);
        let burst = world(|world| {
            world.posts[0].burst = Some(0);
            world.bursts[0].from = world.posts[0].at;
            world.bursts[0].until = world.posts[0].at + HOUR_MS;
        });
        assert!((at_once(&burst) - 0.5 * (1.0 - 0.2 * 0.2)).abs() < 1e-12);
        let again = world(|_| {});
        assert!((again.utility(0, 0, (again.posts[0].at, true)) - 0.08).abs() < 1e-12);
    }

    #[test]
    fn news_is_worth_little_after_a_day_and_talk_half() {
        let day = |is_news| {
            let world = world(|world| world.posts[0].is_news = is_news);
            world.utility(0, 0, (world.posts[0].at + 24 * HOUR_MS, false)) / at_once(&world)
        };
        let (news, talk) = (day(true), day(false));
        assert!((0.05..0.06).contains(&news) && (0.6..0.7).contains(&talk), "{news} {talk}");
    }

    #[test]
    fn what_a_ring_writes_is_worth_next_to_nothing_to_anybody() {
        let world = World::plant(4, Size::TINY);
        let spam = (0_u32..).zip(&world.posts).filter(|(_, post)| post.is_spam);
        let worth = spam.flat_map(|(number, post)| {
            (0..world.size.readers).map(move |reader| (reader, number, post.at))
        });
        let worth = worth.map(|(reader, post, at)| world.utility(reader, post, (at, false)));
        let (count, most) = worth.fold((0, 0.0_f64), |(n, most), u| (n + 1, most.max(u)));
        assert!(count > 200 && most <= 0.02, "{count} {most}");
    }
}
