//! An act as the record that carries it: rows as Debezium's envelopes, JSON without the schema part; events
//! as the API writes them.
//!
//! The log position rises with every envelope. A delete is two records: the envelope with the row as it was,
//! then a tombstone. Tables whose replica identity is full have the row as it was in updates and deletes; of
//! users only the key is told. A row's image is also what PostgreSQL is given.

use connectors::table::Table;
use schemas::topic::{self, Topic};
use schemas::{Trace, UserId};
use serde_json::{Value, json};

use super::{Act, Deed, Row};
use crate::calendar::iso_time;

/// How far apart two log positions are.
const LSN_STEP: u64 = 56;

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where to.
    pub topic: Topic,
    /// Its key: a primary key in JSON, or a user's id as text.
    pub key: String,
    /// Its value; `None` is a tombstone.
    pub value: Option<String>,
    /// Its time, in ms UTC.
    pub at: i64,
}

/// Makes records, at rising log positions.
#[derive(Debug)]
pub struct Envelopes {
    lsn: u64,
}

impl Envelopes {
    /// The first envelope's position comes after `lsn`.
    pub fn after(lsn: u64) -> Self {
        Self { lsn }
    }

    /// Appends the records of `act`.
    pub fn push(&mut self, act: &Act, out: &mut Vec<Record>) {
        let at = act.at;
        match &act.deed {
            Deed::Event(event) => out.push(Record {
                topic: topic::EVENTS,
                key: event.user.to_string(),
                value: Some(event.to_json(&Trace::default())),
                at,
            }),
            Deed::Insert(row) => out.push(self.envelope("c", (None, Some(row)), row, at)),
            Deed::Update(old, new) => {
                out.push(self.envelope("u", (Some(old), Some(new)), new, at));
            }
            Deed::Delete(row) => {
                let deleted = self.envelope("d", (Some(row), None), row, at);
                let tombstone = Record { value: None, ..deleted.clone() };
                out.extend([deleted, tombstone]);
            }
        }
    }

    fn envelope(
        &mut self,
        op: &str,
        (before, after): (Option<&Row>, Option<&Row>),
        row: &Row,
        at: i64,
    ) -> Record {
        self.lsn += LSN_STEP;
        let topic = topic_of(row);
        let table = topic.name.trim_start_matches("cdc.");
        let value = json!({
            "before": before.and_then(before_image),
            "after": after.map(image),
            "source": {
                "connector": "postgresql", "name": "cdc", "ts_ms": at, "snapshot": "false",
                "db": "feedmill", "schema": "public", "table": table, "lsn": self.lsn,
            },
            "op": op,
            "ts_ms": at,
        });
        Record { topic, key: key(row), value: Some(value.to_string()), at }
    }
}

/// The topic of a row's table.
fn topic_of(row: &Row) -> Topic {
    match row {
        Row::User { .. } => topic::CDC_USERS,
        Row::Post { .. } => topic::CDC_POSTS,
        Row::Follow { .. } => topic::CDC_FOLLOWS,
        Row::Comment { .. } => topic::CDC_COMMENTS,
        Row::Like { .. } => topic::CDC_LIKES,
    }
}

/// The table of a row.
pub fn table(row: &Row) -> Table {
    match row {
        Row::User { .. } => Table::Users,
        Row::Post { .. } => Table::Posts,
        Row::Follow { .. } => Table::Follows,
        Row::Comment { .. } => Table::Comments,
        Row::Like { .. } => Table::Likes,
    }
}

/// The primary key, its columns in the order of the table.
fn key(row: &Row) -> String {
    let id = |id: &dyn std::fmt::Display| format!(r#"{{"id":"{id}"}}"#);
    match row {
        Row::User { id: user, .. } => id(user),
        Row::Post { id: post, .. } => id(post),
        Row::Comment { id: comment, .. } => id(comment),
        Row::Like { id: like, .. } => id(like),
        Row::Follow { follower, followee, .. } => {
            format!(r#"{{"follower_id":"{follower}","followee_id":"{followee}"}}"#)
        }
    }
}

/// The image before: of users, whose replica identity is the default, none in an update, and in a delete
/// none but the key.
fn before_image(row: &Row) -> Option<Value> {
    match row {
        Row::User { .. } => None,
        Row::Post { .. } | Row::Follow { .. } | Row::Comment { .. } | Row::Like { .. } => {
            Some(image(row))
        }
    }
}

/// A row's columns.
pub fn image(row: &Row) -> Value {
    let on_post = |id: String, (post, user): (String, &UserId), created_at: i64| json!({"id": id, "post_id": post, "user_id": user, "created_at": zoned(created_at)});
    match row {
        Row::User { id, username, bio, created_at } => json!({
            "id": id, "username": username, "avatar_url": null, "bio": bio,
            "created_at": zoned(*created_at),
        }),
        Row::Post { id, author, content, created_at } => json!({
            "id": id, "user_id": author, "content": content, "created_at": zoned(*created_at),
        }),
        Row::Follow { follower, followee, created_at } => json!({
            "follower_id": follower, "followee_id": followee, "created_at": zoned(*created_at),
        }),
        Row::Comment { id, post, user, created_at } => {
            on_post(id.to_string(), (post.to_string(), user), *created_at)
        }
        Row::Like { id, post, user, created_at } => {
            on_post(id.to_string(), (post.to_string(), user), *created_at)
        }
    }
}

/// A time as Debezium writes a `timestamptz`: ISO 8601, UTC, microseconds.
fn zoned(ms: i64) -> String {
    format!("{}000Z", iso_time(ms))
}

#[cfg(test)]
mod tests {
    use schemas::{
        Cdc, Change, Event, Follow, FollowKey, Like, LikeId, Op, Payload, Post, PostId, User,
    };

    use super::*;
    use crate::demo::world::World;

    const AT: i64 = 1_709_210_096_789;

    fn records(deed: Deed) -> Vec<Record> {
        let mut out = Vec::new();
        Envelopes::after(100).push(&Act { at: AT, deed }, &mut out);
        out
    }

    fn decode<R: schemas::Row>(record: &Record) -> Cdc<R> {
        let value = record.value.as_deref().map(str::as_bytes);
        Cdc::decode(Some(&Payload::json(record.key.as_bytes())), value.map(Payload::json).as_ref())
            .unwrap()
    }

    #[test]
    fn a_deleted_like_is_an_envelope_with_the_row_and_a_tombstone() {
        let (id, post, user) = (LikeId([1; 16]), PostId([2; 16]), UserId([3; 16]));
        let row = Row::Like { id, post, user, created_at: AT - 5 };
        let records = records(Deed::Delete(row));
        let [deleted, tombstone] = &records[..] else { panic!("{records:?}") };
        let before = Like { id, post, user, created_at_ms: AT - 5, deleted: false };
        let change = Change {
            op: Op::Delete,
            key: Some(id),
            lsn: 156,
            before: Some(before),
            after: None,
            source_ms: Some(AT),
        };
        assert_eq!(decode::<Like>(deleted), Cdc::Change(change));
        assert_eq!(decode::<Like>(tombstone), Cdc::Tombstone);
        assert_eq!((&deleted.key, deleted.topic), (&tombstone.key, tombstone.topic));
    }

    #[test]
    fn a_follow_is_keyed_by_both_in_the_order_of_the_table() {
        let (follower, followee) = (UserId([9; 16]), UserId([8; 16]));
        let records = records(Deed::Insert(Row::Follow { follower, followee, created_at: AT }));
        let [record] = &records[..] else { panic!("{records:?}") };
        assert!(record.key.starts_with(r#"{"follower_id":"09"#));
        let Cdc::Change(change) = decode::<Follow>(record) else { panic!("no change") };
        let key = FollowKey { follower, followee };
        assert_eq!(change.after, Some(Follow { key, created_at_ms: AT, deleted: false }));
    }

    #[test]
    fn everything_that_happens_in_a_world_is_decoded_at_rising_positions() {
        let mut world = World::new(3, 20);
        let acts = world.first(AT);
        let (mut out, mut envelopes) = (Vec::new(), Envelopes::after(0));
        acts.iter().for_each(|act| envelopes.push(act, &mut out));
        let mut last = 0;
        for record in out.iter().filter(|record| record.value.is_some()) {
            let lsn = match record.topic.name {
                "events" => {
                    let json = record.value.as_deref().unwrap();
                    assert_eq!(
                        Event::decode(&Payload::json(json.as_bytes())).unwrap().at_ms,
                        record.at
                    );
                    continue;
                }
                "cdc.users" => lsn(&decode::<User>(record)),
                "cdc.posts" => lsn(&decode::<Post>(record)),
                "cdc.follows" => lsn(&decode::<Follow>(record)),
                "cdc.comments" => lsn(&decode::<schemas::Comment>(record)),
                "cdc.likes" => lsn(&decode::<Like>(record)),
                other => panic!("{other}"),
            };
            assert!(lsn > last);
            last = lsn;
        }
    }

    fn lsn<R: schemas::Row>(cdc: &Cdc<R>) -> u64 {
        let Cdc::Change(change) = cdc else { panic!("no change") };
        change.lsn
    }

    #[test]
    fn times_are_written_as_the_connector_writes_them() {
        assert_eq!(zoned(AT), "2024-02-29T12:34:56.789000Z");
        assert_eq!(zoned(-1), "1969-12-31T23:59:59.999000Z");
        assert_eq!(zoned(0), "1970-01-01T00:00:00.000000Z");
    }
}
