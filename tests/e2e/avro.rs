//! Change events in Avro beside behaviour events in JSON, and a registry that goes away in the middle.

use millstream::TopicPartition;
use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::broker::{Broker, Isolation};
use serde_json::json;
use tests::Part;

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
    let shared = world.feed_when(READER, |feed| feed.shares(POST) == 1);
    assert_eq!(shared.likes(POST), 1, "the second like cannot be read yet");

    world.start_server(Part::Registry);
    world.feed_when(READER, |feed| feed.likes(POST) == 2);
    world.poll("nothing waits any more", || {
        let waiting = world.worker_metric(0, "millstream_waiting_partitions ");
        (waiting == 0.0 && world.component_of_worker(0, "registry")["up"] == true).then_some(())
    });
    let counted = ["millstream_dead_letters_total ", "millstream_aborts_total "];
    assert_eq!(counted.map(|name| world.worker_metric(0, name)), [0.0, 0.0]);
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
