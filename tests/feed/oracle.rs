//! The referee: the feed that a reader must have, by a naive reading of what is promised.
//!
//! It starts from all input every time, keeps no state, knows no sub-topology and calls nothing of the
//! code it judges. Slow and obvious wins over quick here.

#![expect(clippy::disallowed_methods, reason = "the referee has its own exp and ln_1p")]

use std::collections::{BTreeMap, BTreeSet};

use crate::deduplication::{accepted, first_events};
use crate::history::{Action, Id, Image, Input, Payload, PostRow};
use crate::interactions::{Counted, Interactions};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A feed that must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub cold_start: bool,
    pub items: Vec<ExpectedItem>,
}

/// An item that must be in it, in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedItem {
    pub post: Id,
    pub author: Id,
    pub created_at: i64,
    pub likes: u32,
    pub comments: u32,
    pub shares: u32,
    pub exposures: u32,
    pub affinity: u32,
    /// 1 follow, 2 trending, 4 affinity.
    pub sources: u8,
    /// 0 none, 1 spaced, 2 distance dropped, 3 top five dropped.
    pub rule: u8,
    pub score: f64,
}

/// All input, read naively.
pub struct Oracle<'h> {
    history: &'h [Input],
    posts: BTreeMap<Id, Known>,
    counted: Vec<Counted>,
    exposures: BTreeMap<Id, u32>,
    gone: BTreeSet<Id>,
    follows: BTreeSet<(Id, Id)>,
    list_at: Option<i64>,
}

/// The last image of a post.
struct Known {
    row: PostRow,
    live: bool,
}

impl<'h> Oracle<'h> {
    pub fn of(history: &'h [Input]) -> Self {
        let interactions = Interactions::of(history);
        Self {
            history,
            posts: last_posts(history),
            counted: interactions.counted(),
            exposures: interactions.exposures(),
            gone: gone_users(history),
            follows: live_follows(history),
            list_at: None,
        }
    }

    /// Takes the trending list as of `at`, whatever time a feed is of: where nothing but a change ranks a reader, what
    /// is dated into hours that are over ranks nobody.
    pub fn with_list_at(self, at: i64) -> Self {
        Self { list_at: Some(at), ..self }
    }

    /// Every user that any input names as doing something.
    pub fn readers(&self) -> BTreeSet<Id> {
        self.activity().map(|(user, _)| user).collect()
    }

    /// The feed of `reader` as of `as_of`, published at `now`; none if inactive or gone.
    pub fn feed(&self, reader: Id, as_of: i64, now: i64) -> Option<Expected> {
        let last = self.activity().filter(|(user, _)| *user == reader).map(|(_, at)| at).max()?;
        let present = last + 7 * DAY > now && !self.gone.contains(&reader);
        present.then(|| self.ranked(reader, as_of))
    }

    /// The feed of `reader` as of `as_of`, active or not.
    pub fn ranked(&self, reader: Id, as_of: i64) -> Expected {
        let affinity = self.affinity(reader, as_of);
        let followees: BTreeSet<_> =
            self.follows.iter().filter(|(who, _)| *who == reader).map(|(_, whom)| *whom).collect();
        let cold_start = followees.is_empty() && affinity.is_empty();
        if self.gone.contains(&reader) {
            return Expected { cold_start, items: Vec::new() };
        }
        let shown = self.shown_to(reader, as_of);
        let mut sources: BTreeMap<Id, u8> = BTreeMap::new();
        for post in by_follow(&shown, &followees, as_of) {
            *sources.entry(post).or_default() |= 1;
        }
        for post in by_affinity(&shown, &affinity, as_of) {
            *sources.entry(post).or_default() |= 4;
        }
        for post in self.trending(self.list_at.unwrap_or(as_of)) {
            if shown.iter().any(|row| row.id == post) {
                *sources.entry(post).or_default() |= 2;
            }
        }
        let mut items: Vec<_> =
            sources.iter().map(|(post, bits)| self.item(*post, *bits, &affinity, as_of)).collect();
        items.sort_by(|a, b| {
            let by_score = b.score.partial_cmp(&a.score).unwrap();
            by_score.then(b.created_at.cmp(&a.created_at)).then(a.post.cmp(&b.post))
        });
        let mut contents = BTreeSet::new();
        items.retain(|item| {
            let content = self.posts[&item.post].row.content.clone();
            content.is_none_or(|content| contents.insert(content))
        });
        Expected { cold_start, items: spaced(items) }
    }

    /// F2: the 200 best of the current UTC hour and the 23 before, of any age, the same for everybody.
    pub fn trending(&self, as_of: i64) -> Vec<Id> {
        let hour = as_of.div_euclid(HOUR);
        let mut scores: BTreeMap<Id, u32> = BTreeMap::new();
        for done in &self.counted {
            let bucket = done.at.div_euclid(HOUR);
            if hour - 23 <= bucket && bucket <= hour {
                *scores.entry(done.post).or_default() += match done.action {
                    Action::Like => 1,
                    Action::Comment => 2,
                    _ => 3,
                };
            }
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

    /// Live posts that are not removed for this reader, newest first.
    fn shown_to(&self, reader: Id, as_of: i64) -> Vec<&PostRow> {
        let seen = self.seen(reader, as_of);
        let mut shown: Vec<_> = self
            .posts
            .values()
            .filter(|post| post.live)
            .map(|post| &post.row)
            .filter(|row| row.user != reader)
            .filter(|row| !self.gone.contains(&row.user))
            .filter(|row| !seen.contains(&row.id))
            .collect();
        shown.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(a.id.cmp(&b.id)));
        shown
    }

    /// Posts the reader saw less than 24 h ago, taken back or not.
    fn seen(&self, reader: Id, as_of: i64) -> BTreeSet<Id> {
        let events = first_events(self.history)
            .into_iter()
            .filter(|event| event.action != Action::Impression)
            .map(|event| (event.user, event.post, event.time));
        let rows = self.like_and_comment_rows().map(|row| (row.user, row.post, row.created_at));
        let of_reader = events.chain(rows).filter(|(user, _, _)| *user == reader);
        of_reader.filter(|(_, _, at)| *at > as_of - DAY).map(|(_, post, _)| post).collect()
    }

    /// Likes and comments that ever were live.
    fn like_and_comment_rows(&self) -> impl Iterator<Item = crate::history::LikeOrComment> {
        let likes = accepted(self.history, |payload| match payload {
            Payload::Like(change) => Some(change),
            _ => None,
        });
        let comments = accepted(self.history, |payload| match payload {
            Payload::Comment(change) => Some(change),
            _ => None,
        });
        likes.into_iter().chain(comments).filter_map(|(_, change)| change.image.live().cloned())
    }

    /// How many of the reader's interactions count, by author; only authors with any.
    fn affinity(&self, reader: Id, as_of: i64) -> BTreeMap<Id, u32> {
        let today = as_of.div_euclid(DAY);
        let mut sums = BTreeMap::new();
        for act in self.counted.iter().filter(|act| act.user == reader) {
            let day = act.at.div_euclid(DAY);
            if day > today || day <= today - 90 {
                continue;
            }
            if let Some(post) = self.posts.get(&act.post) {
                *sums.entry(post.row.user).or_default() += 1;
            }
        }
        sums
    }

    fn item(
        &self,
        post: Id,
        sources: u8,
        affinity: &BTreeMap<Id, u32>,
        as_of: i64,
    ) -> ExpectedItem {
        let row = &self.posts[&post].row;
        let number = |action| {
            let of_post =
                self.counted.iter().filter(|act| act.post == post && act.action == action);
            u32::try_from(of_post.count()).unwrap()
        };
        let (likes, comments, shares) =
            (number(Action::Like), number(Action::Comment), number(Action::Share));
        let exposures = self.exposures.get(&post).copied().unwrap_or(0);
        let interactions = affinity.get(&row.user).copied().unwrap_or(0);
        let age_hours = (as_of - row.created_at).max(0) as f64 / HOUR as f64;
        let points = f64::from(likes) + 2.0 * f64::from(comments) + 3.0 * f64::from(shares);
        let freshness = (-0.1 * age_hours).exp();
        let engagement = (points / f64::from(exposures.max(1))).ln_1p();
        let score = 0.30 * freshness + 0.40 * engagement + 0.30 * f64::from(interactions).ln_1p();
        ExpectedItem {
            post,
            author: row.user,
            created_at: row.created_at,
            likes,
            comments,
            shares,
            exposures,
            affinity: interactions,
            sources,
            rule: 0,
            score,
        }
    }

    /// Who did something, and when; a row that ever was live speaks for its user.
    fn activity(&self) -> impl Iterator<Item = (Id, i64)> {
        let mut done: Vec<(Id, i64)> =
            self.like_and_comment_rows().map(|row| (row.user, row.created_at)).collect();
        done.extend(first_events(self.history).iter().map(|event| (event.user, event.time)));
        for input in self.history {
            done.extend(match &input.payload {
                Payload::User(change) => change.image.live().map(|row| (row.id, row.created_at)),
                Payload::Post(change) => change.image.live().map(|row| (row.user, row.created_at)),
                Payload::Follow(change) => {
                    change.image.live().map(|row| (row.follower, row.created_at))
                }
                Payload::Read { user } => Some((*user, input.arrived)),
                Payload::Comment(_) | Payload::Like(_) | Payload::Event(_) => None,
            });
        }
        done.into_iter()
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

/// The first 100 after spacing.
fn spaced(mut remaining: Vec<ExpectedItem>) -> Vec<ExpectedItem> {
    let mut placed: Vec<ExpectedItem> = Vec::new();
    while !remaining.is_empty() && placed.len() < 100 {
        let first_five = placed.len() < 5;
        let near: BTreeSet<Id> = placed.iter().rev().take(2).map(|item| item.author).collect();
        let top: BTreeSet<Id> = placed.iter().map(|item| item.author).collect();
        let keeps_distance = |item: &ExpectedItem| !near.contains(&item.author);
        let keeps_top = |item: &ExpectedItem| !first_five || !top.contains(&item.author);
        let both = remaining.iter().position(|item| keeps_distance(item) && keeps_top(item));
        let without_distance = remaining.iter().position(keeps_top);
        let (at, rule) = match (both, without_distance) {
            (Some(0), _) => (0, 0),
            (Some(at), _) => (at, 1),
            (None, Some(at)) => (at, 2),
            (None, None) => (0, 3),
        };
        let item = remaining.remove(at);
        placed.push(ExpectedItem { rule, ..item });
    }
    placed
}

fn last_posts(history: &[Input]) -> BTreeMap<Id, Known> {
    let mut posts: BTreeMap<Id, Known> = BTreeMap::new();
    let changes = accepted(history, |payload| match payload {
        Payload::Post(change) => Some(change),
        _ => None,
    });
    for (_, change) in changes {
        let live = matches!(change.image, Image::Live(_));
        if let Some(row) = change.image.row() {
            posts.insert(row.id, Known { row: row.clone(), live });
        } else if let Some(known) = posts.get_mut(&change.key[0]) {
            known.live = false;
        }
    }
    posts
}

fn gone_users(history: &[Input]) -> BTreeSet<Id> {
    let mut gone = BTreeSet::new();
    let changes = accepted(history, |payload| match payload {
        Payload::User(change) => Some(change),
        _ => None,
    });
    for (_, change) in changes {
        match change.image.live() {
            Some(row) => gone.remove(&row.id),
            None => gone.insert(change.key[0]),
        };
    }
    gone
}

fn live_follows(history: &[Input]) -> BTreeSet<(Id, Id)> {
    let mut follows = BTreeSet::new();
    let changes = accepted(history, |payload| match payload {
        Payload::Follow(change) => Some(change),
        _ => None,
    });
    for (_, change) in changes {
        let pair = (change.key[0], change.key[1]);
        match change.image.live() {
            Some(_) => follows.insert(pair),
            None => follows.remove(&pair),
        };
    }
    follows
}

/// The last time up to `now` in the refresh grid of `reader`: murmur2 of the key, modulo 600 s.
pub fn grid_time(reader: Id, now: i64) -> i64 {
    let phase = i64::from(murmur2(&reader) & 0x7fff_ffff) % 600 * 1_000;
    let mut at = now - now.rem_euclid(600_000) + phase;
    if at > now {
        at -= 600_000;
    }
    at
}

/// Kafka's default hash of a key of 16 bytes, in 64-bit arithmetic.
fn murmur2(key: &Id) -> u32 {
    let low = |wide: u64| wide & 0xffff_ffff;
    let mut hash: u64 = 0x9747_b28c ^ 16;
    for word in 0..4 {
        let bytes: Vec<u64> = key[word * 4..word * 4 + 4].iter().map(|byte| *byte as u64).collect();
        let mut k = bytes[0] + (bytes[1] << 8) + (bytes[2] << 16) + (bytes[3] << 24);
        k = low(k * 0x5bd1_e995);
        k ^= k >> 24;
        k = low(k * 0x5bd1_e995);
        hash = low(hash * 0x5bd1_e995) ^ k;
    }
    hash ^= hash >> 13;
    hash = low(hash * 0x5bd1_e995);
    u32::try_from(hash ^ (hash >> 15)).unwrap()
}
