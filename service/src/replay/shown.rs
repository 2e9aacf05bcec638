//! Whether the instances of an application show all of its state, as they announce themselves: what they do not show nobody can read.

use std::collections::{BTreeMap, BTreeSet};

use millstream::broker::Broker;
use millstream::{Clock, SystemClock, Topic};
use schemas::topic;

use crate::commands::log_reader::LogReader;
use crate::config::Config;
use crate::failed::Failed;
use crate::needs;
use crate::stores::announcement::Signer;
use crate::stores::directory::Directory;
use crate::worker;

/// Who announced themselves last in an application.
pub fn announced(broker: &dyn Broker, config: &Config) -> Result<Directory, Failed> {
    let secrets = needs::secrets(config)?;
    let signer = Signer::of(secrets.as_ref());
    let topic = Topic::from(topic::instances(&config.app));
    let (directory, now) = (Directory::default(), SystemClock.now());
    let Some(mut log) = LogReader::of_one(broker, &config.app, &topic)? else {
        return Ok(directory);
    };
    while !log.is_at_end() {
        log.poll()?.batches.iter().for_each(|batch| directory.take(batch, &signer, now));
    }
    Ok(directory)
}

/// The tasks with state that nobody of `announced` runs, by sub-topology; none if all of them are at work.
pub fn lacking(
    broker: &dyn Broker,
    config: &Config,
    announced: &Directory,
) -> Result<BTreeMap<String, i32>, Failed> {
    let (logs, subs): (Vec<_>, Vec<_>) = worker::topology(config)?.changelogs().into_iter().unzip();
    let counts = broker.admin().and_then(|mut admin| admin.partitions(&logs));
    let counts = counts?;
    let wanted = subs.iter().zip(counts).map(|(sub, count)| (&**sub, count.unwrap_or(0)));
    let now = SystemClock.now();
    Ok(missing(wanted, |sub| announced.active(sub, now)))
}

/// How many tasks of each are not at work, of those of which any are not.
fn missing<'a>(
    wanted: impl Iterator<Item = (&'a str, i32)>,
    active: impl Fn(&str) -> BTreeSet<i32>,
) -> BTreeMap<String, i32> {
    let missing = wanted.map(|(sub, partitions)| {
        let active = active(sub);
        let idle = (0..partitions).filter(|partition| !active.contains(partition)).count();
        (sub.to_owned(), i32::try_from(idle).unwrap_or(i32::MAX))
    });
    missing.filter(|(_, idle)| *idle > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_runs_is_missing_whatever_is_shown_beside_it() {
        let active = |sub: &str| match sub {
            "reader" => [0, 2, 9].into(),
            "trending" => [0].into(),
            _ => BTreeSet::new(),
        };
        let wanted = [("reader", 4), ("trending", 1), ("people", 2)].into_iter();
        let expected = [("reader".to_owned(), 2), ("people".to_owned(), 2)];
        assert_eq!(missing(wanted, active), expected.into());
    }
}
