//! What every reader's ranking needs of a post: topic `posts-live`, broadcast, key the post.
//!
//! A tombstone means the post is gone or out of the horizon. Counts, never scores: a score ages, a count
//! does not. 49 bytes: format, author, created_at i64, L C S E u32, content_hash u64.

use serde::Serialize;

use crate::ids::UserId;
use crate::poison::Poison;
use crate::wire::{Cursor, Wire};

const FORMAT: u8 = 1;

/// A live post in one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PostLine {
    /// Who wrote it.
    pub author: UserId,
    /// When it was created, in ms UTC; may lie ahead.
    pub created_at_ms: i64,
    /// L: likes that count.
    pub likes: u32,
    /// C: comments that count.
    pub comments: u32,
    /// S: shares.
    pub shares: u32,
    /// E: the larger of impressions and views.
    pub exposures: u32,
    /// Equal for posts of equal content; 0 equals nothing, not even 0.
    pub content_hash: u64,
}

impl Wire for PostLine {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.extend_from_slice(&self.author.0);
        out.extend_from_slice(&self.created_at_ms.to_le_bytes());
        for count in [self.likes, self.comments, self.shares, self.exposures] {
            out.extend_from_slice(&count.to_le_bytes());
        }
        out.extend_from_slice(&self.content_hash.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut cursor = Cursor::new("posts-live", bytes);
        cursor.format(FORMAT)?;
        let line = Self {
            author: UserId(cursor.bytes("author")?),
            created_at_ms: cursor.i64("created_at")?,
            likes: cursor.u32("L")?,
            comments: cursor.u32("C")?,
            shares: cursor.u32("S")?,
            exposures: cursor.u32("E")?,
            content_hash: cursor.u64("content_hash")?,
        };
        cursor.end()?;
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assert_round_trip;

    #[test]
    fn a_line_comes_back() {
        let line = PostLine {
            author: UserId([3; 16]),
            created_at_ms: 1_763_000_000_123,
            likes: 1,
            comments: 2,
            shares: 3,
            exposures: u32::MAX,
            content_hash: u64::MAX - 1,
        };
        assert_round_trip(&line, 49);
    }
}
