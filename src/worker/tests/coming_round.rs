//! What a worker does each time it comes round, and what it says of that.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{ALARM, LATER, NOW, World, counts, echo, watchful};
use crate::broker::{Bounds, Broker, Call, Code, Consumer, Failure, Flow, Isolation, Polled};
use crate::error::Exit;
use crate::metrics::Part;
use crate::record::{Offset, TaskId, Timestamp, TopicPartition};
use crate::task::Reason;
use crate::worker::{Activity, Stop};

#[test]
fn two_activities_are_busy_if_one_of_them_is() {
    use Activity::{Busy, Idle};
    let both = [Idle.and(Idle), Idle.and(Busy), Busy.and(Idle), Busy.and(Busy)];
    assert_eq!(both, [Idle, Busy, Busy, Busy]);
}

#[test]
fn a_step_is_busy_when_a_partition_goes_or_comes_and_when_a_task_is_opened() {
    let mut world = World::new();
    world.work();
    world.worker.commit(Reason::Interval, NOW).unwrap();
    let step = |world: &mut World| world.worker.step(LATER, Duration::ZERO).unwrap();
    let ended = [0; 3].map(|_| step(&mut world));
    assert_eq!(ended[2], Activity::Idle);
    world.instance.ownership().remove(&[0]);
    assert_eq!([step(&mut world), step(&mut world)], [Activity::Busy, Activity::Idle]);
    world.instance.ownership().assign(&[0], 1);
    assert_eq!([step(&mut world), step(&mut world)], [Activity::Busy, Activity::Idle]);
    let restored = [0; 10].map(|_| world.restoring.step(Duration::ZERO).unwrap());
    let busy = restored.iter().filter(|activity| **activity == Activity::Busy).count();
    assert_eq!(busy, 1, "when the state was there");
    assert_eq!([step(&mut world), step(&mut world)], [Activity::Busy, Activity::Idle]);
    assert_eq!(world.worker.tasks(), 1);
}

#[test]
fn a_worker_has_something_to_do_while_a_record_waits_a_timer_is_due_or_a_broadcast_has_moved() {
    let mut world = World::of(watchful());
    let due = LATER.plus(ALARM);
    assert!(!world.worker.has_work(due));
    world.send(b"line");
    world.worker.poll(Duration::ZERO, LATER).unwrap();
    assert!(world.worker.has_work(LATER), "a record waits");
    world.worker.run(LATER).unwrap();
    world.worker.commit(Reason::Interval, LATER).unwrap();
    let has_work = [due.0 - 1, due.0].map(|at| world.worker.has_work(Timestamp(at)));
    assert_eq!(has_work, [false, true], "a timer is due");
    assert_eq!(world.worker.next_due(), Some(due));
    world.send_to("prices", 0, &[0; 8]);
    world.broadcasts.step(LATER, Duration::ZERO).unwrap();
    assert!(world.worker.has_work(LATER), "a broadcast has moved");
}

#[test]
fn a_task_rests_when_nothing_is_open_or_waits_or_is_due() {
    let mut world = World::of(watchful());
    let due = LATER.plus(ALARM);
    assert!(world.task().is_at_rest(due));
    world.send(b"line");
    world.worker.poll(Duration::ZERO, LATER).unwrap();
    assert!(!world.task().is_at_rest(LATER), "a record waits");
    world.worker.run(LATER).unwrap();
    assert!(!world.task().is_at_rest(LATER), "it is not committed");
    world.worker.commit(Reason::Interval, LATER).unwrap();
    let rests = [due.0 - 1, due.0].map(|at| world.task().is_at_rest(Timestamp(at)));
    assert_eq!(rests, [true, false], "a timer is due");
    world.send_to("prices", 0, &[0; 8]);
    world.broadcasts.step(LATER, Duration::ZERO).unwrap();
    assert!(!world.task().is_at_rest(LATER), "a broadcast has moved");
}

/// A consumer that waits for nothing, and notes how long it was to wait.
struct Watched {
    consumer: Box<dyn Consumer>,
    waits: Arc<Mutex<Vec<Duration>>>,
}

impl Consumer for Watched {
    fn assign(&mut self, from: &[(TopicPartition, Offset)]) -> Result<(), Failure> {
        self.consumer.assign(from)
    }

    fn end_seen(&self, of: &TopicPartition) -> Option<Offset> {
        self.consumer.end_seen(of)
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), Failure> {
        self.consumer.unassign(partitions)
    }

    fn flow(&mut self, partitions: &[TopicPartition], flow: Flow) -> Result<(), Failure> {
        self.consumer.flow(partitions, flow)
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled, Failure> {
        self.waits.lock().unwrap().push(wait);
        self.consumer.poll(Duration::ZERO)
    }

    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Offset>>, Failure> {
        self.consumer.committed(of)
    }

    fn bounds(&mut self, of: &TopicPartition) -> Result<Bounds, Failure> {
        self.consumer.bounds(of)
    }
}

#[test]
fn a_worker_waits_for_records_only_when_there_is_nothing_else_to_do() {
    let mut world = World::new();
    let waits: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let consumer = world.broker.consumer("app", Isolation::ReadCommitted).unwrap();
    world.worker.consumer = Box::new(Watched { consumer, waits: waits.clone() });
    let wait = Duration::from_millis(7);
    world.worker.step(LATER, wait).unwrap();
    world.instance.ownership().remove(&[0]);
    world.worker.step(LATER, wait).unwrap();
    assert_eq!(*waits.lock().unwrap(), [wait, Duration::ZERO]);
}

#[test]
fn a_poll_that_fails_is_made_again_and_one_that_no_retry_can_help_ends_the_worker() {
    let mut world = World::new();
    let failed = |code| Failure::new(Call::Poll, code, "x");
    world.refuse("app", failed(Code::Transport));
    assert_eq!(world.worker.poll(Duration::ZERO, NOW), Ok(Activity::Idle));
    world.refuse("app", failed(Code::Denied));
    let ended = Stop::Exit(Exit::Failed, "worker 0: Poll: Denied: x".into());
    assert_eq!(world.worker.poll(Duration::ZERO, NOW), Err(ended));
}

#[test]
fn how_long_a_record_was_under_way_is_told_by_topic() {
    let mut world = World::new();
    world.send(b"line");
    world.worker.poll(Duration::ZERO, LATER).unwrap();
    let hops = world.instance.metrics.durations().into_iter();
    let hops: Vec<_> = hops.filter(|(part, _)| *part == Part::Hop("lines".into())).collect();
    let under_way = LATER.since(NOW).as_secs_f64();
    assert!(hops.len() == 1 && hops[0].1.sum >= under_way, "{hops:?}");
}

#[test]
fn a_worker_that_closes_commits_what_is_open_and_gives_everything_back() {
    let mut world = World::new();
    let (commits, aborts) = world.counted();
    world.work();
    world.worker.close_all(NOW).unwrap();
    assert_eq!((world.counted(), world.worker.tasks()), ((commits + 1, aborts), 0));
    assert!(world.instance.ownership().all_released(&[0]));
}

#[test]
fn a_worker_tells_when_it_came_round_and_nothing_before() {
    let mut world = World::with(counts(), 1, |config| config.workers = 2);
    world.worker.step(LATER, Duration::ZERO).unwrap();
    assert_eq!(world.instance.heartbeats(), [Some(LATER), None]);
}

#[test]
fn tasks_can_be_read_from_their_opening_until_they_are_given_back() {
    let mut world = World::with(counts(), 2, |_| {});
    let task = |partition| TaskId { sub_topology: "counts".into(), partition };
    let read = |world: &World| {
        let readers =
            [0, 1, 2].map(|partition| world.instance.shown.reader(&task(partition)).is_some());
        (readers, world.instance.shown.running())
    };
    assert_eq!(read(&world), ([true, true, false], 2));
    world.instance.ownership().remove(&[0]);
    world.worker.follow_assignments(LATER).unwrap();
    assert_eq!(read(&world), ([false, true, false], 1));
}

#[test]
fn what_waits_in_a_task_is_bounded_by_an_equal_part_for_each_and_never_by_less_than_one_fetch() {
    let line = vec![b'x'; 100 << 10];
    let waiting = |partitions, queue_bytes_max| {
        let set = |config: &mut crate::config::Config| config.queue_bytes_max = queue_bytes_max;
        let mut world = World::with(echo(), partitions, set);
        [0; 8].map(|_| {
            world.send(&line);
            world.worker.poll(Duration::ZERO, NOW).unwrap();
            world.worker.balance_flow().unwrap();
            world.queued() / line.len()
        })
    };
    assert_eq!(waiting(2, 1 << 20), [1, 2, 3, 4, 5, 6, 6, 6], "two share it");
    assert_eq!(waiting(1, 1), [1, 2, 3, 3, 3, 3, 3, 3]);
}

#[test]
fn a_task_at_rest_gives_up_the_rows_that_are_beyond_its_part() {
    let bound = 1 << 20;
    let mut world = World::with(counts(), 2, |config| config.record_cache_bytes_max = bound);
    for partition in [0, 1] {
        for row in 0..45 {
            let key = format!("{row:020480}");
            world.send_row(("lines", partition), key.as_bytes(), b"line");
        }
        world.worker.poll(Duration::ZERO, LATER).unwrap();
        world.worker.run(LATER).unwrap();
        world.worker.commit(Reason::Interval, LATER).unwrap();
    }
    let taken = |world: &World| world.instance.context.record_caches.taken().0;
    let before = taken(&world);
    world.worker.tend_memory(LATER.plus(Duration::from_secs(60)));
    let after = taken(&world);
    assert!(before > bound && after <= bound, "{before} {after}");
}

#[test]
fn a_worker_rests_only_once_its_transaction_is_over_and_every_task_does() {
    let mut world = World::of(echo());
    world.work();
    assert!(!world.worker.rests(|_| true), "a transaction is open");
    world.worker.commit(Reason::Interval, LATER).unwrap();
    assert!(world.worker.rests(|_| true));
    assert!(!world.worker.rests(|_| false));
}
