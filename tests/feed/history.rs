//! What came in, as plain data in log order: the only thing that the oracle and the feed share.
//!
//! One list for all topics; the order between topics means nothing, that within a topic is its log.

/// Sixteen bytes that name something.
pub type Id = [u8; 16];

/// One record of one input topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The record's timestamp, which is the wall time of its arrival, ms UTC.
    pub arrived: i64,
    pub payload: Payload,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    User(RowChange<UserRow>),
    Post(RowChange<PostRow>),
    Follow(RowChange<FollowRow>),
    Comment(RowChange<LikeOrComment>),
    Like(RowChange<LikeOrComment>),
    Event(BehaviourEvent),
    Read { user: Id },
}

/// What the database's log says of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange<R> {
    pub lsn: u64,
    /// The primary key; of a follow, follower and followee.
    pub key: Vec<Id>,
    pub image: Image<R>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Image<R> {
    /// Created, updated or read by a snapshot.
    Live(R),
    /// Updated with `deleted_at` set.
    SoftDeleted(R),
    /// Deleted under full replica identity.
    Deleted(R),
    /// Deleted under the default replica identity: the other columns are made up.
    DeletedByKey,
}

impl<R> Image<R> {
    /// The columns, where they can be trusted.
    pub fn row(&self) -> Option<&R> {
        match self {
            Self::Live(row) | Self::SoftDeleted(row) | Self::Deleted(row) => Some(row),
            Self::DeletedByKey => None,
        }
    }

    pub fn live(&self) -> Option<&R> {
        match self {
            Self::Live(row) => Some(row),
            Self::SoftDeleted(_) | Self::Deleted(_) | Self::DeletedByKey => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct UserRow {
    pub id: Id,
    pub created_at: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PostRow {
    pub id: Id,
    pub user: Id,
    pub content: Option<String>,
    pub created_at: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FollowRow {
    pub follower: Id,
    pub followee: Id,
    pub created_at: i64,
}

/// A row of `likes` or `comments`.
#[derive(Clone, Debug, PartialEq)]
pub struct LikeOrComment {
    pub id: Id,
    pub post: Id,
    pub user: Id,
    pub created_at: i64,
}

/// A behaviour event.
#[derive(Clone, Debug, PartialEq)]
pub struct BehaviourEvent {
    /// None: a hash of user, post, action and the second stands in.
    pub event: Option<Id>,
    pub user: Id,
    pub post: Id,
    pub action: Action,
    pub time: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    Impression,
    View,
    Click,
    Like,
    Comment,
    Share,
    Dwell,
}
