//! The whole product on real servers, as a company would run it: PostgreSQL, Debezium, Kafka, a worker process, Redis and an
//! API process. Rows go in by SQL and events over HTTP; what is looked at is what a reader gets.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod avro;
mod browser;
mod clickhouse;
mod client;
mod compose;
mod configuration;
mod console;
mod curl;
mod dead_letters;
mod doctor;
mod failing;
mod feed;
mod flags;
mod forgetting;
mod kubernetes;
mod load;
mod log;
mod logging;
mod metrics;
mod observing;
mod operating;
mod page;
mod poison;
mod preferences;
mod producers;
mod prometheus;
mod proofs;
mod readers;
mod reloading;
mod replay;
mod scaling;
mod secured;
mod silences;
mod slow_calls;
mod stores;
mod stream;
mod suggestions;
mod tiers;
mod traces;
mod trending;
mod truncate;
mod verify;
mod weights;
mod world;

use serde_json::json;

use world::World;

const AUTHOR: &str = "a0000000-0000-4000-8000-000000000001";
const LIKER: &str = "b0000000-0000-4000-8000-000000000002";
const READER: &str = "c0000000-0000-4000-8000-000000000003";
const POST: &str = "d0000000-0000-4000-8000-000000000001";
const OTHER_POST: &str = "d0000000-0000-4000-8000-000000000002";

/// Three users; the reader follows the author, who writes two posts.
fn write_the_first_rows(world: &World) {
    for (id, name) in [(AUTHOR, "author"), (LIKER, "liker"), (READER, "reader")] {
        world.sql(&format!("INSERT INTO users (id, username) VALUES ('{id}', '{name}')"));
    }
    world.sql(&format!(
        "INSERT INTO follows (follower_id, followee_id) VALUES ('{READER}', '{AUTHOR}')"
    ));
    for (id, text) in [(POST, "a first post"), (OTHER_POST, "another")] {
        world.sql(&format!(
            "INSERT INTO posts (id, user_id, content) VALUES ('{id}', '{AUTHOR}', '{text}')"
        ));
    }
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-9
}

#[test]
fn what_happens_in_the_database_and_over_http_is_in_the_readers_feed() {
    let world = World::start();
    write_the_first_rows(&world);
    let feed = world.feed_when(READER, |feed| {
        feed.source() == "redis" && feed.has(POST) && feed.has(OTHER_POST)
    });
    let post = feed.item(POST);
    assert_eq!(post.sources(), ["follow"]);
    assert!(near(post.term("freshness"), (-0.1 * post.age_hours()).exp()), "{feed:?}");
    assert_eq!((post.term("engagement"), post.term("affinity")), (0.0, 0.0));
    assert!(near(post.score(), 0.30 * post.term("freshness")), "{feed:?}");

    world.sql(&format!(
        "INSERT INTO likes (id, post_id, user_id) VALUES (gen_random_uuid(), '{POST}', '{LIKER}')"
    ));
    let liked = world.feed_when(READER, |feed| feed.source() == "redis" && feed.likes(POST) == 1);
    assert!(near(liked.item(POST).term("engagement"), 2f64.ln()), "{liked:?}");

    let shared = json!({"post_id": POST, "action": "share", "event_time": world.now_ms()});
    world.post_event(LIKER, &shared);
    let shared = world.feed_when(READER, |feed| feed.source() == "redis" && feed.shares(POST) == 1);
    assert!(near(shared.item(POST).term("engagement"), 5f64.ln()), "{shared:?}");
    assert_eq!(shared.first().id(), POST);

    let next = the_first_page_and_where_it_goes_on(&world);
    assert_eq!(posts_on(&world, &next), [OTHER_POST]);
    world.sql(&format!("DELETE FROM posts WHERE id = '{OTHER_POST}'"));
    world.feed_when(READER, |feed| {
        feed.source() == "redis" && feed.has(POST) && !feed.has(OTHER_POST)
    });
    assert_eq!(posts_on(&world, &next), [""; 0], "it was deleted since");
    the_readers_own_view_takes_the_post_away(&world);
}

/// A page of one post; the path of the next one.
fn the_first_page_and_where_it_goes_on(world: &World) -> String {
    let (status, page) = world.get("/api/v1/feed?limit=1", Some(&world.token(READER)));
    assert_eq!((status, page["items"][0]["post_id"].as_str()), (200, Some(POST)), "{page}");
    format!("/api/v1/feed?cursor={}", page["cursor"].as_str().unwrap())
}

fn posts_on(world: &World, path: &str) -> Vec<String> {
    let (status, page) = world.get(path, Some(&world.token(READER)));
    assert_eq!((status, &page["cursor"]), (200, &serde_json::Value::Null), "{page}");
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["post_id"].as_str().unwrap().to_owned()).collect()
}

/// What was seen leaves the feed; a third post comes in its place, for what follows.
fn the_readers_own_view_takes_the_post_away(world: &World) {
    let viewed = json!({"post_id": POST, "action": "view", "event_time": world.now_ms()});
    world.post_event(READER, &viewed);
    world.feed_when(READER, |feed| feed.source() == "redis" && !feed.has(POST));
    let token = world.token(READER);
    let (status, why) = world.get(&format!("/api/v1/feed/explain/{POST}"), Some(&token));
    assert_eq!((status, why["dropped"]["stage"].as_str()), (200, Some("seen")), "{why}");
    let (_, deleted) = world.get(&format!("/api/v1/feed/explain/{OTHER_POST}"), Some(&token));
    assert_eq!(deleted["dropped"]["stage"], "deleted", "{deleted}");
    let (is_told, words) = world.run(&["feed", "explain", READER, POST]);
    assert!(is_told && words.contains("the reader saw it within the last 24 h"), "{words}");
    world.sql(&format!(
        "INSERT INTO posts (id, user_id, content) VALUES ('{OTHER_POST}', '{AUTHOR}', 'again')"
    ));
    world.feed_when(READER, |feed| feed.source() == "redis" && feed.has(OTHER_POST));
}

/// A wrong token is nobody, and a wrong request is told what is wrong with it.
#[test]
fn a_stranger_gets_nothing_and_a_bad_request_names_its_field() {
    let world = World::without_change_capture();
    assert_eq!(world.get("/api/v1/feed", None).0, 401);
    assert_eq!(world.get("/api/v1/feed", Some("not-a-token")).0, 401);
    let token = world.token(READER);
    let (status, body) = world.get("/api/v1/feed?limit=101", Some(&token));
    assert_eq!(
        (status, body["error"]["fields"][0]["field"].as_str()),
        (400, Some("limit")),
        "{body}"
    );
    let (status, body) = world.get("/api/v1/feed?cursor=abc", Some(&token));
    assert_eq!(
        (status, body["error"]["fields"][0]["field"].as_str()),
        (400, Some("cursor")),
        "{body}"
    );
    let nobody =
        json!({"events": [{"post_id": POST, "action": "stare", "event_time": world.now_ms()}]});
    let (status, body) = world.post("/api/v1/events", &token, &nobody);
    assert_eq!(status, 400, "{body}");
    assert!(
        body["error"]["fields"][0]["field"].as_str().unwrap_or_default().contains("action"),
        "{body}"
    );
}
