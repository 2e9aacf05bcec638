//! A row of `posts`.
//!
//! Of the content only a hash is kept: all that a feed needs to know is whether two posts say the same.

use crate::column::Scalar;
use crate::ids::{PostId, UserId};
use crate::poison::FieldFault;
use crate::row::{Columns, Row, UNAVAILABLE};
use crate::to_post::PostImage;

/// The hash of a post that has no content; equals no other, not even itself.
const NO_CONTENT: u64 = 0;

/// A post, as the database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    /// Primary key.
    pub id: PostId,
    /// `user_id`: who wrote it.
    pub author: UserId,
    /// When the row was created, in ms UTC.
    pub created_at_ms: i64,
    /// [`content_hash`] of its content, 0 if it has none; `None`: unchanged, and the log did not repeat it.
    pub content_hash: Option<u64>,
    /// Whether `deleted_at` is set.
    pub deleted: bool,
}

impl Post {
    /// What is sent to the post's own task.
    pub fn image(&self) -> PostImage {
        PostImage {
            author: self.author,
            created_at_ms: self.created_at_ms,
            content_hash: self.content_hash,
        }
    }
}

impl Row for Post {
    type Key = PostId;
    const WHAT: &'static str = "post";
    const COUNTS_AT_CREATION: bool = true;

    fn key(columns: &Columns<'_>) -> Result<PostId, FieldFault> {
        columns.id().id()
    }

    fn read(columns: &Columns<'_>) -> Result<Self, FieldFault> {
        let content = columns.content().optional("text", Scalar::text)?;
        Ok(Self {
            id: columns.id().id()?,
            author: columns.user_id().id()?,
            created_at_ms: columns.created_at().time_ms()?,
            content_hash: match content.as_deref() {
                None => Some(NO_CONTENT),
                Some(UNAVAILABLE) => None,
                Some(content) => Some(content_hash(content)),
            },
            deleted: columns.is_deleted(),
        })
    }

    fn created_at_ms(&self) -> i64 {
        self.created_at_ms
    }

    fn is_deleted(&self) -> bool {
        self.deleted
    }

    fn complete(&mut self, before: &Self) {
        self.content_hash = self.content_hash.or(before.content_hash);
    }
}

/// The hash by which posts of equal content are found; never 0.
///
/// FNV-1a over the UTF-8, 64 bits, with `MurmurHash3`'s finaliser. It is part of the contract: state and
/// topics hold it. It resists accidents, not malice: who wants to be taken for a copy can just copy.
pub fn content_hash(content: &str) -> u64 {
    let mut hash = content.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (hash ^ (hash >> 33)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_of_a_post_is_what_its_task_needs() {
        let post = Post {
            id: PostId([1; 16]),
            author: UserId([2; 16]),
            created_at_ms: 3,
            content_hash: Some(4),
            deleted: false,
        };
        let image = PostImage { author: UserId([2; 16]), created_at_ms: 3, content_hash: Some(4) };
        assert_eq!(post.image(), image);
    }

    #[test]
    fn the_hash_of_a_content_stays_what_it_was() {
        let hashes = ["", "hello", "Grüße"].map(content_hash);
        assert_eq!(hashes, [0xefd0_1f60_ba99_2926, 0xe9c5_62c0_fdb2_3244, 0x18ee_3acd_8b57_a4fe]);
    }
}
