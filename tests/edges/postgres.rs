//! The timeline as the real database answers it, on the schema that ships.

use connectors::postgres::{
    Database, FeedbackRows, FeedbackTable, Limits, PostgresFault, Rows, Timeline, TimelinePost,
    Write,
};
use connectors::table::Table;
use schemas::{Feedback, PostId, Said, UserId};
use tests::{Part, Stack};

const SCHEMA: &str = include_str!("../../schemas/sql/postgres.sql");
const HOUR: i64 = 3_600_000;
const NOW: i64 = 1_795_216_628_000;
const READER: u8 = 1;

struct World {
    stack: Stack,
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
        Self { stack, rows: of, database }
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

const DAY: i64 = 24 * HOUR;

/// What a user said of a post, so long ago.
fn said(user: u8, post: u8, said: Said, age_ms: i64) -> (UserId, Feedback) {
    let feedback = Feedback { post: PostId(bytes(post)), said, at_ms: NOW - age_ms };
    (UserId(bytes(user)), feedback)
}

/// Eight authors whom the reader follows, each with a post: of author 2 post 22, and so on.
async fn with_eight_authors() -> World {
    let authors = 2..=9;
    let mut rows = vec![user(READER)];
    for author in authors {
        rows.extend([user(author), follow(READER, author), post(20 + author, author, HOUR)]);
    }
    World::of(&rows).await
}

impl World {
    async fn authors(&self) -> Vec<u8> {
        self.timeline().await.posts.iter().map(|post| post.author.0[15]).collect()
    }

    async fn note(&self, what: &[(UserId, Feedback)]) {
        let limits = Limits { acquire: std::time::Duration::from_secs(5), ..Limits::default() };
        let table = FeedbackTable::open(self.stack.postgres(), limits).unwrap();
        assert_eq!(table.is_there().await, Ok(true));
        for (user, feedback) in what {
            let mut rows = FeedbackRows::default();
            rows.note(*user, feedback);
            // Twice, as after a crash.
            table.apply(&rows).await.unwrap();
            table.apply(&rows).await.unwrap();
        }
    }
}

#[tokio::test]
async fn who_is_muted_or_blocked_by_either_side_and_what_was_said_against_posts_is_left_out() {
    let world = with_eight_authors().await;
    assert_eq!(world.authors().await, [2, 3, 4, 5, 6, 7, 8, 9]);
    let silences = "
        INSERT INTO mutes (muter_id, muted_id) VALUES
            ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'),
            ('00000000-0000-4000-8000-000000000009', '00000000-0000-4000-8000-000000000001');
        INSERT INTO blocks (blocker_id, blocked_id) VALUES
            ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000003'),
            ('00000000-0000-4000-8000-000000000004', '00000000-0000-4000-8000-000000000001');";
    world.rows.create(silences).await.unwrap();
    assert_eq!(world.authors().await, [5, 6, 7, 8, 9]);
    // The reader's day of today began 23 h ago; of a wish on the 14th day before nothing is left.
    let less_days = 13 * DAY + 23 * HOUR;
    world
        .note(&[
            said(READER, 25, Said::Hidden, HOUR),
            said(READER, 26, Said::Hidden, 3 * HOUR),
            said(READER, 26, Said::Undone, 2 * HOUR),
            said(READER, 26, Said::Hidden, 4 * HOUR),
            said(READER, 27, Said::Less, less_days),
            said(READER, 28, Said::Less, less_days + HOUR),
            said(7, 29, Said::Hidden, HOUR),
        ])
        .await;
    assert_eq!(world.authors().await, [6, 8, 9]);
    world.note(&[said(READER, 25, Said::Undone, 0), said(READER, 27, Said::Undone, 0)]).await;
    assert_eq!(world.authors().await, [5, 6, 7, 8, 9]);
    world.note(&[said(READER, 25, Said::Hidden, -1)]).await;
    world.note(&[said(READER, 29, Said::Hidden, 90 * DAY)]).await;
    assert_eq!(world.authors().await, [6, 7, 8, 9]);
}

#[tokio::test]
async fn a_database_without_tables_of_silences_or_with_others_of_their_names_has_a_timeline() {
    let world = with_eight_authors().await;
    let mute = "INSERT INTO mutes (muter_id, muted_id) VALUES
        ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002')";
    world.rows.create(mute).await.unwrap();
    world.rows.create("DROP TABLE feed_feedback").await.unwrap();
    assert_eq!(world.authors().await, [3, 4, 5, 6, 7, 8, 9]);
    world.rows.create("DROP TABLE blocks; CREATE TABLE blocks (of_wood int)").await.unwrap();
    assert_eq!(world.authors().await, [3, 4, 5, 6, 7, 8, 9]);
    world.rows.create("DROP TABLE mutes").await.unwrap();
    assert_eq!(world.authors().await, [2, 3, 4, 5, 6, 7, 8, 9]);
    let table = FeedbackTable::open(world.stack.postgres(), Limits::default()).unwrap();
    assert_eq!(table.is_there().await, Ok(false));
}

#[tokio::test]
async fn a_wish_for_less_of_an_author_outlives_the_post_that_it_was_said_of() {
    let world = with_eight_authors().await;
    world.note(&[said(READER, 22, Said::Less, HOUR)]).await;
    world.rows.write(&[post(50, 2, HOUR)]).await.unwrap();
    let (_, _, gone) = post(22, 2, HOUR);
    world.rows.write(&[(Write::Delete, Table::Posts, gone)]).await.unwrap();
    assert_eq!(world.authors().await, [3, 4, 5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn a_role_that_may_not_read_a_table_of_silences_has_a_timeline_without_it() {
    let world = with_eight_authors().await;
    let role =
        "CREATE ROLE poor LOGIN; GRANT SELECT ON users, posts, follows, comments, likes TO poor;
        INSERT INTO mutes (muter_id, muted_id) VALUES
            ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002')";
    world.rows.create(role).await.unwrap();
    let url = world.stack.postgres().replace("postgres@", "poor@");
    let patient = Limits { acquire: std::time::Duration::from_secs(5), ..Limits::default() };
    let poor = Database::open(&url, patient).unwrap();
    let timeline = poor.timeline(UserId(bytes(READER)), NOW, 500).await.unwrap();
    assert_eq!(timeline.posts.len(), 8);
    world.rows.create("GRANT SELECT ON mutes TO poor").await.unwrap();
    let timeline = poor.timeline(UserId(bytes(READER)), NOW, 500).await.unwrap();
    assert_eq!(timeline.posts.len(), 7);
}
