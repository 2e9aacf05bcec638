//! The workers that a command asks: those that are named, else a process of this machine as it is configured.

use std::sync::Arc;
use std::time::Duration;

use millstream::broker::Broker;
use millstream::{Clock, Exit, SystemClock};
use schemas::application;

use crate::config::Config;
use crate::failed::Failed;
use crate::instance_client::Credentials;
use crate::needs;
use crate::read::{RemoteState, Workers};
use crate::replay::{Register, shown};

/// The configuration of the live application. Where that is not the one that is configured, its workers are those that announced
/// themselves last, or else those that are named.
pub fn of_live(broker: &dyn Broker, config: &Config) -> Result<Config, Failed> {
    let standing = Register::of(broker, &config.app).read()?;
    let app = standing.live_app(application::first(&config.app));
    if app == config.app {
        return Ok(config.clone());
    }
    let mut live = config.of_app(app);
    let announced = announced(broker, &live)?;
    // Who was started a moment ago has not announced itself yet.
    if !announced.is_empty() {
        live.state.workers = announced;
    }
    Ok(live)
}

/// With whom to ask where nobody is named: a process of this machine, then those of the live application that announce themselves.
pub fn found(broker: &dyn Broker, config: &Config) -> Result<Config, Failed> {
    let standing = Register::of(broker, &config.app).read()?;
    let mut live = config.of_app(standing.live_app(application::first(&config.app)));
    let here = config.http.internal_url();
    let others = announced(broker, &live)?.into_iter().filter(|url| *url != here);
    live.state.workers = others.collect();
    live.state.workers.insert(0, here);
    Ok(live)
}

/// Where those are who announced themselves last.
fn announced(broker: &dyn Broker, config: &Config) -> Result<Vec<String>, Failed> {
    Ok(shown::announced(broker, config)?.addresses(SystemClock.now()))
}

/// Where they are asked, and what they are shown.
pub fn named(config: &Config) -> Result<(Vec<String>, Credentials), Failed> {
    let named = &config.state.workers;
    let urls = if named.is_empty() { vec![config.http.internal_url()] } else { named.clone() };
    let credentials = needs::credentials(config).map_err(|words| Failed(Exit::Usage, words))?;
    Ok((urls, credentials))
}

/// Their state; each answer may take so long.
pub fn state(config: &Config, wait: Duration) -> Result<RemoteState, Failed> {
    let (urls, credentials) = named(config)?;
    let (partitions, breaker) = (config.kafka.partitions, config.breaker.into());
    let workers = Workers { urls, credentials, partitions, wait, breaker };
    Ok(RemoteState::new(workers, Arc::new(SystemClock)))
}
