//! What processes tell of themselves at the level of everyday: enough to follow a request, and nothing that is somebody's.

use std::process::Command;

use millstream::broker::kafka::{Kafka, KafkaSettings};
use serde_json::{Value, json};
use tests::Part;

use crate::poison::{dead_letters, produce};
use crate::world::World;
use crate::{AUTHOR, POST, READER};

/// What is somebody's, and stands in rows, events and requests of this test.
const PRIVATE: [&str; 5] =
    ["a first post", "Zaphod", "open-sesame-token", "words of a comment", "muted-word"];

#[test]
fn lines_are_json_with_the_id_of_their_request_and_hold_no_words_names_or_tokens_of_users() {
    let mut world = World::with(&[("LOG__FORMAT", "json")]);
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let now = world.now_ms();
    let row = |table: &str, row: Value| {
        let of =
            json!({"before": null, "after": row, "op": "c", "source": {"lsn": now, "ts_ms": now}});
        produce(&kafka, &format!("cdc.{table}"), &[of.to_string().as_bytes()]);
    };
    row("users", json!({"id": AUTHOR, "username": "Zaphod", "created_at": now}));
    row("follows", json!({"follower_id": READER, "followee_id": AUTHOR, "created_at": now}));
    let post = |created_at: Value, content: &str| json!({"id": POST, "user_id": AUTHOR, "content": content, "created_at": created_at});
    row("posts", post(json!(now), "a first post"));
    world.feed_when(READER, |feed| feed.source() == "redis" && feed.has(POST));
    let token = world.token(READER);
    assert_eq!(world.get("/api/v1/feed", Some("open-sesame-token")).0, 401);
    let viewed = json!({"post_id": POST, "action": "like", "event_time": world.now_ms()});
    world.post_event(READER, &viewed);
    let words = json!({"muted_words": ["muted-word"]});
    world.send("PUT", "/api/v1/feed/preferences", &token, &words);
    // A record that cannot be read, with words of somebody where a time should be.
    row("posts", post(json!("words of a comment"), "a first post"));
    let buried = dead_letters(&kafka, "feedmill-dead-letters", 1);
    assert!(buried[0].error.contains("words of a comment"), "{buried:?}");
    world.poll("the letter is told", || {
        world.told("worker").contains("dead letters now").then_some(())
    });

    // A server that fails while somebody asks: the line bears the id of the request.
    world.kill_server(Part::Redis);
    let mut answered: Vec<String> = Vec::new();
    world.poll("a failed call is told with the id of its request", || {
        answered.push(id_of_a_read(&world, &token));
        let of_request = |line: &Value| Some(line["spans"][0]["request_id"].as_str()?.to_owned());
        let failed = lines(&world);
        let ids: Vec<_> = failed.iter().filter(is_of_redis).filter_map(of_request).collect();
        answered.iter().any(|id| ids.contains(id)).then_some(())
    });
    world.start_server(Part::Redis);
    for (line, part) in lines(&world).iter().flat_map(|line| PARTS.map(|part| (line, part))) {
        assert!(line.pointer(part).is_some_and(Value::is_string), "{part}: {line}");
    }
    for private in PRIVATE.into_iter().chain([token.as_str(), READER, AUTHOR]) {
        let holds = |line: &Value| line.to_string().contains(private);
        let found: Vec<_> = lines(&world).into_iter().filter(holds).collect();
        assert!(found.is_empty(), "{private}: {found:?}");
    }
}

/// Where each line has what.
const PARTS: [&str; 4] = ["/timestamp", "/level", "/target", "/message"];

fn lines(world: &World) -> Vec<Value> {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let told = ["worker", "serve"].map(|role| world.told(role)).concat();
    told.lines().map(read).collect()
}

fn is_of_redis(line: &&Value) -> bool {
    (&line["level"], &line["tier"]) == (&json!("WARN"), &json!("redis"))
}

/// What the answer to a read bore.
fn id_of_a_read(world: &World, token: &str) -> String {
    let header = format!("authorization: Bearer {token}");
    let words = ["-sS", "-o", "/dev/null", "-w", "%header{x-request-id}", "-H", &header];
    let output = Command::new("curl").args(words).arg(world.feed_url()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
