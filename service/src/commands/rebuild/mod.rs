//! The commands of `feedmill replay`: a state rebuilt from topics beside the live one, watched, switched to and back, given up.
//!
//! What each may do [`Standing`] decides; what it writes is one record.

mod status;
mod watch;

use std::fs;
use std::io::{ErrorKind, Write, stderr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use millstream::Exit;
use millstream::broker::Broker;
use schemas::application;

use super::topics;
use crate::cli::ReplayStart;
use crate::config::Config;
use crate::failed::Failed;
use crate::replay::look::{BETWEEN_LOOKS, Look};
use crate::replay::{Register, Standing, Verb, look, removal, shown};
use crate::worker::{self, left_state};

pub use status::status;

/// For so long what is to be live may still be catching up: a worker that was started a moment ago.
const BEHIND_MAX: Duration = Duration::from_secs(30);

/// The configuration of the rebuilt application: by its name, with a state directory of its own.
fn rebuilt(config: &Config, number: u32) -> Config {
    let first = application::first(&config.app);
    let app = application::numbered(first, number);
    let state_dir = state_dir(config, &app);
    let mut rebuilt = config.of_app(app);
    rebuilt.worker.state_dir = state_dir;
    rebuilt
}

/// Apart from that of a worker that runs here too.
fn state_dir(config: &Config, app: &str) -> PathBuf {
    replays(config).join(app)
}

fn replays(config: &Config) -> PathBuf {
    config.worker.state_dir.join("replays")
}

/// Begins a rebuild, or goes on with it; answers how the process is configured that does it. None if it was only asked what it
/// would lack.
pub fn begin(
    broker: &Arc<dyn Broker>,
    config: &Config,
    asked: &ReplayStart,
) -> Result<Option<Config>, Failed> {
    let cut = look::cut(&**broker, config)?;
    cut.iter().for_each(|cut| tell(&cut.to_string()));
    if asked.dry_run {
        if cut.is_empty() {
            tell("every input is whole");
        }
        return Ok(None);
    }
    let untold = untold_restorations(config);
    untold.iter().for_each(|words| tell(words));
    let register = Register::of(&**broker, &config.app);
    let goes_on = register.read()?.newer().is_some();
    let is_grave = cut.iter().any(|cut| cut.is_grave) || untold.is_some();
    if is_grave && !asked.anyway && !goes_on {
        let words = "feeds would be wrong by what was told; --anyway rebuilds all the same";
        return Err(Failed(Exit::Mismatch, words.to_owned()));
    }
    let standing = register.change(Verb::Start)?;
    let Some(number) = standing.newer() else {
        return Err(Failed(Exit::Failed, "nothing is rebuilt".to_owned()));
    };
    let first = application::first(&config.app);
    // Of a process that was killed, and could not remove it itself.
    for (dir, removed) in left_state::remove(&replays(config), first, &standing.apps(first)) {
        if let Err(error) = removed {
            tell(&format!("{} stays: {error}", dir.display()));
        }
    }
    let rebuilt = rebuilt(config, number);
    tell(&format!("{} is {}", rebuilt.app, if goes_on { "gone on with" } else { "begun" }));
    topics::ensure(&**broker, &rebuilt)?;
    worker::create_topics(&rebuilt, &**broker)?;
    watch::start(Arc::clone(broker), (config.clone(), rebuilt.clone()), *asked)?;
    Ok(Some(rebuilt))
}

/// What is to be told where rows of before a restoration of the database cannot be told from those of after it.
fn untold_restorations(config: &Config) -> Option<String> {
    let (epoch, told) = (config.worker.cdc_epoch, config.worker.cdc_restored_at_ms.len());
    let words =
        "rows of before a restoration win over those of after it where its time is not told";
    let counts = format!("worker.cdc_epoch is {epoch}, worker.cdc_restored_at has {told} times");
    (epoch as usize > told).then(|| format!("{counts}: {words}"))
}

/// Once its process has ended: what `start` will not go on with leaves no state here.
pub fn end(broker: &dyn Broker, config: &Config, rebuilt: &Config) -> Result<(), Failed> {
    let standing = Register::of(broker, &config.app).read()?;
    let goes_on = standing.newer() == Some(application::number(&rebuilt.app));
    if goes_on { Ok(()) } else { forget(config, &rebuilt.app) }
}

/// Has the rebuilt application be the live one.
pub fn switch(broker: &dyn Broker, config: &Config, anyway: bool) -> Result<String, Failed> {
    let register = Register::of(broker, &config.app);
    let after = register.read()?.after(Verb::Switch { anyway }).map_err(refused)?;
    must_run(broker, config, (&after, anyway))?;
    now_live(config, &register.change(Verb::Switch { anyway })?)
}

/// Has the former application be the live one again.
pub fn back(broker: &dyn Broker, config: &Config, anyway: bool) -> Result<String, Failed> {
    let register = Register::of(broker, &config.app);
    let after = register.read()?.after(Verb::Back).map_err(refused)?;
    must_run(broker, config, (&after, anyway))?;
    now_live(config, &register.change(Verb::Back)?)
}

fn now_live(config: &Config, standing: &Standing) -> Result<String, Failed> {
    let live = standing.live_app(application::first(&config.app));
    Ok(format!("{live} is live, under epoch {}\n", standing.epoch))
}

/// What nobody shows cannot be read, and what is behind would be read as of long ago.
fn must_run(
    broker: &dyn Broker,
    config: &Config,
    (after, anyway): (&Standing, bool),
) -> Result<(), Failed> {
    let next = rebuilt(config, after.live);
    let members = broker.admin().and_then(|mut admin| admin.members(&next.app));
    if members? == 0 {
        let start =
            format!("`FEEDMILL_APP={0} feedmill worker` with a state_dir of its own", next.app);
        let words =
            format!("nobody runs {}, and then nobody could be asked: {start} does", next.app);
        return Err(Failed(Exit::Mismatch, words));
    }
    if anyway {
        return Ok(());
    }
    tell(&format!("looking whether {} has caught up", next.app));
    let (mut look, began) = (Look::open(broker, &next)?, Instant::now());
    loop {
        let progress = look.again()?;
        let lacking = shown::lacking(broker, &next, &shown::announced(broker, &next)?)?;
        if look.has_caught_up() && lacking.is_empty() {
            return Ok(());
        }
        if began.elapsed() >= BEHIND_MAX {
            let idle: Vec<_> =
                lacking.iter().map(|(sub, idle)| format!("{idle} of {sub}")).collect();
            let words = format!("{} has not caught up: {progress}", next.app);
            let words = format!("{words}; tasks that nobody shows: {}; --anyway", idle.join(", "));
            return Err(Failed(Exit::Mismatch, words));
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// Gives the rebuilt application up, or the former, and removes what it made.
pub fn give_up(broker: &dyn Broker, config: &Config, verb: Verb) -> Result<String, Failed> {
    let register = Register::of(broker, &config.app);
    let standing = register.change(verb)?;
    let Some(number) = standing.removing else { return Ok("nothing is to be removed\n".into()) };
    let app = application::numbered(application::first(&config.app), number);
    tell(&format!("{app} is given up; its workers end within a minute"));
    let topics = removal::remove(broker, &app, standing.epoch)?;
    forget(config, &app)?;
    register.change(Verb::Removed(number))?;
    Ok(format!("{app} is removed, with {topics} topics\n"))
}

/// Removes what it kept on this machine, unless that is at work.
fn forget(config: &Config, app: &str) -> Result<(), Failed> {
    let dir = state_dir(config, app);
    match fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Failed(Exit::Failed, format!("remove {}: {error}", dir.display())))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn refused(words: String) -> Failed {
    Failed(Exit::Mismatch, words)
}

/// A word on what is going on, to whoever watches.
fn tell(words: &str) {
    // Nobody may be listening any more.
    let _ = writeln!(stderr(), "replay: {words}");
}
