//! A row of `users`.

use crate::ids::UserId;
use crate::poison::FieldFault;
use crate::row::{Columns, Row};

/// A user, as the database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// Primary key.
    pub id: UserId,
    /// When the row was created, in ms UTC.
    pub created_at_ms: i64,
    /// Whether `deleted_at` is set.
    pub deleted: bool,
}

impl Row for User {
    type Key = UserId;
    const WHAT: &'static str = "user";
    const COUNTS_AT_CREATION: bool = false;

    fn key(columns: &Columns<'_>) -> Result<UserId, FieldFault> {
        columns.id().id()
    }

    fn read(columns: &Columns<'_>) -> Result<Self, FieldFault> {
        Ok(Self {
            id: columns.id().id()?,
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
