//! `GET /api/v1/feed`.

use http_body_util::Full;
use serde_json::{Value, json};
use warp::http::{Request, StatusCode};

use super::world::{ME, NOW, World, held};

fn without_what_varies(mut feed: Value) -> Value {
    feed["response_time_ms"] = json!(0);
    (feed["cursor"], feed["newer_cursor"]) = (Value::Null, Value::Null);
    for item in feed["items"].as_array_mut().unwrap() {
        item["ctx"]["request_id"] = json!("");
    }
    feed
}

#[tokio::test]
async fn a_feed_is_scored_as_of_the_current_second_and_explains_itself() {
    let world = World::new();
    world.hold(ME, held(7));
    let (status, feed) = world.feed("?limit=1&explain=1").await;
    let post = "12121212-1212-1212-1212-121212121212";
    let author = "22222222-2222-2222-2222-222222222222";
    // The worked values of the score: ln 1.26 and ln 11.
    let (engagement, affinity) = (1.26_f64.ln(), 11_f64.ln());
    let score = (0.30 * 1.0 + 0.40 * engagement) + 0.30 * affinity;
    assert_eq!(status, StatusCode::OK);
    let near = |value: &Value, wanted: f64| (value.as_f64().unwrap() - wanted).abs() < 1e-9;
    let item = &feed["items"][0];
    assert!(near(&item["score"], score));
    assert!(near(&item["explain"]["terms"]["engagement"]["value"], engagement));
    assert!(near(&item["explain"]["terms"]["affinity"]["value"], affinity));
    let terms = json!({
        "freshness": {"value": 1.0, "weight": 0.3, "age_ms": 0},
        "engagement": {"value": item["explain"]["terms"]["engagement"]["value"], "weight": 0.4,
            "likes": 10, "comments": 5, "shares": 2, "exposures": 100},
        "affinity": {"value": item["explain"]["terms"]["affinity"]["value"], "weight": 0.3,
            "interactions": 10},
        "factor": 1.0,
    });
    let expected = json!({
        "items": [{
            "post_id": post, "author_id": author, "created_at": NOW - 500,
            "score": item["score"], "sources": ["follow", "affinity"],
            "counts": {"likes": 10, "comments": 5, "shares": 2, "exposures": 100},
            "ctx": {"request_id": "", "position": 1, "source": "state", "version": 7, "weight_set": 1},
            "explain": {"terms": terms, "rank": 1, "rule": "none"},
        }],
        "cursor": null, "newer_cursor": null, "source": "state", "cache_hit": false,
        "fallback": false, "algo": "ranked", "weight_set": 1, "version": 7, "as_of": NOW - 500,
        "valid_until": NOW + 600_000, "cold_start": false, "stale": false, "seen": "full",
        "response_time_ms": 0,
    });
    assert_eq!(without_what_varies(feed), expected);
}

#[tokio::test]
async fn a_feed_and_what_its_events_will_bring_back_name_the_weight_set_that_chose_the_posts() {
    let world = World::new();
    let mut other = held(7);
    other.body.weight_set = 2;
    world.hold(ME, other);
    let (_, feed) = world.feed("").await;
    let sets = [&feed["weight_set"], &feed["items"][0]["ctx"]["weight_set"]];
    assert_eq!(sets, [&json!(2), &json!(2)]);
}

#[tokio::test]
async fn an_empty_feed_is_a_feed() {
    let world = World::new();
    let mut empty = held(1);
    empty.body.items.clear();
    empty.body.cold_start = true;
    world.hold(ME, empty);
    let (status, feed) = world.feed("").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&feed["items"], &feed["cold_start"]), (&json!([]), &json!(true)));
}

#[tokio::test]
async fn every_wrong_parameter_is_named() {
    let world = World::new();
    let (status, answer) =
        world.feed("?limit=101&algo=best&explain=2&cursor=x&page=2&limit=5").await;
    let fields = answer["error"]["fields"].as_array().unwrap();
    let named: Vec<_> = fields.iter().map(|fault| fault["field"].as_str().unwrap()).collect();
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(answer["error"]["code"], "invalid");
    assert_eq!(named, ["limit", "algo", "explain", "page"]);
    assert!(answer["request_id"].as_str().is_some());
}

#[tokio::test]
async fn without_a_token_nobody_is_told_anything() {
    let world = World::new();
    world.hold(ME, held(7));
    let request = Request::get("/api/v1/feed?limit=0").body(Full::default()).unwrap();
    let (status, answer) = world.ask(request).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (StatusCode::UNAUTHORIZED, &json!("unauthenticated"))
    );
}

#[tokio::test]
async fn where_no_route_is_the_answer_has_the_same_form() {
    let world = World::new();
    let asked = [
        (Request::get("/api/v1/nothing"), StatusCode::NOT_FOUND, "not_found"),
        (Request::get("/metrics"), StatusCode::NOT_FOUND, "not_found"),
        (Request::delete("/api/v1/feed"), StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        (Request::get("/api/v1/events"), StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
    ];
    for (request, status, code) in asked {
        let (got, answer) = world.ask(request.body(Full::default()).unwrap()).await;
        assert_eq!((got, answer["error"]["code"].as_str()), (status, Some(code)));
    }
}
