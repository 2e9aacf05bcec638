//! The newest publication wins, whatever the order of arrival; what is gone stays gone for late comers.

use std::time::Duration;

use connectors::redis::{Applied, FeedCache, RateBuckets, RedisFault, RedisFeed, Sink, Write};
use schemas::{FeedBody, FeedVersion, UserId, Wire, redis_key};
use tests::{Part, Stack};
use uuid::Uuid;

const USER: UserId = UserId([7; 16]);
const WAIT: Duration = Duration::from_secs(5);

fn version(feeds_epoch: u32, version: u64) -> FeedVersion {
    FeedVersion { feeds_epoch, version }
}

fn body(as_of_ms: i64) -> FeedBody {
    FeedBody { as_of_ms, valid_until_ms: as_of_ms + 600_000, ..FeedBody::default() }
}

struct World {
    stack: Stack,
    sink: Sink,
    cache: FeedCache,
}

impl World {
    fn start() -> Self {
        let stack = Stack::of(&[Part::Redis]).start().unwrap();
        let sink = Sink::open(stack.redis()).unwrap();
        let cache = FeedCache::open(stack.redis(), WAIT).unwrap();
        Self { stack, sink, cache }
    }

    async fn write(&mut self, version: FeedVersion, body: Option<&FeedBody>) -> Applied {
        let bytes = body.map(FeedBody::to_bytes);
        let write = Write { user: USER, version, body: bytes.as_deref() };
        self.sink.apply(&[write]).await.unwrap()
    }

    async fn held(&self) -> Option<RedisFeed> {
        self.cache.feed(USER).await.unwrap()
    }
}

const WRITTEN: Applied = Applied { written: 1, older: 0 };
const OLDER: Applied = Applied { written: 0, older: 1 };

#[tokio::test]
async fn a_feed_comes_back_and_only_a_newer_version_replaces_it() {
    let mut world = World::start();
    assert_eq!(world.held().await, None);
    assert_eq!(world.write(version(0, 9), Some(&body(1))).await, WRITTEN);
    assert_eq!(world.write(version(0, 9), Some(&body(2))).await, OLDER);
    assert_eq!(world.write(version(0, 8), Some(&body(3))).await, OLDER);
    assert_eq!(world.write(version(0, 10), Some(&body(4))).await, WRITTEN);
    let held = RedisFeed { version: version(0, 10), body: Some(body(4)) };
    assert_eq!(world.held().await, Some(held));
}

#[tokio::test]
async fn versions_beyond_what_a_double_holds_are_told_apart_and_an_epoch_wins_over_any() {
    let mut world = World::start();
    let big = 9_007_199_254_740_992;
    assert_eq!(world.write(version(0, big), Some(&body(1))).await, WRITTEN);
    assert_eq!(world.write(version(0, big + 1), Some(&body(2))).await, WRITTEN);
    assert_eq!(world.write(version(1, 1), Some(&body(3))).await, WRITTEN);
    assert_eq!(world.write(version(0, u64::MAX), Some(&body(4))).await, OLDER);
}

#[tokio::test]
async fn a_late_older_feed_does_not_bring_back_what_is_gone() {
    let mut world = World::start();
    world.write(version(0, 1), Some(&body(1))).await;
    assert_eq!(world.write(version(0, 3), None).await, WRITTEN);
    assert_eq!(world.write(version(0, 2), Some(&body(2))).await, OLDER);
    let gone = RedisFeed { version: version(0, 3), body: None };
    assert_eq!(world.held().await, Some(gone));
    assert_eq!(world.write(version(0, 4), Some(&body(3))).await, WRITTEN);
}

#[tokio::test]
async fn a_feed_lives_a_day_and_a_little_and_what_is_gone_an_hour() {
    let mut world = World::start();
    let client = ::redis::Client::open(world.stack.redis()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let mut life = async || {
        ::redis::cmd("PTTL").arg(redis_key(USER)).query_async::<i64>(&mut raw).await.unwrap()
    };
    let hour = 3_600_000;
    world.write(version(0, 1), Some(&body(1))).await;
    assert!((23 * hour..=27 * hour).contains(&life().await));
    world.write(version(0, 2), None).await;
    assert!((1..=hour).contains(&life().await));
}

#[tokio::test]
async fn a_server_that_lost_everything_gets_the_script_and_the_feeds_again() {
    let mut world = World::start();
    world.write(version(0, 1), Some(&body(1))).await;
    world.stack.kill(Part::Redis).unwrap();
    world.stack.start(Part::Redis).unwrap();
    let bytes = body(1).to_bytes();
    let write = Write { user: USER, version: version(0, 1), body: Some(&bytes) };
    // The first call after the loss may find the broken connection.
    let first = world.sink.apply(std::slice::from_ref(&write)).await;
    let applied = match first {
        Err(RedisFault::Unavailable(_)) => world.sink.apply(&[write]).await,
        answered => answered,
    };
    assert_eq!(applied, Ok(WRITTEN));
}

#[tokio::test]
async fn what_somebody_else_put_in_a_feeds_place_is_replaced() {
    let mut world = World::start();
    let client = ::redis::Client::open(world.stack.redis()).unwrap();
    let mut other = client.get_multiplexed_async_connection().await.unwrap();
    let key = redis_key(USER);
    for foreign in [
        ::redis::cmd("RPUSH").arg(&key).arg("x").to_owned(),
        ::redis::cmd("SET").arg(&key).arg("z".repeat(40)).to_owned(),
    ] {
        ::redis::cmd("DEL").arg(&key).exec_async(&mut other).await.unwrap();
        foreign.exec_async(&mut other).await.unwrap();
        assert_eq!(world.write(version(0, 9), Some(&body(1))).await, WRITTEN);
    }
}

#[tokio::test]
async fn without_a_server_a_read_fails_within_its_time() {
    let cache = FeedCache::open("redis://127.0.0.1:1", Duration::from_millis(50)).unwrap();
    assert!(matches!(cache.feed(USER).await, Err(RedisFault::Unavailable(_))));
}

#[tokio::test]
async fn processes_that_share_a_bucket_take_no_more_together_than_it_holds() {
    let world = World::start();
    let buckets = [0; 3].map(|_| RateBuckets::open(world.stack.redis(), WAIT).unwrap());
    // What is taken comes back after an hour.
    let (interval_us, holds) = (3_600_000_000, 10);
    let mut taken = 0;
    for bucket in buckets.iter().cycle().take(30) {
        let ahead_us = bucket.take(Uuid::from_bytes(USER.0), interval_us, holds).await.unwrap();
        taken += u32::from(ahead_us <= interval_us * u64::from(holds));
    }
    assert_eq!(taken, holds);
    let other = buckets[0].take(Uuid::from_bytes([8; 16]), interval_us, holds).await.unwrap();
    assert_eq!(other, interval_us);
}
