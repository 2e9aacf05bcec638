//! What the parts of a process share, and most of what it is made of.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use connectors::redis::RateBuckets;
use millstream::Clock;
use millstream::broker::Broker;
use tokio::sync::watch;

use super::Roles;
use crate::capture::Heartbeats;
use crate::certificate::Certificate;
use crate::config::{Config, InForce, Live, Remote};
use crate::daily::Daily;
use crate::edge::{Bounds, Listener};
use crate::event_format::EventFormat;
use crate::flags::FollowedFlags;
use crate::health::Health;
use crate::http::Api;
use crate::http::admin::Admin;
use crate::http::body;
use crate::http::console::Console;
use crate::http::cursor::Cursors;
use crate::http::feed_page::FeedPage;
use crate::identity::Verifier;
use crate::instance_client::{Credentials, InstanceClient};
use crate::limits::{Rate, Shared, UserLimit};
use crate::log::{Appending, Log};
use crate::metrics::Metrics;
use crate::needs;
use crate::read::{Reads, StateFeeds};
use crate::replay::{self, Instances};
use crate::secrets::Secrets;
use crate::stores::directory::Directory;
use crate::stores::elsewhere::{ANSWER_BYTES_MAX, Elsewhere};
use crate::weights::WeightSets;
use crate::worker;

/// What more than one part needs.
pub struct Parts {
    /// As it was at the start.
    pub config: Arc<Config>,
    pub in_force: InForce,
    pub broker: Arc<dyn Broker>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub secrets: Option<Secrets>,
    /// By which instances know each other.
    pub certificate: Option<Certificate>,
    pub flags: FollowedFlags,
    pub page: Option<FeedPage>,
    pub live: replay::Live,
    pub instances: Instances,
    /// The instances of the application that this process works for.
    pub directory: Arc<Directory>,
}

/// What can fail for a reason outside, and is had before anything runs.
pub struct Bound {
    pub public: Option<(Listener, Verifier)>,
    pub admin: Option<(Listener, Verifier, Option<Secrets>)>,
    pub internal: Listener,
}

impl Parts {
    /// The sockets that `roles` need, and who is let in at each.
    pub fn bound(&self, roles: Roles) -> Result<Bound, String> {
        let http = &self.config.http;
        let public = match roles.api {
            true => {
                let listener =
                    Listener::bind(http.listen, "public", Bounds::public(&self.in_force)?)?;
                Some((listener, needs::verifier(&self.config.auth)?))
            }
            false => None,
        };
        let admin = match &self.config.admin {
            Some(admin) if roles.api => {
                let bounds = Bounds::admin(&self.in_force)?;
                let listener = Listener::bind(admin.listen, "admin", bounds)?;
                let verifier = self.config.auth.for_audience(&self.config.admin_audience);
                let verifier = needs::verifier(&verifier)?;
                Some((listener, verifier, needs::admin_secrets(&self.config)?))
            }
            Some(_) | None => None,
        };
        let bounds = Bounds::internal(&self.in_force, self.certificate.clone());
        let internal = Listener::bind(http.internal_listen, "internal", bounds)?;
        Ok(Bound { public, admin, internal })
    }

    /// What operators ask.
    pub fn admin(
        &self,
        (verifier, secrets): (Verifier, Option<Secrets>),
        (reads, health): (Arc<Reads>, Arc<Health>),
    ) -> Result<Admin, String> {
        Ok(Admin {
            feeds: self.feeds()?,
            reads,
            health,
            instances: self.instances.clone(),
            clock: Arc::clone(&self.clock),
            verifier,
            secrets,
            broker: Arc::clone(&self.broker),
            live: self.live.clone(),
            flags: self.flags.clone(),
            metrics: Arc::clone(&self.metrics),
            body: self.body_bounds(),
        })
    }

    /// Of what a request may bring.
    fn body_bounds(&self) -> Live<body::Bounds> {
        self.in_force.live(|of| body::Bounds {
            bytes_max: of.http.body_bytes_max,
            // What follows the body has a quarter of the request's time.
            wait: of.http.waits.request * 3 / 4,
        })
    }

    /// What the console shows beyond metrics.
    pub fn console(&self) -> Result<Console, String> {
        Ok(Console {
            live: self.live.clone(),
            broker: Arc::clone(&self.broker),
            graph: worker::topology(&self.config)?.graph(),
        })
    }

    /// The stores of those who have any.
    pub fn elsewhere(&self) -> Result<Elsewhere, String> {
        Ok(Elsewhere {
            live: self.live.clone(),
            app: self.config.app.clone(),
            instances: self.instances.clone(),
            named: self.config.state.workers.clone(),
            client: InstanceClient::new(self.credentials()?, ANSWER_BYTES_MAX),
        })
    }

    /// What is shown to other instances.
    pub fn credentials(&self) -> Result<Credentials, String> {
        Credentials::of(self.secrets.as_ref(), self.certificate.as_ref())
    }

    /// What tells that change capture of a still database lives.
    pub fn heartbeats(&self) -> Heartbeats {
        Heartbeats {
            broker: Arc::clone(&self.broker),
            app: self.config.app.clone(),
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.clock),
        }
    }

    /// How often users may ask, counted by all processes together where there is Redis.
    fn limit(&self) -> Result<UserLimit, String> {
        let redis = self.config.redis.as_ref().map(|Remote { url, wait }| {
            RateBuckets::open(url, *wait).map(Shared::new).map_err(|e| e.to_string())
        });
        let rate = self.in_force.live(|of| Rate::new(of.http.user_per_minute, 60));
        Ok(UserLimit::new(rate, redis.transpose()?))
    }

    /// How events are written by a process that takes them.
    pub fn event_format(
        &self,
        roles: Roles,
        stop: &Arc<AtomicBool>,
    ) -> Result<EventFormat, String> {
        match needs::registry(&self.config)? {
            Some(settings) if roles.api && self.config.events_in_avro => {
                EventFormat::avro(settings, Arc::clone(stop)).map_err(|e| format!("spawn: {e}"))
            }
            Some(_) | None => Ok(EventFormat::Json),
        }
    }

    /// What the public routes ask.
    pub fn api(
        &self,
        verifier: Verifier,
        state: Option<Arc<dyn StateFeeds>>,
        (format, stopped, stopping): (EventFormat, watch::Receiver<bool>, &Arc<AtomicBool>),
    ) -> Result<Arc<Api>, String> {
        let log = Log::start(Appending {
            broker: Arc::clone(&self.broker),
            clock: Arc::clone(&self.clock),
            wait: self.in_force.live(|of| of.kafka.produce_wait),
            metrics: Arc::clone(&self.metrics),
        });
        let log = log.map_err(|e| format!("spawn: {e}"))?;
        let (clock, metrics) = (Arc::clone(&self.clock), Arc::clone(&self.metrics));
        let weights = WeightSets::default();
        let of = (Arc::clone(&self.broker), self.config.app.clone());
        weights.follow(of.clone(), Arc::clone(stopping)).map_err(|e| format!("spawn: {e}"))?;
        self.flags.follow(of, Arc::clone(stopping)).map_err(|e| format!("spawn: {e}"))?;
        self.metrics.show_flags(&self.flags);
        Ok(Arc::new(Api {
            verifier,
            flags: self.flags.clone(),
            limit: self.limit()?,
            reads: Arc::new(Reads::new(self.tiers(state)?, log.clone(), clock, metrics)),
            daily: Daily::of(&self.config)?,
            suggestions: self.in_force.live(|of| of.suggestions),
            weights,
            mutes_words: self.config.mutes_words,
            remembers_shown: self.config.remembers_shown,
            log,
            format,
            cursors: Cursors::new(self.secrets.as_ref())?,
            page: self.page.clone(),
            metrics: Arc::clone(&self.metrics),
            events_max: self.in_force.live(|of| of.http.events_max),
            body: self.body_bounds(),
            stopped,
        }))
    }
}
