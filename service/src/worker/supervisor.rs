//! Keeps what needs Kafka at work: its topics, and the worker if this process is one.
//!
//! Where the cluster is away at the start, or a worker ends because it went away, it is started again, ever more slowly, for as long as the process lives: reads go on meanwhile, by whatever
//! tier has answers. Any other end is the end of the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use connectors::backoff::Backoff;
use millstream::broker::Broker;
use millstream::{Ended, Exit, Lag, Query};
use schemas::{PostId, Trending, UserId, application};
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::{Sinks, Worker, left_state};
use crate::commands::topics;
use crate::config::Config;
use crate::failed::Failed;
use crate::metrics::WorkerReport;
use crate::read::{Asked, Held, Items, People, PostKnown, StateFault, StateFeeds, Why};
use crate::replay::{Live, Role};
use crate::stores::OwnStores;

const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A worker that ran for so long was well: the next pause is short again.
const WELL_AFTER: Duration = Duration::from_secs(60);
/// What is said before the first attempt has ended.
const FIRST: &str = "it is being started";
/// Why a worker is started that was closed without a fault.
const ANOTHER_IS_LIVE: &str = "another application is live";
/// How long a start waits for the end of the first attempt. A cluster that is away takes longer to be known as such.
const BEGIN_WAIT: Duration = Duration::from_secs(2);
/// How often a worker is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a stop waits for a start that is under way: what it asks of the cluster may take much longer.
const START_WAIT: Duration = Duration::from_secs(1);

/// See the module.
pub struct Supervisor {
    supervised: Arc<Supervised>,
    thread: JoinHandle<()>,
}

/// What is kept at work, for those who look at it.
pub struct Supervised {
    config: Config,
    broker: Arc<dyn Broker>,
    is_worker: bool,
    live: Live,
    runtime: Handle,
    stop: AtomicBool,
    now: Mutex<Now>,
}

/// Where it stands.
enum Now {
    /// It is being started; why it does not run yet.
    Starting(String),
    /// It runs; without a worker there is nothing more to do.
    Running(Option<Worker>),
    /// It is being closed.
    Closing,
    /// It has ended.
    Ended(Ended),
}

impl Supervisor {
    /// Starts it on `broker`, inside a Tokio runtime. Fails if it soon turns out that it cannot be started for a reason that
    /// does not pass; later than that is the same as an end.
    pub async fn start(
        config: &Config,
        broker: Arc<dyn Broker>,
        (is_worker, live): (bool, Live),
    ) -> Result<Self, Ended> {
        let supervised = Arc::new(Supervised {
            config: config.clone(),
            broker,
            is_worker,
            live,
            runtime: Handle::current(),
            stop: AtomicBool::new(false),
            now: Mutex::new(Now::Starting(FIRST.to_owned())),
        });
        let kept = Arc::clone(&supervised);
        let spawned = thread::Builder::new().name("supervisor".to_owned());
        let spawned = spawned.spawn(move || kept.keep());
        let thread =
            spawned.map_err(|e| Ended { exit: Exit::Failed, why: format!("spawn: {e}") })?;
        let supervisor = Self { supervised, thread };
        let (began, mut has_begun) = (Instant::now(), false);
        while !has_begun && began.elapsed() < BEGIN_WAIT {
            sleep(LOOK_EVERY).await;
            has_begun = match &*supervisor.supervised.now() {
                Now::Ended(ended) => return Err(ended.clone()),
                Now::Starting(why) => why != FIRST,
                Now::Running(_) | Now::Closing => true,
            };
        }
        Ok(supervisor)
    }

    /// What it keeps.
    pub fn supervised(&self) -> &Arc<Supervised> {
        &self.supervised
    }

    /// Stops it; tells why it ended if nobody asked. Waits for the worker, but not for the start of one.
    pub fn stop(self) -> Result<(), Ended> {
        self.supervised.stop.store(true, Ordering::Relaxed);
        let began = Instant::now();
        while !self.thread.is_finished() {
            let is_starting = matches!(&*self.supervised.now(), Now::Starting(_));
            if is_starting && began.elapsed() >= START_WAIT {
                return Ok(());
            }
            thread::sleep(LOOK_EVERY);
        }
        match &*self.supervised.now() {
            Now::Ended(ended) if ended.exit != Exit::Done => Err(ended.clone()),
            Now::Ended(_) | Now::Starting(_) | Now::Running(_) | Now::Closing => Ok(()),
        }
    }
}

impl Supervised {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it runs or may still do so.
    pub fn is_running(&self) -> bool {
        !matches!(&*self.now(), Now::Ended(_))
    }

    /// Whether the worker ranks, and how far it is behind.
    pub fn look(&self) -> (Result<(), String>, Lag) {
        match &*self.now() {
            Now::Running(Some(worker)) => worker.engine.look(),
            Now::Running(None) => (Ok(()), Lag::Unknown),
            Now::Starting(why) => (Err(why.clone()), Lag::Unknown),
            Now::Closing => (Err("the topology stops".to_owned()), Lag::Unknown),
            Now::Ended(ended) => (Err(ended.why.clone()), Lag::Unknown),
        }
    }

    /// What its sinks have done, those that there are.
    pub fn sunk(&self) -> Sinks {
        match &*self.now() {
            Now::Running(Some(worker)) => worker.sunk.clone(),
            Now::Running(None) | Now::Starting(_) | Now::Closing | Now::Ended(_) => {
                Sinks::default()
            }
        }
    }

    /// Whether the schema registry answers its worker.
    pub fn look_at_registry(&self) -> Result<(), String> {
        match &*self.now() {
            Now::Running(Some(worker)) => worker.engine.look_at_registry(),
            Now::Running(None) | Now::Starting(_) | Now::Closing | Now::Ended(_) => Ok(()),
        }
    }

    /// What its worker tells for metrics.
    pub fn report(&self) -> Option<WorkerReport> {
        match &*self.now() {
            Now::Running(Some(worker)) => Some(worker.report(&self.config)),
            Now::Running(None) | Now::Starting(_) | Now::Closing | Now::Ended(_) => None,
        }
    }

    /// Starts it. Where the cluster is away it goes on starting.
    fn begin(&self) {
        let begun = self.try_to_begin();
        *self.now() = match begun {
            Ok(worker) => Now::Running(worker),
            Err(Ended { exit: Exit::Unavailable, why }) => Now::Starting(why),
            Err(ended) => Now::Ended(ended),
        };
    }

    fn try_to_begin(&self) -> Result<Option<Worker>, Ended> {
        let known = self.live.read(&*self.broker);
        known.map_err(|Failed(exit, why)| Ended { exit, why })?;
        let Role::Runs { number, publishes } = self.live.role() else {
            self.forget_left_state();
            return Err(self.gone());
        };
        let config = self.config.of_app(application::numbered(self.live.first(), number));
        if config.kafka.create_topics {
            topics::ensure(&*self.broker, &config)?;
        }
        if !self.is_worker {
            return Ok(None);
        }
        let worker = {
            let _inside = self.runtime.enter();
            Worker::start(&config, &self.broker, publishes)?
        };
        // Only now is the state directory ours alone.
        self.forget_left_state();
        Ok(Some(worker))
    }

    fn forget_left_state(&self) {
        let standing = self.live.standing();
        // Where nothing was ever rebuilt, what lies here is of another cluster.
        if standing.last == 0 {
            return;
        }
        let apps = standing.apps(self.live.first());
        let left = left_state::remove(&self.config.worker.state_dir, self.live.first(), &apps);
        for (dir, removed) in left {
            match removed {
                Ok(()) => {
                    tracing::info!(dir = %dir.display(), "state of an application that was given up is removed")
                }
                Err(error) => {
                    tracing::warn!(%error, dir = %dir.display(), "state that nobody reads stays")
                }
            }
        }
    }

    /// The end of a worker whose application was given up.
    fn gone(&self) -> Ended {
        Ended { exit: Exit::Done, why: format!("{} was given up", self.config.app) }
    }

    /// What its worker is there for, if that is anything else than it does.
    fn other_role(&self) -> Option<Role> {
        let Now::Running(Some(worker)) = &*self.now() else { return None };
        let role = self.live.role();
        let does =
            Role::Runs { number: application::number(worker.app()), publishes: worker.publishes() };
        (role != does).then_some(role)
    }

    /// Whether its worker runs another application than it is there for, which only a start can change.
    fn moves(&self) -> bool {
        let is_of = |worker: &Worker, number| application::number(worker.app()) == number;
        match (self.other_role(), &*self.now()) {
            (Some(Role::Runs { number, .. }), Now::Running(Some(worker))) => !is_of(worker, number),
            (Some(Role::Gone), _) => true,
            (Some(Role::Runs { .. }) | None, _) => false,
        }
    }

    /// Has its worker publish, or not, as it is there for.
    fn follow_live(&self) {
        let Some(Role::Runs { number, publishes }) = self.other_role() else { return };
        let silenced = match &mut *self.now() {
            // What is meant for another application is not for this worker, which is about to move.
            Now::Running(Some(worker)) if application::number(worker.app()) != number => return,
            Now::Running(Some(worker)) => worker.fall_silent(&self.config),
            Now::Running(None) | Now::Starting(_) | Now::Closing | Now::Ended(_) => return,
        };
        silenced.leave();
        let _inside = self.runtime.enter();
        if let Now::Running(Some(worker)) = &mut *self.now()
            && let Err(why) = worker.publish(&self.config, &self.broker, publishes)
        {
            tracing::error!(why, pause = ?PAUSE_MAX, "sinks do not start; they are started again");
            thread::sleep(PAUSE_MAX);
        }
    }

    /// Keeps it at work, and says that it has ended if that fails.
    fn keep(&self) {
        if catch_unwind(AssertUnwindSafe(|| self.keep_going())).is_err() {
            let why = "the supervisor of the worker panicked".to_owned();
            *self.now() = Now::Ended(Ended { exit: Exit::Failed, why });
        }
    }

    /// Keeps it at work until it is asked to stop, or it ends for a reason that does not pass.
    fn keep_going(&self) {
        let mut backoff = Backoff::new(PAUSE_MIN, PAUSE_MAX);
        let (mut began, mut told) = (Instant::now(), None);
        self.begin();
        loop {
            let starting = match &*self.now() {
                Now::Starting(why) => Some(why.clone()),
                Now::Running(_) | Now::Closing => None,
                Now::Ended(_) => return,
            };
            match starting {
                Some(why) => {
                    let pause = backoff.next();
                    // One that does not change is told once, and stands in readiness.
                    if told.as_ref() == Some(&why) {
                        tracing::debug!(why, ?pause, "kafka is away; starting when it is back");
                    } else if why == ANOTHER_IS_LIVE {
                        tracing::info!(why, "starting anew");
                    } else {
                        tracing::warn!(why, ?pause, "kafka is away; starting when it is back");
                    }
                    told = Some(why);
                    if !backoff.pause(&self.stop) {
                        return;
                    }
                    began = Instant::now();
                    self.begin();
                    if matches!(&*self.now(), Now::Running(_)) {
                        tracing::info!("kafka is there; started");
                        told = None;
                    }
                }
                None if self.is_over() || self.moves() => {
                    if began.elapsed() >= WELL_AFTER {
                        backoff.reset();
                    }
                    self.close();
                }
                None => {
                    self.follow_live();
                    thread::sleep(LOOK_EVERY);
                }
            }
        }
    }

    /// Whether what runs has ended, or is to.
    fn is_over(&self) -> bool {
        match &*self.now() {
            Now::Running(Some(worker)) if !worker.is_running() => true,
            Now::Running(_) | Now::Starting(_) | Now::Closing | Now::Ended(_) => {
                self.stop.load(Ordering::Relaxed)
            }
        }
    }

    /// Where it goes on after its worker was closed without a fault.
    fn closed(&self, stops: bool) -> Now {
        match self.live.role() {
            Role::Runs { .. } if !stops && self.is_worker => {
                Now::Starting(ANOTHER_IS_LIVE.to_owned())
            }
            Role::Gone if !stops => Now::Ended(self.gone()),
            Role::Runs { .. } | Role::Gone => {
                Now::Ended(Ended { exit: Exit::Done, why: "stopped".to_owned() })
            }
        }
    }

    /// Closes what runs, and says what comes then. It takes its time, and whoever looks need not wait for it.
    fn close(&self) {
        // The lock is given back before the worker is waited for.
        let before = std::mem::replace(&mut *self.now(), Now::Closing);
        let closed = match before {
            Now::Running(Some(worker)) => worker.stop(),
            Now::Running(None) | Now::Starting(_) | Now::Closing | Now::Ended(_) => Ok(()),
        };
        let stops = self.stop.load(Ordering::Relaxed);
        *self.now() = match closed {
            Err(Ended { exit: Exit::Unavailable, why }) if !stops => Now::Starting(why),
            // It was not asked to before it ended, but it is by now.
            Err(Ended { exit: Exit::Unavailable, why }) => {
                Now::Ended(Ended { exit: Exit::Done, why })
            }
            Err(ended) => Now::Ended(ended),
            Ok(()) => self.closed(stops),
        };
    }
}

impl Supervised {
    /// The state of its worker, or why it has none.
    fn state(&self) -> Result<Arc<dyn StateFeeds>, StateFault> {
        match &*self.now() {
            Now::Running(Some(worker)) => Ok(Arc::clone(&worker.engine.state)),
            Now::Running(None) => Err(StateFault::NotOwner),
            Now::Starting(why) => Err(StateFault::NotReady(why.clone())),
            Now::Closing => Err(StateFault::NotReady("the topology stops".to_owned())),
            Now::Ended(ended) => Err(StateFault::NotReady(ended.why.clone())),
        }
    }
}

impl OwnStores for Supervised {
    fn stores(&self) -> Result<(Query, String), StateFault> {
        match &*self.now() {
            Now::Running(Some(worker)) => {
                Ok((worker.engine.query(), worker.engine.name().to_owned()))
            }
            Now::Running(None) => Err(StateFault::NotOwner),
            Now::Starting(why) => Err(StateFault::NotReady(why.clone())),
            Now::Closing => Err(StateFault::NotReady("the topology stops".to_owned())),
            Now::Ended(ended) => Err(StateFault::NotReady(ended.why.clone())),
        }
    }
}

impl StateFeeds for Supervised {
    /// As the sinks publish it.
    fn feed(&self, user: UserId, now_ms: i64) -> Result<Option<Held>, StateFault> {
        let epoch = match &*self.now() {
            Now::Running(Some(worker)) => worker.publishes().unwrap_or(0),
            Now::Running(None) | Now::Starting(_) | Now::Closing | Now::Ended(_) => 0,
        };
        let held = self.state()?.feed(user, now_ms)?;
        Ok(held.map(|held| Held { version: held.version.raised(epoch), ..held }))
    }

    fn trending(&self) -> Result<Option<Trending>, StateFault> {
        self.state()?.trending()
    }

    fn why(&self, user: UserId, post: PostId, now_ms: i64) -> Result<Option<Why>, StateFault> {
        self.state()?.why(user, post, now_ms)
    }

    fn items(
        &self,
        user: UserId,
        posts: &[PostId],
        now_ms: i64,
    ) -> Result<Option<Items>, StateFault> {
        self.state()?.items(user, posts, now_ms)
    }

    fn post(&self, post: PostId) -> Result<Option<PostKnown>, StateFault> {
        self.state()?.post(post)
    }

    fn people(&self, asked: &Asked, now_ms: i64) -> Result<Option<People>, StateFault> {
        self.state()?.people(asked, now_ms)
    }

    fn ready(&self) -> Result<(), String> {
        match self.state() {
            Ok(state) => state.ready(),
            Err(StateFault::NotOwner) => Err("this process ranks nothing".to_owned()),
            Err(StateFault::NotReady(why)) => Err(why),
        }
    }
}
