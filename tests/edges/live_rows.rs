//! PostgreSQL and ClickHouse count and digest the same rows alike, whatever their columns hold.

use std::collections::BTreeSet;
use std::time::Duration;

use connectors::clickhouse::{LiveRows, Migrator, Version};
use connectors::postgres::{Database, Limits, Rows};
use connectors::table::Table;
use tests::{Part, Stack};

use super::clickhouse::{ask, settings};

const SCHEMA: &str = include_str!("../../schemas/sql/postgres.sql");
const LIMITS: Limits = Limits {
    connections_max: 2,
    acquire: Duration::from_secs(10),
    statement: Duration::from_secs(30),
};
const SEED: u64 = 7;

/// Times at the edges of a day, before 1970, with microseconds, and beyond what ClickHouse can say.
const POSTGRES: &str = "
    INSERT INTO users (id, username, created_at) VALUES
        ('00000000-0000-4000-8000-000000000001', 'a', '2026-11-20 23:59:59.999999+00'),
        ('00000000-0000-4000-8000-000000000002', 'b', '2026-11-21 00:00:00+00'),
        ('ffffffff-ffff-4fff-bfff-ffffffffffff', 'c', '1969-12-31 23:59:59.9995+00'),
        ('00000000-0000-4000-8000-000000000004', 'd', 'infinity');
    ALTER TABLE posts ADD deleted_at timestamptz;
    INSERT INTO posts (id, user_id, content, created_at, deleted_at) VALUES
        ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000009', 'hello', '2026-11-20 12:00:00.1239+02', NULL),
        ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000009', '', '2026-11-20 12:00:00+02', NULL),
        ('00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000009', 'gone', now(), now());
    INSERT INTO follows (follower_id, followee_id, created_at) VALUES
        ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002', '2026-11-20 00:00:00+00'),
        ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000003', '2026-11-20 00:00:00+00');
    INSERT INTO likes (id, post_id, user_id, created_at) VALUES
        ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000003', '2000-02-29 00:00:00+00')";

const CLICKHOUSE: [&str; 4] = [
    "INSERT INTO users VALUES
        ('00000000-0000-4000-8000-000000000001', '2026-11-20 23:59:59.999', 5, 0),
        ('00000000-0000-4000-8000-000000000002', '2026-11-21 00:00:00.000', 5, 0),
        ('ffffffff-ffff-4fff-bfff-ffffffffffff', '1969-12-31 23:59:59.999', 5, 0),
        ('00000000-0000-4000-8000-000000000004', '2299-12-31 23:59:59.999', 5, 0)",
    "INSERT INTO posts VALUES
        ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000009', '2026-11-20 10:00:00.123', 0xe9c562c0fdb23244, 5, 0),
        ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000009', '2026-11-20 10:00:00.000', 0xefd01f60ba992926, 5, 0),
        ('00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000009', '2026-11-20 10:00:00.000', 1, 5, 1)",
    "INSERT INTO follows VALUES
        ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002', '2026-11-20 00:00:00.000', 5, 0),
        ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000003', '2026-11-20 00:00:00.000', 6, 0)",
    "INSERT INTO likes VALUES
        ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000003', '2000-02-29 00:00:00.000', 5, 0)",
];

#[tokio::test(flavor = "multi_thread")]
async fn equal_rows_have_equal_digests_and_are_found_by_day_by_key_and_by_chance() {
    let stack = tokio::task::spawn_blocking(|| {
        Stack::of(&[Part::Postgres, Part::ClickHouse]).start().unwrap()
    });
    let stack = stack.await.unwrap();
    Migrator::new(&settings(&stack)).migrate("a test").await.unwrap();
    let rows = Rows::open(stack.postgres()).await.unwrap();
    rows.create(SCHEMA).await.unwrap();
    rows.create(POSTGRES).await.unwrap();
    tokio::task::block_in_place(|| CLICKHOUSE.map(|statement| ask(&stack, statement)));
    let database = Database::open(stack.postgres(), LIMITS).unwrap();
    let (mut snapshot, live) =
        (database.snapshot().await.unwrap(), LiveRows::new(&settings(&stack)));
    for (table, live_rows) in Table::ALL.into_iter().zip([4, 2, 2, 0, 1]) {
        let days = snapshot.days(table).await.unwrap();
        assert_eq!(days, live.days(table, Version::MAX).await.unwrap(), "{table:?}");
        let mut by_day = Vec::new();
        for day in days.keys() {
            let one = snapshot.of_day(table, *day).await.unwrap();
            let other = live.of_day((table, *day), Version::MAX).await.unwrap();
            let keys = |rows: &[connectors::table::LiveRow]| {
                rows.iter().map(|row| table.key(row.ids)).collect::<BTreeSet<_>>()
            };
            assert_eq!(keys(&one), keys(&other));
            by_day.extend(one);
        }
        assert_eq!(by_day.len(), live_rows);
        let keys: Vec<_> = by_day.iter().map(|row| table.key(row.ids)).collect();
        let images = live.of_keys(table, &keys).await.unwrap();
        let found = by_day.iter().map(|row| images[&table.key(row.ids)].row == Some(*row));
        assert!(found.into_iter().all(|is_equal| is_equal), "{by_day:?} {images:?}");
        assert_eq!(snapshot.of_keys(table, &keys).await.unwrap().len(), live_rows);
        let sample = snapshot.sample(table, SEED, 3).await.unwrap();
        assert_eq!(sample, live.sample(table, Version::MAX, (SEED, 3)).await.unwrap());
    }
    // As of a position nothing is said of what is newer; what is deleted is known to be.
    let as_of = Version::at(0, 5);
    let follows = live.days(Table::Follows, as_of).await.unwrap();
    assert_eq!(follows.values().map(|day| day.rows).sum::<u64>(), 1);
    let gone = "00000000-0000-4000-8000-000000000003".parse().unwrap();
    let gone = Table::Posts.key([gone, gone, gone]);
    let image = live.of_keys(Table::Posts, &[gone]).await.unwrap()[&gone];
    assert_eq!((image.version, image.row), (as_of, None));
    let newer = live.newer_than(Table::Follows, as_of, 9).await.unwrap();
    assert_eq!(newer.iter().map(|(_, version)| version.lsn()).collect::<Vec<_>>(), [6]);
    assert_eq!(live.newer_than(Table::Posts, as_of, 9).await.unwrap(), []);
}
