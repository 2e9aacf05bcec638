//! How much a task does in its turn, and who has the next one.

use std::time::Duration;

use super::{LATER, World, silence};
use crate::metrics::Counter;
use crate::task::Reason;
use crate::worker::Activity;

/// So many tasks in rounds that are over at once.
fn in_short_rounds(tasks: i32) -> World {
    World::with(silence(), tasks, |config| config.commit_interval = Duration::ZERO)
}

#[test]
fn a_round_that_ends_early_goes_on_with_the_task_that_did_not_run() {
    let mut world = in_short_rounds(3);
    world.worker.next_task = None;
    let next = [0; 4].map(|_| {
        world.worker.run(LATER).unwrap();
        world.worker.next_task.as_ref().map(|task| task.partition)
    });
    assert_eq!(next, [Some(1), Some(2), Some(0), Some(1)]);
}

#[test]
fn every_task_has_its_turn_in_a_round_that_is_long_enough() {
    let long = Duration::from_secs(3_600);
    let mut world = World::with(silence(), 2, |config| config.commit_interval = long);
    (0..2).for_each(|partition| world.send_to("lines", partition, b"line"));
    world.worker.poll(Duration::ZERO, LATER).unwrap();
    let ran = [0; 2].map(|_| world.worker.run(LATER).unwrap());
    assert_eq!(ran, [Activity::Busy, Activity::Idle], "the first one did it all");
    assert!(world.worker.running().all(|(_, task)| task.has_worked()));
}

#[test]
fn a_task_looks_at_the_time_every_few_records() {
    let mut world = in_short_rounds(1);
    (0..100).for_each(|_| world.send(b"line"));
    world.worker.poll(Duration::ZERO, LATER).unwrap();
    let before = world.read(Counter::Records);
    world.worker.run(LATER).unwrap();
    world.worker.commit(Reason::Interval, LATER).unwrap();
    assert_eq!(world.read(Counter::Records) - before, 31);
}
