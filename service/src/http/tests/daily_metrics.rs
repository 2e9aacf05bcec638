//! The metrics of a day, from whoever has them.

use std::time::Duration;

use connectors::clickhouse::{ClickHouseSettings, DailyQuality, Migrator};
use connectors::redis::DailyCache;
use http_body_util::Full;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use schemas::DailyMetrics;
use schemas::daily_metrics::{Counts, Dimension, Quality};
use serde_json::{Value, json};
use tests::{Part, Stack};
use warp::http::{Request, StatusCode};
use warp::hyper::body::Bytes;

use super::world::{ME, World};
use crate::daily::Daily;
use crate::http::public;

const WAIT: Duration = Duration::from_secs(5);

async fn asked(world: &World, query: &str) -> (StatusCode, Value) {
    world.feed(&format!("/metrics{query}")).await
}

fn daily(stack: &Stack) -> (Daily, ClickHouseSettings) {
    let (url, database) = (stack.clickhouse().to_owned(), "feedmill".to_owned());
    let settings = ClickHouseSettings { url, database, login: None };
    let redis = DailyCache::open(stack.redis(), WAIT).unwrap();
    let clickhouse = DailyQuality::new(&settings, WAIT);
    (Daily { redis: Some(redis), clickhouse: Some(clickhouse) }, settings)
}

#[tokio::test]
async fn redis_answers_first_then_clickhouse_then_nobody() {
    let stack = Stack::of(&[Part::Redis, Part::ClickHouse]).start().unwrap();
    let (daily, settings) = daily(&stack);
    Migrator::new(&settings).migrate("a test").await.unwrap();
    let mut held = DailyMetrics::none("2026-11-20".parse().unwrap());
    held.computed_at = Some(7);
    let counts = Counts { received: 4, impressions: 4, clicks: 1, ..Counts::default() };
    held.take(Dimension::All, String::new(), Quality::of(counts, (None, None)));
    daily.redis.as_ref().unwrap().hold(&held).await.unwrap();
    let world = World::with_daily(daily);

    let (status, answer) = asked(&world, "?date=2026-11-20").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let shown = ["source", "date", "computed_at", "ctr", "dwell_p50_ms"].map(|name| &answer[name]);
    let expected = [json!("redis"), json!("2026-11-20"), json!(7), json!(0.25), Value::Null];
    assert_eq!(shown, expected.each_ref());

    let (status, answer) = asked(&world, "?date=2026-11-19").await;
    let shown = ["source", "computed_at", "received", "ctr", "by_position"].map(|it| &answer[it]);
    let expected = [json!("clickhouse"), Value::Null, json!(0), Value::Null, json!([])];
    assert_eq!((status, shown), (StatusCode::OK, expected.each_ref()));

    stack.kill(Part::ClickHouse).unwrap();
    let request = Request::get("/api/v1/feed/metrics?date=2026-11-19");
    let request = request.header("authorization", world.token(ME, &[]));
    let routes = TowerToHyperService::new(warp::service(public(&world.api)));
    let answer = routes.call(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
    let told = (answer.status(), answer.headers()["retry-after"].to_str().unwrap().to_owned());
    assert_eq!(told, (StatusCode::SERVICE_UNAVAILABLE, "1".to_owned()));
}

#[tokio::test]
async fn a_stranger_learns_nothing_and_a_day_that_is_none_names_its_field() {
    let world = World::new();
    let request = Request::get("/api/v1/feed/metrics?date=2026-11-20");
    let (status, _) = world.ask(request.body(Full::default()).unwrap()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    for query in ["", "?date=tomorrow", "?date=2026-11-21"] {
        let (status, answer) = asked(&world, query).await;
        let field = &answer["error"]["fields"][0]["field"];
        assert_eq!((status, field), (StatusCode::BAD_REQUEST, &json!("date")), "{query}: {answer}");
    }
    let request = Request::post("/api/v1/feed/metrics");
    let (status, _) = world.ask(request.body(Full::default()).unwrap()).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}
