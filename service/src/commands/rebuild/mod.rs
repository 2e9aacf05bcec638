//! The commands of `feedmill replay`: a state rebuilt from topics beside the live one, watched, switched to and back, given up.
//!
//! What each may do [`Standing`] decides; what it writes is one record.

mod status;
mod watch;

use std::fs;
use std::io::{ErrorKind, Write, stderr};
use std::path::PathBuf;
use std::sync::Arc;

use millstream::Exit;
use millstream::broker::Broker;
use schemas::application;

use super::topics;
use crate::cli::ReplayStart;
use crate::config::Config;
use crate::failed::Failed;
use crate::replay::{Register, Standing, Verb, look, removal};
use crate::worker;

pub use status::status;

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
    config.worker.state_dir.join("replays").join(app)
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
    let register = Register::of(&**broker, &config.app);
    let goes_on = register.read()?.rebuilt().is_some();
    if cut.iter().any(|cut| cut.is_grave) && !asked.anyway && !goes_on {
        let words = "feeds would be wrong without what is missing; --anyway rebuilds all the same";
        return Err(Failed(Exit::Mismatch, words.to_owned()));
    }
    let standing = register.change(Verb::Start)?;
    let Some(beside) = standing.rebuilt() else {
        return Err(Failed(Exit::Failed, "nothing is rebuilt".to_owned()));
    };
    let rebuilt = rebuilt(config, beside.number);
    tell(&format!("{} is {}", rebuilt.app, if goes_on { "gone on with" } else { "begun" }));
    topics::ensure(&**broker, &rebuilt)?;
    worker::create_topics(&rebuilt, &**broker)?;
    watch::start(Arc::clone(broker), (config.clone(), rebuilt.clone()), *asked)?;
    Ok(Some(rebuilt))
}

/// Once its process has ended: what was given up leaves no state here.
pub fn end(broker: &dyn Broker, config: &Config, rebuilt: &Config) -> Result<(), Failed> {
    let standing = Register::of(broker, &config.app).read()?;
    let apps = standing.apps(application::first(&config.app));
    if apps.contains(&rebuilt.app) { Ok(()) } else { forget(config, &rebuilt.app) }
}

/// Has the rebuilt application be the live one.
pub fn switch(broker: &dyn Broker, config: &Config, anyway: bool) -> Result<String, Failed> {
    let register = Register::of(broker, &config.app);
    must_run(broker, config, &register.read()?.after(Verb::Switch { anyway }).map_err(refused)?)?;
    now_live(config, &register.change(Verb::Switch { anyway })?)
}

/// Has the former application be the live one again.
pub fn back(broker: &dyn Broker, config: &Config) -> Result<String, Failed> {
    let register = Register::of(broker, &config.app);
    must_run(broker, config, &register.read()?.after(Verb::Back).map_err(refused)?)?;
    now_live(config, &register.change(Verb::Back)?)
}

fn now_live(config: &Config, standing: &Standing) -> Result<String, Failed> {
    let live = standing.live_app(application::first(&config.app));
    Ok(format!("{live} is live, under epoch {}\n", standing.epoch))
}

/// What nobody runs cannot be read.
fn must_run(broker: &dyn Broker, config: &Config, after: &Standing) -> Result<(), Failed> {
    let app = after.live_app(application::first(&config.app));
    let members = broker.admin().and_then(|mut admin| admin.members(&app));
    match members.map_err(|failure| Failed(failure.exit(), failure.to_string()))? {
        0 => Err(Failed(Exit::Mismatch, format!("nobody runs {app}"))),
        _ => Ok(()),
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
