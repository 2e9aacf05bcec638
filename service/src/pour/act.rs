//! What happens in a world: a row comes, changes or goes, or somebody does something with a post.

use schemas::{CommentId, Event, LikeId, PostId, UserId};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// When, in ms UTC.
    pub at: i64,
    /// What.
    pub deed: Deed,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// A row was inserted.
    Insert(Row),
    /// A row was changed: what it was, what it is.
    Update(Row, Row),
    /// A row was deleted.
    Delete(Row),
    /// Somebody did something with a post.
    Event(Event),
}

/// A row of one of the five tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// Of `users`.
    User {
        /// Primary key.
        id: UserId,
        /// The name that others see.
        username: String,
        /// A line about them.
        bio: String,
        /// In ms UTC.
        created_at: i64,
    },
    /// Of `posts`.
    Post {
        /// Primary key.
        id: PostId,
        /// Who wrote it.
        author: UserId,
        /// What it says.
        content: String,
        /// In ms UTC.
        created_at: i64,
    },
    /// Of `follows`.
    Follow {
        /// Who follows.
        follower: UserId,
        /// Whom.
        followee: UserId,
        /// In ms UTC.
        created_at: i64,
    },
    /// Of `comments`.
    Comment {
        /// Primary key.
        id: CommentId,
        /// The post it is on.
        post: PostId,
        /// Whose it is.
        user: UserId,
        /// In ms UTC.
        created_at: i64,
    },
    /// Of `likes`.
    Like {
        /// Primary key.
        id: LikeId,
        /// The post it is on.
        post: PostId,
        /// Whose it is.
        user: UserId,
        /// In ms UTC.
        created_at: i64,
    },
}
