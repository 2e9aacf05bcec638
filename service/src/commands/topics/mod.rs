//! Creates the topics that the contract declares and the cluster lacks.

mod acls;
pub mod check;
pub mod gc;

use std::fmt::Write;

use millstream::broker::{Admin, Broker, Cleanup, Created, Failure, TopicSpec};
use millstream::{Ended, Topic};
use schemas::{application, topic};

use crate::config::Config;
use crate::{Failed, worker};

/// Creates every topic that the feed needs: what the contract declares, and what the engine keeps for itself.
pub fn create_all(broker: &dyn Broker, config: &Config) -> Result<String, Failed> {
    let declared = ensure(broker, config)?;
    worker::create_topics(config, broker)?;
    Ok(format!("{declared}and the changelogs and the task topic of {}\n", config.app))
}

/// Creates what a configuration needs and the cluster lacks, or tells which cluster would not.
pub fn ensure(broker: &dyn Broker, config: &Config) -> Result<String, Ended> {
    let made = broker
        .admin()
        .and_then(|mut admin| create(&mut *admin, &config.app, config.kafka.partitions));
    made.map_err(|failure| {
        let why = format!("no topics on kafka at {}: {failure}", config.kafka.bootstrap);
        Ended { exit: failure.exit(), why }
    })
}

/// Creates what is missing, with so many partitions; tells what became of each, one a line.
pub fn create(admin: &mut dyn Admin, app: &str, partitions: i32) -> Result<String, Failure> {
    let specs = specs(app, partitions);
    let created = admin.create(&specs)?;
    let mut lines = String::new();
    let width = specs.iter().map(|spec| spec.name.len()).max().unwrap_or(0);
    for (spec, created) in specs.iter().zip(created) {
        let became = match created {
            Created::New => "created",
            Created::Existed => "was there",
        };
        let _ = writeln!(lines, "{:<width$} {became}", spec.name);
    }
    Ok(lines)
}

/// Makes one topic of the application's own where an older release has made the others.
pub fn make(broker: &dyn Broker, app: &str, name: &str) -> Result<(), Failed> {
    let name = Topic::from(name);
    let made = || -> Result<(), Failure> {
        let mut admin = broker.admin()?;
        if admin.partitions(std::slice::from_ref(&name))? != [None] {
            return Ok(());
        }
        let specs = specs(app, 1).into_iter().filter(|spec| spec.name == name);
        admin.create(&specs.collect::<Vec<_>>()).map(drop)
    };
    made().map_err(|failure| Failed(failure.exit(), format!("{name}: {failure}")))
}

/// What the contract declares.
pub fn specs(app: &str, partitions: i32) -> Vec<TopicSpec> {
    let spec = |name: &str, cleanup: topic::Cleanup, fixed: Option<i32>| TopicSpec {
        name: Topic::from(name),
        partitions: fixed.unwrap_or(partitions),
        cleanup: match cleanup {
            topic::Cleanup::Compact => Cleanup::Compact,
            topic::Cleanup::CompactSoon => Cleanup::CompactSoon,
            topic::Cleanup::Keep | topic::Cleanup::KeepFor(_) | topic::Cleanup::Purge => {
                Cleanup::Delete(cleanup.retention())
            }
        },
    };
    let named = |topic| application::topic(app, topic);
    let declared =
        topic::ALL.iter().map(|topic| spec(&named(topic), topic.cleanup, topic.partitions));
    let own = topic::own(app);
    let own = own.iter().map(|topic| spec(&topic.name, topic.cleanup, topic.partitions));
    declared.chain(own).collect()
}
