//! A row of one of our tables, and the columns it is read from.
//!
//! Columns are found by name, never by place; unknown ones are skipped, null means absent. A row is
//! complete or there is none: every id and `created_at` is required.

use std::fmt::Debug;
use std::hash::Hash;

use crate::column::{Column, Scalar, cells};
use crate::poison::FieldFault;

/// What Debezium writes in place of a large value that the log did not repeat.
pub(crate) const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// A row of one table.
pub trait Row: Sized {
    /// Its primary key.
    type Key: Copy + Debug + Eq + Ord + Hash;
    /// What errors call it.
    const WHAT: &'static str;
    /// Whether its `created_at` is when it counts; else it only marks its user active.
    const COUNTS_AT_CREATION: bool;

    /// Reads the primary key.
    fn key(columns: &Columns<'_>) -> Result<Self::Key, FieldFault>;

    /// Reads the whole row; every id and `created_at` is required.
    fn read(columns: &Columns<'_>) -> Result<Self, FieldFault>;

    /// When it was created, in ms UTC.
    fn created_at_ms(&self) -> i64;

    /// Whether its `deleted_at` says that it is deleted.
    fn is_deleted(&self) -> bool;

    /// Takes from an earlier image what this one does not know.
    fn complete(&mut self, _before: &Self) {}
}

cells! {
    /// The columns that any of our tables uses, not yet decoded; what else a row has is skipped.
    pub struct ColumnsOf {
        id,
        user_id,
        post_id,
        follower_id,
        followee_id,
        username,
        avatar_url,
        bio,
        muter_id,
        muted_id,
        blocker_id,
        blocked_id,
        content,
        created_at,
        deleted_at,
    }
}

/// The columns of a row, whatever its format.
pub type Columns<'a> = ColumnsOf<Scalar<'a>>;

impl<'a> Columns<'a> {
    pub(crate) fn id(&self) -> Column<'_, 'a> {
        Column::new("id", &self.id)
    }

    pub(crate) fn user_id(&self) -> Column<'_, 'a> {
        Column::new("user_id", &self.user_id)
    }

    pub(crate) fn post_id(&self) -> Column<'_, 'a> {
        Column::new("post_id", &self.post_id)
    }

    pub(crate) fn follower_id(&self) -> Column<'_, 'a> {
        Column::new("follower_id", &self.follower_id)
    }

    pub(crate) fn followee_id(&self) -> Column<'_, 'a> {
        Column::new("followee_id", &self.followee_id)
    }

    pub(crate) fn username(&self) -> Column<'_, 'a> {
        Column::new("username", &self.username)
    }

    pub(crate) fn avatar_url(&self) -> Column<'_, 'a> {
        Column::new("avatar_url", &self.avatar_url)
    }

    pub(crate) fn bio(&self) -> Column<'_, 'a> {
        Column::new("bio", &self.bio)
    }

    pub(crate) fn muter_id(&self) -> Column<'_, 'a> {
        Column::new("muter_id", &self.muter_id)
    }

    pub(crate) fn muted_id(&self) -> Column<'_, 'a> {
        Column::new("muted_id", &self.muted_id)
    }

    pub(crate) fn blocker_id(&self) -> Column<'_, 'a> {
        Column::new("blocker_id", &self.blocker_id)
    }

    pub(crate) fn blocked_id(&self) -> Column<'_, 'a> {
        Column::new("blocked_id", &self.blocked_id)
    }

    pub(crate) fn content(&self) -> Column<'_, 'a> {
        Column::new("content", &self.content)
    }

    pub(crate) fn created_at(&self) -> Column<'_, 'a> {
        Column::new("created_at", &self.created_at)
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }
}
