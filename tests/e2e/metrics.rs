//! The quality of a day's feeds: an item's `ctx` comes back in events, and its clicks are those of a recommendation.

use millstream::broker::kafka::{Kafka, KafkaSettings};
use schemas::Day;
use serde_json::{Value, json};

use crate::poison::produce;
use crate::world::World;
use crate::{AUTHOR, POST, READER};

/// A post that a stranger finds in their feed.
fn post_that_trends(world: &World) {
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let now = world.now_ms();
    let row = format!(
        r#"{{"before":null,"after":{{"id":"{POST}","user_id":"{AUTHOR}","content":"a post","created_at":{now}}},"source":{{"lsn":{now},"ts_ms":{now}}},"op":"c"}}"#
    );
    produce(&kafka, "cdc.posts", &[row.as_bytes()]);
    let liker = "b0000000-0000-4000-8000-0000000000ff";
    world.post_event(liker, &json!({"post_id": POST, "action": "like", "event_time": now}));
}

#[test]
fn what_is_done_with_an_item_of_a_feed_is_in_the_metrics_of_the_day_with_who_answered_and_its_place()
 {
    let world = World::with_clickhouse(&[("CLICKHOUSE__LINGER_MS", "100")]);
    post_that_trends(&world);
    world.feed_when(READER, |feed| feed.has(POST));
    let token = world.token(READER);
    let (_, feed) = world.get("/api/v1/feed", Some(&token));
    let ctx = &feed["items"][0]["ctx"];
    assert_eq!((&ctx["source"], &ctx["position"]), (&feed["source"], &json!(1)), "{feed}");
    let of_item = |action: &str, dwell_ms: Value| json!({"post_id": POST, "action": action, "event_time": world.now_ms(), "dwell_ms": dwell_ms, "ctx": ctx});
    let (impression, dwell) = (of_item("impression", Value::Null), of_item("dwell", json!(700)));
    for event in [&impression, &impression, &of_item("click", Value::Null), &dwell] {
        world.post_event(READER, event);
    }

    let day = Day::of(world.now_ms() as i64).to_string();
    world.poll("the day is added up", || {
        let (done, said) = world.run(&["metrics", "--date", &day, "--json"]);
        let told: Value = serde_json::from_str(&said).unwrap_or(Value::Null);
        (done && told["received"] == 5 && told["repeats"] == 1).then_some(())
    });
    let (status, told) = world.get(&format!("/api/v1/feed/metrics?date={day}"), Some(&token));
    assert_eq!(status, 200, "{told}");
    let shown = ["source", "recommendation_ctr", "dwell_p50_ms", "deduplication_rate"];
    let expected = [json!("redis"), json!(1.0), json!(700), json!(0.2)];
    assert_eq!(shown.map(|name| &told[name]), expected.each_ref(), "{told}");
    let parts = ["by_source", "by_position", "by_weight_set"].map(|by| &told[by][0]);
    let values = parts.map(|part| (part["value"].clone(), part["ctr"].clone()));
    let expected = [&ctx["source"], &json!("1"), &json!("1")];
    assert_eq!(values, expected.map(|value| (value.clone(), json!(1.0))), "{told}");
}
