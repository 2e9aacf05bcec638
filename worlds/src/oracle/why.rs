//! What must have become of a post in a reader's feed, by a naive reading of the rules in their order.

use std::collections::{BTreeMap, BTreeSet};

use super::{DAY, Oracle, spaced};
use crate::history::{Id, PostRow};

/// What must have become of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// No image of it ever came, or it was deleted.
    NotThere,
    /// The reader is gone.
    ReaderGone,
    /// The reader wrote it.
    Own,
    /// Its author is gone.
    AuthorGone,
    /// The reader and its author block each other.
    Blocked,
    /// The reader mutes its author.
    Muted,
    /// The reader wants less of its author until this time.
    Less(i64),
    /// The reader hid it at this time.
    Hidden(i64),
    /// It was seen last at this time.
    Seen(i64),
    /// No source proposes it.
    Missed(Missed),
    /// This one, which is better, says the same.
    Duplicate(Id),
    /// Its place by score, from 1, is behind all that have one.
    Below(usize),
    /// Its place by score is before one that has a place.
    Spaced(usize),
    /// Its place, and that by score.
    Placed(usize, usize),
}

/// How far a post is from the sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// How old it is, ms.
    pub age: i64,
    /// Whether the reader follows its author.
    pub followed: bool,
    /// How many posts of followees are newer.
    pub newer_of_followees: usize,
    /// How much the reader did with posts of its author.
    pub interactions: u32,
    /// How many posts of its author are newer.
    pub newer_of_author: usize,
    /// How long the list of what trends is.
    pub trending: usize,
}

impl Oracle {
    /// What must have become of every post in the feed of `reader` as of `as_of`.
    pub fn why(&self, reader: Id, as_of: i64) -> BTreeMap<Id, Why> {
        let (ranked, near) = (Ranked::of(self, reader, as_of), Near::of(self, reader, as_of));
        let why = |post: Id| {
            self.removed(reader, post, as_of)
                .or_else(|| ranked.why(post))
                .unwrap_or_else(|| Why::Missed(self.missed(&near, post, as_of)))
        };
        self.posts.keys().map(|post| (*post, why(*post))).collect()
    }

    fn removed(&self, reader: Id, post: Id, as_of: i64) -> Option<Why> {
        let Some(known) = self.posts.get(&post).filter(|known| known.live) else {
            return Some(Why::NotThere);
        };
        let seen = self.seen_by.get(&reader).into_iter().flatten();
        let lately = seen.filter(|(of, at)| *of == post && *at > as_of - DAY);
        let last = lately.map(|(_, at)| *at).max();
        match known.row.user {
            _ if self.gone.contains(&reader) => Some(Why::ReaderGone),
            author if author == reader => Some(Why::Own),
            author if self.gone.contains(&author) => Some(Why::AuthorGone),
            _ => self.silenced(reader, &known.row, as_of).or(last.map(Why::Seen)),
        }
    }

    fn missed(&self, near: &Near<'_>, post: Id, as_of: i64) -> Missed {
        let newer: Vec<_> = near.shown.iter().take_while(|other| other.id != post).collect();
        let (author, created_at) =
            self.posts.get(&post).map_or(([0; 16], 0), |of| (of.row.user, of.row.created_at));
        let follows = |user: &Id| near.followees.contains(user);
        Missed {
            age: (as_of - created_at).max(0),
            followed: follows(&author),
            newer_of_followees: newer.iter().filter(|of| follows(&of.user)).count(),
            interactions: near.affinity.get(&author).copied().unwrap_or(0),
            newer_of_author: newer.iter().filter(|of| of.user == author).count(),
            trending: near.trending,
        }
    }

    /// Whether a user is gone.
    pub fn is_gone(&self, user: Id) -> bool {
        self.gone.contains(&user)
    }

    /// Whether a post is so old that only what trends has it still.
    pub fn is_beyond_the_horizon(&self, post: Id, as_of: i64) -> bool {
        self.posts.get(&post).is_some_and(|known| as_of - known.row.created_at > 7 * DAY)
    }
}

/// What a reader has to do with posts.
struct Near<'o> {
    /// All that the reader might be shown, newest first.
    shown: Vec<&'o PostRow>,
    followees: BTreeSet<Id>,
    affinity: BTreeMap<Id, u32>,
    trending: usize,
}

impl<'o> Near<'o> {
    fn of(oracle: &'o Oracle, reader: Id, as_of: i64) -> Self {
        Self {
            shown: oracle.shown_to(reader, as_of, oracle.posts.keys().copied().collect()),
            followees: oracle.followees(reader),
            affinity: oracle.affinity(reader, as_of),
            trending: oracle.trending(oracle.list_at.unwrap_or(as_of)).len(),
        }
    }
}

/// What the sources proposed to a reader, in its places.
struct Ranked {
    /// Of which content there is a better one, and which.
    duplicates: BTreeMap<Id, Id>,
    /// By score alone, one of each content.
    by_score: Vec<Id>,
    placed: Vec<Id>,
}

impl Ranked {
    fn of(oracle: &Oracle, reader: Id, as_of: i64) -> Self {
        let mut items = oracle.candidates(reader, as_of);
        let (mut first, mut duplicates) = (BTreeMap::new(), BTreeMap::new());
        items.retain(|item| {
            let Some(content) = oracle.content(item.post) else { return true };
            let best = *first.entry(content.clone()).or_insert(item.post);
            if best != item.post {
                duplicates.insert(item.post, best);
            }
            best == item.post
        });
        let by_score = items.iter().map(|item| item.post).collect();
        let placed = spaced(items).iter().map(|item| item.post).collect();
        Self { duplicates, by_score, placed }
    }

    /// None if no source proposed it.
    fn why(&self, post: Id) -> Option<Why> {
        if let Some(better) = self.duplicates.get(&post) {
            return Some(Why::Duplicate(*better));
        }
        let rank = |of: Id| self.by_score.iter().position(|post| *post == of).map(|at| at + 1);
        let own = rank(post)?;
        Some(match self.placed.iter().position(|of| *of == post) {
            Some(at) => Why::Placed(at + 1, own),
            None if self.placed.iter().any(|of| rank(*of) > Some(own)) => Why::Spaced(own),
            None => Why::Below(own),
        })
    }
}
