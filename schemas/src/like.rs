//! A row of `likes`.

use crate::ids::{LikeId, PostId, UserId};
use crate::poison::FieldFault;
use crate::row::{Columns, Row};

/// A like, as the database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Like {
    /// Primary key.
    pub id: LikeId,
    /// The post it is on.
    pub post: PostId,
    /// Whose it is.
    pub user: UserId,
    /// When the row was created, in ms UTC: when it counts.
    pub created_at_ms: i64,
    /// Whether `deleted_at` is set.
    pub deleted: bool,
}

impl Row for Like {
    type Key = LikeId;
    const WHAT: &'static str = "like";
    const COUNTS_AT_CREATION: bool = true;

    fn key(columns: &Columns<'_>) -> Result<LikeId, FieldFault> {
        columns.id().id()
    }

    fn read(columns: &Columns<'_>) -> Result<Self, FieldFault> {
        Ok(Self {
            id: columns.id().id()?,
            post: columns.post_id().id()?,
            user: columns.user_id().id()?,
            created_at_ms: columns.created_at().time_ms()?,
            deleted: columns.is_deleted(),
        })
    }

    fn created_at_ms(&self) -> i64 {
        self.created_at_ms
    }

    fn is_deleted(&self) -> bool {
        self.deleted
    }
}
