//! `feedmill verify` on a real stack: equal at rest and while rows come and go, and whatever is planted is found and named.

use std::time::Duration;

use schemas::{FeedBody, RedisValue, Wire};
use serde_json::Value;
use tests::{Part, poll_until};

use crate::world::World;

const PLANTED: &str = "f0000000-0000-4000-8000-00000000000f";
const SIZE: [&str; 8] = ["--users", "60", "--follows", "500", "--posts", "150", "--events", "600"];
const READERS: [&str; 3] = ["verify", "--readers", "60"];

/// A world of some hundred rows, told to PostgreSQL, whose connector tells Kafka.
fn world() -> World {
    let world = World::whole();
    world.wait_for_change_capture();
    let words: Vec<_> = ["load", "--to", "postgres"].into_iter().chain(SIZE).collect();
    let (is_done, said) = world.run(&words);
    assert!(is_done, "{said}");
    world
}

/// What verify tells, and its code.
fn verify(world: &World, wait: &str) -> (Option<i32>, String) {
    let words: Vec<_> = READERS.into_iter().chain(["--wait", wait]).collect();
    let (code, told, complained) = world.ended(&words);
    (code, told + &complained)
}

fn is_equal(world: &World, wait: &str) {
    let (code, said) = verify(world, wait);
    assert_eq!(code, Some(0), "{said}\n{}", world.logs());
    assert!(said.contains("\nequal\n"), "{said}");
}

/// A row of a table in ClickHouse that is not as it was until it is put back.
struct Row<'w> {
    world: &'w World,
    table: &'static str,
    /// By what it is found there.
    is_it: String,
    /// How verify names it.
    key: String,
}

impl<'w> Row<'w> {
    fn first(world: &'w World, table: &'static str, keys: &'static [&'static str]) -> Self {
        let columns = keys.iter().map(|key| format!("toString({key})")).collect::<Vec<_>>();
        let question = format!(
            "SELECT {} FROM {table} FINAL ORDER BY {} LIMIT 1",
            columns.join(", "),
            keys[0]
        );
        let found = world.ask_clickhouse(&question);
        let equal = keys.iter().zip(found.split('\t'));
        let equal: Vec<_> = equal.map(|(key, value)| format!("{key} = '{value}'")).collect();
        world.ask_clickhouse(&format!("DROP TABLE IF EXISTS spare_{table}"));
        let (is_it, key) = (equal.join(" AND "), found.replace('\t', " "));
        let spare = format!(
            "CREATE TABLE spare_{table} ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM {table} FINAL WHERE {is_it}"
        );
        world.ask_clickhouse(&spare);
        Self { world, table, is_it, key }
    }

    fn remove(&self) {
        let Self { world, table, is_it, .. } = self;
        world.ask_clickhouse(&format!("DELETE FROM {table} WHERE {is_it}"));
    }

    /// The same row, of which this is otherwise: no newer, and written later.
    fn replace(&self, column: &str) {
        let Self { world, table, .. } = self;
        let insert = format!(
            "INSERT INTO {table} SELECT * REPLACE ({column}) FROM spare_{table} SETTINGS insert_deduplicate = 0"
        );
        world.ask_clickhouse(&insert);
    }

    fn put_back(&self) {
        self.remove();
        let Self { world, table, .. } = self;
        let insert = format!(
            "INSERT INTO {table} SELECT * FROM spare_{table} SETTINGS insert_deduplicate = 0"
        );
        world.ask_clickhouse(&insert);
    }

    /// Plants a difference, has it found, and puts the row back.
    fn differs_by(&self, plant: impl FnOnce(&Self), words: &str) {
        plant(self);
        is_found(self.world, &format!("{} {}: {words}", self.table, self.key));
        self.put_back();
    }
}

/// Verify ends with 1 and tells exactly one difference, whose line begins so.
fn is_found(world: &World, line: &str) {
    let (code, said) = verify(world, "2");
    assert_eq!(code, Some(1), "{line}\n{said}");
    assert!(said.contains(&format!("\n{line}")), "{line}\n{said}");
}

/// The reader whose feed in Redis holds longest, so that no other comes while it is looked at.
fn reader(world: &World) -> (String, Vec<u8>) {
    let users = world.sql_value("SELECT string_agg(id::text, ' ') FROM users");
    let held = users.split(' ').filter_map(|user| {
        let value = world.redis_value(&format!("feed:v1:{user}"));
        let body = RedisValue::decode(&value).ok()?.body.map(FeedBody::decode)?.unwrap();
        let holds_until = (body.items.len() > 1).then_some(body.valid_until_ms)?;
        Some((holds_until, user.to_owned(), value))
    });
    let (_, user, value) = held.max().unwrap();
    (user, value)
}

#[test]
fn what_is_equal_at_rest_is_told_so_and_each_planted_difference_is_found_and_named() {
    let world = world();
    is_equal(&world, "60");
    state_says_what_was_published_once_it_owes_nothing(&world);
    rows_of_clickhouse_that_are_not_as_they_were_are_found(&world);
    feeds_that_are_not_as_they_were_are_found(&world);
    is_equal(&world, "60");
    what_it_tells_a_program_is_json(&world);
    a_clickhouse_that_stands_still_is_not_waited_for(&world);
}

/// Who reads is online, so that nothing that state knows waits for the refresh grid.
fn state_says_what_was_published_once_it_owes_nothing(world: &World) {
    let users = world.sql_value("SELECT string_agg(id::text, ' ') FROM users");
    for user in users.split(' ') {
        world.feed(user);
    }
    let mut last = String::new();
    let decided = poll_until(Duration::from_secs(60), || {
        let (code, told, complained) = world.ended(&[&READERS[..], &["--json"]].concat());
        assert_eq!(code, Some(0), "{told}{complained}");
        let feeds: Value = serde_json::from_str(&told).unwrap();
        last = feeds["feeds"].to_string();
        (feeds["feeds"]["pending"] == 0).then_some(())
    });
    decided.unwrap_or_else(|late| panic!("{late}: {last}"));
}

fn rows_of_clickhouse_that_are_not_as_they_were_are_found(world: &World) {
    let [users, posts, likes] =
        ["users", "posts", "likes"].map(|table| Row::first(world, table, &["id"]));
    let follows = Row::first(world, "follows", &["follower_id", "followee_id"]);
    likes.differs_by(Row::remove, "row: postgresql live, clickhouse none");
    follows.differs_by(Row::remove, "row: postgresql live, clickhouse none");
    let other = format!("toUUID('{PLANTED}') AS user_id");
    posts.differs_by(|row| row.replace(&other), "user_id: postgresql ");
    posts.differs_by(|row| row.replace("content_hash + 1 AS content_hash"), "content_hash: ");
    users.differs_by(
        |row| row.replace("addMilliseconds(created_at, 1) AS created_at"),
        "created_at: postgresql ",
    );
    let beyond = "version + 2000000000000 AS version";
    users.differs_by(|row| row.replace(beyond), "position: postgresql ");
    let deleted = "version + 1 AS version, 1 AS is_deleted";
    likes.differs_by(|row| row.replace(deleted), "is_deleted: postgresql 0, clickhouse 1");

    let comment = format!(
        "INSERT INTO comments SELECT * REPLACE (toUUID('{PLANTED}') AS id) FROM comments FINAL LIMIT 1"
    );
    world.ask_clickhouse(&comment);
    is_found(world, &format!("comments {PLANTED}: row: postgresql none, clickhouse live"));
    world.ask_clickhouse(&format!("DELETE FROM comments WHERE id = '{PLANTED}'"));
}

fn feeds_that_are_not_as_they_were_are_found(world: &World) {
    let (user, value) = reader(world);
    let key = format!("feed:v1:{user}");
    let held = RedisValue::decode(&value).unwrap();
    let mut body = FeedBody::decode(held.body.unwrap()).unwrap();
    body.items.swap(0, 1);
    let mut swapped = Vec::new();
    RedisValue { body: Some(&body.to_bytes()), ..held }.encode(&mut swapped);
    world.set_in_redis(&key, &swapped);
    is_found(world, &format!("feeds {user}: position 1: post_id: redis {}", body.items[0].post));

    world.delete_in_redis(&key);
    let version = held.version.version;
    is_found(world, &format!("feeds {user}: version: redis none, state {version}"));
    world.set_in_redis(&key, &value);

    let is_it = format!("user_id = '{user}' AND version = {version}");
    world.ask_clickhouse(&format!(
        "CREATE TABLE spare_feeds ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM feeds FINAL WHERE {is_it}"
    ));
    let row = Row { world, table: "feeds", is_it, key: user };
    row.differs_by(
        |row| row.replace("arrayMap(n -> n + 1, items.likes) AS `items.likes`"),
        "position 1: likes: redis ",
    );
    row.differs_by(
        |row| row.replace("arrayMap(n -> 200, items.rule) AS `items.rule`"),
        "version: clickhouse a row of nobody of us, ",
    );
    row.differs_by(Row::remove, "version: clickhouse ");
    world.delete_in_redis(&key);
    row.differs_by(Row::remove, "version: redis none, state ");
    world.set_in_redis(&key, &value);
}

fn a_clickhouse_that_stands_still_is_not_waited_for(world: &World) {
    world.pause_server(Part::ClickHouse);
    let (code, said) = verify(world, "1");
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("clickhouse is unavailable"), "{said}");
    world.resume_server(Part::ClickHouse);
}

fn what_it_tells_a_program_is_json(world: &World) {
    let (code, told, complained) =
        world.ended(&["verify", "--tables", "users,likes", "--json", "--readers", "0"]);
    assert_eq!(code, Some(0), "{told}{complained}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["equal"], &told["feeds"]), (&Value::Bool(true), &Value::Null));
    let tables: Vec<_> = told["tables"].as_array().unwrap().iter().map(|of| &of["table"]).collect();
    assert_eq!(tables, ["users", "likes"]);
}

/// Rows come, change and go in transactions of all lengths.
const BUSY: &str = "WITH come AS (INSERT INTO likes (id, post_id, user_id)
        SELECT gen_random_uuid(), p.id, u.id FROM posts p, users u ORDER BY random() LIMIT 3),
    gone AS (DELETE FROM likes WHERE id IN (SELECT id FROM likes ORDER BY random() LIMIT 2)),
    changed AS (UPDATE posts SET content = content || '.' WHERE id IN (SELECT id FROM posts ORDER BY random() LIMIT 1)),
    followed AS (UPDATE follows SET created_at = now() WHERE follower_id IN (SELECT id FROM users ORDER BY random() LIMIT 1))
    SELECT 1";
const SLOW: &str = "WITH come AS (INSERT INTO comments (id, post_id, user_id)
        SELECT gen_random_uuid(), p.id, u.id FROM posts p, users u ORDER BY random() LIMIT 3 RETURNING id)
    SELECT pg_sleep(0.4) FROM come";

#[test]
fn while_rows_come_and_go_what_is_equal_is_told_so_and_a_row_that_is_missing_is_found() {
    let world = world();
    is_equal(&world, "60");
    let (mut busy, mut slow) = (world.sql_again("busy", BUSY), world.sql_again("slow", SLOW));
    let liked = "SELECT count() FROM likes FINAL WHERE created_at > now() - INTERVAL 1 HOUR";
    let flows = || (world.ask_clickhouse(liked).parse::<u32>().unwrap() > 100).then_some(());
    poll_until(Duration::from_secs(120), flows).unwrap();
    for _ in 0..5 {
        is_equal(&world, "20");
    }
    let row = Row::first(&world, "users", &["id"]);
    row.differs_by(Row::remove, "row: postgresql live, clickhouse none");
    for process in [&mut busy, &mut slow] {
        assert!(process.is_alive().unwrap(), "{}", process.output().unwrap());
        process.kill().unwrap();
    }
    is_equal(&world, "60");
}

#[test]
fn a_server_that_is_away_is_six_and_one_that_is_not_set_is_said() {
    let world = World::without_change_capture();
    let (code, told, complained) = world.ended(&["verify"]);
    assert_eq!(code, Some(0), "{told}{complained}");
    assert!(told.contains("not compared: tables: clickhouse.url is not set"), "{told}");
    world.kill_server(tests::Part::Redis);
    let (code, told, complained) = world.ended(&["verify"]);
    assert_eq!(code, Some(0), "{told}{complained}");
    world.sql("INSERT INTO users (id, username) VALUES (gen_random_uuid(), 'somebody')");
    let (code, _, complained) = world.ended(&["verify"]);
    assert!(complained.contains("redis is unavailable"), "{complained}");
    assert_eq!(code, Some(6));
}
