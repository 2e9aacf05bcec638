//! A running application: the threads of one process, their start and their end.
//!
//! One thread for the membership, one a worker, one each for broadcasts, for restoring, for the disk and for a look
//! at the topics. A thread that cannot go on ends the process's work with a named exit; the others commit and close. The
//! membership thread polls only while every worker comes round: heartbeats must not hide a hung worker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Builder as Thread, JoinHandle};
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::error::{Exit, Fault, Result};
use crate::fail_points::FailPoints;
use crate::identity::{Identity, Refused};
use crate::memory::MemoryUse;
use crate::metrics::Metrics;
use crate::query::{Query, RunningTasks};
use crate::record::{TaskId, Timestamp, Topic};
use crate::standing::{Role, Standing};
use crate::store::{BroadcastStore, StateReader, Stores};
use crate::task::Lag;
use crate::topology::Topology;
use crate::worker::{
    Activity, BroadcastLoader, GroupMember, Instance, PartitionWatch, RestoreThread, StartPlan,
    Stop, Worker, create_topics, orphans, plan, prepare,
};

/// How long a thread without work waits for something to arrive.
const IDLE: Duration = Duration::from_millis(5);
/// How often the partitions of the topics are counted.
const LOOK_AT_TOPICS: Duration = Duration::from_secs(30);
/// How long threads that were asked to stop may take to commit, or to close one partition. One that waits in librdkafka for a cluster that
/// is away does not come back before that does.
const STOP_WAIT: Duration = Duration::from_secs(25);
/// How long the membership is served at a time.
const SERVE: Duration = Duration::from_millis(100);

/// Why the application ended.
#[must_use = "it says whether the end was asked for"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The code for the process.
    pub exit: Exit,
    /// The words of it.
    pub why: String,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (exit {})", self.why, self.exit.code())
    }
}

impl std::error::Error for Ended {}

type Slot = Arc<Mutex<Option<Ended>>>;

/// A topology at work in this process, on threads of its own, until [`Self::stop`] or a fault that names its exit.
///
/// Several processes of one application share its partitions; each keeps the state of those it owns.
pub struct Streams {
    instance: Arc<Instance>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    ended: Slot,
    /// Held to the end of the last thread: until then the state is in use.
    identity: Mutex<Option<Identity>>,
}

/// What a process runs on.
pub struct Environment {
    /// The cluster.
    pub broker: Arc<dyn Broker>,
    /// Where state lives.
    pub stores: Arc<dyn Stores>,
    /// Who listens at the named places; nobody in production.
    pub fail_points: FailPoints,
}

impl Streams {
    /// Starts `topology` and returns when its topics are checked and its threads run; tasks open from then on.
    pub fn start(topology: &Topology, config: Config, on: Environment) -> Result<Self, Ended> {
        let Environment { broker, stores, fail_points } = on;
        let claimed = Identity::claim(&config.state_dir, config.instance.as_deref());
        let identity = claimed.map_err(|Refused(exit, why)| Ended { exit, why })?;
        let workers = config.workers;
        let config = Config { instance: Some(identity.name.clone()), ..config };
        let instance = prepare(topology, config, broker, stores, fail_points).map_err(ended)?;
        let mut streams = Self {
            instance,
            threads: Mutex::default(),
            ended: Slot::default(),
            identity: Mutex::new(Some(identity)),
        };
        streams.spawn("members", serve_members)?;
        streams.spawn("broadcasts", follow_broadcasts)?;
        streams.spawn("restore", restore)?;
        streams.spawn("disk", flush)?;
        streams.spawn("topics", watch_topics)?;
        for index in 0..workers {
            streams.spawn(&format!("worker-{index}"), move |instance| work(instance, index))?;
        }
        Ok(streams)
    }

    /// Creates every topic that the application needs beside its inputs, as a start would that may: for a cluster on which
    /// its processes may not ([`Config::create_topics`]).
    pub fn create_topics(
        topology: &Topology,
        config: &Config,
        broker: &dyn Broker,
    ) -> Result<(), Ended> {
        let config = Config { create_topics: true, ..config.clone() };
        create_topics(topology, &config, broker).map_err(ended)
    }

    /// What a start of `topology` would do to what is there, part by part. It does nothing, and decides by what a start
    /// decides by.
    pub fn plan(
        topology: &Topology,
        config: &Config,
        broker: &dyn Broker,
    ) -> Result<StartPlan, Ended> {
        plan(topology, config, broker).map_err(ended)
    }

    /// The changelogs and repartition topics of the application that neither `topology` names nor whoever runs: nothing
    /// would read them again.
    pub fn orphans(topology: &Topology, broker: &dyn Broker) -> Result<Vec<Topic>, Ended> {
        orphans::of_topology(topology, broker).map_err(|failure| ended(failure.into()))
    }

    /// Every topic that an application of another name, `app`, made for itself, as far as `topology` does not name it.
    /// Whether that application still runs is for the caller to know: see [`Admin::members`](crate::broker::Admin::members).
    pub fn topics_left_by(
        app: &str,
        topology: &Topology,
        broker: &dyn Broker,
    ) -> Result<Vec<Topic>, Ended> {
        let left = orphans::of_application(app, topology, broker);
        left.map_err(|failure| ended(failure.into()))
    }

    fn spawn(
        &mut self,
        name: &str,
        run: impl FnOnce(&Arc<Instance>) -> Result<(), Stop> + Send + 'static,
    ) -> Result<(), Ended> {
        let (instance, ended_slot) = (self.instance.clone(), self.ended.clone());
        let body = move || {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&instance)));
            let stop = match outcome {
                Ok(Ok(())) => return,
                Ok(Err(stop)) => stop,
                Err(_) => Stop::Exit(Exit::Failed, "a thread of the engine panicked".into()),
            };
            let end = ended(stop);
            tracing::error!(exit = ?end.exit, why = end.why, "the application ends");
            let mut slot = ended_slot.lock().unwrap_or_else(PoisonError::into_inner);
            slot.get_or_insert(end);
            instance.stop();
        };
        let spawned = Thread::new().name(name.into()).spawn(body);
        let thread =
            spawned.map_err(|e| Ended { exit: Exit::Failed, why: format!("spawn {name}: {e}") })?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// Asks it to commit, close and end.
    pub fn stop(&self) {
        self.instance.stop();
    }

    /// Whether every thread still runs.
    pub fn is_running(&self) -> bool {
        !self.instance.is_stopping()
    }

    /// How many tasks with state run here: those that can be asked.
    pub fn stateful_tasks(&self) -> usize {
        self.instance.shown.running()
    }

    /// The tasks of this process that a fault has stopped, with its words; they are opened again by the next start, or
    /// by the process that the group gives their partitions to.
    pub fn stopped_tasks(&self) -> BTreeMap<TaskId, String> {
        self.instance.ailments.stopped.all()
    }

    /// The tasks of this process that could not be opened for a while, with the last reason; they are tried again and again.
    pub fn delayed_tasks(&self) -> BTreeMap<TaskId, String> {
        self.instance.ailments.delayed.all()
    }

    /// Why workers of this process have begun no transaction for a while, if any has not.
    pub fn held_up_workers(&self) -> Vec<String> {
        self.instance.ailments.held_up.all().into_values().collect()
    }

    /// How many input partitions wait because their next record cannot be decoded yet.
    pub fn waiting_partitions(&self) -> usize {
        self.instance.waiting()
    }

    /// How far this process is behind the ends of what it reads: its worst task. Unknown before it is a member
    /// of its group, and while a task opens.
    pub fn lag(&self) -> Lag {
        self.instance.lag_of_all()
    }

    /// How many records of each input this process has not committed, the ends of transactions among them; of the inputs
    /// whose ends are known.
    pub fn behind_by_topic(&self) -> BTreeMap<Topic, u64> {
        self.instance.shown.behind_by_topic()
    }

    /// Whether this process has done all that it owes: it has read its sources and broadcasts to their ends, everything is
    /// committed, and no timer is due or [owed](crate::store::TimerQueue::owe). Once all processes have said so for as long as records are
    /// under way between them, what they have sent is all that there is to say.
    pub fn is_settled(&self) -> bool {
        self.instance.is_settled()
    }

    /// What this process takes in memory, by the parts of its [`MemoryPlan`](crate::MemoryPlan).
    pub fn memory(&self) -> Vec<MemoryUse> {
        self.instance.memory()
    }

    /// The name by which the group knows this process, also after a restart.
    pub fn name(&self) -> &str {
        self.instance.name()
    }

    /// Whether this process is a member of its group.
    pub fn is_member(&self) -> bool {
        self.instance.membership().is_some()
    }

    /// What was counted.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.instance.metrics.clone()
    }

    /// Reads state of tasks that run here.
    pub fn query(&self) -> Query {
        let topology = self.instance.context.topology.clone();
        Query::new(topology, self.instance.clone())
    }

    /// Waits for the end; tells why it came. Ends the process if a thread that was asked to stop does not.
    pub fn join(&self) -> Ended {
        // Held to the end: whoever joins, too, waits for the same.
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut closing = Closing::default();
        for thread in threads.drain(..) {
            while !thread.is_finished() {
                thread::sleep(IDLE);
                if self.instance.is_stopping() && closing.stands_still(&self.instance) {
                    self.give_up(&thread);
                }
            }
            // A panic was caught inside the thread and told there.
            let _ = thread.join();
        }
        drop(threads);
        // A thread that failed has closed nothing, and whoever asks state holds the instance for longer.
        self.instance.shown.close_all_kept();
        drop(self.identity.lock().unwrap_or_else(PoisonError::into_inner).take());
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ended.unwrap_or(Ended { exit: Exit::Done, why: "stopped".into() })
    }
}

impl Streams {
    /// A thread that was asked to stop does not, and cannot be made to.
    fn give_up(&self, thread: &JoinHandle<()>) -> ! {
        let name = thread.thread().name().unwrap_or_default();
        tracing::error!(thread = name, "a thread hangs and cannot be stopped; the process ends");
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        std::process::exit(ended.map_or(Exit::Stalled, |ended| ended.exit).code());
    }
}

/// Looks whether the end of an instance makes progress.
#[derive(Default)]
struct Closing {
    /// How many partitions were open at the last look at which it was another number, and when that was.
    seen: Option<(usize, Instant)>,
}

impl Closing {
    /// Whether nothing was closed for as long as that may take.
    fn stands_still(&mut self, instance: &Instance) -> bool {
        let open = instance.ownership().open();
        match self.seen {
            Some((before, since)) if before == open => since.elapsed() >= STOP_WAIT,
            Some(_) | None => {
                self.seen = Some((open, Instant::now()));
                false
            }
        }
    }
}

/// Dropped, it commits, closes and ends all the same: its state is nobody else's before.
impl Drop for Streams {
    fn drop(&mut self) {
        self.stop();
        let _ = self.join();
    }
}

impl RunningTasks for Instance {
    fn reader(&self, id: &TaskId) -> Option<Arc<dyn StateReader>> {
        self.shown.reader(id)
    }

    fn shown(&self, id: &TaskId) -> Option<(Arc<dyn StateReader>, Role, Standing)> {
        self.shown.shown(id)
    }

    fn roles(&self) -> Vec<(TaskId, Role)> {
        self.shown.roles()
    }

    fn broadcast(&self, handle: u16) -> Option<Arc<dyn BroadcastStore>> {
        self.context.broadcasts.get(&handle).cloned()
    }

    fn owns(&self, partition: i32) -> bool {
        self.ownership().owns(partition)
    }

    fn stopped(&self, id: &TaskId) -> Option<String> {
        self.ailments.stopped.all().remove(id)
    }

    fn partitions(&self, topic: &str) -> Option<i32> {
        self.context.partitions.get(topic).copied()
    }
}

impl From<Ended> for Fault {
    fn from(ended: Ended) -> Self {
        Self::Fatal(format!("{:?} ({}): {}", ended.exit, ended.exit.code(), ended.why))
    }
}

fn ended(stop: Stop) -> Ended {
    match stop {
        Stop::Exit(exit, why) => Ended { exit, why },
        Stop::Crashed(point) => Ended { exit: Exit::Failed, why: format!("crashed at {point:?}") },
    }
}

fn work(instance: &Arc<Instance>, index: usize) -> Result<(), Stop> {
    let mut worker = Worker::new(instance.clone(), index)?;
    while !instance.is_stopping() {
        worker.step(SystemClock.now(), IDLE)?;
    }
    worker.close_all(SystemClock.now())
}

fn serve_members(instance: &Arc<Instance>) -> Result<(), Stop> {
    let mut members = GroupMember::new(instance.clone())?;
    let most = instance.config.revoke_timeout;
    let mut on_revoke = |partitions: &[i32]| {
        if !instance.wait_until_released(partitions, most) {
            tracing::warn!(?partitions, "not given back in time; what is uncommitted is void");
        }
    };
    let mut watch = Watch::new(instance.config.workers);
    while !instance.is_stopping() {
        members.step(SERVE, &mut on_revoke)?;
        watch.check(instance);
    }
    // The workers' last commits need this membership: it is kept until they have given everything back.
    let began = Instant::now();
    while instance.ownership().any_open() && began.elapsed() < most {
        members.step(IDLE, &mut on_revoke)?;
    }
    members.close(&mut on_revoke);
    Ok(())
}

/// Ends the process when a worker has not come round for too long, not counting time in which this thread
/// itself did not run: a stopped machine is no hung worker.
struct Watch {
    last: Instant,
    /// The last beat of each worker, and for how long it has been the last.
    workers: Vec<(Option<Timestamp>, Duration)>,
}

impl Watch {
    fn new(workers: usize) -> Self {
        Self { last: Instant::now(), workers: vec![(None, Duration::ZERO); workers] }
    }

    fn check(&mut self, instance: &Instance) {
        let passed = self.last.elapsed().min(SERVE * 10);
        self.last = Instant::now();
        let heartbeats = instance.heartbeats();
        for (worker, ((before, silent), beat)) in
            self.workers.iter_mut().zip(heartbeats).enumerate()
        {
            let is_silent = beat.is_some() && beat == *before;
            let waits = !is_silent || instance.broker.is_away();
            *silent = if waits { Duration::ZERO } else { *silent + passed };
            *before = beat;
            if *silent >= instance.config.worker_stall {
                tracing::error!(worker, ?silent, "a worker hangs");
                // It cannot be joined, and while it hangs nothing of it can be trusted to end.
                std::process::exit(Exit::Stalled.code());
            }
        }
    }
}

fn follow_broadcasts(instance: &Arc<Instance>) -> Result<(), Stop> {
    let mut broadcasts = match BroadcastLoader::new(instance.clone()) {
        Ok(broadcasts) => broadcasts,
        // Asked to stop, it gave up asking where the logs end.
        Err(_) if instance.is_stopping() => return Ok(()),
        Err(failure) => return Err(failure.into()),
    };
    if instance.context.broadcasts.is_empty() {
        return Ok(());
    }
    while !instance.is_stopping() {
        broadcasts.step(SystemClock.now(), SERVE)?;
    }
    Ok(())
}

fn watch_topics(instance: &Arc<Instance>) -> Result<(), Stop> {
    let mut partition_watch = PartitionWatch::new(instance.clone());
    let mut looked = Instant::now();
    while !instance.is_stopping() {
        thread::sleep(SERVE);
        if looked.elapsed() >= LOOK_AT_TOPICS {
            partition_watch.check()?;
            looked = Instant::now();
        }
    }
    Ok(())
}

fn restore(instance: &Arc<Instance>) -> Result<(), Stop> {
    let mut restoring = RestoreThread::new(instance.clone())?;
    while !instance.is_stopping() {
        if restoring.step(SERVE)? == Activity::Idle && !restoring.is_busy() {
            instance.wait_for_jobs(SERVE);
        }
    }
    Ok(())
}

fn flush(instance: &Arc<Instance>) -> Result<(), Stop> {
    while !instance.is_stopping() {
        for flush in instance.wait_for_flushes(SERVE) {
            instance.fail_points.pass(crate::fail_points::FailPoint::BeforeFlush)?;
            if let Err(fault) = flush() {
                tracing::warn!(%fault, "a flush or a purge failed; it will be tried again");
            }
        }
    }
    Ok(())
}
