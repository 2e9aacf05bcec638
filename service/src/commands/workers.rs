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
    let directory = shown::announced(broker, &live)?;
    let announced = directory.instances(SystemClock.now()).into_iter();
    let announced: Vec<_> = announced.map(|(_, said)| said.url).collect();
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
    let announced = shown::announced(broker, &live)?.instances(SystemClock.now()).into_iter();
    let others =
        announced.map(|(_, said)| said.url).filter(|url| *url != config.http.internal_url());
    live.state.workers = [config.http.internal_url()].into_iter().chain(others).collect();
    Ok(live)
}

/// Where they are asked, and what they are shown.
pub fn named(config: &Config) -> Result<(Vec<String>, Credentials), Failed> {
    let credentials = needs::credentials(config).map_err(|words| Failed(Exit::Usage, words))?;
    Ok((urls(config), credentials))
}

/// Where they are asked.
pub fn urls(config: &Config) -> Vec<String> {
    let named = &config.state.workers;
    if named.is_empty() { vec![config.http.internal_url()] } else { named.clone() }
}

/// Their state; each answer may take so long.
pub fn state(config: &Config, wait: Duration) -> Result<RemoteState, Failed> {
    let (urls, credentials) = named(config)?;
    let (partitions, breaker) = (config.kafka.partitions, config.breaker.into());
    let workers = Workers { urls, credentials, partitions, wait, breaker };
    Ok(RemoteState::new(workers, Arc::new(SystemClock)))
}
