//! The smallest world with a feed in it: a post, a reader who follows its author, a like by a third.

use crate::records::{Record, record};
use worlds::history::{FollowRow, Id, Image, Input, LikeOrComment, Payload, PostRow, RowChange};

/// When everything happens, ms UTC.
pub const NOW: i64 = 1_780_000_000_000;
pub const READER: Id = [1; 16];
pub const AUTHOR: Id = [2; 16];
pub const POST: Id = [4; 16];
pub const OTHER: Id = [3; 16];

/// The records.
pub fn history() -> Vec<Record> {
    let created_at = NOW;
    let post = PostRow { id: POST, user: AUTHOR, content: Some("hello".into()), created_at };
    let follow = FollowRow { follower: READER, followee: AUTHOR, created_at };
    let like = LikeOrComment { id: [5; 16], post: POST, user: OTHER, created_at };
    let logged = [
        Payload::Like(RowChange { lsn: 3, key: vec![[5; 16]], image: Image::Live(like) }),
        Payload::Follow(RowChange {
            lsn: 2,
            key: vec![READER, AUTHOR],
            image: Image::Live(follow),
        }),
        Payload::Post(RowChange { lsn: 1, key: vec![POST], image: Image::Live(post) }),
    ];
    let inputs = logged.map(|payload| Input { arrived: NOW, payload });
    inputs.iter().enumerate().map(|(number, input)| record(input, number)).collect()
}
