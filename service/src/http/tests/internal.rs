//! The internal routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use millstream::{Clock, Histogram, Lag, MemoryUse};
use schemas::{FeedBody, FeedVersion, RedisValue, Trending, UserId, Wire};
use serde_json::{Value, json};
use warp::http::{Request, StatusCode};

use super::world::{Feeds, World, answer};
use crate::health::{Behind, Health, Seen};
use crate::http::internal::{Internal, internal};
use crate::metrics::WorkerReport;
use crate::metrics::tests::report;
use crate::read::{Held, StateFault, StateFeeds};
use crate::secrets::Secrets;

fn internals(world: &World, state: Option<Arc<Feeds>>, secret: Option<&str>) -> Arc<Internal> {
    Arc::new(Internal {
        health: Arc::new(Health::default()),
        metrics: Arc::clone(&world.metrics),
        state: state.map(|state| state as Arc<dyn StateFeeds>),
        stores: None,
        console: None,
        elsewhere: None,
        secrets: secret.and_then(|secret| Secrets::of(secret).ok()),
        asks_certificate: false,
        clock: world.clock.clone(),
    })
}

async fn ask(of: &Arc<Internal>, path: &str) -> (StatusCode, Value) {
    let service = TowerToHyperService::new(warp::service(internal(of)));
    answer(service, Request::get(path).body(Full::default()).unwrap()).await
}

fn seen(up: bool) -> Seen {
    Seen { up, fault: None, breaker: None, behind: None, at: 1 }
}

#[tokio::test]
async fn ready_while_kafka_and_any_tier_answer() {
    let world = World::new();
    let of = internals(&world, None, None);
    assert_eq!(ask(&of, "/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
    let rows = [
        ([("kafka", true), ("redis", true), ("postgres", false)], StatusCode::OK),
        ([("kafka", true), ("redis", false), ("postgres", true)], StatusCode::OK),
        ([("kafka", true), ("redis", false), ("postgres", false)], StatusCode::SERVICE_UNAVAILABLE),
        ([("kafka", false), ("redis", true), ("postgres", true)], StatusCode::SERVICE_UNAVAILABLE),
    ];
    for (components, status) in rows {
        for (component, up) in components {
            of.health.note(component, seen(up));
        }
        let (got, answer) = ask(&of, "/ready").await;
        assert_eq!(got, status);
        assert_eq!(answer["components"]["redis"]["up"], components[1].1);
    }
    assert_eq!(ask(&of, "/health").await.0, StatusCode::OK);
    assert_eq!(ask(&of, "/metrics").await.0, StatusCode::OK);
}

#[tokio::test]
async fn ready_for_reads_while_any_tier_answers_whatever_kafka_does_until_it_drains() {
    let world = World::new();
    let of = internals(&world, None, None);
    let status = async || ask(&of, "/ready/reads").await.0;
    assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE, "nothing was seen yet");
    of.health.note("kafka", seen(false));
    of.health.note("redis", seen(true));
    assert_eq!(status().await, StatusCode::OK);
    of.health.note("redis", seen(false));
    assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
    of.health.note("postgres", seen(true));
    assert_eq!(status().await, StatusCode::OK);
    of.health.drain();
    assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask(&of, "/ready/writes").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn ready_shows_how_far_the_engine_is_behind_and_is_ready_all_the_same() {
    let world = World::new();
    let of = internals(&world, None, None);
    let up = [("kafka", true), ("redis", true)];
    up.iter().for_each(|(component, up)| of.health.note(component, seen(*up)));
    let rows = [
        (Lag::Behind(Duration::from_millis(1_500)), json!([false, 1_500])),
        (Lag::Behind(Duration::from_secs(90)), json!([true, 90_000])),
        (Lag::Unknown, json!([true, null])),
    ];
    for (lag, shown) in rows {
        of.health.note("engine", Seen { behind: Some(Behind::from(lag)), ..seen(true) });
        let (status, answer) = ask(&of, "/ready").await;
        let engine = &answer["components"]["engine"];
        assert_eq!((status, json!([engine["lagging"], engine["lag_ms"]])), (StatusCode::OK, shown));
    }
}

/// State that tells as of when it was asked.
struct Echo;

impl StateFeeds for Echo {
    fn feed(&self, _user: UserId, now_ms: i64) -> Result<Option<Held>, StateFault> {
        let body = FeedBody { as_of_ms: now_ms, ..FeedBody::default() };
        Ok(Some(Held { version: FeedVersion::default(), body, is_published: false }))
    }

    fn trending(&self) -> Result<Option<Trending>, StateFault> {
        Ok(None)
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

#[tokio::test]
async fn a_feed_is_ranked_as_of_now_or_as_of_the_time_that_is_asked_for() {
    let world = World::new();
    let health = Arc::new(Health::default());
    let (state, clock) = (Some(Arc::new(Echo) as Arc<dyn StateFeeds>), world.clock.clone());
    let metrics = Arc::clone(&world.metrics);
    let of = Arc::new(Internal {
        health,
        metrics,
        state,
        stores: None,
        console: None,
        elsewhere: None,
        secrets: None,
        asks_certificate: false,
        clock,
    });
    let answered = |query: &'static str| {
        let service = TowerToHyperService::new(warp::service(internal(&of)));
        let path = format!("/state/v1/feed/00000000-0000-4000-8000-000000000001{query}");
        async move {
            let asked = Request::get(path).body(Full::<Bytes>::default()).unwrap();
            let answer = service.call(asked).await.unwrap();
            let status = answer.status();
            (status, answer.into_body().collect().await.unwrap().to_bytes())
        }
    };
    let now = world.clock.now().0;
    for (query, as_of) in [("", now), ("?as_of=77", 77)] {
        let (status, body) = answered(query).await;
        let value = RedisValue::decode(&body).unwrap();
        let body = FeedBody::decode(value.body.unwrap()).unwrap();
        assert_eq!((status, body.as_of_ms), (StatusCode::OK, as_of), "{query}");
    }
    for wrong in ["?as_of=soon", "?limit=3", "?as_of=1&as_of=2"] {
        assert_eq!(answered(wrong).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn metrics_show_how_long_the_sink_takes_as_prometheus_reads_it() {
    let world = World::new();
    let took = Histogram::default();
    [3, 70_000].map(Duration::from_millis).iter().for_each(|each| took.observe(*each));
    world
        .metrics
        .follow(move || Some(WorkerReport { redis_took: Some(took.durations()), ..report() }));
    let text = world.metrics.text();
    let shown: Vec<_> =
        text.lines().filter(|line| line.contains("feedmill_redis_sink_seconds")).collect();
    assert_eq!((shown.len(), shown[1]), (20, "# TYPE feedmill_redis_sink_seconds histogram"));
    assert_eq!(shown[3], r#"feedmill_redis_sink_seconds_bucket{le="0.002"} 0"#);
    assert_eq!(shown[4], r#"feedmill_redis_sink_seconds_bucket{le="0.005"} 1"#);
    assert_eq!(shown[17], r#"feedmill_redis_sink_seconds_bucket{le="+Inf"} 2"#);
    let ends = ["feedmill_redis_sink_seconds_sum 70.003", "feedmill_redis_sink_seconds_count 2"];
    assert_eq!(shown[18..], ends);
}

#[tokio::test]
async fn metrics_show_whether_the_engine_has_done_all_that_it_owes() {
    let world = World::new();
    assert!(!world.metrics.text().contains("millstream_settled"));
    let settled = Arc::new(AtomicBool::new(false));
    let engine = Arc::clone(&settled);
    let is_settled = move || engine.load(Ordering::Relaxed);
    world.metrics.follow(move || Some(WorkerReport { is_settled: is_settled(), ..report() }));
    for (is, shown) in [(false, "millstream_settled 0"), (true, "millstream_settled 1")] {
        settled.store(is, Ordering::Relaxed);
        let text = world.metrics.text();
        assert!(text.lines().any(|line| line == shown), "{text}");
    }
}

#[tokio::test]
async fn metrics_show_what_each_part_takes_in_memory_and_may() {
    let world = World::new();
    let part = |part, bytes, bytes_max| MemoryUse { part, bytes, bytes_max };
    let memory = move || {
        vec![part("rows", Some(3), Some(7)), part("all", Some(2), None), part("out", None, Some(9))]
    };
    world.metrics.follow(move || Some(WorkerReport { memory: memory(), ..report() }));
    let text = world.metrics.text();
    let shown: Vec<_> = text.lines().filter(|line| line.contains("{part=")).collect();
    let expected = [
        r#"millstream_memory_bytes{part="rows"} 3"#,
        r#"millstream_memory_bytes{part="all"} 2"#,
        r#"millstream_memory_max_bytes{part="rows"} 7"#,
        r#"millstream_memory_max_bytes{part="out"} 9"#,
    ];
    assert_eq!(shown, expected);
    assert!(text.contains("process_resident_memory_bytes"), "{text}");
}
