//! A row of `follows`: one user follows another.

use crate::ids::UserId;
use crate::poison::FieldFault;
use crate::row::{Columns, Row};

/// The primary key of a follow; sorts by follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FollowKey {
    /// Who follows.
    pub follower: UserId,
    /// Who is followed.
    pub followee: UserId,
}

/// A follow, as the database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follow {
    /// Primary key.
    pub key: FollowKey,
    /// When the row was created, in ms UTC.
    pub created_at_ms: i64,
    /// Whether `deleted_at` is set.
    pub deleted: bool,
}

impl Row for Follow {
    type Key = FollowKey;
    const WHAT: &'static str = "follow";
    const COUNTS_AT_CREATION: bool = false;

    fn key(columns: &Columns<'_>) -> Result<FollowKey, FieldFault> {
        Ok(FollowKey {
            follower: columns.follower_id().id()?,
            followee: columns.followee_id().id()?,
        })
    }

    fn read(columns: &Columns<'_>) -> Result<Self, FieldFault> {
        Ok(Self {
            key: Self::key(columns)?,
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
