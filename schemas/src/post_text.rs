//! A row of `posts` with what it says: for its words, which only those rows need that are news.

use crate::column::Scalar;
use crate::ids::PostId;
use crate::poison::FieldFault;
use crate::post::Post;
use crate::row::{Columns, Row};
use crate::words::Words;

/// A post, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostText {
    /// The row without it.
    pub post: Post,
    /// The text, if there is one.
    text: Option<Box<str>>,
}

impl PostText {
    /// Its words; `None`: unchanged, and the log did not repeat them.
    pub fn words(&self) -> Option<Words> {
        self.post.content_hash.map(|_| self.text.as_deref().map(Words::of).unwrap_or_default())
    }
}

impl Row for PostText {
    type Key = PostId;
    const WHAT: &'static str = Post::WHAT;
    const COUNTS_AT_CREATION: bool = Post::COUNTS_AT_CREATION;

    fn key(columns: &Columns<'_>) -> Result<PostId, FieldFault> {
        Post::key(columns)
    }

    fn read(columns: &Columns<'_>) -> Result<Self, FieldFault> {
        let text = columns.content().optional("text", Scalar::text)?;
        Ok(Self { post: Post::read(columns)?, text: text.map(|text| text.as_ref().into()) })
    }

    fn created_at_ms(&self) -> i64 {
        self.post.created_at_ms()
    }

    fn is_deleted(&self) -> bool {
        self.post.is_deleted()
    }

    fn complete(&mut self, before: &Self) {
        if self.post.content_hash.is_none() {
            self.text.clone_from(&before.text);
        }
        self.post.complete(&before.post);
    }
}
