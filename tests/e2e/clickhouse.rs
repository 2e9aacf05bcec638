//! What comes in and what is ranked is in ClickHouse, each record once, whoever is killed meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::broker::{Broker, OutRecord, Outgoing, TopicIndex, partition_of};
use millstream::{Clock, Headers, SystemClock, Topic};
use serde_json::{Value, json};
use tests::Part;
use uuid::Uuid;
use worlds::world::{Size, World as Generated};

use crate::world::World;
use crate::{POST, READER};

const PARTITIONS: i32 = 3;
const BATCH: usize = 200;

/// Writes events of ever other users until it is told to stop; answers how many.
fn write_events(kafka: &str, stop: &AtomicBool, written: &AtomicUsize) {
    let kafka = Kafka::new(KafkaSettings::new(kafka)).unwrap();
    let topics: Arc<[Topic]> = Arc::new(["events".into()]);
    let mut producer = kafka.producer(None, topics).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let mut out = Outgoing::default();
        for _ in 0..BATCH {
            let (user, now) = (Uuid::new_v4().to_string(), SystemClock.now());
            let event =
                json!({"user_id": user, "post_id": POST, "action": "share", "event_time": now.0});
            let value = event.to_string();
            out.push(OutRecord {
                topic: TopicIndex(0),
                partition: partition_of(user.as_bytes(), PARTITIONS),
                logged: false,
                timestamp: now,
                key: Some(user.as_bytes()),
                value: Some(value.as_bytes()),
                headers: Headers::default(),
            });
        }
        producer.send(&out).unwrap();
        producer.flush(Duration::from_secs(30)).unwrap();
        written.fetch_add(BATCH, Ordering::Relaxed);
    }
}

#[test]
fn every_event_is_a_row_once_though_workers_and_clickhouse_are_killed_meanwhile() {
    let mut world = World::with_clickhouse(&[("CLICKHOUSE__LINGER_MS", "50")]);
    let (stop, written) = (AtomicBool::new(false), AtomicUsize::new(0));
    let kafka = world.kafka().to_owned();
    thread::scope(|scope| {
        let writing = scope.spawn(|| write_events(&kafka, &stop, &written));
        let rows = |world: &World| -> usize {
            let count = world.clickhouse("SELECT count() FROM events");
            count.and_then(|count| count.parse().ok()).unwrap_or(0)
        };
        for round in 0..5 {
            let before = rows(&world);
            world.poll("rows come in", || (rows(&world) > before + 2 * BATCH).then_some(()));
            world.kill_worker(0);
            if round % 2 == 0 {
                world.start_worker(0);
            }
            if round % 2 == 1 {
                world.kill_server(Part::ClickHouse);
                world.start_worker(0);
                world.start_server(Part::ClickHouse);
            }
        }
        let before = rows(&world);
        world.poll("rows come in", || (rows(&world) > before).then_some(()));
        stop.store(true, Ordering::Relaxed);
        writing.join().unwrap();
    });
    let expected = written.load(Ordering::Relaxed);
    let counted = "SELECT count(), uniqExact(event_id), uniqExact(partition, offset) FROM events";
    let all = format!("{expected}\t{expected}\t{expected}");
    world.poll("every event is a row", || {
        (world.clickhouse(counted).as_deref() == Some(&*all)).then_some(())
    });
    let shares = world.clickhouse("SELECT sum(shares) FROM post_metrics_1h");
    assert_eq!(shares, Some(expected.to_string()), "counted as they came in");
}

#[test]
fn an_event_over_http_is_a_row_and_a_clickhouse_that_is_away_is_told() {
    let world = World::with_clickhouse(&[("CLICKHOUSE__LINGER_MS", "200")]);
    let event = json!({"post_id": POST, "action": "view", "event_time": world.now_ms()});
    world.post_event(READER, &event);
    let question =
        format!("SELECT count() FROM events WHERE user_id = '{READER}' AND action = 'view'");
    world.poll("the event is a row", || {
        (world.clickhouse(&question).as_deref() == Some("1")).then_some(())
    });
    let up = |up: bool| (world.component_of_worker(0, "clickhouse_sink")["up"] == up).then_some(());
    world.poll("the sink is up", || up(true));
    world.kill_server(Part::ClickHouse);
    world.post_event(
        READER,
        &json!({"post_id": POST, "action": "click", "event_time": world.now_ms()}),
    );
    world.poll("readiness tells it", || up(false));
    let fault = world.component_of_worker(0, "clickhouse_sink")["fault"].to_string();
    assert!(fault.contains("records wait in kafka: clickhouse is unavailable"), "{fault}");
    assert!(world.worker_metric(0, "feedmill_clickhouse_sink_waiting_seconds ") > 0.0);
}

/// The items of a feed in this order, each with its score and its counts.
fn items(body: &Value) -> Vec<(String, f64, Value)> {
    let item = |item: &Value| {
        let post = item["post_id"].as_str().unwrap().to_owned();
        (post, item["score"].as_f64().unwrap(), item["counts"].clone())
    };
    body["items"].as_array().unwrap().iter().map(item).collect()
}

/// Whether two feeds of a moment or two apart are one, but that items of nearly one score may swap.
fn are_equal(one: &Value, other: &Value) -> bool {
    let (one, mut rest) = (items(one), items(other));
    let near = |a: f64, b: f64| (a - b).abs() < 1e-3;
    one.len() == rest.len()
        && one.iter().enumerate().all(|(place, (post, score, counts))| {
            let Some(found) = rest.iter().position(|(other, ..)| other == post) else {
                return false;
            };
            let is_it = near(rest[found].1, *score) && rest[found].2 == *counts;
            rest.swap(place, found);
            is_it
        })
}

#[test]
fn clickhouse_ranks_as_the_workers_do_and_a_frozen_one_is_passed_by() {
    const SIZE: Size = Size { users: 150, follows: 2_000, posts: 400, events: 4_000 };
    let world = World::with_clickhouse(&[("CLICKHOUSE__LINGER_MS", "200")]);
    let until = world.now_ms();
    let numbers = [SIZE.users, SIZE.follows, SIZE.posts, SIZE.events].map(|of| of.to_string());
    let mut words = vec!["load".to_owned(), "--until".to_owned(), until.to_string()];
    let names = ["--users", "--follows", "--posts", "--events"].map(str::to_owned);
    words.extend(names.into_iter().zip(numbers).flat_map(|(name, number)| [name, number]));
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let (loaded, said) = world.run(&words);
    assert!(loaded, "{said}");
    let generated = Generated { seed: 7, size: SIZE, days: 7, until: until as i64 };
    for reader in generated.readers(15) {
        let token = world.token(&Uuid::from_bytes(reader).to_string());
        let ask = |algo: &str| world.get(&format!("/api/v1/feed?algo={algo}"), Some(&token)).1;
        world.poll("both rank alike", || {
            let (ranked, ch) = (ask("ranked"), ask("ch"));
            let is_it =
                ch["source"] == "clickhouse" && ch["algo"] == "ch" && ch["fallback"] == false;
            (is_it && ranked["items"].is_array() && are_equal(&ranked, &ch)).then_some(())
        });
    }
    world.pause_server(Part::ClickHouse);
    let token = world.token(READER);
    world.poll("it is left alone", || {
        let (status, body) = world.get("/api/v1/feed?algo=ch", Some(&token));
        assert_eq!(
            (status, &body["source"], &body["fallback"]),
            (200, &json!("postgres"), &json!(true))
        );
        (world.metric("feedmill_tier_passed_total{reason=\"open\",tier=\"clickhouse\"} ") > 0.0)
            .then_some(())
    });
    world.resume_server(Part::ClickHouse);
}
