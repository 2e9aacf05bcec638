//! What processes tell of themselves at the level of everyday: enough to follow a request, and nothing that is somebody's.

use millstream::broker::kafka::{Kafka, KafkaSettings};
use serde_json::{Value, json};
use tests::Part;

use crate::poison::{dead_letters, produce};
use crate::world::World;
use crate::{AUTHOR, POST, READER, write_the_first_rows};

/// What is somebody's, and stands in rows, events and requests of this test.
const PRIVATE: [&str; 5] =
    ["a first post", "Zaphod", "open-sesame-token", "words of a comment", "muted-word"];

#[test]
fn lines_are_json_with_the_id_of_their_request_and_hold_no_words_names_or_tokens_of_users() {
    let mut world = World::start_with(&[("LOG__FORMAT", "json")]);
    write_the_first_rows(&world);
    world.sql(&format!("UPDATE users SET username = 'Zaphod' WHERE id = '{AUTHOR}'"));
    world.feed_when(READER, |feed| feed.source() == "redis" && feed.has(POST));
    let token = world.token(READER);
    assert_eq!(world.get("/api/v1/feed", Some("open-sesame-token")).0, 401);
    let viewed = json!({"post_id": POST, "action": "like", "event_time": world.now_ms()});
    world.post_event(READER, &viewed);
    let words = json!({"muted_words": ["muted-word"]});
    world.send("PUT", "/api/v1/feed/preferences", &token, &words);
    // A record that cannot be read, with words of somebody where a time should be.
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let row =
        json!({"id": POST, "user_id": AUTHOR, "content": "a", "created_at": "words of a comment"});
    let poison = json!({"before": null, "after": row, "op": "c", "ts_ms": 1,
        "source": {"lsn": 1, "ts_ms": 1, "snapshot": "false", "schema": "public", "table": "posts"}});
    produce(&kafka, "cdc.posts", &[poison.to_string().as_bytes()]);
    let buried = dead_letters(&kafka, "feedmill-dead-letters", 1);
    assert!(buried[0].error.contains("words of a comment"), "{buried:?}");
    world.poll("the letter is told", || world.told().contains("dead letters now").then_some(()));

    // A server that fails while somebody asks: the line bears the id of the request.
    world.kill_server(Part::Redis);
    let mut answered: Vec<String> = Vec::new();
    world.poll("a failed call is told with the id of its request", || {
        let (status, feed) = world.get("/api/v1/feed", Some(&token));
        assert_eq!(status, 200, "{feed}");
        answered.extend(text(&feed["items"][0]["ctx"]["request_id"]));
        let of_request = |line: &Value| text(&line["spans"][0]["request_id"]);
        let failed = lines(&world);
        let ids: Vec<_> = failed.iter().filter(is_of_redis).filter_map(of_request).collect();
        answered.iter().any(|id| ids.contains(id)).then_some(())
    });
    world.start_server(Part::Redis);
    let told = world.told();
    for (line, part) in lines(&world).iter().flat_map(|line| PARTS.map(|part| (line, part))) {
        assert!(line.pointer(part).is_some_and(Value::is_string), "{part}: {line}");
    }
    for private in PRIVATE.into_iter().chain([token.as_str(), READER, AUTHOR]) {
        let found: Vec<_> = told.lines().filter(|line| line.contains(private)).collect();
        assert_eq!(found, [""; 0], "{private}");
    }
}

/// Where each line has what.
const PARTS: [&str; 4] = ["/timestamp", "/level", "/target", "/message"];

fn lines(world: &World) -> Vec<Value> {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    world.told().lines().map(read).collect()
}

fn is_of_redis(line: &&Value) -> bool {
    (&line["level"], &line["tier"]) == (&json!("WARN"), &json!("redis"))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
