//! The trending posts: topics `trending-parts` (one task's) and `trending` (all), and Redis `hot:posts:{window}`.
//!
//! A window is the current bucket and those before it, of UTC time: 12 of 5 min, 24 of 1 h, 7 of 1 day. Which posts
//! trend changes when a bucket ends, also if nothing else happens; so a value has each list as of several buckets in
//! a row, and whoever reads takes the list of the moment it asks about. A post stands once, lists name it by place.
//!
//! Layout: format u8, as_of i64, posts u32 x {post, author, created_at i64, L C S u32} (52 bytes), lists u32 x
//! {window u8, bucket i64, entries u32 x {place u16, score u32}}.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::Serialize;

use crate::ids::{PostId, UserId};
use crate::poison::Poison;
use crate::wire::{Cursor, Wire};

const FORMAT: u8 = 1;
const MINUTE_MS: i64 = 60_000;

/// The key of every record.
pub const TRENDING_KEY: TrendingKey = TrendingKey(0);

/// The longest list.
pub const TRENDING_MAX: usize = 200;

/// Over which time posts trend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[repr(u8)]
pub enum TrendingWindow {
    /// 12 buckets of 5 minutes.
    Hour = 1,
    /// 24 buckets of 1 hour.
    Day = 2,
    /// 7 buckets of 1 day.
    Week = 3,
}

impl TrendingWindow {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    /// As the API and Redis name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    /// The window of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.name() == name)
    }

    /// How long a bucket is, ms.
    pub fn bucket_ms(self) -> i64 {
        match self {
            Self::Hour => 5 * MINUTE_MS,
            Self::Day => 60 * MINUTE_MS,
            Self::Week => 1_440 * MINUTE_MS,
        }
    }

    /// How many buckets it has.
    pub fn buckets(self) -> i64 {
        match self {
            Self::Hour => 12,
            Self::Day => 24,
            Self::Week => 7,
        }
    }

    /// The bucket that a time lies in, counted from 1970.
    pub fn bucket_of(self, at_ms: i64) -> i64 {
        at_ms.div_euclid(self.bucket_ms())
    }

    /// Where its Redis copy is.
    pub fn redis_key(self) -> String {
        format!("hot:posts:{}", self.name())
    }

    fn of_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|window| *window as u8 == byte)
    }
}

/// A post in one of the lists, with its lifetime counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TrendingPost {
    /// Which.
    pub post: PostId,
    /// Who wrote it.
    pub author: UserId,
    /// When it was created, in ms UTC.
    pub created_at_ms: i64,
    /// L: likes that count.
    pub likes: u32,
    /// C: comments that count.
    pub comments: u32,
    /// S: shares.
    pub shares: u32,
}

/// A post's place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TrendingEntry {
    /// The post, by its place in [`Trending::posts`].
    pub place: u16,
    /// Its score in the window, above 0.
    pub score: u32,
}

/// The list of one window as of one bucket, the best first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrendingList {
    /// Over which time.
    pub window: TrendingWindow,
    /// The last bucket of the window.
    pub bucket: i64,
    /// At most [`TRENDING_MAX`]: by score descending, then created_at descending, then id.
    pub entries: Vec<TrendingEntry>,
}

/// Trending posts, in every window and as of some buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Trending {
    /// When it was put together, in ms UTC.
    pub as_of_ms: i64,
    /// The posts of the lists, each once.
    pub posts: Vec<TrendingPost>,
    /// The lists.
    pub lists: Vec<TrendingList>,
}

impl Trending {
    /// The list of `window` as of `at_ms`; none if this is too old, or too new, to have it.
    pub fn list(&self, window: TrendingWindow, at_ms: i64) -> Option<&TrendingList> {
        let bucket = window.bucket_of(at_ms);
        self.lists.iter().find(|list| list.window == window && list.bucket == bucket)
    }

    /// The posts of a list with their scores, the best first.
    pub fn posts_of<'t>(
        &'t self,
        list: &'t TrendingList,
    ) -> impl Iterator<Item = (&'t TrendingPost, u32)> {
        let post =
            |entry: &TrendingEntry| Some((self.posts.get(usize::from(entry.place))?, entry.score));
        list.entries.iter().filter_map(post)
    }

    /// Whether `other` has the same posts, counts and lists, whenever it was put together.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.posts == other.posts && self.lists == other.lists
    }

    /// The same with the lists of one window only.
    #[must_use]
    pub fn only(&self, window: TrendingWindow) -> Self {
        let lists = self.lists.iter().filter(|list| list.window == window).cloned().collect();
        Self { as_of_ms: self.as_of_ms, posts: self.posts.clone(), lists }
    }
}

impl Wire for Trending {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.extend_from_slice(&self.as_of_ms.to_le_bytes());
        length(self.posts.len(), out);
        for post in &self.posts {
            out.extend_from_slice(&post.post.0);
            out.extend_from_slice(&post.author.0);
            out.extend_from_slice(&post.created_at_ms.to_le_bytes());
            for count in [post.likes, post.comments, post.shares] {
                out.extend_from_slice(&count.to_le_bytes());
            }
        }
        length(self.lists.len(), out);
        for list in &self.lists {
            out.push(list.window as u8);
            out.extend_from_slice(&list.bucket.to_le_bytes());
            length(list.entries.len(), out);
            for entry in &list.entries {
                out.extend_from_slice(&entry.place.to_le_bytes());
                out.extend_from_slice(&entry.score.to_le_bytes());
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut cursor = Cursor::new("trending", bytes);
        cursor.format(FORMAT)?;
        let as_of_ms = cursor.i64("as_of")?;
        let posts = cursor.list("posts", post)?;
        let lists = cursor.list("lists", list)?;
        cursor.end()?;
        Ok(Self { as_of_ms, posts, lists })
    }

    fn heap_bytes(&self) -> usize {
        let entries = self.lists.iter().map(|list| vec_bytes(&list.entries)).sum::<usize>();
        vec_bytes(&self.posts) + vec_bytes(&self.lists) + entries
    }
}

fn vec_bytes<T>(items: &Vec<T>) -> usize {
    items.capacity() * size_of::<T>()
}

fn length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn post(cursor: &mut Cursor<'_>) -> Result<TrendingPost, Poison> {
    Ok(TrendingPost {
        post: PostId(cursor.bytes("post")?),
        author: UserId(cursor.bytes("author")?),
        created_at_ms: cursor.i64("created_at")?,
        likes: cursor.u32("L")?,
        comments: cursor.u32("C")?,
        shares: cursor.u32("S")?,
    })
}

fn list(cursor: &mut Cursor<'_>) -> Result<TrendingList, Poison> {
    let byte = cursor.u8("window")?;
    let window =
        TrendingWindow::of_byte(byte).ok_or_else(|| cursor.fault("window", "1, 2 or 3", byte))?;
    let bucket = cursor.i64("bucket")?;
    let entry = |cursor: &mut Cursor<'_>| {
        Ok(TrendingEntry { place: cursor.u16("place")?, score: cursor.u32("score")? })
    };
    Ok(TrendingList { window, bucket, entries: cursor.list("entries", entry)? })
}

/// What one task of engagement has: topic `trending-parts`. The task u32, then its lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrendingPart {
    /// The partition of the task.
    pub task: u32,
    /// The best of its posts.
    pub trending: Trending,
}

impl Wire for TrendingPart {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.task.to_le_bytes());
        self.trending.encode(out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut cursor = Cursor::new("trending part", bytes);
        let task = cursor.u32("task")?;
        Ok(Self { task, trending: Trending::decode(cursor.rest())? })
    }
}

/// The key of both topics is always 0, so that all parts meet in one task however many partitions there are; where a
/// task keeps the parts it is the task that sent one. 4 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrendingKey(pub u32);

impl fmt::Display for TrendingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TrendingKey {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

impl Wire for TrendingKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut cursor = Cursor::new("trending's key", bytes);
        let task = u32::from_be_bytes(cursor.bytes("task")?);
        cursor.end()?;
        Ok(Self(task))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assert_round_trip;

    fn trending() -> Trending {
        let post = TrendingPost { post: PostId([1; 16]), likes: 3, ..TrendingPost::default() };
        let entries = vec![TrendingEntry { place: 0, score: 3 }];
        let lists = vec![TrendingList { window: TrendingWindow::Day, bucket: 7, entries }];
        Trending { as_of_ms: -1, posts: vec![post], lists }
    }

    #[test]
    fn what_trends_takes_its_posts_its_lists_and_their_entries_in_memory() {
        let mut trending = trending();
        let entry = TrendingEntry { place: 0, score: 2 };
        trending.lists.push(TrendingList { entries: vec![entry; 3], ..trending.lists[0].clone() });
        trending.lists.shrink_to_fit();
        let expected = size_of::<TrendingPost>()
            + 2 * size_of::<TrendingList>()
            + 4 * size_of::<TrendingEntry>();
        assert_eq!(trending.heap_bytes(), expected);
    }

    #[test]
    fn lists_and_their_keys_come_back() {
        assert_round_trip(&trending(), 1 + 8 + 4 + 52 + 4 + 13 + 6);
        assert_round_trip(&TrendingKey(258), 4);
        assert_round_trip(&TrendingPart { task: 7, trending: trending() }, 4 + 88);
    }

    #[test]
    fn a_list_answers_for_the_times_of_its_bucket_alone() {
        let (hour, trending) = (3_600_000, trending());
        let held = [7 * hour - 1, 7 * hour, 8 * hour - 1, 8 * hour]
            .map(|at| trending.list(TrendingWindow::Day, at).is_some());
        assert_eq!(held, [false, true, true, false]);
        assert_eq!(trending.list(TrendingWindow::Hour, 7 * hour), None);
    }

    #[test]
    fn windows_are_known_by_their_names() {
        let found = ["1h", "24h", "7d", "7D", ""].map(TrendingWindow::of_name);
        let [hour, day, week] = TrendingWindow::ALL.map(Some);
        assert_eq!(found, [hour, day, week, None, None]);
        let keys = TrendingWindow::ALL.map(TrendingWindow::redis_key);
        assert_eq!(keys, ["hot:posts:1h", "hot:posts:24h", "hot:posts:7d"]);
    }

    #[test]
    fn the_buckets_of_a_window_are_as_long_together_as_its_name_says() {
        let hours = |window: TrendingWindow| window.buckets() * window.bucket_ms() / 3_600_000;
        assert_eq!(TrendingWindow::ALL.map(hours), [1, 24, 7 * 24]);
        assert_eq!(TrendingWindow::ALL.map(TrendingWindow::buckets), [12, 24, 7]);
        let before_1970 = TrendingWindow::ALL.map(|window| window.bucket_of(-1));
        assert_eq!(before_1970, [-1, -1, -1]);
    }

    #[test]
    fn the_posts_of_a_list_come_with_their_scores() {
        let trending = trending();
        let [list] = &trending.lists[..] else { panic!("one list") };
        let posts: Vec<_> = trending.posts_of(list).collect();
        assert_eq!(posts, [(&trending.posts[0], 3)]);
        let strangers = Trending { posts: Vec::new(), ..trending.clone() };
        assert_eq!(strangers.posts_of(list).count(), 0, "a place without a post is passed over");
    }

    #[test]
    fn the_time_it_was_put_together_says_nothing_new_but_posts_and_lists_do() {
        let later = Trending { as_of_ms: 9, ..trending() };
        assert!(later.says_the_same(&trending()));
        let counted = Trending { posts: Vec::new(), ..trending() };
        let listed = Trending { lists: Vec::new(), ..trending() };
        assert!(!counted.says_the_same(&trending()) && !listed.says_the_same(&trending()));
        let days = trending().only(TrendingWindow::Day);
        let weeks = trending().only(TrendingWindow::Week);
        assert_eq!((days, weeks.lists, weeks.posts), (trending(), vec![], trending().posts));
    }
}
