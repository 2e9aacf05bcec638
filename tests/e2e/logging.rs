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
    world.poll("the letter is told", || told_of(&world, &["dead letters now"]).then_some(()));

    // A server that fails while somebody asks: the line bears the id of the request.
    world.kill_server(Part::Redis);
    let mut answered = Vec::new();
    world.poll("a failed call is told", || {
        let (status, feed) = world.get("/api/v1/feed", Some(&token));
        assert_eq!(status, 200, "{feed}");
        answered.push(feed["items"][0]["ctx"]["request_id"].clone());
        told_of(&world, &FAILED).then_some(())
    });
    world.start_server(Part::Redis);
    let told = world.told();
    let lines: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    for (line, part) in lines.iter().flat_map(|line| PARTS.map(|part| (line, part))) {
        assert!(line.pointer(part).is_some_and(Value::is_string), "{part}: {line}");
    }
    let is_of_redis = |line: &&Value| FAILED.iter().all(|part| line.to_string().contains(part));
    let failed = lines.iter().find(is_of_redis).unwrap();
    assert!(answered.contains(&failed["spans"][0]["request_id"]), "{failed} of {answered:?}");
    for private in PRIVATE.into_iter().chain([token.as_str(), READER, AUTHOR]) {
        let found: Vec<_> = told.lines().filter(|line| line.contains(private)).collect();
        assert_eq!(found, [""; 0], "{private}");
    }
}

/// Where each line has what.
const PARTS: [&str; 4] = ["/timestamp", "/level", "/target", "/message"];

/// What is told of Redis when it is away.
const FAILED: [&str; 2] = [r#""tier":"redis""#, r#""message":"a call failed""#];

fn told_of(world: &World, parts: &[&str]) -> bool {
    world.told().lines().any(|line| parts.iter().all(|part| line.contains(part)))
}
