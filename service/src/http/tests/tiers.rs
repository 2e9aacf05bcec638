//! Who answers when somebody does not: real servers, stopped and started.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connectors::postgres::{Database, Limits, Rows, Write as RowWrite};
use connectors::redis::{Sink, Write};
use connectors::table::Table;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join, join_all};
use schemas::{Read, UserId, Wire};
use serde_json::{Value, json};
use tests::{Part, Stack, poll_until};
use tokio::sync::Notify;
use uuid::Uuid;
use warp::http::StatusCode;

use super::world::{ME, NOW, OTHER, World, held, user};
use crate::read::{Algo, Guarded, Held, RankedTier, Source, TierFault};

const SCHEMA: &str = include_str!("../../../../schemas/sql/postgres.sql");

async fn push(stack: &Stack, held: &Held) {
    let body = held.body.to_bytes();
    let write = Write { user: user(ME), version: held.version, body: Some(&body) };
    Sink::open(stack.redis()).unwrap().apply(&[write]).await.unwrap();
}

fn who(feed: &Value) -> [&Value; 5] {
    ["source", "version", "stale", "cache_hit", "fallback"].map(|name| &feed[name])
}

async fn asked(world: &World, query: &str) -> Value {
    let (status, feed) = world.feed(query).await;
    assert_eq!(status, StatusCode::OK, "{feed}");
    feed
}

#[tokio::test]
async fn redis_answers_while_fresh_then_state_then_redis_stale_then_nobody() {
    let (stack, world) = World::with_redis();
    push(&stack, &held(1)).await;
    let mut ranked_now = held(2);
    ranked_now.body.valid_until_ms += 600_000;
    world.hold(ME, ranked_now);
    let redis = [json!("redis"), json!(1), json!(false), json!(true), json!(false)];
    assert_eq!(who(&asked(&world, "").await), redis.each_ref());

    world.clock.advance(Duration::from_millis(600_000 + 30_000));
    assert_eq!(who(&asked(&world, "").await), redis.each_ref());

    world.clock.advance(Duration::from_millis(1));
    let state = [json!("state"), json!(2), json!(false), json!(false), json!(false)];
    assert_eq!(who(&asked(&world, "").await), state.each_ref());

    // A worker that is behind says so by the time up to which it knows anything.
    world.hold(ME, held(3));
    let behind = [json!("state"), json!(3), json!(true), json!(false), json!(false)];
    assert_eq!(who(&asked(&world, "").await), behind.each_ref());

    *world.state.0.lock().unwrap() = None;
    let stale = [json!("redis"), json!(1), json!(true), json!(true), json!(false)];
    assert_eq!(who(&asked(&world, "").await), stale.each_ref());

    stack.kill(Part::Redis).unwrap();
    let (status, answer) = world.feed("").await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable"))
    );
}

#[tokio::test]
async fn a_copy_that_was_ranked_by_a_clock_far_ahead_is_not_fresh() {
    let (stack, world) = World::with_redis();
    world.hold(ME, held(9));
    for (version, ahead_ms, source) in [(1, 300_000, "redis"), (2, 300_001, "state")] {
        let mut ahead = held(version);
        ahead.body.as_of_ms = NOW + ahead_ms;
        ahead.body.valid_until_ms = NOW + ahead_ms + 600_000;
        push(&stack, &ahead).await;
        assert_eq!(asked(&world, "").await["source"], json!(source));
    }
    *world.state.0.lock().unwrap() = None;
    let stale = [json!("redis"), json!(2), json!(true), json!(true), json!(false)];
    assert_eq!(who(&asked(&world, "").await), stale.each_ref());
}

#[tokio::test]
async fn the_database_answers_last_by_time_and_says_so() {
    let stack = Stack::of(&[Part::Postgres]).start().unwrap();
    let rows = Rows::open(stack.postgres()).await.unwrap();
    rows.create(SCHEMA).await.unwrap();
    let author = "22222222-2222-2222-2222-222222222222";
    let at = "2026-11-20T23:17:08.000Z";
    let post = |id: &str| {
        (
            RowWrite::Insert,
            Table::Posts,
            json!({"id": id, "user_id": author, "content": "x", "created_at": at}).to_string(),
        )
    };
    rows.write(&[
        (
            RowWrite::Insert,
            Table::Users,
            json!({"id": author, "username": "a", "created_at": at}).to_string(),
        ),
        (
            RowWrite::Insert,
            Table::Follows,
            json!({"follower_id": ME.to_string(), "followee_id": author, "created_at": at})
                .to_string(),
        ),
        post("12121212-1212-1212-1212-121212121212"),
    ])
    .await
    .unwrap();
    let patient = Limits { acquire: Duration::from_secs(5), ..Limits::default() };
    let database = Database::open(stack.postgres(), patient).unwrap();
    let world = World::with(|tiers, guard| {
        tiers.postgres = Some(Guarded::new(database, guard(Source::Postgres)));
    });
    world.hold(ME, held(2));
    let wanted = asked(&world, "?algo=timeline&explain=1").await;
    let ctx = &wanted["items"][0]["ctx"];
    let of_no_weights = ["version", "weight_set"].map(|name| ctx.get(name));
    assert_eq!((&ctx["source"], of_no_weights), (&json!("postgres"), [None; 2]), "{ctx}");
    assert_eq!(
        (&wanted["fallback"], &wanted["algo"], &wanted["seen"]),
        (&json!(false), &json!("timeline"), &json!("partial"))
    );
    let item = &wanted["items"][0];
    assert_eq!(
        (&item["score"], &item["sources"], &item["created_at"]),
        (&Value::Null, &json!(["follow"]), &json!(NOW - 500))
    );

    *world.state.0.lock().unwrap() = None;
    let last = asked(&world, "").await;
    assert_eq!(
        who(&last),
        [&json!("postgres"), &Value::Null, &json!(false), &json!(false), &json!(true)]
    );
}

/// The reads of `ME` that the workers were told. The log is in order: when a later one of another user is there,
/// all of these are.
async fn told(world: &World) -> Vec<(Vec<u8>, Vec<u8>)> {
    let is_of = |of: Uuid| move |(key, _): &(Vec<u8>, Vec<u8>)| *key == user(of).to_bytes();
    let _ = world.api.reads.find(user(OTHER), Algo::Ranked).await;
    let fence = || world.records("reads").iter().any(is_of(OTHER)).then_some(());
    poll_until(Duration::from_secs(10), fence).unwrap();
    world.records("reads").into_iter().filter(is_of(ME)).collect()
}

#[tokio::test]
async fn a_miss_is_told_to_the_workers_each_time_and_a_hit_soon_after_it_is_not() {
    let (stack, world) = World::with_redis();
    world.hold(ME, held(2));
    asked(&world, "").await;
    asked(&world, "").await;
    push(&stack, &held(2)).await;
    asked(&world, "").await;
    let miss = (user(ME).to_bytes(), Read { at_ms: NOW, miss: true, served: vec![] }.to_bytes());
    assert_eq!(told(&world).await, [miss.clone(), miss]);
}

/// State that fails while it is told to.
struct Shaky(Arc<AtomicBool>);

impl RankedTier for Shaky {
    fn feed(&self, _: UserId) -> BoxFuture<'_, Result<Option<Held>, TierFault>> {
        let fails = self.0.load(Ordering::Relaxed);
        let answer =
            if fails { Err(TierFault::Failed("down".to_owned())) } else { Ok(Some(held(2))) };
        ready(answer).boxed()
    }

    fn trending(
        &self,
        _: schemas::TrendingWindow,
    ) -> BoxFuture<'_, Result<Option<schemas::Trending>, TierFault>> {
        ready(Ok(None)).boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        ready(Ok(())).boxed()
    }
}

#[tokio::test]
async fn a_tier_that_is_left_alone_after_faults_is_tried_where_no_other_answers() {
    let fails = Arc::new(AtomicBool::new(true));
    let world = World::with(|tiers, guard| {
        tiers.state = Some(Guarded::new(Box::new(Shaky(fails.clone())), guard(Source::State)));
    });
    let find = || world.api.reads.find(user(ME), Algo::Ranked);
    for _ in 0..10 {
        assert!(find().await.is_err());
    }
    let mode = || world.api.reads.tiers().state.as_ref().map(|tier| tier.mode().name());
    assert_eq!(mode(), Some("open"));
    fails.store(false, Ordering::Relaxed);
    assert_eq!(find().await.map(|found| found.source()), Ok(Source::State));
    assert_eq!(mode(), Some("back"));
}

/// State that answers when it is told to.
struct Slow(Arc<Notify>);

impl RankedTier for Slow {
    fn feed(&self, _: UserId) -> BoxFuture<'_, Result<Option<Held>, TierFault>> {
        self.0.notified().map(|()| Ok(Some(held(2)))).boxed()
    }

    fn trending(
        &self,
        _: schemas::TrendingWindow,
    ) -> BoxFuture<'_, Result<Option<schemas::Trending>, TierFault>> {
        ready(Ok(None)).boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        ready(Ok(())).boxed()
    }
}

#[tokio::test]
async fn readers_who_wait_for_one_answer_are_told_to_the_workers_as_one() {
    let go = Arc::new(Notify::new());
    let world = World::with(|tiers, guard| {
        tiers.state = Some(Guarded::new(Box::new(Slow(go.clone())), guard(Source::State)));
    });
    let find = || world.api.reads.find(user(ME), Algo::Ranked);
    let (answers, ()) = join(join_all((0..100).map(|_| find())), async { go.notify_one() }).await;
    assert!(answers.iter().all(|answer| answer.is_ok()));
    go.notify_one();
    assert_eq!(told(&world).await.len(), 1);
}
