//! What a ranking knows of its reader: whom they follow, what they did, and what they have seen.
//!
//! All lists are sorted, as stores give them. Nothing here depends on the time: affinity days and seen
//! times are kept as they are, and judged as of the ranking.

use schemas::{MutedWord, PostId, Preferences, Scales, UNSCALED, UserId};
use serde::Serialize;

use super::weights::DAY_MS;

/// The committed state of one reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderState {
    /// Who reads.
    pub id: UserId,
    /// The followees, ascending, each once.
    pub follows: Vec<UserId>,
    /// The interactions that count, by author and UTC day, ascending; no count is zero.
    pub affinity: Vec<AffinityDay>,
    /// When posts were last seen, by post, ascending.
    pub seen: Vec<(PostId, i64)>,
    /// Since when posts are hidden, by post, ascending.
    pub hidden: Vec<(PostId, i64)>,
    /// Who is muted, ascending.
    pub muted: Vec<UserId>,
    /// Who blocks the reader or is blocked, ascending.
    pub blocked: Vec<UserId>,
    /// Of whom less was wished for, and on which UTC days, ascending.
    pub less: Vec<(UserId, i32)>,
    /// Whether nothing is shown but posts of followees.
    pub following_only: bool,
    /// Words of posts that are not shown.
    pub muted_words: Vec<MutedWord>,
    /// What the terms are multiplied by, in hundredths.
    pub scales: Scales,
    /// What was shown, by post, ascending; nothing unless the weight set asks.
    pub shown: Vec<(PostId, Shown)>,
}

/// What was shown counts for so long.
pub const SHOWN_MS: i64 = 7 * DAY_MS;

/// How often a post was shown to a reader, and when last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// It was in so many answers; no more are counted.
    pub served: u8,
    /// When it was in the last of them, ms UTC.
    pub served_at_ms: i64,
    /// So many impressions of it were reported; no more are counted.
    pub impressions: u8,
    /// When the last of them was, ms UTC.
    pub impressed_at_ms: i64,
    /// When the reader last did something with it, ms UTC; 0 if never, as the other times.
    pub acted_at_ms: i64,
}

impl Shown {
    /// When anything of it was last.
    pub fn last_ms(&self) -> i64 {
        self.served_at_ms.max(self.impressed_at_ms).max(self.acted_at_ms)
    }
}

/// A reader's interactions with one author's posts on one UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AffinityDay {
    /// The author.
    pub author: UserId,
    /// The day, counted from 1970-01-01.
    pub day: i32,
    /// So many likes, comments and shares.
    pub count: u32,
}

impl Default for ReaderState {
    fn default() -> Self {
        Self {
            id: UserId::default(),
            follows: Vec::new(),
            affinity: Vec::new(),
            seen: Vec::new(),
            hidden: Vec::new(),
            muted: Vec::new(),
            blocked: Vec::new(),
            less: Vec::new(),
            following_only: false,
            muted_words: Vec::new(),
            scales: UNSCALED,
            shown: Vec::new(),
        }
    }
}

impl ReaderState {
    /// Takes over what the reader chose.
    pub fn choose(&mut self, chosen: &Preferences) {
        (self.following_only, self.scales) = (chosen.following_only, chosen.scales);
        self.muted_words.extend(chosen.muted_words.iter().map(|word| MutedWord::of(word)));
    }

    /// Empties the lists for another reader, keeping their memory.
    pub fn begin(&mut self, id: UserId) {
        self.id = id;
        self.follows.clear();
        self.affinity.clear();
        self.seen.clear();
        self.hidden.clear();
        self.muted.clear();
        self.blocked.clear();
        self.less.clear();
        self.shown.clear();
        self.muted_words.clear();
        (self.following_only, self.scales) = (false, UNSCALED);
    }

    /// When the reader last saw `post`.
    pub fn seen_at(&self, post: &PostId) -> Option<i64> {
        time_of(&self.seen, post)
    }

    /// Since when `post` is hidden.
    pub fn hidden_at(&self, post: &PostId) -> Option<i64> {
        time_of(&self.hidden, post)
    }

    /// How often `post` was in an answer, the last within a week before `at`, without being reported as seen in any way.
    pub fn served_unseen(&self, post: &PostId, at: i64) -> u8 {
        let Ok(place) = self.shown.binary_search_by_key(post, |(post, _)| *post) else { return 0 };
        let shown = self.shown.get(place).map(|(_, shown)| *shown).unwrap_or_default();
        let is_lately = |of: i64| at.saturating_sub(of) <= SHOWN_MS;
        let is_seen = is_lately(shown.impressed_at_ms) || is_lately(shown.acted_at_ms);
        if is_seen || !is_lately(shown.served_at_ms) { 0 } else { shown.served }
    }

    /// On which days less of `author` was wished for, ascending.
    pub fn less_of(&self, author: &UserId) -> impl Iterator<Item = i32> {
        let begin = self.less.partition_point(|(of, _)| of < author);
        let of_author = self.less.iter().skip(begin).take_while(move |(of, _)| of == author);
        of_author.map(|(_, day)| *day)
    }
}

fn time_of(posts: &[(PostId, i64)], post: &PostId) -> Option<i64> {
    let place = posts.binary_search_by_key(post, |(post, _)| *post).ok()?;
    posts.get(place).map(|(_, at)| *at)
}
