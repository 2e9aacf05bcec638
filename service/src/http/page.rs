//! A page of a feed: what stands on it, and what is left for the next.
//!
//! Pure: what was found goes in, with what a cursor says. The first page is cut off a whole feed, which becomes the snapshot; later
//! ones take from what is left, in its order, what may still be shown, so that a page is full as long as there is anything.

use connectors::postgres::{Timeline, TimelinePost};
use schemas::{FeedBody, FeedItem, PostId, Rule, Sources};
use topologies::ranking::Weights;
use topologies::ranking::rerank::rerank;
use topologies::ranking::spacing::{Rules, Spacer};

use super::cursor::{Known, Left, mark};

/// How many posts a snapshot has.
const SNAPSHOT_MAX: usize = 100;
/// How much of what came above it is remembered.
const SINCE_MAX: usize = 100;

/// A post on a page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// Why it is in the feed, and where it stood.
    pub left: Left,
    /// What is known of it.
    pub post: Shown,
}

/// What is known of a post.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shown {
    /// All that its score is made of.
    Ranked(FeedItem),
    /// What PostgreSQL knows.
    Timeline(TimelinePost),
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// How many came before.
    pub shown: u16,
    /// What stands on it.
    pub entries: Vec<Entry>,
    /// What comes after.
    pub left: Vec<Left>,
}

/// A ranked feed as it is served at `now_ms`.
pub fn of_body(body: &FeedBody, (weights, now_ms): (&Weights, i64)) -> Vec<Entry> {
    let served = rerank(body, weights, now_ms).into_iter();
    let entry = |of: topologies::ranking::rerank::Served| Entry {
        left: Left {
            post: of.item.post,
            sources: of.item.sources,
            rule: of.rule,
            rank: u8::try_from(of.rank).unwrap_or(u8::MAX),
            ignored: of.item.ignored,
            unseen: of.item.unseen,
        },
        post: Shown::Ranked(of.item),
    };
    served.map(entry).collect()
}

/// A timeline, spaced.
pub fn of_timeline(timeline: &Timeline) -> Vec<Entry> {
    let sources = if timeline.followed { Sources::FOLLOW } else { Sources::NONE };
    let ranked = (1_u32..).zip(&timeline.posts);
    let mut ranked = ranked.map(|(rank, post)| ((rank, post), post.author, sources));
    let mut entries = Vec::new();
    let place = |(rank, post): (u32, &TimelinePost), rule: Rule| {
        let rank = u8::try_from(rank).unwrap_or(u8::MAX);
        let left = Left { post: post.post, sources, rule, rank, ignored: 0, unseen: 0 };
        entries.push(Entry { left, post: Shown::Timeline(*post) });
    };
    let spacing = (Rules::of(&Weights::v1()), SNAPSHOT_MAX);
    Spacer::default().space(spacing, || ranked.next(), place);
    entries
}

impl Page {
    /// The first page of a feed.
    pub fn first(mut feed: Vec<Entry>, limit: usize) -> Self {
        feed.truncate(SNAPSHOT_MAX);
        let rest = feed.split_off(limit.min(feed.len()));
        Self { shown: 0, entries: feed, left: rest.iter().map(|entry| entry.left).collect() }
    }

    /// The next page of what is left, of which these may be shown.
    pub fn next(shown: u16, left: &[Left], found: &[Shown], limit: usize) -> Self {
        let entry = |of: &Left| {
            let post = found.iter().find(|shown| shown.post() == of.post)?;
            Some(Entry { left: *of, post: *post })
        };
        let (mut entries, mut taken) = (Vec::new(), 0);
        for of in left {
            if entries.len() == limit {
                break;
            }
            taken += 1;
            entries.extend(entry(of));
        }
        let left = left.get(taken..).unwrap_or_default().to_vec();
        Self { shown, entries, left }
    }

    /// What stands above a snapshot since, and what the client has with it.
    pub fn newer(feed: Vec<Entry>, known: &Known, limit: usize) -> (Self, Known) {
        let is_of = |marks: &[u64], entry: &Entry| marks.contains(&mark(&entry.left.post));
        let above = feed.into_iter().take_while(|entry| !is_of(&known.base, entry));
        let entries: Vec<_> = above.filter(|of| !is_of(&known.since, of)).take(limit).collect();
        let mut since = known.since.clone();
        since.extend(entries.iter().map(|entry| mark(&entry.left.post)));
        since.drain(..since.len().saturating_sub(SINCE_MAX));
        (Self { entries, ..Self::default() }, Known { base: known.base.clone(), since })
    }

    /// What the client has of a first page's snapshot.
    pub fn known(&self) -> Known {
        let posts = self.entries.iter().map(|entry| &entry.left).chain(&self.left);
        Known { base: posts.map(|left| mark(&left.post)).collect(), since: Vec::new() }
    }

    /// How many have come with this page.
    pub fn shown_then(&self) -> u16 {
        self.shown.saturating_add(u16::try_from(self.entries.len()).unwrap_or(u16::MAX))
    }
}

impl Shown {
    /// Which.
    pub fn post(&self) -> PostId {
        match self {
            Self::Ranked(item) => item.post,
            Self::Timeline(post) => post.post,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(id: u8) -> Shown {
        Shown::Ranked(FeedItem { post: PostId([id; 16]), ..FeedItem::default() })
    }

    fn feed(ids: impl IntoIterator<Item = u8>) -> Vec<Entry> {
        let entry = |id| {
            let (post, sources) = (PostId([id; 16]), Sources::FOLLOW);
            Entry {
                left: Left { post, sources, rule: Rule::None, rank: id, ignored: 0, unseen: 0 },
                post: shown(id),
            }
        };
        ids.into_iter().map(entry).collect()
    }

    fn ids(page: &Page) -> Vec<u8> {
        page.entries.iter().map(|entry| entry.left.rank).collect()
    }

    #[test]
    fn pages_are_full_as_long_as_anything_is_left_and_what_may_not_be_shown_is_passed_over() {
        let first = Page::first(feed(1..=9), 3);
        assert_eq!((ids(&first), first.left.len(), first.shown_then()), (vec![1, 2, 3], 6, 3));
        // Of the rest 5 and 6 may not be shown any more.
        let found: Vec<_> = [4, 7, 8, 9].map(shown).into();
        let second = Page::next(3, &first.left, &found, 3);
        assert_eq!((ids(&second), second.left.len(), second.shown_then()), (vec![4, 7, 8], 1, 6));
        let last = Page::next(6, &second.left, &found, 3);
        assert_eq!((ids(&last), last.left.len()), (vec![9], 0));
        assert_eq!(Page::next(7, &last.left, &found, 3).entries, []);
    }

    #[test]
    fn newer_is_what_stands_above_the_snapshot_and_each_comes_once() {
        let first = Page::first(feed(1..=4), 2);
        let now = || feed([10, 11, 12, 2, 13, 1]);
        let (page, known) = Page::newer(now(), &first.known(), 2);
        assert_eq!(ids(&page), [10, 11]);
        let (page, known) = Page::newer(now(), &known, 2);
        assert_eq!(ids(&page), [12], "13 stands below what is known");
        assert_eq!(ids(&Page::newer(now(), &known, 2).0), [0_u8; 0]);
    }
}
