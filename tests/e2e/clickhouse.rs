//! What comes in and what is ranked is in ClickHouse, each record once, whoever is killed meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::broker::{Broker, OutRecord, Outgoing, TopicIndex, partition_of};
use millstream::{Clock, Headers, SystemClock, Topic};
use serde_json::json;
use tests::Part;
use uuid::Uuid;

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
fn a_published_feed_is_in_clickhouse_as_it_is_in_redis_and_a_frozen_clickhouse_is_told() {
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
