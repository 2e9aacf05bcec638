//! Each server and the worker stopped in turn: who answers, what readiness says, and what is counted.

use serde_json::json;
use tests::{Part, poll_until};

use crate::feed::Feed;
use crate::poison::produce;
use crate::world::{LONG, World};
use millstream::broker::kafka::{Kafka, KafkaSettings};

const AUTHOR: &str = "a0000000-0000-4000-8000-00000000000a";
const READER: &str = "c0000000-0000-4000-8000-00000000000c";
const POST: &str = "d0000000-0000-4000-8000-00000000000d";

/// A post of somebody whom the reader follows, in Kafka and in PostgreSQL.
fn write_rows(world: &World) {
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let now = world.now_ms();
    let rows = [
        ("cdc.posts", format!(r#""id":"{POST}","user_id":"{AUTHOR}","content":"here""#)),
        ("cdc.follows", format!(r#""follower_id":"{READER}","followee_id":"{AUTHOR}""#)),
    ];
    for (topic, fields) in rows {
        let row = format!(
            r#"{{"before":null,"after":{{{fields},"created_at":{now}}},"source":{{"lsn":1,"ts_ms":{now}}},"op":"c"}}"#
        );
        produce(&kafka, topic, &[row.as_bytes()]);
    }
    for (id, name) in [(AUTHOR, "author"), (READER, "reader")] {
        world.sql(&format!("INSERT INTO users (id, username) VALUES ('{id}', '{name}')"));
    }
    world.sql(&format!(
        "INSERT INTO follows (follower_id, followee_id) VALUES ('{READER}', '{AUTHOR}')"
    ));
    world.sql(&format!(
        "INSERT INTO posts (id, user_id, content) VALUES ('{POST}', '{AUTHOR}', 'here')"
    ));
}

fn feed_of(world: &World, source: &str) -> Feed {
    let feed = world.feed_when(READER, |feed| feed.source() == source && feed.has(POST));
    assert_eq!(feed.is_fallback(), source == "postgres", "{feed:?}");
    feed
}

/// Waits until readiness and the metric say so of a component.
fn told(world: &World, component: &str, up: bool) {
    let metric = format!("feedmill_up{{component=\"{component}\"}}");
    world.poll(&format!("{component} is told up: {up}"), || {
        let shown = world.component_is_up(component) == up;
        (shown && world.metric(&metric) == f64::from(u8::from(up))).then_some(())
    });
}

/// How often a tier was passed by, for whatever reason.
fn passed(world: &World, tier: &str) -> f64 {
    let reasons = ["busy", "failed", "late", "open", "unready"];
    let counted = reasons.map(|reason| {
        world.metric(&format!("feedmill_tier_passed_total{{reason=\"{reason}\",tier=\"{tier}\"}}"))
    });
    counted.iter().sum()
}

#[test]
fn each_server_stopped_in_turn_is_passed_by_told_and_taken_up_again() {
    let mut world = World::with(&[("BREAKER__OPEN_MS", "1000")]);
    write_rows(&world);
    feed_of(&world, "redis");
    without_redis_state_answers(&mut world);
    without_a_worker_redis_does_and_then_postgres(&world);
    without_postgres_only_its_timeline_is_missing(&mut world);
    without_kafka_reads_go_on(&mut world);
}

fn without_redis_state_answers(world: &mut World) {
    world.stop_server(Part::Redis);
    feed_of(world, "state");
    told(world, "redis", false);
    world.poll("the breaker of Redis opens", || {
        let _ = world.feed(READER);
        let breaker = world.ready().1["components"]["redis"]["breaker"].clone();
        (breaker == "open" || breaker == "half_open").then_some(())
    });
    assert!(passed(world, "redis") >= 5.0);
    assert!(world.ready().0, "{:?}", world.ready());
    world.start_server(Part::Redis);
    told(world, "redis", true);
    feed_of(world, "redis");
}

/// Redis while its copy is there.
fn without_a_worker_redis_does_and_then_postgres(world: &World) {
    world.stop_worker(0);
    told(world, "state", false);
    assert_eq!(world.feed(READER).source(), "redis");
    world.flush_redis();
    feed_of(world, "postgres");
    assert!(passed(world, "state") >= 1.0);
    assert!(world.ready().0, "Kafka and a tier answer: {:?}", world.ready());
    let counted = world.metric("feedmill_reads_total{algo=\"ranked\",source=\"postgres\"}");
    assert!(counted >= 1.0, "{counted}");
    world.start_worker(0);
    told(world, "state", true);
    feed_of(world, "redis");
}

fn without_postgres_only_its_timeline_is_missing(world: &mut World) {
    let token = world.token(READER);
    let timeline = |world: &World| world.get("/api/v1/feed?algo=timeline", Some(&token));
    world.stop_server(Part::Postgres);
    told(world, "postgres", false);
    feed_of(world, "redis");
    let (status, body) = timeline(world);
    assert_eq!((status, &body["error"]["code"]), (503, &json!("unavailable")), "{body}");
    assert!(passed(world, "postgres") >= 1.0);
    world.start_server(Part::Postgres);
    told(world, "postgres", true);
    poll_until(LONG, || (timeline(world).0 == 200).then_some(())).unwrap();
}

/// Reads are answered, events are refused, and a load balancer is told to send them elsewhere, unless it asks for reads alone.
fn without_kafka_reads_go_on(world: &mut World) {
    let token = world.token(READER);
    let like = |world: &World| {
        let event = json!({"post_id": POST, "action": "like", "event_time": world.now_ms()});
        world.post("/api/v1/events", &token, &json!({"events": [event]}))
    };
    world.stop_server(Part::Kafka);
    told(world, "kafka", false);
    assert_eq!(world.feed(READER).source(), "redis");
    assert!(!world.ready().0, "{:?}", world.ready());
    assert!(world.ready_for("/reads").0, "{:?}", world.ready());
    let (status, body) = like(world);
    assert_eq!((status, &body["error"]["code"]), (503, &json!("unavailable")), "{body}");
    world.start_server(Part::Kafka);
    told(world, "kafka", true);
    poll_until(LONG, || (like(world).0 == 202).then_some(())).unwrap();
    world.feed_when(READER, |feed| !feed.has(POST));
    assert!(world.is_worker_alive(0), "{}", world.logs());
}
