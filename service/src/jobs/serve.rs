//! A process at work: listeners, the log, the tiers, and (as a worker) the engine and the sink, until told to stop.
//!
//! Sockets are bound first: where somebody else has the port, nothing starts. Then things start from the inside out:
//! the cluster, the engine, the sink, the tiers, the listeners. They stop in the reverse order, so that nobody is
//! promised what nobody will do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connectors::postgres::{Database, Limits};
use connectors::redis::Reader;
use millstream::broker::Broker;
use millstream::{Clock, Ended, Exit, SystemClock};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Config, Remote};
use crate::http::auth::Verifier;
use crate::http::internal::{Health, Internal, digest, internal};
use crate::http::listener::Listener;
use crate::http::{Api, public};
use crate::jobs::engine::Engine;
use crate::jobs::log::{Appending, Log};
use crate::jobs::probe::Probing;
use crate::jobs::sink::RedisSink;
use crate::metrics::Metrics;
use crate::needs;
use crate::read::{Guard, Guarded, LocalState, RankedTier, Reads, RemoteState, Source, Tiers};

/// The state of this process costs nothing to ask, and while its tasks open it cannot answer: so it is left
/// alone only briefly, where a worker elsewhere is for as long as the configuration says.
const OWN_STATE_OPEN: Duration = Duration::from_millis(200);

/// What this process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Ranks feeds and pushes them.
    pub worker: bool,
    /// Answers reads and takes events.
    pub api: bool,
}

/// A process at work.
pub struct Server {
    /// Where the public routes listen, if they do.
    pub public: Option<SocketAddr>,
    /// Where the internal ones do.
    pub internal: SocketAddr,
    engine: Option<Engine>,
    sink: Option<RedisSink>,
    stop: watch::Sender<bool>,
    stopping: Arc<AtomicBool>,
    probes: Vec<JoinHandle<()>>,
    listeners: Vec<JoinHandle<()>>,
}

fn failed(why: String) -> Ended {
    Ended { exit: Exit::Failed, why }
}

struct Parts<'a> {
    config: &'a Config,
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    secret: Option<String>,
}

/// What can fail for a reason outside, and is had before anything runs.
struct Bound {
    public: Option<(Listener, Verifier)>,
    internal: Listener,
}

impl Server {
    /// Starts everything that `roles` need on `broker`.
    pub async fn start(
        config: &Config,
        broker: Arc<dyn Broker>,
        roles: Roles,
    ) -> Result<Self, Ended> {
        let parts = Parts {
            config,
            broker,
            clock: Arc::new(SystemClock),
            metrics: Arc::new(Metrics::new().map_err(|e| failed(e.to_string()))?),
            secret: needs::secret(config).map_err(failed)?,
        };
        let bound = parts.bound(roles).await.map_err(failed)?;
        let engine = match roles.worker {
            true => Some(Engine::start(config, Arc::clone(&parts.broker))?),
            false => None,
        };
        let sink = match &config.redis {
            Some(redis) if roles.worker => {
                let broker = Arc::clone(&parts.broker);
                Some(RedisSink::start(broker, &config.app, &redis.url).map_err(failed)?)
            }
            Some(_) | None => None,
        };
        let (stop, stopped) = watch::channel(false);
        let mut server = Self {
            public: None,
            internal: config.http.internal_listen,
            engine,
            sink,
            stop,
            stopping: Arc::new(AtomicBool::new(false)),
            probes: Vec::new(),
            listeners: Vec::new(),
        };
        server.listen(&parts, bound, stopped).map_err(failed)?;
        Ok(server)
    }

    fn listen(
        &mut self,
        parts: &Parts<'_>,
        bound: Bound,
        stopped: watch::Receiver<bool>,
    ) -> Result<(), String> {
        let health = Arc::new(Health::default());
        let probing = Probing {
            health: Arc::clone(&health),
            metrics: Arc::clone(&parts.metrics),
            clock: Arc::clone(&parts.clock),
        };
        let spawned = |e: std::io::Error| format!("spawn: {e}");
        let broker = Arc::clone(&parts.broker);
        probing.clone().kafka(broker, Arc::clone(&self.stopping)).map_err(spawned)?;
        if let Some(engine) = &self.engine {
            parts.metrics.follow(Arc::clone(&engine.metrics));
            self.probes.push(tokio::spawn(probing.clone().engine(engine.look())));
        }
        if let Some(sink) = &self.sink {
            parts.metrics.follow_sink(Arc::clone(&sink.sunk));
            self.probes.push(tokio::spawn(probing.clone().sink(Arc::clone(&sink.sunk))));
        }
        let of = Arc::new(Internal {
            health,
            metrics: Arc::clone(&parts.metrics),
            state: self.engine.as_ref().map(|engine| Arc::clone(&engine.state)),
            secret: parts.secret.as_deref().map(digest),
            clock: Arc::clone(&parts.clock),
        });
        if let Some((listener, verifier)) = bound.public {
            self.public = listener.address().ok();
            let api = parts.api(verifier, self.engine.as_ref())?;
            self.probes.push(tokio::spawn(probing.clone().tiers(Arc::clone(&api.reads))));
            self.listeners.push(tokio::spawn(listener.serve(public(&api), stopped.clone())));
        }
        self.internal = bound.internal.address().unwrap_or(self.internal);
        self.listeners.push(tokio::spawn(bound.internal.serve(internal(&of), stopped)));
        Ok(())
    }

    /// Whether everything still runs.
    pub fn is_running(&self) -> bool {
        self.engine.as_ref().is_none_or(Engine::is_running)
    }

    /// Lets requests in hand finish, then stops the sink, then the engine.
    pub async fn stop(self) -> Result<(), Ended> {
        self.stopping.store(true, Ordering::Relaxed);
        let _ = self.stop.send(true);
        self.probes.iter().for_each(JoinHandle::abort);
        for listener in self.listeners {
            let _ = listener.await;
        }
        if let Some(sink) = self.sink {
            let _ = tokio::task::spawn_blocking(move || sink.stop()).await;
        }
        match self.engine {
            Some(engine) => {
                let stopped = tokio::task::spawn_blocking(move || engine.stop()).await;
                stopped.map_err(|e| failed(e.to_string()))?
            }
            None => Ok(()),
        }
    }
}

impl Parts<'_> {
    async fn bound(&self, roles: Roles) -> Result<Bound, String> {
        let http = &self.config.http;
        let public = match roles.api {
            true => Some((self.bind(http.listen).await?, needs::verifier(&self.config.auth)?)),
            false => None,
        };
        Ok(Bound { public, internal: self.bind(http.internal_listen).await? })
    }

    async fn bind(&self, address: SocketAddr) -> Result<Listener, String> {
        let http = &self.config.http;
        Listener::bind(address, http.connections_max, http.request_wait).await
    }

    fn api(&self, verifier: Verifier, engine: Option<&Engine>) -> Result<Arc<Api>, String> {
        let log = Log::start(Appending {
            broker: Arc::clone(&self.broker),
            clock: Arc::clone(&self.clock),
            wait: self.config.kafka.produce_wait,
            metrics: Arc::clone(&self.metrics),
        });
        let log = log.map_err(|e| format!("spawn: {e}"))?;
        let (clock, metrics) = (Arc::clone(&self.clock), Arc::clone(&self.metrics));
        Ok(Arc::new(Api {
            verifier,
            reads: Arc::new(Reads::new(self.tiers(engine)?, log.clone(), clock, metrics)),
            log,
            metrics: Arc::clone(&self.metrics),
            events_max: self.config.http.events_max,
            body_bytes_max: self.config.http.body_bytes_max,
        }))
    }

    fn tiers(&self, engine: Option<&Engine>) -> Result<Tiers, String> {
        let guard = |source, wait, calls_max| Guard {
            source,
            wait,
            calls_max,
            breaker: self.config.breaker,
            metrics: Arc::clone(&self.metrics),
        };
        let redis = self.config.redis.as_ref().map(|Remote { url, wait }| {
            let reader = Reader::open(url, *wait).map_err(|e| e.to_string())?;
            let tier: Box<dyn RankedTier> = Box::new(reader);
            Ok::<_, String>(Guarded::new(tier, guard(Source::Redis, *wait, 1024)))
        });
        let postgres = self.config.postgres.as_ref().map(|Remote { url, wait }| {
            let limits = Limits { statement: *wait, ..Limits::default() };
            let calls_max = limits.connections_max as usize * 4;
            let database = Database::open(url, limits).map_err(|e| e.to_string())?;
            Ok::<_, String>(Guarded::new(database, guard(Source::Postgres, *wait, calls_max)))
        });
        let workers = self.config.state.workers.clone();
        let remote = (!workers.is_empty()).then(|| RemoteState::new(workers, self.secret.clone()));
        let state: Option<Box<dyn RankedTier>> = match (engine, remote) {
            (Some(engine), elsewhere) => Some(Box::new(LocalState {
                feeds: Arc::clone(&engine.state),
                clock: Arc::clone(&self.clock),
                elsewhere,
            })),
            (None, Some(remote)) => Some(Box::new(remote)),
            (None, None) => None,
        };
        let wait = self.config.state.wait;
        Ok(Tiers {
            redis: redis.transpose()?,
            state: state.map(|tier| {
                let mut guard = guard(Source::State, wait, 256);
                if engine.is_some() {
                    guard.breaker.open = OWN_STATE_OPEN;
                }
                Guarded::new(tier, guard)
            }),
            postgres: postgres.transpose()?,
        })
    }
}
