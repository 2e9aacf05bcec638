//! A row of `posts` for its words alone.

use crate::column::Scalar;
use crate::ids::PostId;
use crate::poison::FieldFault;
use crate::row::{Columns, Row, UNAVAILABLE};
use crate::words::Words;

/// What a post says, word by word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostText {
    /// Primary key.
    pub id: PostId,
    /// When the row was created, in ms UTC.
    pub created_at_ms: i64,
    /// The words; `None`: unchanged, and the log did not repeat them.
    pub words: Option<Words>,
    /// Whether `deleted_at` is set.
    pub deleted: bool,
}

impl Row for PostText {
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
            created_at_ms: columns.created_at().time_ms()?,
            words: match content.as_deref() {
                None => Some(Words::default()),
                Some(UNAVAILABLE) => None,
                Some(content) => Some(Words::of(content)),
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
        if self.words.is_none() {
            self.words.clone_from(&before.words);
        }
    }
}
