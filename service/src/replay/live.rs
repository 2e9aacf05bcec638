//! Which application is live, as this process knows it: read from its beginning, and followed.
//!
//! Processes hear of a switch one after the other, within a fraction of a second. Meanwhile both applications may publish and be
//! read, which is no fault: both are current, and the epoch decides which publication stays.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use connectors::backoff::Backoff;
use millstream::broker::Broker;
use schemas::application;

use super::register::{self, Register};
use super::standing::{Role, Standing};
use crate::again;
use crate::failed::Failed;

/// So long after it failed the topic is read again.
const AGAIN: Duration = Duration::from_secs(1);

/// What is known; cheap to clone, and all clones know the same.
#[derive(Clone)]
pub struct Live {
    app: Arc<str>,
    standing: Arc<RwLock<Arc<Standing>>>,
}

impl Live {
    /// For a process that is configured with `app`; until it hears more, the first application is live.
    pub fn new(app: &str) -> Self {
        Self { app: app.into(), standing: Arc::default() }
    }

    /// As of now.
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The first application.
    pub fn first(&self) -> &str {
        application::first(&self.app)
    }

    /// The live one.
    pub fn app(&self) -> String {
        self.standing().live_app(self.first())
    }

    /// What a worker of this process is there for.
    pub fn role(&self) -> Role {
        self.standing().role(application::number(&self.app))
    }

    /// Reads it now: who starts a worker has to know.
    pub fn read(&self, broker: &dyn Broker) -> Result<(), Failed> {
        self.heard(Register::of(broker, &self.app).read()?);
        Ok(())
    }

    fn heard(&self, standing: Standing) {
        let mut held = self.standing.write().unwrap_or_else(PoisonError::into_inner);
        if **held != standing {
            let (live, epoch) = (standing.live_app(self.first()), standing.epoch);
            tracing::info!(live, epoch, "the live application");
            *held = Arc::new(standing);
        }
    }

    /// Follows it until told to stop.
    pub fn follow(&self, broker: Arc<dyn Broker>, stop: Arc<AtomicBool>) -> std::io::Result<()> {
        let of = self.clone();
        let follow = move || {
            let once = || of.read_on(&*broker, &stop);
            let pauses = Backoff::new(AGAIN, AGAIN);
            again::until_done(&stop, "which application is live is not followed", pauses, once);
        };
        thread::Builder::new().name("live".to_owned()).spawn(follow).map(drop)
    }

    fn read_on(&self, broker: &dyn Broker, stop: &AtomicBool) -> Result<(), Failed> {
        let register = Register::of(broker, &self.app);
        while !stop.load(Ordering::Relaxed) {
            // Whoever makes the topics may not have done so yet.
            let Some(mut log) = register.log()? else {
                thread::sleep(AGAIN);
                continue;
            };
            let mut last = Standing::default();
            while !stop.load(Ordering::Relaxed) {
                let heard = register::next(&mut log)?;
                let is_news = heard.is_some();
                last = heard.unwrap_or(last);
                if log.is_at_end() && is_news {
                    self.heard(last.clone());
                }
            }
        }
        Ok(())
    }
}
