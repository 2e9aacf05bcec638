//! Every golden record decodes, those written by hand to these values, and no mutilation panics.
//!
//! golden/README.md says what the files are.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{
    Cdc, Change, Comment, Event, Follow, FollowKey, Like, Op, Post, PostId, Row, User, UserId,
    content_hash,
};

/// How many lines of each file are mutilated; every bit of every line would take minutes.
const MUTILATED: usize = 4;

/// Decodes one line, to nothing or to the words of the fault.
type Decode = fn(&Line) -> Result<(), String>;

/// One line: key and value, `None` where Kafka has null.
struct Line {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

/// The lines of one file, in order.
fn lines(file: &Path) -> Vec<Line> {
    let text = fs::read_to_string(file).unwrap();
    let part = |text: &str| (!matches!(text, "null" | "NULL")).then(|| text.as_bytes().to_vec());
    text.lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(key, value)| Line { key: part(key), value: part(value) })
        .collect()
}

fn by_hand(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/by-hand").join(name)
}

fn files() -> Vec<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let entries =
        |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries(golden)
        .filter(|path| path.is_dir())
        .flat_map(entries)
        .filter(|path| path.extension().is_some_and(|extension| extension == "tsv"))
        .collect();
    files.sort();
    files
}

fn cdc<R: Row>(line: &Line) -> Result<(), String> {
    let (key, value) = (line.key.as_deref(), line.value.as_deref());
    Cdc::<R>::decode(key, value).map(drop).map_err(|poison| poison.to_string())
}

/// Decodes a line as the file's name says.
fn decode(file: &Path, line: &Line) -> Result<(), String> {
    let name = file.file_name().unwrap().to_str().unwrap();
    let topics: [(&str, Decode); 6] = [
        ("cdc.users.", cdc::<User>),
        ("cdc.posts.", cdc::<Post>),
        ("cdc.follows.", cdc::<Follow>),
        ("cdc.comments.", cdc::<Comment>),
        ("cdc.likes.", cdc::<Like>),
        ("events.", |line| {
            let value = line.value.as_deref().unwrap();
            Event::decode(value).map(drop).map_err(|poison| poison.to_string())
        }),
    ];
    let (_, decode) = topics.into_iter().find(|(topic, _)| name.starts_with(topic)).unwrap();
    decode(line)
}

#[test]
fn every_golden_record_decodes() {
    let files = files();
    assert!(files.len() >= 7, "golden files are missing");
    let faults: Vec<_> = files
        .iter()
        .flat_map(|file| {
            lines(file).into_iter().enumerate().map(move |(at, line)| (file, at, line))
        })
        .filter_map(|(file, at, line)| {
            decode(file, &line).err().map(|fault| format!("{}:{}: {fault}", file.display(), at + 1))
        })
        .collect();
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn no_truncation_of_a_golden_value_decodes_or_panics() {
    for file in files() {
        for line in lines(&file).into_iter().take(MUTILATED) {
            let value = line.value.clone().unwrap_or_default();
            let cut = |len: usize| Line { key: None, value: Some(value[..len].to_vec()) };
            let decoded = (0..value.len()).find(|len| decode(&file, &cut(*len)).is_ok());
            assert_eq!(decoded, None, "{}", file.display());
        }
    }
}

#[test]
fn no_flipped_bit_of_a_golden_record_panics() {
    for file in files() {
        for line in lines(&file).into_iter().take(MUTILATED) {
            let value = line.value.unwrap_or_default();
            for bit in 0..value.len() * 8 {
                let mut flipped = value.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let _ = decode(&file, &Line { key: None, value: Some(flipped) });
            }
        }
    }
}

#[test]
fn no_mutilation_of_a_golden_key_panics() {
    let delete = br#"{"op":"d","before":null,"after":null}"#;
    for line in lines(&by_hand("cdc.likes.with-schema.tsv")) {
        let key = line.key.unwrap();
        for bit in 0..key.len() * 8 {
            let mut flipped = key.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = Cdc::<Like>::decode(Some(&flipped), Some(delete));
            let _ = Cdc::<Like>::decode(Some(&flipped[..bit / 8]), Some(delete));
        }
    }
}

const MS: i64 = 1_795_216_628_123;

fn changes<R: Row>(file: &str) -> Vec<Cdc<R>> {
    lines(&by_hand(file))
        .iter()
        .map(|line| Cdc::decode(line.key.as_deref(), line.value.as_deref()).unwrap())
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
    assert_eq!(changes::<Like>("cdc.likes.tsv"), expected);
}

#[test]
fn a_schema_part_changes_nothing() {
    let made = like(2, 2, 2);
    let expected = [
        change(Op::Create, 1100, None, Some(made), made.id),
        change(Op::Delete, 1200, None, None, made.id),
        Cdc::Tombstone,
    ];
    assert_eq!(changes::<Like>("cdc.likes.with-schema.tsv"), expected);
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
    assert_eq!(changes::<Post>("cdc.posts.tsv"), expected);
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
    assert_eq!(changes::<Follow>("cdc.follows.tsv"), expected);
}

#[test]
fn a_deleted_user_is_named_though_the_rest_is_made_up() {
    let decoded = changes::<User>("cdc.users.tsv");
    let gone = change(Op::Delete, 1300, None, None, user(3));
    assert_eq!(decoded[4..], [gone, Cdc::Tombstone]);
}

#[test]
fn a_time_in_microseconds_is_floored() {
    let decoded = changes::<Comment>("cdc.comments.tsv");
    let times: Vec<_> = decoded.iter().filter_map(created).collect();
    assert_eq!(times, [MS, MS, MS]);
}

fn created(cdc: &Cdc<Comment>) -> Option<i64> {
    let Cdc::Change(change) = cdc else { return None };
    change.image().map(Row::created_at_ms)
}
