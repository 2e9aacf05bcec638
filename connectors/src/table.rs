//! The tables of the application's database, and a row of one as it can be compared wherever it is kept.
//!
//! Every table has a row of one form: up to three ids, of which the first, or the first two, are its key; when it was created,
//! in ms; and of a post the hash of its content. So one question serves all of them.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A table of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `users`
    Users,
    /// `posts`
    Posts,
    /// `follows`
    Follows,
    /// `comments`
    Comments,
    /// `likes`
    Likes,
}

impl Table {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Users, Self::Posts, Self::Follows, Self::Comments, Self::Likes];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Posts => "posts",
            Self::Follows => "follows",
            Self::Comments => "comments",
            Self::Likes => "likes",
        }
    }

    /// What the ids of its rows are called.
    pub fn ids(self) -> &'static [&'static str] {
        match self {
            Self::Users => &["id"],
            Self::Posts => &["id", "user_id"],
            Self::Follows => &["follower_id", "followee_id"],
            Self::Comments | Self::Likes => &["id", "post_id", "user_id"],
        }
    }

    /// The key of a row with these ids.
    pub fn key(self, ids: [Uuid; 3]) -> RowKey {
        let [first, second, _] = ids;
        match self {
            Self::Follows => RowKey(first, Some(second)),
            Self::Users | Self::Posts | Self::Comments | Self::Likes => RowKey(first, None),
        }
    }
}

/// The primary key of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey(pub Uuid, pub Option<Uuid>);

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(first, Some(second)) => write!(f, "{first} {second}"),
            Self(id, None) => id.fmt(f),
        }
    }
}

/// A row that is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveRow {
    /// As [`Table::ids`] names them; zero where a table has fewer.
    pub ids: [Uuid; 3],
    /// When it was created, ms UTC.
    pub created_at_ms: i64,
    /// The hash of a post's content; none of another row, and where it is not known.
    pub content_hash: Option<u64>,
}

/// The live rows of a table that were created on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayOfRows {
    /// How many.
    pub rows: u64,
    /// The sum, over the rows, of 64 bits of the MD5 of their ids and time.
    pub digest: i128,
    /// The sum, over posts, of 64 bits of the SHA-256 of their ids and their contents' hashes; 0 of other tables.
    pub contents: u64,
}

/// What a post adds to [`DayOfRows::contents`].
pub fn content_part(id: Uuid, content_hash: u64) -> u64 {
    let digest: [u8; 32] = Sha256::digest(format!("{id}{content_hash}")).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_that_are_exchanged_between_posts_of_neighbouring_ids_are_another_sum() {
        let id = |n: u128| Uuid::from_u128(n);
        let sum =
            |of: [u64; 2]| content_part(id(6), of[0]).wrapping_add(content_part(id(7), of[1]));
        assert_ne!(sum([2, 4]), sum([4, 2]));
    }
}
