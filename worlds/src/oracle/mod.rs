//! The referee: the feed that a reader must have, by a naive reading of what is promised.
//!
//! It starts from all input every time, keeps no state, knows no sub-topology and calls nothing of the
//! code it judges. Slow and obvious wins over quick here: what is looked up by reader, author or post is filed by
//! it once, and nothing is cleverer than that.

mod deduplication;
mod expected;
mod grid;
mod interactions;
mod last;
mod silence;
mod suggestions;
#[cfg(test)]
mod tests;
mod why;

use std::collections::{BTreeMap, BTreeSet};

pub use expected::{Expected, ExpectedItem};
pub use grid::grid_time;
pub use suggestions::{Bounds, Suggested};
pub use why::{Missed, Why};

use crate::history::{Action, Id, Input, LikeOrComment, Payload, PostRow};
use deduplication::{accepted, first_events};
use expected::{sort, spaced};
use interactions::Interactions;
use last::Known;
use silence::Silences;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// All input, read naively.
pub struct Oracle {
    posts: BTreeMap<Id, Known>,
    posts_of: BTreeMap<Id, BTreeSet<Id>>,
    counts: BTreeMap<(Id, Action), u32>,
    exposures: BTreeMap<Id, u32>,
    /// Points of posts by the hour in which they were made.
    points: BTreeMap<i64, BTreeMap<Id, u32>>,
    gone: BTreeSet<Id>,
    follows: BTreeMap<Id, BTreeSet<Id>>,
    /// The posts that each user's interactions that count are on, with their times.
    interactions_of: BTreeMap<Id, Vec<(Id, i64)>>,
    /// What each user saw, and when, taken back or not.
    seen_by: BTreeMap<Id, Vec<(Id, i64)>>,
    silences: Silences,
    /// When each user last did something.
    last_active: BTreeMap<Id, i64>,
    list_at: Option<i64>,
}

impl Oracle {
    /// Reads `history`, which is in log order.
    pub fn of(history: &[Input]) -> Self {
        let (interactions, posts) = (Interactions::of(history), last::posts(history));
        let mut posts_of: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
        for post in posts.values() {
            posts_of.entry(post.row.user).or_default().insert(post.row.id);
        }
        let mut oracle = Self {
            posts,
            posts_of,
            counts: BTreeMap::new(),
            exposures: interactions.exposures(),
            points: BTreeMap::new(),
            gone: last::gone(history),
            follows: last::follows(history),
            interactions_of: BTreeMap::new(),
            seen_by: BTreeMap::new(),
            silences: Silences::of(history, interactions.events()),
            last_active: BTreeMap::new(),
            list_at: None,
        };
        for done in interactions.counted() {
            *oracle.counts.entry((done.post, done.action)).or_default() += 1;
            let of_hour = oracle.points.entry(done.at.div_euclid(HOUR)).or_default();
            *of_hour.entry(done.post).or_default() += match done.action {
                Action::Like => 1,
                Action::Comment => 2,
                _ => 3,
            };
            oracle.interactions_of.entry(done.user).or_default().push((done.post, done.at));
        }
        for (user, post, at) in seen(history) {
            oracle.seen_by.entry(user).or_default().push((post, at));
        }
        for (user, at) in activity(history) {
            let last = oracle.last_active.entry(user).or_insert(at);
            *last = at.max(*last);
        }
        oracle
    }

    /// Takes the trending list as of `at`, whatever time a feed is of: where nothing but a change ranks a reader, what
    /// is dated into hours that are over ranks nobody.
    pub fn with_list_at(self, at: i64) -> Self {
        Self { list_at: Some(at), ..self }
    }

    /// Every user that any input names as doing something.
    pub fn readers(&self) -> BTreeSet<Id> {
        self.last_active.keys().copied().collect()
    }

    /// The feed of `reader` as of `as_of`, published at `now`; none if inactive or gone.
    pub fn feed(&self, reader: Id, as_of: i64, now: i64) -> Option<Expected> {
        let last = self.last_active.get(&reader)?;
        let present = last + 7 * DAY > now && !self.gone.contains(&reader);
        present.then(|| self.ranked(reader, as_of))
    }

    /// The feed of `reader` as of `as_of`, active or not.
    pub fn ranked(&self, reader: Id, as_of: i64) -> Expected {
        let cold_start =
            self.followees(reader).is_empty() && self.affinity(reader, as_of).is_empty();
        if self.gone.contains(&reader) {
            return Expected { cold_start, items: Vec::new() };
        }
        let mut items = self.candidates(reader, as_of);
        let mut contents = BTreeSet::new();
        items.retain(|item| self.content(item.post).is_none_or(|content| contents.insert(content)));
        Expected { cold_start, items: spaced(items) }
    }

    /// Whom a reader follows.
    fn followees(&self, reader: Id) -> BTreeSet<Id> {
        self.follows.get(&reader).cloned().unwrap_or_default()
    }

    /// What a post says; none if nobody knows.
    fn content(&self, post: Id) -> Option<&String> {
        self.posts.get(&post).and_then(|post| post.row.content.as_ref())
    }

    /// What the sources propose to a reader, the best first.
    fn candidates(&self, reader: Id, as_of: i64) -> Vec<ExpectedItem> {
        let (affinity, followees) = (self.affinity(reader, as_of), self.followees(reader));
        let trending = self.trending(self.list_at.unwrap_or(as_of));
        let known = followees.iter().chain(affinity.keys());
        let posts = known.filter_map(|author| self.posts_of.get(author)).flatten();
        let shown = self.shown_to(reader, as_of, posts.chain(&trending).copied().collect());
        let mut sources: BTreeMap<Id, u8> = BTreeMap::new();
        for post in by_follow(&shown, &followees, as_of) {
            *sources.entry(post).or_default() |= 1;
        }
        for post in by_affinity(&shown, &affinity, as_of) {
            *sources.entry(post).or_default() |= 4;
        }
        let trending: BTreeSet<Id> = trending.into_iter().collect();
        for row in shown.iter().filter(|row| trending.contains(&row.id)) {
            *sources.entry(row.id).or_default() |= 2;
        }
        let proposed = shown.iter().filter_map(|row| Some((row, sources.get(&row.id)?)));
        let mut items: Vec<_> =
            proposed.map(|(row, bits)| self.item(row, *bits, &affinity, as_of)).collect();
        sort(&mut items);
        items
    }

    /// F2: the 200 best of the current UTC hour and the 23 before, of any age, the same for everybody.
    pub fn trending(&self, as_of: i64) -> Vec<Id> {
        let hour = as_of.div_euclid(HOUR);
        let mut scores: BTreeMap<Id, u32> = BTreeMap::new();
        for (post, points) in self.points.range(hour - 23..=hour).flat_map(|(_, posts)| posts) {
            *scores.entry(*post).or_default() += points;
        }
        let live = |id: &Id| {
            let post = self.posts.get(id).filter(|post| post.live)?;
            (!self.gone.contains(&post.row.user)).then_some(post.row.created_at)
        };
        let mut best: Vec<_> = scores
            .into_iter()
            .filter_map(|(id, score)| live(&id).map(|created| (id, score, created)))
            .collect();
        best.sort_by(|a, b| b.1.cmp(&a.1).then(b.2.cmp(&a.2)).then(a.0.cmp(&b.0)));
        best.into_iter().take(200).map(|(id, _, _)| id).collect()
    }

    /// Those of `posts` that live and are not removed for this reader, newest first.
    fn shown_to(&self, reader: Id, as_of: i64, posts: BTreeSet<Id>) -> Vec<&PostRow> {
        let seen = self.seen_by.get(&reader).into_iter().flatten();
        let lately = seen.filter(|(_, at)| *at > as_of - DAY);
        let seen: BTreeSet<Id> = lately.map(|(post, _)| *post).collect();
        let mut shown: Vec<_> = posts
            .iter()
            .filter_map(|post| self.posts.get(post))
            .filter(|post| post.live)
            .map(|post| &post.row)
            .filter(|row| row.user != reader)
            .filter(|row| !self.gone.contains(&row.user))
            .filter(|row| !seen.contains(&row.id))
            .filter(|row| self.silenced(reader, row, as_of).is_none())
            .collect();
        shown.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(a.id.cmp(&b.id)));
        shown
    }

    /// Why a reader does not want to see a post, if that is so.
    fn silenced(&self, reader: Id, row: &PostRow, as_of: i64) -> Option<Why> {
        let of_author = self.silences.of_author((reader, row.user), &self.posts, as_of);
        of_author.or_else(|| self.silences.of_post(reader, row.id, as_of))
    }

    /// How many of the reader's interactions count, by author; only authors with any.
    fn affinity(&self, reader: Id, as_of: i64) -> BTreeMap<Id, u32> {
        let today = as_of.div_euclid(DAY);
        let mut sums = BTreeMap::new();
        for (post, at) in self.interactions_of.get(&reader).into_iter().flatten() {
            let day = at.div_euclid(DAY);
            if day > today || day <= today - 90 {
                continue;
            }
            if let Some(post) = self.posts.get(post) {
                *sums.entry(post.row.user).or_default() += 1;
            }
        }
        sums
    }

    fn item(
        &self,
        row: &PostRow,
        sources: u8,
        affinity: &BTreeMap<Id, u32>,
        as_of: i64,
    ) -> ExpectedItem {
        let number = |action| self.counts.get(&(row.id, action)).copied().unwrap_or(0);
        let mut item = ExpectedItem {
            post: row.id,
            author: row.user,
            created_at: row.created_at,
            likes: number(Action::Like),
            comments: number(Action::Comment),
            shares: number(Action::Share),
            exposures: self.exposures.get(&row.id).copied().unwrap_or(0),
            affinity: affinity.get(&row.user).copied().unwrap_or(0),
            sources,
            rule: 0,
            score: 0.0,
        };
        item.score(as_of);
        item
    }
}

/// F1: the newest 500 of the followees' posts of the last 72 h.
fn by_follow(shown: &[&PostRow], followees: &BTreeSet<Id>, as_of: i64) -> Vec<Id> {
    let of_followees = shown.iter().filter(|row| followees.contains(&row.user));
    let young = of_followees.filter(|row| as_of - row.created_at <= 72 * HOUR);
    young.take(500).map(|row| row.id).collect()
}

/// F3: by affinity, each author's newest 20 of the last 7 d, until there are 200.
fn by_affinity(shown: &[&PostRow], affinity: &BTreeMap<Id, u32>, as_of: i64) -> Vec<Id> {
    let mut authors: Vec<_> = affinity.iter().collect();
    authors.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let mut posts = Vec::new();
    for (author, _) in authors {
        let own = shown.iter().filter(|row| row.user == *author);
        let young = own.filter(|row| as_of - row.created_at <= 7 * DAY);
        posts.extend(young.take(20).map(|row| row.id));
    }
    posts.truncate(200);
    posts
}

/// Who saw which post, and when, taken back or not.
fn seen(history: &[Input]) -> impl Iterator<Item = (Id, Id, i64)> {
    let events = first_events(history).into_iter().map(|(_, event)| event);
    let looked = events.filter(|event| {
        !matches!(
            event.action,
            Action::Impression
                | Action::Hide
                | Action::Report
                | Action::LessLikeThis
                | Action::Undo
        )
    });
    let rows = like_and_comment_rows(history).map(|row| (row.user, row.post, row.created_at));
    looked.map(|event| (event.user, event.post, event.time)).chain(rows)
}

/// Likes and comments that ever were live.
fn like_and_comment_rows(history: &[Input]) -> impl Iterator<Item = &LikeOrComment> {
    let likes = accepted(history, |payload| match payload {
        Payload::Like(change) => Some(change),
        _ => None,
    });
    let comments = accepted(history, |payload| match payload {
        Payload::Comment(change) => Some(change),
        _ => None,
    });
    likes.into_iter().chain(comments).filter_map(|(_, change)| change.image.live())
}

/// Who did something, and when; a row that ever was live speaks for its user.
fn activity(history: &[Input]) -> Vec<(Id, i64)> {
    let mut done: Vec<(Id, i64)> =
        like_and_comment_rows(history).map(|row| (row.user, row.created_at)).collect();
    done.extend(first_events(history).iter().map(|(_, event)| (event.user, event.time)));
    for input in history {
        done.extend(match &input.payload {
            Payload::User(change) => change.image.live().map(|row| (row.id, row.created_at)),
            Payload::Post(change) => change.image.live().map(|row| (row.user, row.created_at)),
            Payload::Follow(change) => {
                change.image.live().map(|row| (row.follower, row.created_at))
            }
            Payload::Mute(change) | Payload::Block(change) => {
                change.image.live().map(|row| (row.by, row.created_at))
            }
            Payload::Read { user } => Some((*user, input.arrived)),
            Payload::Comment(_) | Payload::Like(_) | Payload::Event(_) => None,
        });
    }
    done
}
