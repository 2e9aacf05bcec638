//! A worker on the embedded broker, its parts stepped by hand.

mod broadcasts;
mod coming_round;
mod membership;
mod opening;
mod scheduling;
mod transaction;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::transaction::TransactionError;
use super::*;
use crate::broker::embedded::Embedded;
use crate::broker::{
    Admin, Broker, Call, Cleanup, Code, GroupConsumer, Join, Membership, OutRecord, Outgoing,
    Producer, TopicIndex, TopicSpec,
};
use crate::clock::ManualClock;
use crate::config::Config;
use crate::fail_points::FailPoints;
use crate::metrics::Counter;
use crate::processor::{Broadcast, Context, Processor, Timers};
use crate::record::{Headers, Rec, Topic};
use crate::serde::{I64, Utf8};
use crate::store::memory::MemoryStores;
use crate::topology::{Builder, Topology};

const NOW: Timestamp = Timestamp(1_000);
/// When everything that a worker began with is long over.
const LATER: Timestamp = Timestamp(20_000);
/// What an alarm of [`watchful`] waits for.
const ALARM: Duration = Duration::from_secs(1);

struct World {
    broker: Embedded,
    instance: Arc<Instance>,
    member: GroupMember,
    broadcasts: BroadcastLoader,
    restoring: RestoreThread,
    worker: Worker,
    /// The place at which the worker crashes, if any.
    crash: Arc<Mutex<Option<FailPoint>>>,
    /// How many transactional producers were made.
    producers: Arc<AtomicUsize>,
}

/// The embedded broker, which counts the transactional producers that it makes.
struct Counted {
    broker: Embedded,
    producers: Arc<AtomicUsize>,
}

impl Broker for Counted {
    fn transaction_timeout(&self) -> Duration {
        self.broker.transaction_timeout()
    }

    fn consumer(&self, group: &str, isolation: Isolation) -> Result<Box<dyn Consumer>, Failure> {
        self.broker.consumer(group, isolation)
    }

    fn producer(
        &self,
        id: Option<&str>,
        topics: Arc<[Topic]>,
    ) -> Result<Box<dyn Producer>, Failure> {
        self.producers.fetch_add(usize::from(id.is_some()), Ordering::SeqCst);
        self.broker.producer(id, topics)
    }

    fn membership(&self, join: &Join) -> Result<Box<dyn Membership>, Failure> {
        self.broker.membership(join)
    }

    fn group_consumer(
        &self,
        group: &str,
        instance: Option<&str>,
        topics: &[Topic],
    ) -> Result<Box<dyn GroupConsumer>, Failure> {
        self.broker.group_consumer(group, instance, topics)
    }

    fn admin(&self) -> Result<Box<dyn Admin>, Failure> {
        self.broker.admin()
    }
}

fn counts() -> Topology {
    let builder = Builder::new("app");
    builder.stream("lines", Utf8, Utf8).count("counts", Utf8).to("out", Utf8, I64);
    builder.build().unwrap()
}

/// Reads lines and says nothing.
fn silence() -> Topology {
    let builder = Builder::new("app");
    builder.stream("lines", Utf8, Utf8).filter("none", |_| false).to("out", Utf8, Utf8);
    builder.build().unwrap()
}

/// Hands lines on.
fn echo() -> Topology {
    let builder = Builder::new("app");
    builder.stream("lines", Utf8, Utf8).filter("all", |_| true).to("out", Utf8, Utf8);
    builder.build().unwrap()
}

/// Sets an alarm at each line.
struct Watchful {
    alarms: Timers<String>,
}

impl Processor for Watchful {
    type KeyIn = String;
    type ValueIn = String;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &mut self,
        line: Rec<'_, String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> crate::error::Result<()> {
        let at = cx.wall_time().plus(ALARM);
        cx.timers(self.alarms)?.set(line.key, at)
    }
}

/// Sets alarms, and hears of prices.
fn watchful() -> Topology {
    let builder = Builder::new("app");
    let alarms = builder.timers("alarms", Utf8);
    let prices: Broadcast<String, i64> = builder.broadcast("prices", Utf8, I64);
    builder
        .stream("lines", Utf8, Utf8)
        .process("watchful", &[alarms.into(), prices.into()], move || Watchful { alarms })
        .to("out", Utf8, Utf8);
    builder.build().unwrap()
}

impl World {
    fn new() -> Self {
        Self::of(counts())
    }

    /// A worker whose only task runs.
    fn of(topology: Topology) -> Self {
        Self::with(topology, 1, |_| {})
    }

    /// A worker whose tasks run, one a partition.
    fn with(topology: Topology, partitions: i32, change: impl FnOnce(&mut Config)) -> Self {
        let broker = Embedded::new(Arc::new(ManualClock::at(NOW)));
        let inputs = topology.inputs().into_iter();
        let specs: Vec<_> = inputs
            .map(|name| TopicSpec { name, partitions, cleanup: Cleanup::Delete(None) })
            .collect();
        broker.admin().unwrap().create(&specs).unwrap();
        let (instance, queue_bytes_max) = (Some("one".into()), 512 << 10);
        let mut config = Config { instance, partitions, queue_bytes_max, ..Config::default() };
        change(&mut config);
        let (crash, producers) = (Arc::<Mutex<Option<FailPoint>>>::default(), Arc::default());
        let armed = crash.clone();
        let fail_points = FailPoints::new(move |point| *armed.lock().unwrap() == Some(point));
        let counted = Counted { broker: broker.clone(), producers: Arc::clone(&producers) };
        let (port, stores) = (Arc::new(counted), Arc::new(MemoryStores::default()));
        let instance = prepare(&topology, config, port, stores, fail_points).unwrap();
        let mut world = Self {
            broker,
            member: GroupMember::new(instance.clone()).unwrap(),
            broadcasts: BroadcastLoader::new(instance.clone()).unwrap(),
            restoring: RestoreThread::new(instance.clone()).unwrap(),
            worker: Worker::new(instance.clone(), 0).unwrap(),
            instance,
            crash,
            producers,
        };
        for _ in 0..10 {
            world.member.step(Duration::ZERO, &mut |_| {}).unwrap();
        }
        world.go_on_until_committed();
        world
    }

    /// Has the task process a line that is not committed.
    fn work(&mut self) {
        self.send(b"line");
        self.run();
    }

    fn send(&mut self, line: &[u8]) {
        self.send_to("lines", 0, line);
    }

    fn send_to(&mut self, topic: &str, partition: i32, line: &[u8]) {
        self.send_row((topic, partition), b"key", line);
    }

    fn send_row(&mut self, (topic, partition): (&str, i32), key: &[u8], value: &[u8]) {
        let topics: Arc<[Topic]> = Arc::new([topic.into()]);
        let mut producer = self.broker.producer(None, topics).unwrap();
        let mut out = Outgoing::default();
        out.push(OutRecord {
            topic: TopicIndex(0),
            partition,
            logged: false,
            timestamp: NOW,
            key: Some(key),
            value: Some(value),
            headers: Headers::default(),
        });
        producer.send(&out).unwrap();
    }

    fn run(&mut self) {
        self.worker.poll(Duration::ZERO, NOW).unwrap();
        self.worker.run(NOW).unwrap();
        assert!(self.worker.running().all(|(_, task)| task.has_worked()));
    }

    /// Lets every part go on, 10 ms a round, until there is one commit more.
    fn go_on_until_committed(&mut self) {
        let commits = self.instance.metrics.read(Counter::Commits);
        for round in 0..100 {
            self.restoring.step(Duration::ZERO).unwrap();
            self.worker.step(Timestamp(NOW.0 + 10 * round), Duration::ZERO).unwrap();
            if self.instance.metrics.read(Counter::Commits) > commits {
                return;
            }
        }
        panic!("nothing was committed");
    }

    /// How many bytes wait for the task.
    fn queued(&self) -> usize {
        self.worker.running().map(|(_, task)| task.queued_bytes()).sum()
    }

    fn counted(&self) -> (u64, u64) {
        (self.read(Counter::Commits), self.read(Counter::Aborts))
    }

    fn read(&self, counter: Counter) -> u64 {
        self.instance.metrics.read(counter)
    }

    /// The only task.
    fn task(&mut self) -> &mut Task {
        let running = self.worker.tasks.values_mut().find_map(|state| match state {
            TaskState::Running(task) => Some(task),
            TaskState::Waiting(_) | TaskState::Restoring(_) | TaskState::Stopped => None,
        });
        running.unwrap()
    }

    /// The next call of `whose` handles that `failure` names fails so.
    fn refuse(&self, whose: &str, failure: Failure) {
        self.broker.faults().refuse_next(whose, failure);
    }

    /// The next commit must be aborted.
    fn refuse_commit(&self) {
        let refused = Failure::new(Call::Commit, Code::InvalidTransactionState, "x").abortable();
        self.refuse("app-one-0", refused);
    }
}

#[test]
fn work_under_the_current_epoch_is_committed() {
    let mut world = World::new();
    let (commits, aborts) = world.counted();
    world.work();
    world.worker.commit(Reason::Interval, NOW).unwrap();
    assert_eq!(world.counted(), (commits + 1, aborts));
}

#[test]
fn work_on_a_partition_without_an_epoch_is_not_committed() {
    let mut world = World::new();
    let (commits, aborts) = world.counted();
    world.work();
    world.worker.assigned.clear();
    world.worker.commit(Reason::Interval, NOW).unwrap();
    assert_eq!(world.counted(), (commits, aborts + 1));
}

#[test]
fn nothing_is_committed_before_the_last_abort_is_proven_to_have_ended_everywhere() {
    // A transaction of positions alone begins where they are added, not where records are sent.
    let mut world = World::of(silence());
    let (commits, aborts) = world.counted();
    world.refuse_commit();
    world.broker.faults().skip_next_markers("app-one-0");
    world.work();
    world.worker.commit(Reason::Interval, NOW).unwrap();
    assert_eq!(world.counted(), (commits, aborts + 1));
    world.run();
    world.worker.commit(Reason::Revoked, NOW).unwrap();
    assert_eq!(world.counted(), (commits, aborts + 2));
}

#[test]
fn a_proof_that_cannot_be_had_yet_is_asked_for_again_and_one_that_never_can_ends_the_worker() {
    let mut world = World::of(silence());
    world.refuse_commit();
    world.broker.faults().skip_next_markers("app-one-0");
    world.work();
    world.worker.commit(Reason::Interval, NOW).unwrap();
    let failed = |code| Failure::new(Call::Committed, code, "x");
    world.broker.faults().refuse_next("app", failed(Code::TimedOut).retriable());
    assert!(matches!(world.worker.prove_aborts(NOW), Ok(false)));
    world.broker.faults().refuse_next("app", failed(Code::Denied));
    assert!(world.worker.prove_aborts(NOW).is_err());
}

#[test]
fn a_producer_that_cannot_be_registered_yet_is_registered_again_and_nothing_is_undone() {
    let mut world = World::new();
    let (commits, aborts) = world.counted();
    world.work();
    world.worker.transaction.drop_producer();
    for _ in 0..2 {
        let loading = Failure::new(Call::Init, Code::Transport, "the coordinator loads");
        world.broker.faults().refuse_next("app-one-0", loading.retriable());
    }
    world.worker.commit(Reason::Interval, NOW).unwrap();
    assert_eq!(world.counted(), (commits + 1, aborts));
}

#[test]
fn work_on_a_partition_that_went_and_came_back_is_void_and_is_done_under_the_new_epoch() {
    let mut world = World::new();
    let (commits, aborts) = world.counted();
    world.work();
    world.instance.ownership().remove(&[0]);
    world.instance.ownership().assign(&[0], 1);
    world.worker.commit(Reason::Interval, NOW).unwrap();
    assert_eq!(world.counted(), (commits, aborts + 1));
    world.go_on_until_committed();
    assert_eq!(world.counted(), (commits + 1, aborts + 1));
}

#[test]
fn work_on_a_partition_that_the_group_wants_back_is_committed_before_it_is_given_up() {
    let mut world = World::new();
    let (commits, aborts) = world.counted();
    world.work();
    world.instance.ownership().revoke(&[0]);
    assert!(world.worker.follow_assignments(NOW).unwrap());
    assert_eq!(world.counted(), (commits + 1, aborts));
    assert!(world.instance.ownership().all_released(&[0]));
    assert_eq!(world.worker.tasks(), 0);
}

#[test]
fn a_worker_has_something_to_do_when_a_partition_is_given_and_not_again_for_the_same() {
    let mut world = World::new();
    world.instance.ownership().assign(&[1], 1);
    let follow = |world: &mut World| world.worker.follow_assignments(NOW).unwrap();
    assert_eq!([follow(&mut world), follow(&mut world)], [true, false]);
}

#[test]
fn a_task_with_much_to_do_is_brought_no_more_until_half_is_done() {
    let mut world = World::new();
    let line = vec![b'x'; 100 << 10];
    let mut waiting = Vec::new();
    for _ in 0..8 {
        world.send(&line);
        world.worker.poll(Duration::ZERO, NOW).unwrap();
        world.worker.balance_flow().unwrap();
        waiting.push(world.queued() / line.len());
    }
    assert_eq!(waiting, [1, 2, 3, 4, 5, 6, 6, 6]);
    world.worker.run(NOW).unwrap();
    world.worker.balance_flow().unwrap();
    world.worker.poll(Duration::ZERO, NOW).unwrap();
    assert_eq!(world.queued() / line.len(), 2, "those that were not brought before");
}

#[test]
fn what_is_open_is_committed_once_nothing_is_left_to_do_but_not_always_and_at_once_at_the_end() {
    let mut world = World::new();
    let mut commits_after_a_line = |millis: i64, is_stopping: bool| {
        let now = Timestamp(NOW.0 + 10_000 + millis);
        world.send(b"line");
        world.worker.poll(Duration::ZERO, now).unwrap();
        world.worker.run(now).unwrap();
        if is_stopping {
            world.instance.stop();
        }
        let before = world.counted().0;
        world.worker.commit_if_due(now).unwrap();
        world.counted().0 - before
    };
    assert_eq!(commits_after_a_line(0, false), 1, "nothing was committed for long");
    assert_eq!(commits_after_a_line(1, false), 0, "it would do nothing but commit");
    assert_eq!(commits_after_a_line(20, false), 1);
    assert_eq!(commits_after_a_line(21, true), 1, "it is stopping");
}

#[test]
fn every_part_of_the_memory_is_told_with_its_bound() {
    let mut world = World::with(counts(), 1, |config| config.workers = 2);
    world.work();
    world.worker.commit(Reason::Interval, NOW).unwrap();
    world.work();
    world.send(&[b'x'; 1_000]);
    world.worker.poll(Duration::ZERO, NOW).unwrap();
    world.worker.tend_memory(Timestamp(NOW.0 + 60_000));
    let parts = world.instance.memory();
    let part = |name: &str| {
        let found = parts.iter().find(|part| part.part == name).unwrap();
        (found.bytes.unwrap(), found.bytes_max)
    };
    let config = &world.instance.config;
    let (queued, queued_max) = part("queued");
    assert!((1_000..2_000).contains(&queued), "{queued}");
    assert_eq!(queued_max, Some(config.queue_bytes_max * config.workers));
    let (open, open_max) = part("transactions");
    assert!((1..1_000).contains(&open), "{open}");
    assert_eq!(open_max, Some(config.transaction_bytes_max * config.workers));
    assert_eq!(part("record_caches").1, Some(config.record_cache_bytes_max));
    assert_eq!((part("broadcasts"), part("timers")), ((0, None), (0, None)));
}

#[test]
fn memory_is_told_once_a_second() {
    let mut world = World::new();
    let queued = |world: &World| {
        let parts = world.instance.memory();
        parts.iter().find(|part| part.part == "queued").and_then(|part| part.bytes).unwrap()
    };
    world.worker.tend_memory(Timestamp(NOW.0 + 60_000));
    world.send(&[b'x'; 1_000]);
    world.worker.poll(Duration::ZERO, NOW).unwrap();
    world.worker.tend_memory(Timestamp(NOW.0 + 60_999));
    assert_eq!(queued(&world), 0);
    world.worker.tend_memory(Timestamp(NOW.0 + 61_000));
    assert!(queued(&world) >= 1_000);
}

#[test]
fn a_task_that_is_opened_anew_is_brought_no_more_when_it_has_much_to_do_again() {
    let mut world = World::new();
    let line = vec![b'x'; 100 << 10];
    let bring = |world: &mut World| {
        world.send(&line);
        world.worker.poll(Duration::ZERO, NOW).unwrap();
        world.worker.balance_flow().unwrap();
        world.queued() / line.len()
    };
    assert_eq!([0; 7].map(|_| bring(&mut world)), [1, 2, 3, 4, 5, 6, 6]);
    let fenced = Failure::new(Call::Commit, Code::Fenced, "its producer is another's");
    world.worker.recovered(Err(TransactionError::Failed(fenced)), NOW).unwrap();
    while world.worker.tasks() == 0 {
        world.restoring.step(Duration::ZERO).unwrap();
        world.worker.open_waiting(NOW).unwrap();
    }
    assert_eq!(
        [0; 4].map(|_| bring(&mut world)),
        [8; 4],
        "seven were there, and one came with them"
    );
}

#[test]
fn nobody_knows_how_far_a_process_is_behind_before_it_has_opened_what_it_was_assigned() {
    let mut world = World::new();
    let later = Timestamp(NOW.0 + 10_000);
    for _ in 0..10 {
        world.worker.step(later, Duration::ZERO).unwrap();
    }
    assert!(matches!(world.instance.lag_of_all(), Lag::Behind(_)));
    world.instance.ownership().remove(&[0]);
    world.worker.follow_assignments(later).unwrap();
    world.worker.tell_progress(later);
    assert!(matches!(world.instance.lag_of_all(), Lag::Behind(_)), "it has nothing to do");
    world.instance.ownership().assign(&[0], 1);
    assert_eq!((world.instance.lag_of_all(), world.instance.is_settled()), (Lag::Unknown, false));
    world.worker.follow_assignments(later).unwrap();
    assert_eq!((world.instance.lag_of_all(), world.instance.is_settled()), (Lag::Unknown, false));
}
