//! Every golden record decodes, those written by hand to these values, and no mutilation panics.
//!
//! golden/README.md says what the files are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use crate::{
    Cdc, Change, Comment, Event, Follow, FollowKey, Like, Lookup, Op, Payload, Poison, Post,
    PostId, Row, SchemaById, User, UserId, WriterSchema, content_hash,
};

/// In how many places, about, a captured value is cut and flipped; one written by hand is in all.
const CAPTURED_PLACES: usize = 100;

/// What is refused, and how the reason begins.
const REFUSED: [(&str, &str); 5] = [
    (
        "t",
        "\"t\": the table was truncated, state is unchanged; its rows are deleted by: feedmill cdc",
    ),
    ("schema", "a schema change of Debezium"),
    ("heartbeat", "a heartbeat of Debezium"),
    ("begin", "transaction metadata of Debezium"),
    ("end", "transaction metadata of Debezium"),
];

/// One record, with `None` where Kafka has null.
struct Golden {
    /// `<origin>/<topic>/<number>-<what>`.
    name: String,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl Golden {
    fn what(&self) -> &str {
        self.name.rsplit('-').next().unwrap()
    }

    fn decode_value(&self, value: Option<&[u8]>) -> Result<(), Poison> {
        let (key, value) = (payload(self.key.as_deref()), payload(value));
        let (key, value) = (key.as_ref(), value.as_ref());
        match self.name.split('/').nth(1).unwrap() {
            "cdc.users" => Cdc::<User>::decode(key, value).map(drop),
            "cdc.posts" => Cdc::<Post>::decode(key, value).map(drop),
            "cdc.follows" => Cdc::<Follow>::decode(key, value).map(drop),
            "cdc.comments" => Cdc::<Comment>::decode(key, value).map(drop),
            "cdc.likes" => Cdc::<Like>::decode(key, value).map(drop),
            "events" => Event::decode(value.unwrap()).map(drop),
            other => panic!("golden records of an unknown topic {other}"),
        }
    }
}

/// The schemas of the captures, as their registry knew them, and those written by hand.
#[derive(Debug)]
pub(crate) struct Written;

impl SchemaById for Written {
    fn schema(&self, id: u32) -> Lookup {
        static READ: LazyLock<BTreeMap<u32, Arc<WriterSchema>>> = LazyLock::new(|| {
            let folders = ["full-avro/schemas", "by-hand-avro/schemas"];
            let files = folders.iter().flat_map(|of| entries(&folder().join(of))).map(|path| {
                let id = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
                (id, Arc::new(fs::read_to_string(&path).unwrap().parse().unwrap()))
            });
            files.collect()
        });
        let known = READ.get(&id).cloned();
        known.map_or_else(|| Lookup::Unknown("none has it".into()), Lookup::Ready)
    }
}

fn payload(bytes: Option<&[u8]>) -> Option<Payload> {
    bytes.map(|bytes| Payload::of(bytes, &Written).unwrap())
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/golden"))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut entries: Vec<_> = entries.collect();
    entries.sort();
    entries
}

/// The records of one topic of one origin, in order.
fn topic(path: &Path) -> Vec<Golden> {
    let mut stems: Vec<_> = entries(path).iter().map(|file| file.with_extension("")).collect();
    stems.dedup();
    let relative = |stem: &Path| stem.strip_prefix(folder()).unwrap().to_str().unwrap().to_owned();
    let part = |stem: &Path, extension| fs::read(stem.with_extension(extension)).ok();
    stems
        .iter()
        .map(|stem| Golden {
            name: relative(stem),
            key: part(stem, "key"),
            value: part(stem, "value"),
        })
        .collect()
}

fn all() -> Vec<Golden> {
    let folders = |path: &PathBuf| entries(path).into_iter().filter(|path| path.is_dir());
    let origins: Vec<_> = folders(&folder().to_owned()).collect();
    let topics = origins.iter().flat_map(folders).filter(|path| !path.ends_with("schemas"));
    topics.flat_map(|path| topic(&path)).collect()
}

/// Every place in `value` where it is cut or flipped.
fn places(golden: &Golden, value: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let by_hand = golden.name.starts_with("by-hand");
    (0..value.len()).step_by(if by_hand { 1 } else { 1 + value.len() / CAPTURED_PLACES })
}

#[test]
fn every_golden_record_decodes_but_those_about_no_row() {
    let is_refused = |of: &Golden| REFUSED.iter().any(|(what, _)| *what == of.what());
    let (refused, others): (Vec<_>, Vec<_>) = all().into_iter().partition(is_refused);
    let decode = |golden: &Golden| golden.decode_value(golden.value.as_deref());
    let faults = others.iter().filter_map(|of| Some(format!("{}: {}", of.name, decode(of).err()?)));
    assert_eq!(faults.collect::<Vec<_>>(), Vec::<String>::new());
    for (what, reason) in REFUSED {
        let mut of: Vec<_> = refused.iter().filter(|of| of.what() == what).collect();
        assert!(of.len() >= 2, "{what} is missing in JSON or in Avro");
        of.retain(|of| !decode(of).unwrap_err().fault.found.starts_with(reason));
        assert_eq!(of.len(), 0, "{what} is refused with another reason");
    }
    assert!(others.len() > 40, "golden records are missing");
}

#[test]
fn no_truncation_of_a_golden_value_decodes_or_panics() {
    for golden in all() {
        let value = golden.value.as_deref().unwrap_or_default();
        let decodes = |len: &usize| golden.decode_value(Some(&value[..*len])).is_ok();
        assert_eq!(places(&golden, value).find(decodes), None, "{}", golden.name);
    }
}

#[test]
fn no_flipped_bit_of_a_golden_value_panics() {
    for golden in all() {
        let mut value = golden.value.clone().unwrap_or_default();
        for at in places(&golden, &value) {
            for bit in 0..8 {
                value[at] ^= 1 << bit;
                let _ = golden.decode_value(Some(&value));
                value[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn no_mutilation_of_a_golden_key_panics() {
    let delete = Payload::json(br#"{"op":"d","before":null,"after":null}"#);
    for golden in topic(&folder().join("by-hand-schema/cdc.likes")) {
        let key = golden.key.unwrap_or_default();
        for bit in 0..key.len() * 8 {
            let mut flipped = key.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let decode = |key| Cdc::<Like>::decode(payload(Some(key)).as_ref(), Some(&delete));
            let _ = decode(&flipped);
            let _ = decode(&flipped[..bit / 8]);
        }
    }
}

const MS: i64 = 1_795_216_628_123;

/// The records of a topic, decoded; truncates are left out.
pub(crate) fn changes<R: Row>(path: &str) -> Vec<Cdc<R>> {
    topic(&folder().join(path))
        .iter()
        .filter_map(|golden| {
            let (key, value) = (payload(golden.key.as_deref()), payload(golden.value.as_deref()));
            Cdc::decode(key.as_ref(), value.as_ref()).ok()
        })
        .collect()
}

fn id<T: From<[u8; 16]>>(table: u8, n: u8) -> T {
    T::from([0x01, 0x90, 0xa6, 0xc2, 0, 0, 0x70, 0, table, 0, 0, 0, 0, 0, 0, n])
}

fn user(n: u8) -> UserId {
    id(0x80, n)
}

fn post(n: u8) -> PostId {
    id(0x90, n)
}

fn like(n: u8, post_number: u8, user_number: u8) -> Like {
    Like {
        id: id(0xa0, n),
        post: post(post_number),
        user: user(user_number),
        created_at_ms: MS,
        deleted: false,
    }
}

fn change<R: Row>(op: Op, lsn: u64, before: Option<R>, after: Option<R>, key: R::Key) -> Cdc<R> {
    let source_ms = Some(MS + 1000);
    Cdc::Change(Change { op, key: Some(key), lsn, before, after, source_ms })
}

#[test]
fn likes_decode_with_every_operation() {
    let (old, new, third) = (like(2, 2, 2), like(2, 3, 2), like(3, 1, 1));
    let expected = [
        change(Op::Snapshot, 1000, None, Some(like(1, 1, 2)), id(0xa0, 1)),
        change(Op::Create, 1100, None, Some(old), old.id),
        change(Op::Update, 1200, Some(old), Some(new), new.id),
        change(Op::Delete, 1300, Some(new), None, new.id),
        Cdc::Tombstone,
        change(Op::Delete, 1400, None, None, id(0xa0, 1)),
        Cdc::Tombstone,
        change(Op::Create, 1500, None, Some(third), third.id),
        change(Op::Delete, 1600, None, None, third.id),
        Cdc::Message,
    ];
    assert_eq!(changes::<Like>("by-hand/cdc.likes"), expected);
}

#[test]
fn a_schema_part_changes_nothing() {
    let made = like(2, 2, 2);
    let expected = [
        change(Op::Create, 1100, None, Some(made), made.id),
        change(Op::Delete, 1200, None, None, made.id),
        Cdc::Tombstone,
    ];
    assert_eq!(changes::<Like>("by-hand-schema/cdc.likes"), expected);
}

#[test]
fn posts_keep_what_the_log_did_not_repeat_unknown() {
    let plain = |n, content_hash| Post {
        id: post(n),
        author: user(n),
        created_at_ms: MS,
        content_hash,
        deleted: false,
    };
    let hello = Some(content_hash("hello"));
    let gone = Post { deleted: true, ..plain(1, hello) };
    let expected = [
        change(Op::Snapshot, 1000, None, Some(plain(1, hello)), post(1)),
        change(Op::Create, 1100, None, Some(plain(2, Some(content_hash("line\nbreak")))), post(2)),
        change(Op::Update, 1200, Some(plain(2, hello)), Some(plain(2, hello)), post(2)),
        change(Op::Update, 1250, None, Some(plain(3, None)), post(3)),
        change(Op::Update, 1300, None, Some(gone), post(1)),
        change(Op::Delete, 1400, None, None, post(2)),
        Cdc::Tombstone,
        change(Op::Delete, 1500, Some(plain(3, Some(0))), None, post(3)),
        Cdc::Tombstone,
    ];
    assert_eq!(changes::<Post>("by-hand/cdc.posts"), expected);
}

#[test]
fn follows_are_named_by_both_users() {
    let follow = |followee| Follow {
        key: FollowKey { follower: user(1), followee: user(followee) },
        created_at_ms: MS,
        deleted: false,
    };
    let (two, three) = (follow(2), follow(3));
    let expected = [
        change(Op::Snapshot, 1000, None, Some(two), two.key),
        change(Op::Create, 1100, None, Some(three), three.key),
        change(Op::Delete, 1200, Some(three), None, three.key),
        Cdc::Tombstone,
        change(Op::Delete, 1300, None, None, two.key),
        Cdc::Tombstone,
    ];
    assert_eq!(changes::<Follow>("by-hand/cdc.follows"), expected);
}

#[test]
fn a_deleted_user_is_named_though_the_rest_is_made_up() {
    let decoded = changes::<User>("by-hand/cdc.users");
    let gone = change(Op::Delete, 1300, None, None, user(3));
    assert_eq!(decoded[4..], [gone, Cdc::Tombstone]);
}

#[test]
fn a_time_in_microseconds_is_floored() {
    let decoded = changes::<Comment>("by-hand/cdc.comments");
    let times: Vec<_> = decoded.iter().filter_map(created).collect();
    assert_eq!(times, [MS, MS, MS]);
}

fn created(cdc: &Cdc<Comment>) -> Option<i64> {
    let Cdc::Change(change) = cdc else { return None };
    change.image().map(Row::created_at_ms)
}
