//! Which posts may come into a feed: the followees' (F1), the trending ones (F2) and those of authors with affinity (F3).
//!
//! 1. [`Candidates::join_authors`] joins followees and affinity into one list of authors.
//! 2. F3 walks the authors by affinity, descending, then by id, and takes each one's newest.
//! 3. F1 takes the newest of all followees.
//! 4. F2 takes what trends, in [`trending`].
//! 5. A post that several propose stands once, with all its sources.
//! 6. Where the weight set explores, new posts of strangers are added, in [`explore`].
//!
//! Removal comes first in F1 and F3, so that what is removed uses up no cap. Buffers are reused.

mod explore;
mod trending;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use schemas::{PostId, Sources, UserId, day_of};

use super::World;
use super::reader::ReaderState;
use super::removal::{Removal, Removed};
use super::score::{Scorer, age_ms};
use super::weights::{DAY_MS, Weights};
use crate::live::{AuthorSlot, Line};

/// An author whose posts may be candidates of this reader.
#[derive(Clone, Copy, Debug)]
pub struct Author {
    /// Who.
    pub id: UserId,
    /// The reader's interactions that count as of the ranking.
    pub interactions: u32,
    /// The affinity term they give; known once [`Candidates::weigh`] was called.
    pub affinity: f64,
    /// How often the reader passed by their posts.
    pub ignored: u8,
    followed: bool,
    slot: Option<AuthorSlot>,
    removed: Option<Removed>,
    /// The oldest post that F3 took of this author; it took all newer ones that are not removed.
    taken_to: Option<Age>,
    /// Whether F2 has any of their posts.
    trends: bool,
}

/// A post's place among others by age: newest first, ties by id.
type Age = (Reverse<i64>, PostId);

/// A post that a source proposes.
#[derive(Clone, Copy, Debug)]
pub struct Pick {
    age: Age,
    /// Its author, by position in [`Candidates::authors`].
    pub author: u32,
    /// Its line, by position in the author's slot.
    pub line: u32,
    /// The sources that propose it.
    pub sources: Sources,
}

/// The candidates of one reader as of one time, and what else was found on the way.
#[derive(Debug, Default)]
pub struct Candidates {
    /// Followees and authors with affinity, ascending; behind them other authors of what trends.
    pub authors: Vec<Author>,
    /// How many of them are followees or have affinity.
    pub known_authors: usize,
    /// The union of the sources.
    pub picks: Vec<Pick>,
    /// What removal took out, with the reason.
    pub removed: Vec<(PostId, Removed)>,
    /// When the first removed post comes back because it was seen long enough ago.
    pub returns_at: Option<i64>,
    /// Whether a source had, or may have had, more than it takes: what is left out by that comes with what is not.
    pub caps_bind: bool,
    /// When the first post of F3 is too old, if F3 had to leave posts out.
    pub quota_frees_at: Option<i64>,
    by_affinity: BinaryHeap<(u32, Reverse<UserId>, u32)>,
    by_follow: Vec<Pick>,
    by_trending: Vec<Pick>,
    /// The authors that only F2 has, with their places.
    strangers: Vec<(UserId, u32)>,
}

impl Candidates {
    /// Gathers the candidates of `reader` as of `at`.
    pub fn gather(&mut self, reader: &ReaderState, world: &World<'_>, at: i64) {
        let removal = Removal::of(reader, world, at);
        let removing = (&removal, world);
        self.picks.clear();
        self.removed.clear();
        self.by_follow.clear();
        self.by_trending.clear();
        self.strangers.clear();
        (self.returns_at, self.quota_frees_at) = (None, None);
        self.caps_bind = false;
        self.join_authors(reader, removing, at);
        self.known_authors = self.authors.len();
        self.take_by_affinity(removing, at);
        self.take_by_follow(removing, at);
        self.take_by_trending(removing);
        self.unite();
        self.unite_trending();
        if let Some(explore) = world.weights.arms.explore {
            self.take_by_exploring((&reader.id, explore), removing, at);
        }
        if let Some(memory) = world.weights.arms.author_memory {
            self.note_ignored(reader, (world, memory.days * DAY_MS), at);
        }
    }

    /// Gives every author their affinity term.
    pub fn weigh(&mut self, scorer: &Scorer<'_>) {
        for who in self.authors.iter_mut().filter(|who| who.interactions > 0) {
            who.affinity = scorer.affinity(who.interactions);
        }
    }

    /// The reader's interactions with the author they had most to do with.
    pub fn affinity_max(&self) -> u32 {
        self.authors.iter().map(|who| who.interactions).max().unwrap_or(0)
    }

    /// Notes by whose posts the reader went past: each impression within the time, unless they did something with the post.
    fn note_ignored(
        &mut self,
        reader: &ReaderState,
        (world, within_ms): (&World<'_>, i64),
        at: i64,
    ) {
        let counts = reader.shown.iter().filter(|(post, shown)| {
            age_ms(shown.impressed_at_ms, at) <= within_ms && reader.seen_at(post).is_none()
        });
        let mut ignored: Vec<_> = counts
            .filter_map(|(post, shown)| {
                let (slot, line) = world.posts.place(post)?;
                let line = world.posts.lines(slot).get(line as usize)?;
                Some((line.known.author, shown.impressions))
            })
            .collect();
        ignored.sort_unstable();
        for who in &mut self.authors {
            let begin = ignored.partition_point(|(author, _)| *author < who.id);
            let of = ignored.iter().skip(begin).take_while(|(author, _)| *author == who.id);
            who.ignored = of.fold(0, |sum: u8, (_, times)| sum.saturating_add(*times));
        }
    }

    /// The line and the author of a pick.
    pub fn line<'w>(&self, author: u32, line: u32, world: &World<'w>) -> Option<&'w Line> {
        let slot = self.authors.get(author as usize)?.slot?;
        world.posts.lines(slot).get(line as usize)
    }

    fn join_authors(&mut self, reader: &ReaderState, removing: Removing<'_>, at: i64) {
        self.authors.clear();
        let window = Window::at(at, removing.1.weights);
        let mut follows = reader.follows.iter().peekable();
        for days in reader.affinity.chunk_by(|a, b| a.author == b.author) {
            let Some(first) = days.first() else { continue };
            let counted = days.iter().filter(|day| window.holds(day.day));
            let interactions = counted.map(|day| day.count).sum::<u32>();
            while let Some(followee) = follows.next_if(|followee| **followee < first.author) {
                self.authors.push(author(*followee, 0, true, removing));
            }
            let followed = follows.next_if(|followee| **followee == first.author).is_some();
            if followed || interactions > 0 {
                self.authors.push(author(first.author, interactions, followed, removing));
            }
        }
        for followee in follows {
            self.authors.push(author(*followee, 0, true, removing));
        }
    }

    fn take_by_affinity(&mut self, removing: Removing<'_>, at: i64) {
        let limits = &removing.1.weights.limits;
        let mut waiting = std::mem::take(&mut self.by_affinity).into_vec();
        waiting.clear();
        let with_affinity = (0_u32..).zip(&self.authors).filter(|(_, who)| who.interactions > 0);
        waiting.extend(with_affinity.map(|(n, who)| (who.interactions, Reverse(who.id), n)));
        self.by_affinity = BinaryHeap::from(waiting);
        while self.picks.len() < limits.affinity_posts_max {
            let Some((_, _, author)) = self.by_affinity.pop() else { return };
            let left = limits.affinity_posts_max - self.picks.len();
            let most = left.min(limits.affinity_posts_per_author_max);
            let walk = Walk { author, age_ms_max: limits.affinity_age_ms_max, most, at };
            let begin = self.picks.len();
            let mut picks = std::mem::take(&mut self.picks);
            self.walk(walk, removing, &mut picks);
            let taken = picks.get(begin..).unwrap_or_default();
            self.caps_bind |= taken.len() == most;
            if let Some(who) = self.authors.get_mut(author as usize) {
                who.taken_to = taken.last().map(|pick| pick.age);
            }
            self.picks = picks;
        }
        let oldest = self.picks.iter().map(|pick| pick.age.0.0).min();
        self.quota_frees_at = oldest.map(|made| made + limits.affinity_age_ms_max + 1);
    }

    fn take_by_follow(&mut self, removing: Removing<'_>, at: i64) {
        let limits = &removing.1.weights.limits;
        let mut picks = std::mem::take(&mut self.by_follow);
        for author in 0..u32::try_from(self.authors.len()).unwrap_or(u32::MAX) {
            if self.authors.get(author as usize).is_some_and(|who| who.followed) {
                let most = limits.follow_posts_max;
                let walk = Walk { author, age_ms_max: limits.follow_age_ms_max, most, at };
                self.walk(walk, removing, &mut picks);
            }
        }
        if picks.len() > limits.follow_posts_max {
            self.caps_bind = true;
            picks.select_nth_unstable_by_key(limits.follow_posts_max, |pick| pick.age);
            picks.truncate(limits.follow_posts_max);
        }
        self.by_follow = picks;
    }

    /// Appends what is not removed of one author's posts, newest first.
    fn walk(&mut self, walk: Walk, (removal, world): Removing<'_>, to: &mut Vec<Pick>) {
        let Some(who) = self.authors.get(walk.author as usize) else { return };
        let Some(slot) = who.slot else { return };
        let end = to.len() + walk.most;
        for (line, post) in (0_u32..).zip(world.posts.lines(slot)) {
            if to.len() == end || age_ms(post.known.created_at_ms, walk.at) > walk.age_ms_max {
                return;
            }
            let removed = who.removed.or_else(|| removal.of_post(&post.post));
            let Some(reason) = removed else {
                let age = (Reverse(post.known.created_at_ms), post.post);
                to.push(Pick { age, author: walk.author, line, sources: Sources::NONE });
                continue;
            };
            self.removed.push((post.post, reason));
            if let Some(returns) = reason.returns_at(&world.weights.limits)
                && age_ms(post.known.created_at_ms, returns) <= walk.age_ms_max
            {
                self.returns_at = Some(self.returns_at.map_or(returns, |t| t.min(returns)));
            }
        }
    }

    /// Joins the picks of F1 into those of F3, so that a post stands once.
    fn unite(&mut self) {
        let full = self.by_follow.len();
        let last = self.by_follow.iter().map(|pick| pick.age).max();
        let authors = &self.authors;
        let of = |pick: &Pick| authors.get(pick.author as usize);
        // F1 took the newest: what it has of a followee is what is no older than its last.
        let too = |pick: &Pick| of(pick).is_some_and(|who| who.followed) && Some(pick.age) <= last;
        self.picks.retain(|pick| !too(pick));
        self.picks.iter_mut().for_each(|pick| pick.sources = Sources::AFFINITY);
        self.picks.reserve(full);
        for pick in &self.by_follow {
            let both = of(pick).and_then(|who| who.taken_to).is_some_and(|to| pick.age <= to);
            let affinity = if both { Sources::AFFINITY } else { Sources::NONE };
            let sources = Sources::FOLLOW.with(affinity);
            self.picks.push(Pick { sources, ..*pick });
        }
    }
}

/// What the reader is not shown, and the world.
type Removing<'a> = (&'a Removal<'a>, &'a World<'a>);

/// One walk along an author's posts.
#[derive(Clone, Copy)]
struct Walk {
    author: u32,
    age_ms_max: i64,
    most: usize,
    at: i64,
}

/// The UTC days on which interactions count as of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first of them.
    pub first: i32,
    /// The current one.
    pub last: i32,
}

impl Window {
    /// The current day at `at`, and those before.
    pub fn at(at: i64, weights: &Weights) -> Self {
        Self::of(at, weights.limits.affinity_days)
    }

    /// The current day at `at`, and those before, so many in all.
    pub fn of(at: i64, days: i32) -> Self {
        let last = day_of(at);
        Self { first: last.saturating_sub(days - 1), last }
    }

    /// Whether interactions on `day` count.
    pub fn holds(&self, day: i32) -> bool {
        (self.first..=self.last).contains(&day)
    }
}

fn author(id: UserId, interactions: u32, followed: bool, (removal, world): Removing<'_>) -> Author {
    let slot = world.posts.slot(&id);
    let removed = removal.of_author(&id);
    Author {
        id,
        interactions,
        affinity: 0.0,
        ignored: 0,
        followed,
        slot,
        removed,
        taken_to: None,
        trends: false,
    }
}
