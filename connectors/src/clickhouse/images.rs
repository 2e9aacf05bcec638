//! Records of `cdc.*` as rows of the tables of `1-rows.sql`: the images that a row of the application's database had.
//!
//! A delete without an image names its row alone; the other columns are zero then, and mean nothing.

use ::clickhouse::{Row, RowOwned, RowWrite};
use millstream::RawRecord;
use schemas::{
    Block, Cdc, Change, Comment, Follow, FollowKey, Like, Mark, Mute, Payload, Post, SilenceKey,
    User,
};
use serde::Serialize;

use super::sink::{Hold, Inserted, Sink};
use super::stretch::Stretch;
use super::{Uuid, time};

/// A table of the database that is kept here.
pub(super) trait Imaged: schemas::Row {
    /// Its name.
    const TABLE: &'static str;
    /// Its columns.
    type Columns: RowOwned + RowWrite + Serialize + Send;

    /// The row of this key with its best image.
    fn columns(key: Self::Key, image: Option<&Self>, state: State) -> Self::Columns;
}

/// How new an image is, and whether it says that its row is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    version: u128,
    is_deleted: u8,
}

impl State {
    fn of<R: schemas::Row>(change: &Change<R>, epoch: u32) -> Self {
        let Mark { epoch, lsn } = change.mark(epoch);
        let version = u128::from(epoch) << 64 | u128::from(lsn);
        Self { version, is_deleted: u8::from(change.live().is_none()) }
    }
}

/// What a change makes of its row; none if it names no row.
pub(super) fn columns<R: Imaged>(change: &Change<R>, epoch: u32) -> Option<R::Columns> {
    Some(R::columns(change.key?, change.image(), State::of(change, epoch)))
}

/// Columns of `users`.
#[derive(Debug, PartialEq, Eq, Row, Serialize)]
pub(super) struct UserColumns {
    id: Uuid,
    created_at: i64,
    version: u128,
    is_deleted: u8,
}

/// Columns of `posts`.
#[derive(Debug, PartialEq, Eq, Row, Serialize)]
pub(super) struct PostColumns {
    id: Uuid,
    user_id: Uuid,
    created_at: i64,
    content_hash: Option<u64>,
    version: u128,
    is_deleted: u8,
}

/// Columns of `follows`.
#[derive(Debug, PartialEq, Eq, Row, Serialize)]
pub(super) struct FollowColumns {
    follower_id: Uuid,
    followee_id: Uuid,
    created_at: i64,
    version: u128,
    is_deleted: u8,
}

/// Columns of `mutes`.
#[derive(Debug, PartialEq, Eq, Row, Serialize)]
pub(super) struct MuteColumns {
    muter_id: Uuid,
    muted_id: Uuid,
    created_at: i64,
    version: u128,
    is_deleted: u8,
}

/// Columns of `blocks`.
#[derive(Debug, PartialEq, Eq, Row, Serialize)]
pub(super) struct BlockColumns {
    blocker_id: Uuid,
    blocked_id: Uuid,
    created_at: i64,
    version: u128,
    is_deleted: u8,
}

/// Columns of `likes` and of `comments`.
#[derive(Debug, PartialEq, Eq, Row, Serialize)]
pub(super) struct InteractionColumns {
    id: Uuid,
    post_id: Uuid,
    user_id: Uuid,
    created_at: i64,
    version: u128,
    is_deleted: u8,
}

/// When a row was created, as far as it is known.
fn created<R: schemas::Row>(image: Option<&R>) -> i64 {
    time(image.map_or(0, R::created_at_ms))
}

impl Imaged for User {
    const TABLE: &'static str = "users";
    type Columns = UserColumns;

    fn columns(id: Self::Key, image: Option<&Self>, state: State) -> UserColumns {
        let State { version, is_deleted } = state;
        UserColumns { id: id.0.into(), created_at: created(image), version, is_deleted }
    }
}

impl Imaged for Post {
    const TABLE: &'static str = "posts";
    type Columns = PostColumns;

    fn columns(id: Self::Key, image: Option<&Self>, state: State) -> PostColumns {
        let State { version, is_deleted } = state;
        PostColumns {
            id: id.0.into(),
            user_id: image.map_or_else(Uuid::default, |post| post.author.0.into()),
            created_at: created(image),
            content_hash: image.and_then(|post| post.content_hash),
            version,
            is_deleted,
        }
    }
}

impl Imaged for Follow {
    const TABLE: &'static str = "follows";
    type Columns = FollowColumns;

    fn columns(key: FollowKey, image: Option<&Self>, state: State) -> FollowColumns {
        let State { version, is_deleted } = state;
        FollowColumns {
            follower_id: key.follower.0.into(),
            followee_id: key.followee.0.into(),
            created_at: created(image),
            version,
            is_deleted,
        }
    }
}

impl Imaged for Mute {
    const TABLE: &'static str = "mutes";
    type Columns = MuteColumns;

    fn columns(key: SilenceKey, image: Option<&Self>, state: State) -> MuteColumns {
        let State { version, is_deleted } = state;
        let (muter_id, muted_id) = (key.by.0.into(), key.whom.0.into());
        MuteColumns { muter_id, muted_id, created_at: created(image), version, is_deleted }
    }
}

impl Imaged for Block {
    const TABLE: &'static str = "blocks";
    type Columns = BlockColumns;

    fn columns(key: SilenceKey, image: Option<&Self>, state: State) -> BlockColumns {
        let State { version, is_deleted } = state;
        let (blocker_id, blocked_id) = (key.by.0.into(), key.whom.0.into());
        BlockColumns { blocker_id, blocked_id, created_at: created(image), version, is_deleted }
    }
}

impl Imaged for Like {
    const TABLE: &'static str = "likes";
    type Columns = InteractionColumns;

    fn columns(id: Self::Key, image: Option<&Self>, state: State) -> InteractionColumns {
        let on = image.map(|like| (like.post.0, like.user.0));
        interaction(id.0, on, created(image), state)
    }
}

impl Imaged for Comment {
    const TABLE: &'static str = "comments";
    type Columns = InteractionColumns;

    fn columns(id: Self::Key, image: Option<&Self>, state: State) -> InteractionColumns {
        let on = image.map(|comment| (comment.post.0, comment.user.0));
        interaction(id.0, on, created(image), state)
    }
}

fn interaction(
    id: [u8; 16],
    on: Option<([u8; 16], [u8; 16])>,
    created_at: i64,
    state: State,
) -> InteractionColumns {
    let (post, user) = on.unwrap_or_default();
    let State { version, is_deleted } = state;
    let (id, post_id, user_id) = (id.into(), post.into(), user.into());
    InteractionColumns { id, post_id, user_id, created_at, version, is_deleted }
}

impl Sink {
    pub(super) async fn images<'r, R: Imaged>(
        &self,
        stretch: &Stretch,
        is_doubtful: bool,
        records: impl Iterator<Item = RawRecord<'r>>,
    ) -> Result<Inserted, Hold> {
        let mut held = (Payload::default(), Payload::default());
        let rows = records.map(|record| self.image::<R>(&record, &mut held));
        self.merge(R::TABLE, (stretch, is_doubtful), rows).await
    }

    /// What a record makes of its row; its key and value are held in the same buffers as those before.
    fn image<R: Imaged>(
        &self,
        record: &RawRecord<'_>,
        (key, value): &mut (Payload, Payload),
    ) -> Result<Option<R::Columns>, Hold> {
        if !self.reading.takes(record) {
            return Ok(None);
        }
        self.reading.read(key, record.key)?;
        self.reading.read(value, record.value)?;
        let (key, value) = (record.key.map(|_| &*key), record.value.map(|_| &*value));
        let change = change::<R>((key, value), record.timestamp.0);
        Ok(change.and_then(|change| columns(&change, self.reading.cdc_epoch)))
    }
}

/// The change that a record of `record_ms` is, if ingest takes it for one too.
fn change<R: Imaged>(
    (key, value): (Option<&Payload>, Option<&Payload>),
    record_ms: i64,
) -> Option<Change<R>> {
    match Cdc::<R>::decode(key, value) {
        Ok(Cdc::Change(change)) => change.implausible(record_ms).is_none().then_some(change),
        Ok(Cdc::Tombstone | Cdc::Message) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use schemas::{LikeId, Op, PostId, UserId};

    use super::*;

    const LIKE: Like = Like {
        id: LikeId([1; 16]),
        post: PostId([2; 16]),
        user: UserId([3; 16]),
        created_at_ms: 77,
        deleted: false,
    };

    fn change(op: Op, image: Option<Like>) -> Change<Like> {
        let (before, after) = if op == Op::Delete { (image, None) } else { (None, image) };
        Change { op, key: Some(LIKE.id), lsn: 9, before, after, source_ms: None }
    }

    #[test]
    fn the_version_of_an_image_is_its_epoch_and_then_its_place_in_the_log() {
        let row = columns(&change(Op::Create, Some(LIKE)), 2).unwrap();
        let expected = InteractionColumns {
            id: [1; 16].into(),
            post_id: [2; 16].into(),
            user_id: [3; 16].into(),
            created_at: 77,
            version: (2 << 64) + 9,
            is_deleted: 0,
        };
        assert_eq!(row, expected);
    }

    #[test]
    fn a_row_that_is_deleted_either_way_says_so_and_keeps_the_image_that_there_is() {
        let gone = |change: Change<Like>| {
            let row = columns(&change, 0).unwrap();
            (row.is_deleted, row.post_id, row.created_at)
        };
        let soft = Like { deleted: true, ..LIKE };
        assert_eq!(gone(change(Op::Update, Some(soft))), (1, [2; 16].into(), 77));
        assert_eq!(gone(change(Op::Delete, Some(LIKE))), (1, [2; 16].into(), 77));
        assert_eq!(gone(change(Op::Delete, None)), (1, Uuid::default(), 0));
        assert!(columns(&Change { key: None, ..change(Op::Delete, None) }, 0).is_none());
    }
}
