//! The engine on the embedded broker, on one thread, under a clock that the test owns.
//!
//! It is the production engine: real transactions, caching, restore, membership, several processes with
//! several workers each. What it does not simulate: the network, librdkafka, threads running side by side, and
//! RocksDB unless it is asked for. Nothing happens but inside [`Driver::step`], so a seed replays exactly.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::crash::Crash;
use super::process::{Process, fatal, stopped};
use super::setup::Setup;
use super::topics::{Input, Output};
use crate::broker::embedded::Embedded;
use crate::broker::{Broker, Isolation};
use crate::clock::{Clock, ManualClock};
use crate::config::Config;
use crate::error::Result;
use crate::fail_points::FailPoint;
use crate::metrics::{Counter, Family};
use crate::query::Query;
use crate::record::{TaskId, Timestamp, Topic, TopicPartition};
use crate::serde::Serde;
use crate::store::StateReader;
use crate::task::Lag;
use crate::topology::Topology;
use crate::worker::{Activity, Stop, prepare};

/// Rounds without quiet after which [`Driver::settle`] gives up.
const ROUNDS_MAX: usize = 200_000;
/// How far the clock moves when nothing happens but something is open.
const TICK: Duration = Duration::from_millis(10);

/// Runs a topology on the production engine, with an embedded broker and a clock that moves only when told: several
/// processes, partitions and workers, crashes at named places. Nothing runs between two calls.
pub struct Driver {
    setup: Setup,
    clock: Arc<ManualClock>,
    broker: Embedded,
    processes: Vec<Option<Process>>,
    crash: Crash,
    chance: u64,
    crashes: usize,
}

impl Driver {
    /// Begins the setup of a driver of `topology`.
    pub fn of(topology: Topology) -> Setup {
        Setup::of(topology)
    }

    /// Creates the topics and starts the processes.
    pub(super) fn start(setup: Setup) -> Result<Self> {
        let (clock, broker) = setup.cluster.clone().unwrap_or_else(|| {
            let clock = Arc::new(ManualClock::at(setup.began));
            (clock.clone(), Embedded::new(clock))
        });
        broker.admin().and_then(|mut admin| admin.create(&setup.specs())).map_err(fatal)?;
        let mut driver = Self {
            clock,
            broker,
            processes: Vec::new(),
            crash: Crash::default(),
            chance: setup.seed.unwrap_or(0),
            crashes: 0,
            setup,
        };
        for process in 0..driver.setup.instances {
            let started = driver.start_process(process)?;
            driver.processes.push(Some(started));
        }
        Ok(driver)
    }

    /// Starts a process anew.
    fn start_process(&self, process: usize) -> Result<Process> {
        let config = Config {
            instance: Some(format!("instance-{process}")),
            partitions: self.setup.partitions,
            ..self.setup.config.clone()
        };
        let stores = (self.setup.stores)(process);
        let broker = Arc::new(self.broker.clone());
        prepare(&self.setup.topology, config, broker, stores, self.crash.points())
            .map_err(stopped)
            .and_then(Process::start)
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
            match running.round(now, late) {
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
            if !process.is_settled(now)? {
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
        let context = &running.instance.context;
        let subs = context.topology.built().subs.iter();
        for source in subs.flat_map(|sub| &sub.sources) {
            for partition in 0..context.partitions.get(&source.topic).copied().unwrap_or(0) {
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
        let counts = running.map(|process| &process.instance.context.partitions);
        let tasks = counts.and_then(|counts| counts.get(&self.setup.topology.task_topic()));
        tasks.map_or(0, |count| count.unsigned_abs() as usize)
    }

    fn unrest(&mut self) -> String {
        let running = self.processes.iter_mut().enumerate();
        let words = running.filter_map(|(number, process)| {
            Some(format!("process {number}: {}", process.as_mut()?.unrest()))
        });
        words.collect::<Vec<_>>().join("; ")
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
    pub fn arm(&mut self, point: FailPoint, skip: usize) {
        self.crash.arm(point, skip);
    }

    /// Goes on until a process crashes at `point`, and starts it again.
    pub fn crash_at(&mut self, point: FailPoint) -> Result<()> {
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
        self.crash_at(FailPoint::BeforeCommit)
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
        running.map_or(0, Process::tasks)
    }

    /// How far a process is behind, as it would tell.
    pub fn lag(&self, process: usize) -> Lag {
        let running = self.processes.get(process).and_then(Option::as_ref);
        running.map_or(Lag::Unknown, |process| process.instance.lag_of_all())
    }

    /// How many partitions wait because their next record cannot be decoded yet.
    pub fn waiting_partitions(&self) -> usize {
        self.processes.iter().flatten().map(|process| process.instance.waiting()).sum()
    }

    /// Whether all processes that run have done all that they owe, as they would tell.
    pub fn is_settled(&self) -> bool {
        self.processes.iter().flatten().all(|process| process.instance.is_settled())
    }

    /// The tasks that a fault has stopped, with its words.
    pub fn stopped_tasks(&self) -> Vec<(String, String)> {
        let running = self.processes.iter().flatten();
        let stopped = running.flat_map(|process| process.instance.ailments.stopped.all());
        stopped.map(|(id, why)| (id.to_string(), why)).collect()
    }

    /// The tasks that could not be opened for a while, and why.
    pub fn delayed_tasks(&self) -> Vec<(String, String)> {
        let running = self.processes.iter().flatten();
        let delayed = running.flat_map(|process| process.instance.ailments.delayed.all());
        delayed.map(|(id, why)| (id.to_string(), why)).collect()
    }

    /// Why workers have begun no transaction for a while, if any has not.
    pub fn held_up_workers(&self) -> Vec<String> {
        let running = self.processes.iter().flatten();
        running.flat_map(|process| process.instance.ailments.held_up.all().into_values()).collect()
    }

    /// Reads the state of tasks that run in a process.
    pub fn query(&self, process: usize) -> Result<Query> {
        let running = self.processes.get(process).and_then(Option::as_ref);
        let instance = running.ok_or_else(|| fatal("the process does not run"))?.instance.clone();
        Ok(Query::new(instance.context.topology.clone(), instance))
    }

    /// The committed state of every running task, by task.
    pub fn readers(&self) -> BTreeMap<TaskId, Arc<dyn StateReader>> {
        let mut readers = BTreeMap::new();
        for process in self.processes.iter().flatten() {
            readers.extend(process.instance.shown.readers());
        }
        readers
    }

    /// The sum of a counter over the running processes.
    pub fn counted(&self, counter: Counter) -> u64 {
        self.processes.iter().flatten().map(|process| process.instance.metrics.read(counter)).sum()
    }

    /// What processors counted of these, in all processes together; `None` if nobody did.
    pub fn counted_as(&self, counted: Family) -> Option<u64> {
        let named = self.processes.iter().flatten().flat_map(|of| of.instance.metrics.named());
        named.filter(|(of, _)| *of == counted).map(|(_, n)| n).reduce(|a, b| a + b)
    }

    /// The topic of dead letters.
    pub fn dead_letters(&self) -> Topic {
        self.setup.topology.dead_letters()
    }
}
