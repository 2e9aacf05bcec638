//! The engine on the embedded broker, on one thread, under a clock that the test owns.
//!
//! It is the production engine: real transactions, caching, restore, membership, several processes with
//! several workers each. What it does not simulate: the network, librdkafka, threads running side by side, and
//! RocksDB unless it is asked for. Nothing happens but inside [`Driver::step`], so a seed replays exactly.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::pipes::{Input, Output};
use crate::broker::embedded::Embedded;
use crate::broker::{Broker, Cleanup, Isolation, TopicSpec};
use crate::clock::{Clock, ManualClock};
use crate::config::Config;
use crate::error::{Exit, Fault, Result};
use crate::fail::{FailPoints, Point};
use crate::metrics::Counter;
use crate::record::{TaskId, Timestamp, Topic, TopicPartition};
use crate::serde::Serde;
use crate::store::memory::MemoryStores;
use crate::store::{Reader, Stores};
use crate::topology::Topology;
use crate::worker::{Activity, Broadcasts, Instance, Members, Restoring, Stop, Worker, prepare};

/// Rounds without quiet after which [`Driver::settle`] gives up.
const ROUNDS_MAX: usize = 200_000;
/// How far the clock moves when nothing happens but something is open.
const TICK: Duration = Duration::from_millis(10);

type MakeStores = Box<dyn Fn(usize) -> Arc<dyn Stores>>;

/// How a driver is set up; [`Setup::start`] begins.
pub struct Setup {
    topology: Topology,
    partitions: i32,
    topics: Option<Vec<(Topic, i32)>>,
    instances: usize,
    config: Config,
    began: Timestamp,
    seed: Option<u64>,
    stores: MakeStores,
}

impl Setup {
    /// How many partitions every topic has; 1 unless told.
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = partitions;
        self
    }

    /// Creates these topics before the start, instead of every input.
    pub fn topics(mut self, topics: &[(&str, i32)]) -> Self {
        let topics = topics.iter().map(|(name, partitions)| ((*name).into(), *partitions));
        self.topics = Some(topics.collect());
        self
    }

    /// How many workers each process has; 1 unless told.
    pub fn workers(mut self, workers: usize) -> Self {
        self.config.workers = workers;
        self
    }

    /// How many processes there are; 1 unless told.
    pub fn instances(mut self, instances: usize) -> Self {
        self.instances = instances;
        self
    }

    /// Where the clock stands at the start; the epoch unless told.
    pub fn began(mut self, at: Timestamp) -> Self {
        self.began = at;
        self
    }

    /// Delivers broadcasts late and in another order of processes, by this seed.
    pub fn shuffled(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets what else may be set.
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Where the state of each process lives. Called at every start of it: state in memory is lost in a
    /// crash, state on disk is found again.
    pub fn stores(mut self, make: impl Fn(usize) -> Arc<dyn Stores> + 'static) -> Self {
        self.stores = Box::new(make);
        self
    }

    /// Creates the topics and starts the processes.
    pub fn start(self) -> Result<Driver> {
        let clock = Arc::new(ManualClock::at(self.began));
        let broker = Embedded::new(clock.clone());
        let inputs = self.topology.inputs().into_iter().map(|name| (name, self.partitions));
        let topics = self.topics.clone().unwrap_or_else(|| inputs.collect());
        let spec =
            |(name, partitions)| TopicSpec { name, partitions, cleanup: Cleanup::Delete(None) };
        let specs: Vec<_> = topics.into_iter().map(spec).collect();
        broker.admin().and_then(|mut admin| admin.create(&specs)).map_err(fatal)?;
        let crash: Arc<Mutex<Option<Armed>>> = Arc::default();
        let mut driver = Driver {
            setup: self,
            clock,
            broker,
            processes: Vec::new(),
            crash,
            chance: 0,
            crashes: 0,
        };
        driver.chance = driver.setup.seed.unwrap_or(0);
        for process in 0..driver.setup.instances {
            let started = driver.start_process(process)?;
            driver.processes.push(Some(started));
        }
        Ok(driver)
    }
}

/// A crash that is to happen: at the `skip`-th passing of a place from now on.
struct Armed {
    point: Point,
    skip: usize,
}

struct Process {
    instance: Arc<Instance>,
    members: Members,
    broadcasts: Broadcasts,
    restoring: Restoring,
    workers: Vec<Worker>,
}

/// See the module.
pub struct Driver {
    setup: Setup,
    clock: Arc<ManualClock>,
    broker: Embedded,
    processes: Vec<Option<Process>>,
    crash: Arc<Mutex<Option<Armed>>>,
    chance: u64,
    crashes: usize,
}

fn fatal(words: impl std::fmt::Display) -> Fault {
    Fault::Fatal(words.to_string())
}

impl Driver {
    /// Begins the setup of a driver of `topology`.
    pub fn of(topology: Topology) -> Setup {
        let config = Config { workers: 1, cache_bytes_max: 1 << 20, ..Config::default() };
        Setup {
            topology,
            partitions: 1,
            topics: None,
            instances: 1,
            config,
            began: Timestamp(0),
            seed: None,
            stores: Box::new(|_| Arc::new(MemoryStores::default())),
        }
    }

    fn start_process(&self, process: usize) -> Result<Process> {
        let config = Config {
            instance: Some(format!("instance-{process}")),
            partitions: self.setup.partitions,
            ..self.setup.config.clone()
        };
        let crash = self.crash.clone();
        let fail = FailPoints::new(move |point| {
            let mut armed = crash.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *armed {
                Some(at) if at.point == point && at.skip == 0 => {
                    *armed = None;
                    true
                }
                Some(at) if at.point == point => {
                    at.skip -= 1;
                    false
                }
                Some(_) | None => false,
            }
        });
        let stores = (self.setup.stores)(process);
        let broker: Arc<dyn Broker> = Arc::new(self.broker.clone());
        let instance =
            prepare(&self.setup.topology, config, broker, stores, fail).map_err(stopped)?;
        let workers = (0..self.setup.config.workers)
            .map(|index| Worker::new(instance.clone(), index))
            .collect::<Result<_, _>>()
            .map_err(fatal)?;
        Ok(Process {
            members: Members::new(instance.clone()).map_err(fatal)?,
            broadcasts: Broadcasts::new(instance.clone()).map_err(fatal)?,
            restoring: Restoring::new(instance.clone()).map_err(fatal)?,
            workers,
            instance,
        })
    }

    /// The embedded broker, to look into or to make faults in.
    pub fn broker(&self) -> &Embedded {
        &self.broker
    }

    /// Lets every process forget the removed keys of broadcasts that it had when it was asked last, as
    /// it does by itself after half a day.
    pub fn forget_removed(&mut self) {
        self.processes.iter_mut().flatten().for_each(|process| process.broadcasts.forget());
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Writes to a topic.
    pub fn input<K, V>(
        &self,
        topic: &str,
        key: impl Serde<K>,
        value: impl Serde<V>,
    ) -> Input<K, V> {
        Input::new(self.broker.clone(), topic, Box::new(key), Box::new(value))
    }

    /// Reads a topic as its committed readers do.
    pub fn output<K, V>(
        &self,
        topic: &str,
        key: impl Serde<K>,
        value: impl Serde<V>,
    ) -> Output<K, V> {
        Output::new(self.broker.clone(), topic, Box::new(key), Box::new(value))
    }

    /// Lets every process go one round. A process that crashes in it starts again at once.
    pub fn step(&mut self) -> Result<bool> {
        let mut busy = false;
        for process in 0..self.processes.len() {
            let now = self.clock.now();
            let late = self.setup.seed.is_some() && self.draw(4) != 0;
            let Some(Some(running)) = self.processes.get_mut(process) else { continue };
            match round(running, now, late) {
                Ok(activity) => busy |= activity == Activity::Busy,
                Err(Stop::Crashed(_)) => {
                    self.crashes += 1;
                    self.restart(process)?;
                    busy = true;
                }
                Err(stop) => return Err(stopped(stop)),
            }
        }
        Ok(busy)
    }

    /// A number below `below`, by the seed.
    fn draw(&mut self, below: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below.max(1)
    }

    /// Goes on until nothing moves: every record of every topic is worked off and committed, every broadcast
    /// applied everywhere, every timer that is due fired. Moves the clock only if something waits for it.
    pub fn settle(&mut self) -> Result<()> {
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            if self.step()? {
                quiet = 0;
                continue;
            }
            match self.is_quiet()? {
                true => quiet += 1,
                false => self.clock.advance(TICK),
            }
            if quiet == 3 {
                return Ok(());
            }
        }
        Err(fatal(format!("it did not settle in {ROUNDS_MAX} rounds: {}", self.unrest())))
    }

    fn is_quiet(&mut self) -> Result<bool> {
        let now = self.clock.now();
        let partitions = self.task_partitions();
        let mut owned = 0;
        for process in self.processes.iter_mut().flatten() {
            owned += process.instance.ownership().partitions().len();
            let settled = process
                .workers
                .iter()
                .all(|worker| worker.is_settled() && worker.next_due().is_none_or(|due| due > now));
            let caught_up = process.broadcasts.is_caught_up().map_err(fatal)?;
            if !settled || !caught_up || process.restoring.is_busy() {
                return Ok(false);
            }
        }
        match owned == partitions {
            true => Ok(!self.hides_records()?),
            false => Ok(self.processes.iter().all(Option::is_none)),
        }
    }

    /// Whether an open transaction keeps records of a source from its committed readers.
    fn hides_records(&self) -> Result<bool> {
        let Some(running) = self.processes.iter().flatten().next() else { return Ok(false) };
        let open = |isolation| self.broker.consumer("settle", isolation).map_err(fatal);
        let mut committed = open(Isolation::ReadCommitted)?;
        let mut whole = open(Isolation::ReadUncommitted)?;
        let ground = &running.instance.ground;
        let subs = ground.topology.built().subs.iter();
        for source in subs.flat_map(|sub| &sub.sources) {
            for partition in 0..ground.partitions.get(&source.topic).copied().unwrap_or(0) {
                let at = TopicPartition::new(source.topic.clone(), partition);
                let seen = committed.bounds(&at).map_err(fatal)?.end;
                if seen < whole.bounds(&at).map_err(fatal)?.end {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn task_partitions(&self) -> usize {
        let running = self.processes.iter().flatten().next();
        let counts = running.map(|process| &process.instance.ground.partitions);
        let tasks = counts.and_then(|counts| counts.get(&self.setup.topology.task_topic()));
        tasks.map_or(0, |count| count.unsigned_abs() as usize)
    }

    fn unrest(&mut self) -> String {
        let mut words = Vec::new();
        for (number, process) in self.processes.iter_mut().enumerate() {
            let Some(process) = process else { continue };
            let owned = process.instance.ownership().partitions();
            let settled: Vec<_> = process.workers.iter().map(Worker::is_settled).collect();
            let caught_up = process.broadcasts.is_caught_up();
            words.push(format!(
                "process {number}: owns {owned:?}, workers settled {settled:?}, broadcasts {caught_up:?}, restoring {}",
                process.restoring.is_busy()
            ));
        }
        words.join("; ")
    }

    /// Moves the clock by `span` and settles.
    pub fn advance(&mut self, span: Duration) -> Result<()> {
        self.clock.advance(span);
        self.settle()
    }

    /// Moves the clock by `span`, nothing else.
    pub fn advance_clock(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// The next time a process passes `point`, for the `skip`-th time from now on, it crashes.
    pub fn arm(&mut self, point: Point, skip: usize) {
        *self.crash.lock().unwrap_or_else(PoisonError::into_inner) = Some(Armed { point, skip });
    }

    /// Goes on until a process crashes at `point`, and starts it again.
    pub fn crash_at(&mut self, point: Point) -> Result<()> {
        let before = self.crashes;
        self.arm(point, 0);
        for _ in 0..ROUNDS_MAX {
            let busy = self.step()?;
            if self.crashes > before {
                return Ok(());
            }
            if !busy {
                self.clock.advance(TICK);
            }
        }
        Err(fatal(format!("nothing passed {point:?}")))
    }

    /// Goes on until everything is produced and a process crashes before it is committed.
    pub fn crash_before_commit(&mut self) -> Result<()> {
        self.crash_at(Point::BeforeCommit)
    }

    /// How many crashes there were.
    pub fn crashes(&self) -> usize {
        self.crashes
    }

    /// Ends a process as a crash would; its state in memory is lost.
    pub fn kill(&mut self, process: usize) {
        if let Some(running) = self.processes.get_mut(process) {
            *running = None;
        }
    }

    /// Starts a process, after a crash of it if it still runs.
    pub fn restart(&mut self, process: usize) -> Result<()> {
        self.kill(process);
        let started = self.start_process(process)?;
        if let Some(place) = self.processes.get_mut(process) {
            *place = Some(started);
        }
        Ok(())
    }

    /// Starts a process with another topology, as after a deployment.
    pub fn restart_with(&mut self, process: usize, topology: Topology) -> Result<()> {
        self.setup.topology = topology;
        self.restart(process)
    }

    /// How many tasks run in a process.
    pub fn tasks(&self, process: usize) -> usize {
        let running = self.processes.get(process).and_then(Option::as_ref);
        running.map_or(0, |process| process.workers.iter().map(Worker::tasks).sum())
    }

    /// The committed state of every running task, by task.
    pub fn readers(&self) -> BTreeMap<TaskId, Arc<dyn Reader>> {
        let mut readers = BTreeMap::new();
        for process in self.processes.iter().flatten() {
            readers.extend(process.instance.readers());
        }
        readers
    }

    /// The sum of a counter over the running processes.
    pub fn counted(&self, counter: Counter) -> u64 {
        self.processes.iter().flatten().map(|process| process.instance.metrics.read(counter)).sum()
    }

    /// The topic of dead letters.
    pub fn dead_letters(&self) -> Topic {
        self.setup.topology.dead_letters()
    }
}

/// One round of every part of a process.
fn round(process: &mut Process, now: Timestamp, late: bool) -> Result<Activity, Stop> {
    let Process { instance, members, broadcasts, restoring, workers } = process;
    let mut stop = None;
    members.step(Duration::ZERO, &mut |partitions| {
        for _ in 0..20 {
            for worker in workers.iter_mut() {
                if let Err(why) = worker.step(now, Duration::ZERO) {
                    stop.get_or_insert(why);
                    return;
                }
            }
            if instance.ownership().are_free(partitions) {
                return;
            }
        }
    })?;
    if let Some(stop) = stop {
        return Err(stop);
    }
    let mut activity = Activity::Idle;
    if !late {
        activity = broadcasts.step(Duration::ZERO)?;
    }
    activity = activity.and(restoring.step(Duration::ZERO)?);
    for worker in workers {
        activity = activity.and(worker.step(now, Duration::ZERO)?);
    }
    for flush in instance.wait_for_flushes(Duration::ZERO) {
        instance.fail.pass(Point::BeforeFlush)?;
        flush().map_err(|fault| Stop::Exit(Exit::Failed, fault.to_string()))?;
    }
    Ok(activity)
}

fn stopped(stop: Stop) -> Fault {
    match stop {
        Stop::Exit(exit, words) => Fault::Fatal(format!("{exit:?} ({}): {words}", exit.code())),
        Stop::Crashed(point) => Fault::Fatal(format!("crashed at {point:?}")),
    }
}
