//! Change events in Avro beside behaviour events in JSON, and a registry that goes away in the middle.

use std::sync::Arc;
use std::time::Duration;

use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::broker::{Broker, Isolation, OutRecord, Outgoing, TopicIndex, partition_of};
use millstream::{Headers, Timestamp, Topic, TopicPartition};
use schemas::{Event, EventWriter};
use serde_json::json;
use tests::Part;

use crate::log::entries;
use crate::world::World;
use crate::{AUTHOR, LIKER, POST, READER, write_the_first_rows};

#[test]
fn what_is_in_avro_waits_for_its_schema_and_what_is_in_json_flows() {
    let mut world = World::in_avro();
    write_the_first_rows(&world);
    let feed = world.feed_when(READER, |feed| feed.source() == "redis" && feed.has(POST));
    assert_eq!(feed.item(POST).sources(), ["follow"]);
    like(&world, LIKER);
    world.feed_when(READER, |feed| feed.likes(POST) == 1);
    an_event_in_the_registered_schema_counts(&world);

    // A worker that begins anew knows no schema. Connect needs the registry to write, so the like is there before.
    world.kill_worker(0);
    like(&world, AUTHOR);
    world.poll("the second like is in kafka", || (records(&world, "cdc.likes") >= 2).then_some(()));
    world.kill_server(Part::Registry);
    world.start_worker(0);
    world.poll("the like waits", || {
        let waiting = world.worker_metric(0, "millstream_waiting_partitions ");
        (waiting >= 1.0 && world.component_of_worker(0, "registry")["up"] == false).then_some(())
    });
    world.post_event(
        LIKER,
        &json!({"post_id": POST, "action": "share", "event_time": world.now_ms()}),
    );
    let shared = world.feed_when(READER, |feed| feed.shares(POST) == 2);
    assert_eq!(shared.likes(POST), 1, "the second like cannot be read yet");

    world.start_server(Part::Registry);
    world.feed_when(READER, |feed| feed.likes(POST) == 2);
    world.poll("nothing waits any more", || {
        let waiting = world.worker_metric(0, "millstream_waiting_partitions ");
        (waiting == 0.0 && world.component_of_worker(0, "registry")["up"] == true).then_some(())
    });
    let counted = ["millstream_dead_letters_total{", "millstream_aborts_total{"];
    assert_eq!(counted.map(|name| world.worker_sum(0, name)), [0.0, 0.0]);
}

#[test]
fn events_of_the_api_are_in_avro_where_it_is_told_so_and_none_is_taken_before_the_schema_is_known()
{
    let world = World::with_registry(&[("EVENTS__FORMAT", "avro")]);
    let event = json!({"post_id": POST, "action": "share", "event_time": world.now_ms()});
    let post = || world.post("/api/v1/events", &world.token(LIKER), &json!({"events": [event]}));
    assert_eq!(post().0, 503);
    world.poll("the registry has not the schema", || {
        let registry = world.ready().1["components"]["registry"].clone();
        let fault = registry["fault"].as_str().unwrap_or_default();
        fault.contains("feedmill schema register").then_some(())
    });
    let (done, said) = world.run(&["schema", "register"]);
    assert!(done, "{said}");
    world.poll("events are taken", || (post().0 == 202).then_some(()));
    world.poll("the registry is up", || world.component_is_up("registry").then_some(()));
    let written = entries(&world, "events");
    assert!(!written.is_empty() && written.iter().all(|of| of.value[0] == 0), "{written:?}");
    world.poll("the event is processed", || {
        (world.worker_metric(0, "millstream_records_total ") >= 1.0).then_some(())
    });
    assert_eq!(world.worker_sum(0, "millstream_dead_letters_total{"), 0.0);
}

/// A producer that registered the schema writes a share, beside the JSON of the API.
fn an_event_in_the_registered_schema_counts(world: &World) {
    let (done, said) = world.run(&["schema", "register"]);
    let id = said.trim().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(done && said.starts_with("events-value version 1, id "), "{said}");
    let sent = json!({"post_id": POST, "user_id": AUTHOR, "action": "share", "event_time": world.now_ms()});
    let sent = sent.to_string();
    let (event, trace) = Event::check(sent.as_bytes(), None).unwrap();
    let value = EventWriter::new(id).unwrap().write(&event, &trace).unwrap();
    let partition = partition_of(AUTHOR.as_bytes(), 3);
    let topics: Arc<[Topic]> = Arc::new(["events".into()]);
    let mut out = Outgoing::default();
    out.push(OutRecord {
        topic: TopicIndex(0),
        partition,
        logged: false,
        timestamp: Timestamp(event.at_ms),
        key: Some(AUTHOR.as_bytes()),
        value: Some(&value),
        headers: Headers::default(),
    });
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let mut producer = kafka.producer(None, topics).unwrap();
    producer.send(&out).unwrap();
    producer.flush(Duration::from_secs(30)).unwrap();
    world.feed_when(READER, |feed| feed.shares(POST) == 1);
}

/// How many records a topic has had.
fn records(world: &World, topic: &str) -> i64 {
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let mut consumer = kafka.consumer("test", Isolation::ReadCommitted).unwrap();
    let partitions = (0..3).map(|partition| TopicPartition::new(topic, partition));
    partitions.map(|of| consumer.bounds(&of).unwrap().end.0).sum()
}

fn like(world: &World, who: &str) {
    world.sql(&format!(
        "INSERT INTO likes (id, post_id, user_id) VALUES (gen_random_uuid(), '{POST}', '{who}')"
    ));
}
