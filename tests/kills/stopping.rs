//! Asked to stop before its tasks run: while it joins, opens or restores, a process has nothing to commit and goes.

use std::sync::Arc;
use std::time::Instant;

use millstream::broker::{Broker, GroupMetadata, OutRecord, Outgoing, Producer, TopicIndex};
use millstream::{Exit, Headers, Offset, Timestamp, Topic, TopicPartition};

use crate::load::Load;
use crate::victim::{PATIENCE, Victim};
use crate::worker;
use crate::world::World;

/// Asks it to stop and prints how long it took.
fn stop(victim: &mut Victim, doing: &str) {
    let asked = Instant::now();
    assert_eq!(victim.terminate(), Some(Exit::Done.code()), "{}", victim.log());
    println!("stopped while {doing} in {} ms", asked.elapsed().as_millis());
}

/// The same, a while after `beat`, when still no task runs.
fn stop_later(victim: &mut Victim, beat: u64, doing: &str) {
    let waiting = victim.wait_until(doing, |status| status.beat > beat + 20);
    assert_eq!(waiting.tasks, 0);
    stop(victim, doing);
}

/// A transaction of somebody else.
fn transaction(world: &World, topic: &str) -> Box<dyn Producer> {
    let topics: Arc<[Topic]> = Arc::from([Topic::from(topic)]);
    let id = format!("{}-foreign", world.app);
    let mut producer = world.kafka.producer(Some(&id), topics).unwrap();
    producer.init(PATIENCE).unwrap();
    producer.begin().unwrap();
    producer
}

/// Leaves the group's positions unstable until it is dropped.
fn pending_positions(world: &World) -> Box<dyn Producer> {
    let input = worker::input(&world.app);
    let mut producer = transaction(world, &input);
    let group = GroupMetadata {
        group: world.app.as_str().into(),
        generation: -1,
        member: String::new(),
        instance: "".into(),
    };
    let at = |partition| (TopicPartition::new(input.as_str(), partition), Offset(0));
    let positions: Vec<_> = (0..world.partitions).map(at).collect();
    producer.send_offsets(&positions, &group).unwrap();
    producer
}

/// Leaves a changelog with an open end until it is dropped.
fn open_changelog(world: &World) -> Box<dyn Producer> {
    let changelog = world.changelog();
    let before = world.end(&changelog, 0);
    let mut producer = transaction(world, &changelog);
    let mut out = Outgoing::default();
    out.push(OutRecord {
        topic: TopicIndex(0),
        partition: 0,
        logged: false,
        timestamp: Timestamp(0),
        key: Some(b"key"),
        value: None,
        headers: Headers::default(),
    });
    producer.send(&out).unwrap();
    tests::poll_until(PATIENCE, || (world.end(&changelog, 0) > before).then_some(())).unwrap();
    producer
}

#[test]
fn a_process_that_is_asked_to_stop_before_its_tasks_run_goes_without_waiting_for_them() {
    let world = World::new(2);
    let mut process = world.victim("one");
    process.start();
    process.wait_until("started", |status| status.beat > 0);
    stop(&mut process, "it joins");

    let pending = pending_positions(&world);
    process.start();
    let member = process.wait_until("a member", |status| status.is_member);
    stop_later(&mut process, member.beat, "its tasks open");
    drop(pending);
}

#[test]
fn a_process_that_is_asked_to_stop_while_it_restores_goes_and_restores_the_rest_next_time() {
    let world = World::new(1);
    let mut process = world.victim("one");
    process.start();
    let load = Load::start(&world.kafka, &worker::input(&world.app), 1);
    process.wait_until("working", |status| status.tasks == 1 && status.commits > 3);
    load.stop();
    world.wait_until_committed(&world.input_ends());
    process.kill();
    let mut open = open_changelog(&world);
    process.start();
    let member = process.wait_until("a member", |status| status.is_member);
    stop_later(&mut process, member.beat, "its tasks restore");
    open.abort().unwrap();
    process.start();
    process.wait_until("back", |status| status.tasks == 1);
    stop(&mut process, "its tasks run");
}

#[test]
fn a_process_that_is_asked_to_stop_before_its_tasks_run_and_without_a_broker_goes() {
    let stack = tests::Stack::of(&[tests::Part::Kafka]).start().unwrap();
    let world = World::on(&stack, 2);
    let mut process = world.victim("one");
    process.start();
    process.wait_until("working", |status| status.tasks == 2);
    process.kill();
    process.start();
    process.wait_until("started", |status| status.beat > 0);
    stack.kill(tests::Part::Kafka).unwrap();
    let beat = process.status().beat;
    stop_later(&mut process, beat, "there is no broker");
}
