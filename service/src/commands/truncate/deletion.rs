//! The record that deletes a row: an envelope in JSON, with the row as it was, whatever the format of the others.

use schemas::{Block, Comment, Follow, Like, Mute, Post, Row, User};
use serde_json::{Value, json};

/// A row whose columns can be told again.
pub trait Deletable: Row + Clone {
    /// Its columns, as far as anything here reads them of a row that goes.
    fn columns(&self) -> Value;
}

/// The delete of `row` at a position of the database's log, written at `now_ms`.
pub fn deletion<R: Deletable>(row: &R, (lsn, now_ms): (u64, i64)) -> String {
    let source = json!({"ts_ms": now_ms, "table": format!("{}s", R::WHAT), "lsn": lsn});
    json!({"before": row.columns(), "after": null, "source": source, "op": "d", "ts_ms": now_ms})
        .to_string()
}

impl Deletable for User {
    fn columns(&self) -> Value {
        json!({"id": self.id, "created_at": self.created_at_ms})
    }
}

impl Deletable for Post {
    fn columns(&self) -> Value {
        json!({"id": self.id, "user_id": self.author, "created_at": self.created_at_ms})
    }
}

impl Deletable for Follow {
    fn columns(&self) -> Value {
        let (follower, followee) = (self.key.follower, self.key.followee);
        json!({"follower_id": follower, "followee_id": followee, "created_at": self.created_at_ms})
    }
}

impl Deletable for Mute {
    fn columns(&self) -> Value {
        let (by, whom) = (self.key.by, self.key.whom);
        json!({"muter_id": by, "muted_id": whom, "created_at": self.created_at_ms})
    }
}

impl Deletable for Block {
    fn columns(&self) -> Value {
        let (by, whom) = (self.key.by, self.key.whom);
        json!({"blocker_id": by, "blocked_id": whom, "created_at": self.created_at_ms})
    }
}

impl Deletable for Comment {
    fn columns(&self) -> Value {
        json!({"id": self.id, "post_id": self.post, "user_id": self.user, "created_at": self.created_at_ms})
    }
}

impl Deletable for Like {
    fn columns(&self) -> Value {
        json!({"id": self.id, "post_id": self.post, "user_id": self.user, "created_at": self.created_at_ms})
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use schemas::{
        Cdc, Change, CommentId, FollowKey, LikeId, Op, Payload, PostId, SilenceKey, UserId,
    };

    use super::*;

    const AT_MS: i64 = 1_795_216_628_123;

    /// A delete at position 1650 is read as this.
    fn assert_read<R: Deletable + Debug + PartialEq>(row: &R, key: R::Key) {
        let record = deletion(row, (1650, AT_MS));
        let change = Change {
            op: Op::Delete,
            key: Some(key),
            lsn: 1650,
            before: Some(row.clone()),
            after: None,
            source_ms: Some(AT_MS),
        };
        let read = Cdc::<R>::decode(None, Some(&Payload::json(record.as_bytes())));
        assert_eq!(read, Ok(Cdc::Change(change)));
    }

    #[test]
    fn a_row_of_any_table_is_deleted_with_its_image_at_the_position_that_is_told() {
        let (user, post, deleted) = (UserId([1; 16]), PostId([2; 16]), false);
        let (comment, like) = (CommentId([3; 16]), LikeId([4; 16]));
        let created_at_ms = AT_MS - 5;
        let key = FollowKey { follower: user, followee: UserId([5; 16]) };
        let content_hash = Some(0);
        assert_read(&User { id: user, created_at_ms, deleted }, user);
        let written = Post { id: post, author: user, created_at_ms, content_hash, deleted };
        assert_read(&written, post);
        assert_read(&Follow { key, created_at_ms, deleted }, key);
        let silence = SilenceKey { by: user, whom: UserId([5; 16]) };
        assert_read(&Mute { key: silence, created_at_ms, deleted }, silence);
        assert_read(&Block { key: silence, created_at_ms, deleted }, silence);
        assert_read(&Comment { id: comment, post, user, created_at_ms, deleted }, comment);
        assert_read(&Like { id: like, post, user, created_at_ms, deleted }, like);
    }
}
