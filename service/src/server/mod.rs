//! A process at work: listeners, the log, the tiers, and a worker if it is one, until told to stop.
//!
//! Sockets are bound first: where somebody else has the port, nothing starts. Then things start from the inside out:
//! the cluster, the worker, the tiers, the listeners. They stop in the reverse order, so that nobody is
//! promised what nobody will do.

mod parts;
#[cfg(all(test, feature = "rocksdb"))]
mod tests;
mod tiers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use millstream::broker::Broker;
use millstream::{Ended, Exit, SystemClock};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::capture;
use crate::config::InForce;
use crate::daily::DailyJob;
use crate::flags::FollowedFlags;
use crate::health::{CLICKHOUSE_SINK, Health, POSTGRES_SINK, Probing, REDIS_SINK};
use crate::http::admin::admin;
use crate::http::feed_page::FeedPage;
use crate::http::internal::{Internal, internal};
use crate::http::public;
use crate::metrics::Metrics;
use crate::needs;
use crate::read::StateFeeds;
use crate::reload::{Noting, Reloading};
use crate::replay::{self, Instances};
use crate::stores::announcement::Signer;
use crate::stores::directory::Directory;
use crate::stores::peers::Peers;
use crate::stores::{Announcing, OwnStores, Stores};
use crate::worker::Supervisor;
use parts::{Bound, Parts};

/// How long a stop waits until that is said.
const ANNOUNCER_WAIT: Duration = Duration::from_secs(1);

/// What this process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Ranks feeds and pushes them.
    pub worker: bool,
    /// Answers reads and takes events.
    pub api: bool,
}

impl Roles {
    /// All of it in one process.
    pub const BOTH: Self = Self { worker: true, api: true };
    /// The worker alone.
    pub const WORKER: Self = Self { worker: true, api: false };
    /// The API alone.
    pub const API: Self = Self { worker: false, api: true };
}

/// A process at work.
pub struct Server {
    /// Where the public routes listen, if they do.
    pub public: Option<SocketAddr>,
    /// Where those of operators do, if they do.
    pub admin: Option<SocketAddr>,
    /// Where the internal ones do.
    pub internal: SocketAddr,
    supervisor: Supervisor,
    /// Ends the public listener, and those who follow a feed live.
    stop: watch::Sender<bool>,
    /// Ends the internal one, the last of all: it tells that the process is not ready, and lets others read its state.
    close: watch::Sender<bool>,
    stopping: Arc<AtomicBool>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    in_force: InForce,
    probes: Vec<JoinHandle<()>>,
    serving: Vec<JoinHandle<()>>,
    looked_at: Option<JoinHandle<()>>,
    /// Says what this process shows, and at its end that it stops.
    announcer: Option<thread::JoinHandle<()>>,
}

/// How long others may take to hear what they asked the internal listener.
const LAST_WORDS: Duration = Duration::from_millis(500);

fn failed(why: String) -> Ended {
    Ended { exit: Exit::Failed, why }
}

impl Server {
    /// Starts everything that `roles` need on `broker`; with the page, if it is to be shown.
    pub async fn start(
        config: impl Into<InForce>,
        broker: Arc<dyn Broker>,
        roles: Roles,
        page: Option<FeedPage>,
    ) -> Result<Self, Ended> {
        let in_force = config.into();
        let config = in_force.config();
        config.slow_queries.apply();
        let secrets = needs::secrets(&config).map_err(failed)?;
        let certificate = needs::certificate(&config).map_err(failed)?;
        let live = replay::Live::new(&config.app);
        let signer = Signer::of(secrets.as_ref());
        let directory = Arc::<Directory>::default();
        let own = roles.worker.then(|| (&*config.app, Arc::clone(&directory)));
        let instances = Instances::new(Arc::clone(&broker), live.clone(), own, signer);
        let parts = Parts {
            secrets,
            certificate,
            config: Arc::clone(&config),
            in_force: in_force.clone(),
            broker,
            clock: Arc::new(SystemClock),
            metrics: Arc::new(Metrics::new().map_err(|e| failed(e.to_string()))?),
            flags: FollowedFlags::default(),
            page,
            live: live.clone(),
            instances,
            directory,
        };
        let bound = parts.bound(roles).map_err(failed)?;
        let broker = Arc::clone(&parts.broker);
        let supervisor = Supervisor::start(&config, broker, (roles.worker, live));
        let supervisor = supervisor.await?;
        let (stop, stopped) = watch::channel(false);
        let (close, closed) = watch::channel(false);
        let mut server = Self {
            public: None,
            admin: None,
            internal: config.http.internal_listen,
            supervisor,
            stop,
            close,
            stopping: Arc::new(AtomicBool::new(false)),
            health: Arc::default(),
            metrics: Arc::clone(&parts.metrics),
            in_force,
            probes: Vec::new(),
            serving: Vec::new(),
            looked_at: None,
            announcer: None,
        };
        if let Err(why) = server.listen(&parts, (roles, bound), (stopped, closed)) {
            // What started is given back; why it did not go on is the reason, however it ends.
            let _ = server.stop().await;
            return Err(failed(why));
        }
        Ok(server)
    }

    fn listen(
        &mut self,
        parts: &Parts,
        (roles, bound): (Roles, Bound),
        (stopped, closed): (watch::Receiver<bool>, watch::Receiver<bool>),
    ) -> Result<(), String> {
        let probing = Probing {
            health: Arc::clone(&self.health),
            metrics: Arc::clone(&parts.metrics),
            clock: Arc::clone(&parts.clock),
        };
        let spawned = |e: std::io::Error| format!("spawn: {e}");
        let broker = Arc::clone(&parts.broker);
        // Of a worker the supervisor tells that it is away.
        let told = (broker, !roles.worker);
        probing.clone().kafka(told, Arc::clone(&self.stopping)).map_err(spawned)?;
        let followed = parts.live.follow(Arc::clone(&parts.broker), Arc::clone(&self.stopping));
        followed
            .and_then(|()| parts.instances.follow(Arc::clone(&self.stopping)))
            .map_err(spawned)?;
        let daily = DailyJob::of(&parts.config)?;
        let address = bound.internal.address().unwrap_or(self.internal);
        let stores = roles.worker.then(|| self.stores(parts, address)).transpose()?;
        let state = roles.worker.then(|| self.follow_worker(parts, &probing, daily));
        if roles.worker {
            parts.heartbeats().follow(Arc::clone(&self.stopping)).map_err(spawned)?;
        }
        let of = Arc::new(Internal {
            health: Arc::clone(&self.health),
            metrics: Arc::clone(&parts.metrics),
            state: state.clone(),
            elsewhere: stores.is_none().then(|| parts.elsewhere()).transpose()?,
            stores,
            console: Some(parts.console()?),
            secrets: parts.secrets.clone(),
            asks_certificate: parts.certificate.is_some(),
            clock: Arc::clone(&parts.clock),
        });
        let format = parts.event_format(roles, &self.stopping)?;
        if parts.config.registry.is_some() {
            let worker = roles.worker.then(|| Arc::clone(self.supervisor.supervised()));
            let format = format.clone();
            let look = move || {
                let read = worker.as_ref().map_or(Ok(()), |worker| worker.look_at_registry());
                read.and(format.look())
            };
            self.probes.push(tokio::spawn(probing.clone().registry(look)));
        }
        if let Some((listener, verifier)) = bound.public {
            self.probes.push(tokio::spawn(verifier.clone().follow()));
            self.public = listener.address().ok();
            let api = parts.api(verifier, state, (format, stopped.clone(), &self.stopping))?;
            self.probes.push(tokio::spawn(probing.clone().tiers(Arc::clone(&api.reads))));
            if let Some((listener, verifier, secrets)) = bound.admin {
                self.probes.push(tokio::spawn(verifier.clone().follow()));
                self.admin = listener.address().ok();
                let told = (Arc::clone(&api.reads), Arc::clone(&self.health));
                let routes = admin(&Arc::new(parts.admin((verifier, secrets), told)?));
                let (metrics, stopped) = (Arc::clone(&parts.metrics), stopped.clone());
                self.serving.push(tokio::spawn(listener.serve(routes, metrics, stopped)));
            }
            let metrics = Arc::clone(&parts.metrics);
            self.serving.push(tokio::spawn(listener.serve(public(&api), metrics, stopped)));
        }
        self.internal = bound.internal.address().unwrap_or(self.internal);
        let serving = bound.internal.serve(internal(&of), Arc::clone(&parts.metrics), closed);
        self.looked_at = Some(tokio::spawn(serving));
        Ok(())
    }

    /// The stores of the application, of which this process announces its own.
    fn stores(&mut self, parts: &Parts, address: SocketAddr) -> Result<Arc<Stores>, String> {
        let of = &parts.config.state;
        let own = Arc::clone(self.supervisor.supervised()) as Arc<dyn OwnStores>;
        let directory = Arc::clone(&parts.directory);
        let at_address =
            (!address.ip().is_unspecified()).then(|| parts.config.http.internal_url_at(address));
        let url = of.advertise.clone().or(at_address);
        if url.is_none() {
            tracing::warn!("state.advertise is not set: other instances cannot ask this one");
        }
        let announcing = Announcing {
            broker: Arc::clone(&parts.broker),
            own: Arc::clone(&own),
            directory: Arc::clone(&directory),
            url,
            signer: Signer::of(parts.secrets.as_ref()),
            clock: Arc::clone(&parts.clock),
        };
        let announcer = announcing.start(&self.stopping).map_err(|e| format!("spawn: {e}"))?;
        self.announcer = Some(announcer);
        Ok(Arc::new(Stores {
            own,
            directory,
            peers: Peers::new(parts.credentials()?),
            workers: of.workers.clone(),
            clock: Arc::clone(&parts.clock),
        }))
    }

    /// Looks at the worker and tells what it counts, whenever one runs, and adds up days beside it; answers its state.
    fn follow_worker(
        &mut self,
        parts: &Parts,
        probing: &Probing,
        daily: Option<DailyJob>,
    ) -> Arc<dyn StateFeeds> {
        let supervised = self.supervisor.supervised();
        let of = || Arc::clone(supervised);
        let (asked, looked) = (of(), of());
        let (redis, clickhouse, postgres) = (of(), of(), of());
        parts.metrics.follow(move || asked.report());
        self.probes.push(tokio::spawn(probing.clone().engine(move || looked.look())));
        if parts.config.redis.is_some() {
            let sunk = move || redis.sunk().redis;
            self.probes.push(tokio::spawn(probing.clone().sink(REDIS_SINK, sunk)));
        }
        if parts.config.clickhouse.is_some() {
            let sunk = move || clickhouse.sunk().clickhouse;
            self.probes.push(tokio::spawn(probing.clone().sink(CLICKHOUSE_SINK, sunk)));
        }
        if parts.config.postgres.is_some() {
            let sunk = move || postgres.sunk().postgres;
            self.probes.push(tokio::spawn(probing.clone().sink(POSTGRES_SINK, sunk)));
        }
        if let Some(postgres) = &parts.config.postgres {
            let slots = capture::watch_slots(postgres.url.clone(), Arc::clone(&parts.metrics));
            self.probes.push(tokio::spawn(slots));
        }
        if let Some(job) = daily {
            self.probes.push(tokio::spawn(job.run(Arc::clone(&parts.clock))));
        }
        of()
    }

    /// Has it follow its configuration from now on.
    pub fn follow(&mut self, reloading: Reloading) {
        let noting = Noting {
            seen: Arc::clone(&self.health.config),
            metrics: Arc::clone(&self.metrics.reload),
            clock: Arc::new(SystemClock),
        };
        self.probes.push(tokio::spawn(reloading.follow(noting)));
    }

    /// Whether everything still runs.
    pub fn is_running(&self) -> bool {
        self.supervisor.supervised().is_running()
    }

    /// Tells that it is not ready, takes nobody new a little later, lets requests in hand finish, then stops the worker.
    pub async fn stop(self) -> Result<(), Ended> {
        self.health.drain();
        if !self.serving.is_empty() {
            // Whoever sends requests here has to see it first.
            sleep(self.in_force.config().http.waits.unready).await;
            let _ = self.stop.send(true);
            for serving in self.serving {
                let _ = serving.await;
            }
        }
        self.stopping.store(true, Ordering::Relaxed);
        self.probes.iter().for_each(JoinHandle::abort);
        if let Some(announcer) = self.announcer {
            leave(&announcer).await;
        }
        let supervisor = self.supervisor;
        let stopped = tokio::task::spawn_blocking(move || supervisor.stop()).await;
        let _ = self.close.send(true);
        if let Some(looked_at) = self.looked_at {
            // Nobody is promised anything by it.
            let _ = timeout(LAST_WORDS, looked_at).await;
        }
        stopped.map_err(|e| failed(e.to_string()))?
    }
}

/// Waits a little for what is said last: without it the others hear nothing more, and find that out themselves.
async fn leave(announcer: &thread::JoinHandle<()>) {
    let began = Instant::now();
    while !announcer.is_finished() && began.elapsed() < ANNOUNCER_WAIT {
        sleep(Duration::from_millis(10)).await;
    }
}
