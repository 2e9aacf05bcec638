//! The transaction of a worker: what it holds, when it ends, and what becomes of its producer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{LATER, NOW, World, echo, silence};
use crate::broker::{Call, Code, Failure};
use crate::fail_points::FailPoint;
use crate::metrics::{Aborted, Counter};
use crate::record::{Offset, Timestamp, TopicPartition};
use crate::task::{Open, Reason};
use crate::worker::Stop;
use crate::worker::transaction::TransactionError;

/// Has the task hand on a line of `length` bytes; answers where the log of the output ends then, and what is open.
fn echoed(world: &mut World, length: usize) -> (Offset, usize) {
    world.send(&vec![b'x'; length]);
    world.worker.poll(Duration::ZERO, LATER).unwrap();
    world.worker.run(LATER).unwrap();
    let out = TopicPartition::new("out", 0);
    let bounds = world.instance.high_watermarks().bounds(&out).unwrap();
    (bounds.end, world.worker.transaction.bytes())
}

#[test]
fn outputs_are_sent_when_they_have_become_many_and_count_as_open_until_the_commit() {
    let mut world = World::of(echo());
    let (end, open) = echoed(&mut world, 1_000);
    assert_eq!((end, (1_000..2_000).contains(&open)), (Offset(0), true), "{open}");
    let (end, open) = echoed(&mut world, 130 << 10);
    assert_eq!((end, ((130 << 10)..).contains(&open)), (Offset(2), true), "{open}");
    let (end, open) = echoed(&mut world, 130 << 10);
    assert_eq!((end, ((260 << 10)..).contains(&open)), (Offset(3), true), "{open}");
    world.worker.commit(Reason::Interval, LATER).unwrap();
    assert_eq!(world.worker.transaction.bytes(), 0);
}

#[test]
fn a_transaction_ends_before_a_third_of_what_the_coordinator_grants_it_has_passed() {
    let long = Duration::from_secs(3_600);
    let mut world = World::with(silence(), 1, |config| config.commit_interval = long);
    world.send(b"line");
    world.worker.poll(Duration::ZERO, LATER).unwrap();
    world.worker.run(LATER).unwrap();
    let third = LATER.plus(world.instance.transaction_timeout / 3);
    let due = [third.0 - 1, third.0]
        .map(|at| world.worker.transaction.due(Open::default(), Timestamp(at)));
    assert_eq!(due, [None, Some(Reason::Timeout)]);
}

#[test]
fn an_abort_of_nothing_asks_the_broker_for_nothing() {
    let mut world = World::of(silence());
    let before = world.read(Counter::Rebuilds);
    world.worker.abort(Aborted::Failed).unwrap();
    assert_eq!((world.read(Counter::Rebuilds), world.worker.tasks()), (before, 1));
}

fn failed_to_register(code: Code) -> Failure {
    Failure::new(Call::Init, code, "x")
}

#[test]
fn who_stops_waits_for_no_coordinator() {
    let mut world = World::new();
    let (counted, rebuilds) = (world.counted(), world.read(Counter::Rebuilds));
    world.work();
    world.worker.transaction.drop_producer();
    world.refuse("app-one-0", failed_to_register(Code::Transport).retriable());
    world.instance.stop();
    world.worker.commit(Reason::Closing, NOW).unwrap();
    assert_eq!((world.counted(), world.read(Counter::Rebuilds)), (counted, rebuilds + 1));
}

#[test]
fn a_producer_that_was_fenced_while_it_was_registered_is_not_registered_again_in_place() {
    let mut world = World::new();
    let (counted, rebuilds) = (world.counted(), world.read(Counter::Rebuilds));
    world.work();
    world.worker.transaction.drop_producer();
    world.refuse("app-one-0", failed_to_register(Code::Fenced).fatal());
    world.worker.commit(Reason::Interval, NOW).unwrap();
    assert_eq!((world.counted(), world.read(Counter::Rebuilds)), (counted, rebuilds + 1));
}

#[test]
fn a_registration_goes_on_with_the_producer_that_began_it_unless_that_is_dead() {
    let mut world = World::of(silence());
    let mut made_after = |failure: Failure| {
        let before = world.producers.load(Ordering::SeqCst);
        world.worker.transaction.drop_producer();
        world.refuse("app-one-0", failure.clone());
        assert_eq!(world.worker.transaction.init_producer(), Err(failure));
        assert_eq!(world.worker.transaction.init_producer(), Ok(()));
        world.producers.load(Ordering::SeqCst) - before
    };
    assert_eq!(made_after(failed_to_register(Code::Transport).retriable()), 1);
    assert_eq!(made_after(failed_to_register(Code::Fenced).fatal()), 2);
}

#[test]
fn a_producer_that_could_not_end_what_hangs_is_not_used_again() {
    let mut world = World::of(silence());
    let before = world.producers.load(Ordering::SeqCst);
    let lines = [TopicPartition::new("lines", 0)];
    world.refuse("app-one-0", Failure::new(Call::SendOffsets, Code::Other(1), "x"));
    let swept = world.worker.transaction.abort_hanging(&[], &lines);
    assert!(matches!(swept, Err(TransactionError::Failed(_))));
    assert!(matches!(world.worker.transaction.abort_hanging(&[], &lines), Ok(())));
    assert_eq!(world.producers.load(Ordering::SeqCst) - before, 1);
}

/// Looks for the proof of an abort, while the positions cannot be told for this reason.
fn prove(world: &mut World, code: Code, at: Timestamp) -> Result<bool, Stop> {
    world.refuse("app", Failure::new(Call::Committed, code, "x").retriable());
    world.worker.prove_aborts(at)
}

/// A worker whose last abort is not proven yet.
fn aborted() -> World {
    let mut world = World::of(silence());
    world.refuse_commit();
    world.work();
    world.worker.commit(Reason::Interval, NOW).unwrap();
    *world.crash.lock().unwrap() = Some(FailPoint::BeforeBegin);
    world
}

#[test]
fn aborted_positions_that_stay_unstable_for_two_timeouts_are_swept_by_a_transaction() {
    let mut world = aborted();
    let last = NOW.plus(world.instance.transaction_timeout * 2);
    let swept =
        [NOW, Timestamp(last.0 - 1), last].map(|at| prove(&mut world, Code::UnstableOffsets, at));
    assert_eq!(swept, [Ok(false), Ok(false), Err(Stop::Crashed(FailPoint::BeforeBegin))]);
}

#[test]
fn nothing_is_swept_while_nobody_answers() {
    let mut world = aborted();
    let last = NOW.plus(world.instance.transaction_timeout * 2);
    let swept = [NOW, last].map(|at| prove(&mut world, Code::TimedOut, at));
    assert_eq!(swept, [Ok(false), Ok(false)]);
    assert_eq!(world.worker.prove_aborts(last), Ok(true));
}

#[test]
fn a_commit_whose_outcome_nobody_knows_stays_one_whatever_is_aborted_afterwards() {
    let mut world = World::new();
    world.broker.faults().skip_next_markers("app-one-0");
    world.broker.faults().lose_next_commit_answer("app-one-0");
    world.work();
    world.worker.commit(Reason::Interval, NOW).unwrap();
    // Positions have their marker, the logs have none.
    assert!(matches!(world.worker.prove_aborts(NOW), Ok(false)));
    world.worker.transaction.abort().unwrap();
    let later = Timestamp(NOW.0 + 60_000);
    for _ in 0..2 {
        assert!(matches!(world.worker.prove_aborts(later), Ok(false)));
    }
    assert_eq!(world.instance.ailments.held_up.all().len(), 1);
}
