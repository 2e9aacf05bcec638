//! Who shows the state of applications, as they announce themselves. Those of the one that this process works for are heard
//! elsewhere, and told here.
//!
//! Both that are there are heard, the live one and the one beside it: when they change places, it is known already who is asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use connectors::backoff::Backoff;
use millstream::broker::Broker;
use millstream::{Clock, SystemClock};

use super::live::Live;
use crate::again;
use crate::stores::Hearing;
use crate::stores::announcement::Signer;
use crate::stores::directory::Directory;

/// How often is looked whether there is another application.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Clone)]
pub struct Instances {
    broker: Arc<dyn Broker>,
    live: Live,
    /// The application that this process works for, whose instances are heard elsewhere.
    own: Option<(Arc<str>, Arc<Directory>)>,
    signer: Signer,
    heard: Arc<Mutex<BTreeMap<String, Arc<Directory>>>>,
}

impl Instances {
    /// For a process that works for `own`, whose instances somebody else puts into that directory, or for none.
    pub fn new(
        broker: Arc<dyn Broker>,
        live: Live,
        own: Option<(&str, Arc<Directory>)>,
        signer: Signer,
    ) -> Self {
        let own = own.map(|(app, directory)| (app.into(), directory));
        Self { broker, live, own, signer, heard: Arc::default() }
    }

    fn heard(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Directory>>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn own(&self, app: &str) -> Option<&Arc<Directory>> {
        self.own.as_ref().filter(|(own, _)| **own == *app).map(|(_, directory)| directory)
    }

    /// Those of an application, as far as they are heard.
    pub fn of(&self, app: &str) -> Option<Arc<Directory>> {
        self.own(app).cloned().or_else(|| self.heard().get(app).cloned())
    }

    /// Where an application is asked.
    pub fn urls(&self, app: &str) -> Vec<String> {
        self.of(app).map(|directory| directory.addresses(SystemClock.now())).unwrap_or_default()
    }

    /// Whom to ask about an application: those who announce themselves, and then those of `named` who do not.
    pub fn asked(&self, app: &str, named: &[String]) -> Vec<String> {
        let mut urls = self.urls(app);
        let unheard: Vec<_> = named.iter().filter(|url| !urls.contains(url)).cloned().collect();
        urls.extend(unheard);
        urls
    }

    /// Hears whoever comes, until told to stop.
    pub fn follow(&self, stop: Arc<AtomicBool>) -> std::io::Result<()> {
        let of = self.clone();
        let follow = move || {
            while !stop.load(Ordering::Relaxed) {
                if let Err(error) = of.hear_newcomers(&stop) {
                    tracing::error!(%error, "instances of another application are not heard");
                }
                thread::park_timeout(LOOK_EVERY);
            }
        };
        thread::Builder::new().name("applications".to_owned()).spawn(follow).map(drop)
    }

    fn hear_newcomers(&self, stop: &Arc<AtomicBool>) -> std::io::Result<()> {
        let standing = self.live.standing();
        let apps = standing.apps(self.live.first()).into_iter();
        let apps: Vec<_> = apps.filter(|app| self.own(app).is_none()).collect();
        self.heard().retain(|app, _| apps.contains(app));
        for app in apps {
            if !self.heard().contains_key(&app) {
                let directory = self.hear(&app, Arc::clone(stop))?;
                self.heard().insert(app, directory);
            }
        }
        Ok(())
    }

    /// Hears one application on a thread of its own, for as long as it is there.
    fn hear(&self, app: &str, stop: Arc<AtomicBool>) -> std::io::Result<Arc<Directory>> {
        let directory = Arc::<Directory>::default();
        let (app, signer) = (app.to_owned(), self.signer.clone());
        let hearing = Hearing { app, directory: Arc::clone(&directory), signer };
        let (broker, live) = (Arc::clone(&self.broker), self.live.clone());
        let hear = move || {
            let is_gone = || !live.standing().apps(live.first()).contains(&hearing.app);
            let ends = || stop.load(Ordering::Relaxed) || is_gone();
            let once = || if is_gone() { Ok(()) } else { hearing.hear(&*broker, ends) };
            let pauses = Backoff::new(LOOK_EVERY, Duration::from_secs(1));
            again::until_done(&stop, "instances are not heard of", pauses, once);
        };
        thread::Builder::new().name("instances".to_owned()).spawn(hear)?;
        Ok(directory)
    }
}
