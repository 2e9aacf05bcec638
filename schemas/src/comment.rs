//! A row of `comments`.

use crate::ids::{CommentId, PostId, UserId};
use crate::poison::FieldFault;
use crate::row::{Columns, Row};

/// A comment, as the database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Primary key.
    pub id: CommentId,
    /// The post it is on.
    pub post: PostId,
    /// Whose it is.
    pub user: UserId,
    /// When the row was created, in ms UTC: when it counts.
    pub created_at_ms: i64,
    /// Whether `deleted_at` is set.
    pub deleted: bool,
}

impl Row for Comment {
    type Key = CommentId;
    const WHAT: &'static str = "comment";
    const COUNTS_AT_CREATION: bool = true;

    fn key(columns: &Columns<'_>) -> Result<CommentId, FieldFault> {
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

#[cfg(test)]
mod tests {
    use crate::{Cdc, Comment, Payload};

    #[test]
    fn a_comment_is_deleted_from_when_its_row_says_so() {
        let comment = |more: &str| {
            let value = format!(
                r#"{{"op":"u","after":{{"id":"0190a6c2-0000-7000-b000-000000000001",
                    "post_id":"0190a6c2-0000-7000-9000-000000000001",
                    "user_id":"0190a6c2-0000-7000-8000-000000000001","created_at":5{more}}}}}"#
            );
            let decoded =
                Cdc::<Comment>::decode(None, Some(&Payload::json(value.as_bytes()))).unwrap();
            let Cdc::Change(change) = decoded else { panic!("no change") };
            change.live().is_some()
        };
        assert!(comment("") && comment(r#","deleted_at":null"#));
        assert!(!comment(r#","deleted_at":7"#));
    }
}
