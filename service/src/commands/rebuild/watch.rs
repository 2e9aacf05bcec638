//! Watches a rebuild from beside: tells how far it is, compares it with the live application once it has caught up, and notes what
//! came of that. It ends with its process, or when the rebuilt application is live or given up.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use millstream::SystemClock;
use millstream::broker::Broker;
use tokio::runtime::Runtime;

use super::tell;
use crate::cli::ReplayStart;
use crate::config::Config;
use crate::failed::Failed;
use crate::instance_client::Credentials;
use crate::needs;
use crate::read::{RemoteState, Workers};
use crate::replay::check::{self, Check};
use crate::replay::look::{BETWEEN_LOOKS, Look};
use crate::replay::{Checked, Instances, Live, Register, Verb};
use crate::stores::announcement::Signer;

/// After a fault it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How often is told how far it is, while it is not there.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// So long after a comparison found a difference it is made again.
const CHECK_AGAIN: Duration = Duration::from_secs(30);
/// How long one answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// How many differences are told.
const TOLD_MAX: usize = 5;

struct Watch {
    broker: Arc<dyn Broker>,
    config: Config,
    rebuilt: Config,
    asked: ReplayStart,
    live: Live,
    instances: Instances,
    runtime: Runtime,
}

/// Watches the rebuild of `rebuilt` beside what `config` is the first of, on a thread of its own.
pub(super) fn start(
    broker: Arc<dyn Broker>,
    (config, rebuilt): (Config, Config),
    asked: ReplayStart,
) -> Result<(), Failed> {
    let secrets = needs::secrets(&config)?;
    let live = Live::new(&rebuilt.app);
    let signer = Signer::of(secrets.as_ref());
    // Both are asked from outside, as others will.
    let instances = Instances::new(Arc::clone(&broker), live.clone(), None, signer);
    let stop = Arc::<AtomicBool>::default();
    let spawned = |e: std::io::Error| format!("spawn: {e}");
    live.read(&*broker)?;
    live.follow(Arc::clone(&broker), Arc::clone(&stop)).map_err(spawned)?;
    instances.follow(stop).map_err(spawned)?;
    let runtime = Runtime::new().map_err(|e| format!("runtime: {e}"))?;
    let watch = Watch { broker, config, rebuilt, asked, live, instances, runtime };
    let body = move || watch.run();
    thread::Builder::new().name("replay".to_owned()).spawn(body).map_err(spawned)?;
    Ok(())
}

impl Watch {
    fn run(&self) {
        while self.is_rebuilt() {
            if let Err(Failed(_, words)) = self.until_checked() {
                tell(&format!("{words}; it is looked at again"));
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn is_rebuilt(&self) -> bool {
        let standing = self.live.standing();
        standing.rebuilt().is_some_and(|beside| beside.checked.is_none_or(|of| of.differ > 0))
    }

    fn until_checked(&self) -> Result<(), Failed> {
        let mut look = Look::open(&*self.broker, &self.rebuilt)?;
        let (began, mut told) = (Instant::now(), None::<Instant>);
        while self.is_rebuilt() && !look.has_caught_up() {
            let progress = look.again()?;
            if look.is_known() && told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                told = Some(Instant::now());
                tell(&progress.to_string());
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        if !self.is_rebuilt() {
            return Ok(());
        }
        tell(&format!(
            "{} has caught up, {} s after its start",
            self.rebuilt.app,
            began.elapsed().as_secs()
        ));
        let (checked, differences) = self.runtime.block_on(self.check())?;
        let Checked { readers, differ, .. } = checked;
        tell(&format!("{differ} of {readers} feeds differ from those of {}", self.live.app()));
        differences.iter().take(TOLD_MAX).for_each(|words| tell(words));
        Register::of(&*self.broker, &self.config.app).change(Verb::Checked(checked))?;
        if differ == 0 && readers > 0 {
            tell("`feedmill replay switch` makes it the live one");
        } else {
            thread::sleep(CHECK_AGAIN);
        }
        Ok(())
    }

    async fn check(&self) -> Result<(Checked, Vec<String>), Failed> {
        let live = self.urls(&self.live.app());
        let asked = (self.asked.seed, self.asked.readers);
        let credentials = needs::credentials(&self.config)?;
        let client = check::client(credentials.clone());
        let chosen = check::choose(&client, &live, asked).await?;
        let check = Check {
            live: self.state(live, credentials.clone()),
            rebuilt: self.state(self.urls(&self.rebuilt.app), credentials),
            patience: Duration::from_secs(self.asked.patience),
        };
        Ok(check.run(chosen).await)
    }

    /// Who shows the state of an application: those who announce themselves, else the workers that are named.
    fn urls(&self, app: &str) -> Vec<String> {
        let announced = self.instances.urls(app);
        let is_named = announced.is_empty() && app == self.config.app;
        if is_named { self.config.state.workers.clone() } else { announced }
    }

    fn state(&self, urls: Vec<String>, credentials: Credentials) -> RemoteState {
        let workers = Workers {
            urls,
            credentials,
            partitions: self.config.kafka.partitions,
            wait: ANSWER_WAIT,
            breaker: self.config.breaker.into(),
        };
        RemoteState::new(workers, Arc::new(SystemClock))
    }
}
