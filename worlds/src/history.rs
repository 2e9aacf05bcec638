//! What came in, as plain data in log order: the only thing that the oracle and the feed share.
//!
//! One sequence for all topics; the order between topics means nothing, that within a topic is its log.

/// Sixteen bytes that name something.
pub type Id = [u8; 16];

/// One record of one input topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The record's timestamp, which is the wall time of its arrival, ms UTC.
    pub arrived: i64,
    /// What it says.
    pub payload: Payload,
}

/// What a record says; each kind is of one topic.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// A change in `users`.
    User(RowChange<UserRow>),
    /// A change in `posts`.
    Post(RowChange<PostRow>),
    /// A change in `follows`.
    Follow(RowChange<FollowRow>),
    /// A change in `comments`.
    Comment(RowChange<LikeOrComment>),
    /// A change in `likes`.
    Like(RowChange<LikeOrComment>),
    /// A change in `mutes`.
    Mute(RowChange<SilenceRow>),
    /// A change in `blocks`.
    Block(RowChange<SilenceRow>),
    /// Somebody did something with a post.
    Event(BehaviourEvent),
    /// Somebody read their feed.
    Read {
        /// Who.
        user: Id,
    },
}

/// What the database's log says of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange<R> {
    /// Where it stands in the database's log.
    pub lsn: u64,
    /// The primary key; of a follow, follower and followee, of a mute or block who and whom.
    pub key: Vec<Id>,
    /// What the row is since.
    pub image: Image<R>,
}

/// A row after a change.
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

impl<R> RowChange<R> {
    /// The primary key of a row that has one column of it.
    pub fn id(&self) -> Id {
        self.key.first().copied().unwrap_or_default()
    }

    /// The primary key of a follow, mute or block: who, and whom.
    pub fn pair(&self) -> (Id, Id) {
        (self.id(), self.key.get(1).copied().unwrap_or_default())
    }
}

impl<R> Image<R> {
    /// The columns, where they can be trusted.
    pub fn row(&self) -> Option<&R> {
        match self {
            Self::Live(row) | Self::SoftDeleted(row) | Self::Deleted(row) => Some(row),
            Self::DeletedByKey => None,
        }
    }

    /// The columns of a row that exists, undeleted.
    pub fn live(&self) -> Option<&R> {
        match self {
            Self::Live(row) => Some(row),
            Self::SoftDeleted(_) | Self::Deleted(_) | Self::DeletedByKey => None,
        }
    }
}

/// A row of `users`.
#[derive(Clone, Debug, PartialEq)]
pub struct UserRow {
    /// Primary key.
    pub id: Id,
    /// In ms UTC, as in all rows.
    pub created_at: i64,
}

/// A row of `posts`.
#[derive(Clone, Debug, PartialEq)]
pub struct PostRow {
    /// Primary key.
    pub id: Id,
    /// Its author.
    pub user: Id,
    /// What it says.
    pub content: Option<String>,
    /// When it was written.
    pub created_at: i64,
}

/// A row of `follows`.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowRow {
    /// Who follows.
    pub follower: Id,
    /// Whom.
    pub followee: Id,
    /// Since when.
    pub created_at: i64,
}

/// A row of `mutes` or `blocks`.
#[derive(Clone, Debug, PartialEq)]
pub struct SilenceRow {
    /// Who mutes or blocks.
    pub by: Id,
    /// Whom.
    pub whom: Id,
    /// Since when.
    pub created_at: i64,
}

/// A row of `likes` or `comments`.
#[derive(Clone, Debug, PartialEq)]
pub struct LikeOrComment {
    /// Primary key.
    pub id: Id,
    /// The post it is on.
    pub post: Id,
    /// Whose it is.
    pub user: Id,
    /// When it was made.
    pub created_at: i64,
}

/// A behaviour event.
#[derive(Clone, Debug, PartialEq)]
pub struct BehaviourEvent {
    /// None: a hash of user, post, action and the second stands in.
    pub event: Option<Id>,
    /// Who did it.
    pub user: Id,
    /// With which post.
    pub post: Id,
    /// What.
    pub action: Action,
    /// When, in ms UTC.
    pub time: i64,
}

/// What somebody may do with a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It was on their screen.
    Impression,
    /// They looked at it.
    View,
    /// They opened it.
    Click,
    /// They liked it.
    Like,
    /// They commented on it.
    Comment,
    /// They passed it on.
    Share,
    /// They stayed with it.
    Dwell,
    /// They do not want to be shown it again.
    Hide,
    /// They reported it.
    Report,
    /// They want less of its author.
    LessLikeThis,
    /// They take back what they said against it.
    Undo,
}
