//! A world of the size that was asked for, poured open loop, and its feeds verified against brute force.
//!
//! 1. The world is told from its seed, in the order of time, and handed over when each record is due; every two seconds
//!    a line says how far it is. Topics that hold other rows are refused.
//! 2. If readers are to be verified: see [`Verification`]. The world is told again for the referee, never kept.

mod answer;
mod comparison;
mod deed;
mod pace;
mod verify;

use std::io::{Write, stderr};
use std::thread;
use std::time::{Duration, Instant};

use connectors::postgres::Rows;
use millstream::broker::Broker;
use millstream::{Clock, Exit, SystemClock};
use tokio::runtime::Runtime;
use worlds::world::{Inputs, Size, World};

use crate::cli::{Load, Target};
use crate::config::Config;
use crate::pour::{Act, Captured, Database, Pour};
use crate::{Failed, token};
pub use pace::Rate;
use pace::Standing;
use verify::Verification;

/// How many records are handed over at once.
const BATCH_MAX: usize = 2_000;
const TELL_EVERY: Duration = Duration::from_secs(2);
/// How long to wait when nothing is due.
const BREATH: Duration = Duration::from_millis(2);

/// Pours what was asked for, and verifies it.
pub fn run(asked: &Load, config: &Config, broker: &dyn Broker) -> Result<(), Failed> {
    let world = world(asked);
    if let Some(fault) = world.fault() {
        return Err(Failed(Exit::Usage, fault));
    }
    let runtime = Runtime::new().map_err(|e| format!("runtime: {e}"))?;
    if asked.verify > 0 {
        token::ensure_keys(&config.auth)?;
    }
    if !asked.verify_only {
        super::topics::ensure(broker, config)?;
        let pour = Pour::open(broker, database(asked, config, &runtime)?)?;
        Loading { pour, inputs: world.inputs(), world, rate: asked.rate }.run()?;
        tell(&format!(
            "the world ends at {}; to verify it again: --until {} --verify-only",
            world.until, world.until
        ));
    }
    if asked.verify == 0 {
        return Ok(());
    }
    Ok(Verification::of(asked, config, &world, &runtime)?.run(broker, asked.verify)?)
}

fn world(asked: &Load) -> World {
    let Load { users, follows, posts, events, .. } = *asked;
    let until = asked.until.unwrap_or_else(|| SystemClock.now().0);
    World {
        seed: asked.seed,
        size: Size { users, follows, posts, events },
        days: asked.days,
        until,
    }
}

/// The database that rows go to, if that was asked for; a connector captures it.
fn database(asked: &Load, config: &Config, runtime: &Runtime) -> Result<Option<Database>, String> {
    if asked.to == Target::Kafka {
        return Ok(None);
    }
    let remote = config.postgres.as_ref().ok_or("postgres.url is needed to load into it")?;
    let rows = runtime.block_on(Rows::open(&remote.url)).map_err(|e| e.to_string())?;
    let captured = Captured::ByConnector;
    Ok(Some(Database { rows, runtime: runtime.handle().clone(), captured }))
}

/// A world on its way.
struct Loading {
    pour: Pour,
    inputs: Inputs,
    world: World,
    rate: Rate,
}

impl Loading {
    fn run(mut self) -> Result<(), String> {
        let (began, mut told, mut sent) = (Instant::now(), Instant::now(), 0);
        loop {
            let due = self.rate.due(began.elapsed(), sent, BATCH_MAX);
            if due == 0 {
                thread::sleep(BREATH);
                continue;
            }
            let acts: Vec<Act> = self.inputs.by_ref().filter_map(deed::act).take(due).collect();
            if acts.is_empty() {
                break;
            }
            self.pour.send(&acts)?;
            sent += acts.len() as u64;
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                tell(&self.standing(began, sent).to_string());
            }
        }
        self.pour.flush()?;
        tell(&format!("{}, all acknowledged", self.standing(began, sent)));
        Ok(())
    }

    fn standing(&self, began: Instant, sent: u64) -> Standing {
        let told = self.inputs.made() as f64 / self.world.asked().max(1) as f64;
        Standing { rate: self.rate, elapsed: began.elapsed(), sent, told }
    }
}

/// A word on what is going on, to whoever watches.
fn tell(words: &str) {
    // Nobody may be listening any more.
    let _ = writeln!(stderr(), "load: {words}");
}
