//! A burst on a real stack: what many people do at once is in the list that everybody gets, and in a stranger's feed.

use millstream::broker::kafka::{Kafka, KafkaSettings};
use schemas::{Trending, TrendingWindow, Wire};
use serde_json::{Value, json};
use tests::poll_until;

use crate::poison::produce;
use crate::world::{LONG, World};

const AUTHOR: &str = "a0000000-0000-4000-8000-00000000000a";
const STRANGER: &str = "c0000000-0000-4000-8000-00000000000c";
const POST: &str = "d0000000-0000-4000-8000-00000000000d";

/// The list of an hour once it has the post, with who answered.
fn listed(world: &World) -> (Value, Value) {
    let token = world.token(STRANGER);
    let found = poll_until(LONG, || {
        let (status, body) = world.get("/api/v1/feed/trending?window=1h", Some(&token));
        assert_eq!(status, 200, "{body}");
        let post = body["items"].as_array()?.iter().find(|item| item["post_id"] == POST)?.clone();
        (post["score"] == 20).then(|| (post, body["source"].clone()))
    });
    found.unwrap()
}

/// The same, of the first answer.
fn listed_at_once(world: &World) -> (Value, Value) {
    let (_, body) = world.get("/api/v1/feed/trending?window=1h", Some(&world.token(STRANGER)));
    let items = body["items"].as_array().unwrap();
    let post = items.iter().find(|item| item["post_id"] == POST);
    (post.unwrap_or_else(|| panic!("it is not there: {body}")).clone(), body["source"].clone())
}

#[test]
fn a_burst_of_likes_is_in_the_list_of_what_trends_and_in_a_stranger_s_feed() {
    let world = World::without_change_capture();
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let now = world.now_ms();
    let row = format!(
        r#"{{"before":null,"after":{{"id":"{POST}","user_id":"{AUTHOR}","content":"burst","created_at":{now}}},"source":{{"lsn":{now},"ts_ms":{now}}},"op":"c"}}"#
    );
    produce(&kafka, "cdc.posts", &[row.as_bytes()]);
    for liker in 0..20 {
        let user = format!("b0000000-0000-4000-8000-0000000000{liker:02}");
        world.post_event(&user, &json!({"post_id": POST, "action": "like", "event_time": now}));
    }
    let (post, source) = listed(&world);
    assert_eq!((&post["author_id"], &post["counts"]["likes"]), (&json!(AUTHOR), &json!(20)));
    assert!(source == "redis" || source == "state", "{source}");
    // A copy of another hour does not hide the list that state has.
    let old = Trending { as_of_ms: 0, ..Trending::default() };
    world.set_in_redis(&TrendingWindow::Hour.redis_key(), &old.to_bytes());
    let (_, source) = listed_at_once(&world);
    assert!(source == "state" || source == "redis", "{source}");
    let feed = world.feed_when(STRANGER, |feed| feed.has(POST));
    assert_eq!(feed.item(POST).sources(), ["trending"]);
}
