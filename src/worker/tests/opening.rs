//! Tasks that are opened: when they are tried again, what is swept for them, and what ends the worker instead.

use std::time::Duration;

use super::{LATER, NOW, World, counts, silence};
use crate::broker::{Call, Code, Failure};
use crate::error::Exit;
use crate::fail_points::FailPoint;
use crate::record::{TaskId, Timestamp, TopicPartition};
use crate::task::{Lag, Reason};
use crate::topology::Topology;
use crate::worker::Stop;
use crate::worker::opening::TaskState;

/// A world whose task is to be opened: it was tried in vain at [`LATER`].
fn waiting(topology: Topology) -> World {
    let mut world = World::of(topology);
    let id = world.worker.running().map(|(id, _)| id.clone()).next().unwrap();
    world.worker.replace(&id, TaskState::Waiting(LATER)).unwrap();
    world
}

fn failed(code: Code) -> Failure {
    Failure::new(Call::Committed, code, "x")
}

#[test]
fn a_task_that_could_not_be_opened_is_tried_again_in_a_tenth_of_a_second() {
    let mut world = waiting(silence());
    let opened = [0, 99, 100, 100].map(|after| {
        let moved = world.worker.open_waiting(Timestamp(LATER.0 + after)).unwrap();
        (moved, world.worker.tasks())
    });
    assert_eq!(opened, [(false, 0), (false, 0), (true, 1), (false, 1)]);
}

#[test]
fn a_task_that_is_opened_again_has_nothing_to_commit() {
    let mut world = waiting(silence());
    assert!(world.worker.open_waiting(NOW).unwrap());
    assert!(!world.task().has_worked());
}

#[test]
fn a_task_that_cannot_be_opened_is_told_of_every_quarter_of_a_minute() {
    let mut world = waiting(silence());
    let mut told = |after: i64| {
        world.refuse("app", failed(Code::UnstableOffsets).retriable());
        world.worker.open_waiting(Timestamp(LATER.0 + after)).unwrap();
        world.worker.delayed.values().next().map(|at| at.0 - LATER.0)
    };
    let told = [100, 15_099, 15_200, 30_000, 30_200].map(&mut told);
    assert_eq!(told, [Some(100), Some(100), Some(15_200), Some(15_200), Some(30_200)]);
    assert!(world.worker.open_waiting(Timestamp(LATER.0 + 31_000)).unwrap());
    assert!(world.worker.delayed.is_empty());
}

#[test]
fn how_far_a_process_is_behind_is_not_known_while_a_task_opens() {
    let mut world = waiting(silence());
    world.worker.tell_progress(NOW);
    assert_eq!(world.instance.lag_of_all(), Lag::Unknown);
    assert!(world.worker.open_waiting(NOW).unwrap());
    world.work();
    world.worker.tell_progress(NOW);
    assert_eq!(world.instance.lag_of_all(), Lag::Behind(Duration::ZERO));
}

#[test]
fn positions_that_no_retry_can_get_end_the_worker() {
    let mut world = waiting(silence());
    world.refuse("app", failed(Code::Denied));
    let ended = Stop::Exit(Exit::Failed, "Committed: Denied: x".into());
    assert_eq!(world.worker.open_waiting(NOW), Err(ended));
}

#[test]
fn positions_that_stay_unstable_for_two_timeouts_are_swept_by_a_transaction() {
    let mut world = waiting(silence());
    *world.crash.lock().unwrap() = Some(FailPoint::BeforeBegin);
    let mut open = |after: Duration| {
        world.refuse("app", failed(Code::UnstableOffsets).retriable());
        world.worker.open_waiting(Timestamp(LATER.0 + 1_000).plus(after))
    };
    let timeouts = Duration::from_secs(20);
    let opened =
        [Duration::ZERO, timeouts - Duration::from_millis(1), timeouts + Duration::from_millis(99)]
            .map(&mut open);
    assert_eq!(opened, [Ok(false), Ok(false), Err(Stop::Crashed(FailPoint::BeforeBegin))]);
    assert_eq!(world.instance.transaction_timeout * 2, timeouts);
}

#[test]
fn a_lost_position_that_is_in_its_log_is_read_on_from() {
    let lines = TopicPartition::new("lines", 0);
    for waiting_lines in [0, 1] {
        let mut world = World::of(silence());
        world.work();
        world.worker.commit(Reason::Interval, NOW).unwrap();
        (0..waiting_lines).for_each(|_| world.send(b"line"));
        world.worker.reopen_lost(std::slice::from_ref(&lines)).unwrap();
        assert!(world.worker.lost.contains(&lines));
        assert_eq!(world.worker.open_waiting(NOW), Ok(true));
        assert_eq!((world.worker.tasks(), world.worker.lost.is_empty()), (1, true));
    }
}

#[test]
fn how_long_a_task_restores_is_looked_at_every_two_timeouts() {
    let mut world = waiting(counts());
    world.worker.open_waiting(NOW).unwrap();
    let id = TaskId { sub_topology: "counts".into(), partition: 0 };
    assert!(matches!(world.worker.tasks.get(&id), Some(TaskState::Restoring(_))));
    let timeouts = world.instance.transaction_timeout * 2;
    let mut since = |at: Timestamp| {
        world.worker.open_waiting(at).unwrap();
        world.worker.unstable_since.get(&id).copied()
    };
    let later = LATER.plus(timeouts);
    assert_eq!(since(LATER), Some(LATER));
    assert_eq!(since(Timestamp(later.0 - 1)), Some(LATER));
    assert_eq!(since(later), Some(later));
    assert_eq!(since(later.plus(timeouts / 2)), Some(later));
    let much_later = later.plus(timeouts + Duration::from_millis(1));
    assert_eq!(since(much_later), Some(much_later));
}
