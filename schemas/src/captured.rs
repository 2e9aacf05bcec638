//! What a real Debezium wrote, decoded: the assumptions about it, each as a test.
//!
//! golden/NOTE.md says how it was captured; the changes are those of script/stack.d/capture.

use crate::golden::changes;
use crate::{
    Cdc, Change, Comment, Follow, FollowKey, Like, Op, Post, Row, User, UserId, content_hash,
};

fn id<T: From<[u8; 16]>>(table: u8, n: u8) -> T {
    T::from([table, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, n])
}

fn rows<R: Row>(path: &str) -> Vec<Change<R>> {
    let row = |cdc| match cdc {
        Cdc::Change(change) => Some(change),
        Cdc::Tombstone | Cdc::Message => None,
    };
    changes(path).into_iter().filter_map(row).collect()
}

/// The deletes of a topic: which row, and its image before.
fn deletes<R: Row>(path: &str) -> Vec<(R::Key, Option<R>)> {
    let deletes = rows::<R>(path).into_iter().filter(|change| change.op == Op::Delete);
    deletes.map(|change| (change.key.unwrap(), change.before)).collect()
}

/// The changes of a topic without when and where in the log they were made.
fn timeless<R: Row>(path: String) -> Vec<Change<R>> {
    let rows = rows::<R>(&path).into_iter();
    rows.map(|change| Change { lsn: 0, source_ms: None, ..change }).collect()
}

fn assert_equal_in(other: &str, identity: &str) {
    let plain = |table| format!("{identity}/cdc.{table}");
    let schema = |table| format!("{identity}-{other}/cdc.{table}");
    assert!(timeless::<Like>(plain("likes")).len() > 3, "there is something to compare");
    assert_eq!(timeless::<User>(plain("users")), timeless(schema("users")));
    assert_eq!(timeless::<Post>(plain("posts")), timeless(schema("posts")));
    assert_eq!(timeless::<Follow>(plain("follows")), timeless(schema("follows")));
    assert_eq!(timeless::<Comment>(plain("comments")), timeless(schema("comments")));
    assert_eq!(timeless::<Like>(plain("likes")), timeless(schema("likes")));
}

#[test]
fn a_schema_part_changes_nothing_under_the_default_identity() {
    assert_equal_in("schema", "default");
}

#[test]
fn a_schema_part_changes_nothing_under_the_full_identity() {
    assert_equal_in("schema", "full");
}

#[test]
fn avro_says_what_json_says_under_the_default_identity() {
    assert_equal_in("avro", "default");
}

#[test]
fn avro_says_what_json_says_under_the_full_identity() {
    assert_equal_in("avro", "full");
}

#[test]
fn a_delete_under_the_default_identity_has_its_key_and_no_image() {
    let follow = FollowKey { follower: id(0, 2), followee: id(0, 1) };
    assert_eq!(deletes::<User>("default/cdc.users"), [3, 4].map(|n| (id(0, n), None)));
    assert_eq!(deletes::<Post>("default/cdc.posts"), [(id(0x10, 2), None)]);
    assert_eq!(deletes::<Follow>("default/cdc.follows"), [(follow, None)]);
    assert_eq!(deletes::<Comment>("default/cdc.comments"), [(id(0x20, 1), None)]);
    assert_eq!(deletes::<Like>("default/cdc.likes"), [(id(0x30, 1), None)]);
}

#[test]
fn a_delete_under_the_full_identity_has_its_image() {
    let like = Like {
        id: id(0x30, 1),
        post: id(0x10, 1),
        user: id(0, 2),
        created_at_ms: 1_767_657_600_000,
        deleted: false,
    };
    let user = |n| User { id: id(0, n), created_at_ms: -1, deleted: false };
    assert_eq!(deletes::<Like>("full/cdc.likes"), [(like.id, Some(like))]);
    assert_eq!(deletes::<User>("full/cdc.users"), [3, 4].map(|n| (id(0, n), Some(user(n)))));
}

#[test]
fn content_that_the_log_did_not_repeat_is_unknown_unless_the_image_before_has_it() {
    let long = content_hash(&"long ".repeat(1000));
    let hashes = |path| rows::<Post>(path).into_iter().map(|of| of.after?.content_hash);
    let written = |path| hashes(path).collect::<Vec<_>>()[2..4].to_vec();
    assert_eq!(written("default/cdc.posts"), [Some(long), None]);
    assert_eq!(written("full/cdc.posts"), [Some(long), Some(long)]);
}

#[test]
fn a_changed_primary_key_is_a_delete_and_a_create_at_one_position() {
    let users = rows::<User>("default/cdc.users");
    let change = |at: usize| (users[at].op, users[at].key.unwrap());
    assert_eq!(change(4), (Op::Delete, id::<UserId>(0, 3)));
    assert_eq!(change(5), (Op::Create, id::<UserId>(0, 4)));
    assert_eq!(users[4].lsn, users[5].lsn);
}

#[test]
fn positions_never_go_back_within_a_table() {
    let likes = rows::<Like>("full/cdc.likes");
    assert!(likes.iter().map(|change| change.lsn).is_sorted());
    assert!(likes.iter().all(|change| change.lsn > 0 && change.source_ms.is_some()));
}

#[test]
fn a_mark_on_the_row_deletes_it_and_its_removal_brings_it_back() {
    let posts = rows::<Post>("default/cdc.posts");
    let lives: Vec<_> = posts.iter().rev().take(2).map(|change| change.live().is_some()).collect();
    assert_eq!(lives, [true, false]);
}
