//! The timeline as the real database answers it, on the schema that ships.

use connectors::postgres::{Database, Limits, PostgresFault, Rows, Timeline, TimelinePost, Write};
use connectors::table::Table;
use schemas::{PostId, UserId};
use tests::{Part, Stack};

const SCHEMA: &str = include_str!("../../schemas/sql/postgres.sql");
const HOUR: i64 = 3_600_000;
const NOW: i64 = 1_795_216_628_000;
const READER: u8 = 1;

struct World {
    _stack: Stack,
    rows: Rows,
    database: Database,
}

fn id(number: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{number:02x}")
}

fn bytes(number: u8) -> [u8; 16] {
    let mut bytes = [0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
    bytes[15] = number;
    bytes
}

/// `ms` as ISO text; the world lives within a few days of `NOW`, which is 2026-11-20T23:17:08Z.
fn iso(ms: i64) -> String {
    let days = (ms - 1_793_491_200_000).div_euclid(24 * HOUR);
    let rest = (ms - 1_793_491_200_000).rem_euclid(24 * HOUR);
    let (h, m, s) = (rest / HOUR, rest / 60_000 % 60, rest % 60_000);
    format!("2026-11-{:02}T{h:02}:{m:02}:{:02}.{:03}Z", days + 1, s / 1000, s % 1000)
}

fn user(number: u8) -> (Write, Table, String) {
    let row =
        format!(r#"{{"id":"{}","username":"u{number}","created_at":"{}"}}"#, id(number), iso(NOW));
    (Write::Insert, Table::Users, row)
}

fn post(number: u8, author: u8, age_ms: i64) -> (Write, Table, String) {
    let (id, author, at) = (id(number), id(author), iso(NOW - age_ms));
    let row = format!(r#"{{"id":"{id}","user_id":"{author}","content":"x","created_at":"{at}"}}"#);
    (Write::Insert, Table::Posts, row)
}

fn follow(follower: u8, followee: u8) -> (Write, Table, String) {
    let (follower, followee, at) = (id(follower), id(followee), iso(NOW));
    let row =
        format!(r#"{{"follower_id":"{follower}","followee_id":"{followee}","created_at":"{at}"}}"#);
    (Write::Insert, Table::Follows, row)
}

fn touch(table: Table, number: u8, post: u8, user: u8, age_ms: i64) -> (Write, Table, String) {
    let (id, post, user, at) = (id(number), id(post), id(user), iso(NOW - age_ms));
    let row =
        format!(r#"{{"id":"{id}","post_id":"{post}","user_id":"{user}","created_at":"{at}"}}"#);
    (Write::Insert, table, row)
}

fn found(number: u8, author: u8, age_ms: i64, likes: u32, comments: u32) -> TimelinePost {
    TimelinePost {
        post: PostId(bytes(number)),
        author: UserId(bytes(author)),
        created_at_ms: NOW - age_ms,
        likes,
        comments,
    }
}

impl World {
    async fn of(rows: &[(Write, Table, String)]) -> Self {
        let stack = Stack::of(&[Part::Postgres]).start().unwrap();
        let of = Rows::open(stack.postgres()).await.unwrap();
        of.create(SCHEMA).await.unwrap();
        of.write(rows).await.unwrap();
        let patient = Limits {
            acquire: std::time::Duration::from_secs(5),
            statement: std::time::Duration::from_secs(5),
            ..Limits::default()
        };
        let database = Database::open(stack.postgres(), patient).unwrap();
        Self { _stack: stack, rows: of, database }
    }

    async fn timeline(&self) -> Timeline {
        self.database.timeline(UserId(bytes(READER)), NOW, 500).await.unwrap()
    }
}

#[tokio::test]
async fn the_timeline_is_what_followees_posted_without_what_is_own_old_or_seen() {
    let world = World::of(&[
        user(READER),
        user(2),
        user(3),
        follow(READER, 2),
        follow(READER, READER),
        follow(READER, 9),
        post(20, 2, 72 * HOUR),
        post(21, 2, 72 * HOUR + 1),
        post(22, 2, HOUR),
        post(23, 2, HOUR),
        post(24, READER, HOUR),
        post(25, 3, HOUR),
        post(26, 2, 2 * HOUR),
        post(27, 2, 3 * HOUR),
        post(28, 2, 4 * HOUR),
        post(29, 9, HOUR),
        touch(Table::Likes, 40, 26, READER, 24 * HOUR - 1),
        touch(Table::Comments, 41, 27, READER, HOUR),
        touch(Table::Likes, 42, 28, READER, 24 * HOUR),
        touch(Table::Likes, 43, 28, 3, HOUR),
        touch(Table::Likes, 44, 28, 3, HOUR),
        touch(Table::Comments, 45, 28, 3, HOUR),
        touch(Table::Comments, 46, 28, 3, HOUR),
    ])
    .await;
    let expected = Timeline {
        posts: vec![
            found(22, 2, HOUR, 0, 0),
            found(23, 2, HOUR, 0, 0),
            found(28, 2, 4 * HOUR, 2, 2),
            found(20, 2, 72 * HOUR, 0, 0),
        ],
        followed: true,
        cold_start: false,
    };
    assert_eq!(world.timeline().await, expected);
}

#[tokio::test]
async fn who_follows_nobody_gets_the_newest_posts_of_all_whatever_their_age() {
    let world = World::of(&[
        user(READER),
        user(2),
        post(20, 2, 100 * HOUR),
        post(21, 2, HOUR),
        post(22, READER, HOUR),
        post(23, 9, HOUR),
    ])
    .await;
    let posts = vec![found(21, 2, HOUR, 0, 0), found(20, 2, 100 * HOUR, 0, 0)];
    let expected = Timeline { posts, followed: false, cold_start: true };
    assert_eq!(world.timeline().await, expected);
}

#[tokio::test]
async fn rows_are_written_once_and_readers_cannot_write() {
    let world = World::of(&[user(READER), user(2), post(20, 2, HOUR)]).await;
    world.rows.write(&[post(20, 2, HOUR), post(21, 2, HOUR)]).await.unwrap();
    assert_eq!(world.timeline().await.posts.len(), 2);
    let missing = (Write::Insert, Table::Posts, "{}".to_owned());
    let refused = world.rows.write(&[post(22, 2, HOUR), missing]).await;
    assert!(matches!(refused, Err(PostgresFault::Refused(_))));
    assert_eq!(world.timeline().await.posts.len(), 2);
}

#[tokio::test]
async fn without_a_server_a_read_fails_within_its_time() {
    let database = Database::open("postgres://127.0.0.1:1/x", Limits::default()).unwrap();
    let asked = database.timeline(UserId(bytes(READER)), NOW, 10).await;
    assert!(matches!(asked, Err(PostgresFault::Unavailable(_))));
}
