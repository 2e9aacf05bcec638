//! Topics that the application made for itself and that nothing names any more: told, or deleted.
//!
//! Which they are is decided by the engine. What another application left is deleted only if it is asked for by name, and
//! if nobody is a member of its group.

use std::fmt::Write;

use millstream::broker::{Broker, Failure, Isolation};
use millstream::{Exit, Topic, TopicPartition};
use serde_json::json;

use crate::cli::Gc;
use crate::config::Config;
use crate::{Failed, worker};

/// An orphan, and how many offsets lie in it.
struct Orphan {
    topic: Topic,
    partitions: i32,
    offsets: i64,
}

/// Tells them, and deletes them if that is asked for.
pub fn collect(broker: &dyn Broker, config: &Config, asked: &Gc) -> Result<String, Failed> {
    let left_by = asked.left_by.as_deref();
    if let Some(app) = left_by {
        must_be_left(broker, config, app)?;
    }
    let topics = worker::orphans(config, left_by, broker)?;
    let orphans = weighed(broker, &config.app, &topics)?;
    if asked.yes {
        let deleted = broker.admin().and_then(|mut admin| admin.delete(&topics));
        deleted?;
    }
    Ok(match asked.json {
        true => json_of(&orphans, asked.yes),
        false => table(&orphans, asked.yes),
    })
}

/// Only an application that nobody runs has left anything.
fn must_be_left(broker: &dyn Broker, config: &Config, app: &str) -> Result<(), Failed> {
    if app == config.app {
        let words = format!(
            "--left-by {app}: is this application itself; without it, its orphans are found"
        );
        return Err(Failed(Exit::Usage, words));
    }
    let members = broker.admin().and_then(|mut admin| admin.members(app));
    match members? {
        0 => Ok(()),
        members => {
            let words = format!("--left-by {app}: it runs, its group has {members} members");
            Err(Failed(Exit::Mismatch, words))
        }
    }
}

fn weighed(broker: &dyn Broker, app: &str, topics: &[Topic]) -> Result<Vec<Orphan>, Failure> {
    let counts = broker.admin()?.partitions(topics)?;
    let mut consumer = broker.consumer(app, Isolation::ReadUncommitted)?;
    let mut orphans = Vec::new();
    for (topic, partitions) in topics.iter().zip(counts) {
        let partitions = partitions.unwrap_or(0);
        let mut offsets = 0;
        for partition in 0..partitions {
            let bounds = consumer.bounds(&TopicPartition::new(topic.clone(), partition))?;
            offsets += bounds.end.0 - bounds.start.0;
        }
        orphans.push(Orphan { topic: topic.clone(), partitions, offsets });
    }
    Ok(orphans)
}

fn table(orphans: &[Orphan], are_deleted: bool) -> String {
    let mut out = String::new();
    for Orphan { topic, partitions, offsets } in orphans {
        let _ = writeln!(out, "{topic}  {partitions} partitions, up to {offsets} records");
    }
    let _ = match (orphans.len(), are_deleted) {
        (0, _) => writeln!(out, "nothing that nobody names"),
        (count, true) => writeln!(out, "{count} deleted"),
        (count, false) => writeln!(out, "{count} would be deleted by --yes"),
    };
    out
}

fn json_of(orphans: &[Orphan], are_deleted: bool) -> String {
    let orphan = |of: &Orphan| json!({"topic": &*of.topic, "partitions": of.partitions, "records_max": of.offsets});
    let orphans: Vec<_> = orphans.iter().map(orphan).collect();
    format!("{:#}\n", json!({"orphans": orphans, "deleted": are_deleted}))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use millstream::broker::embedded::Embedded;
    use millstream::broker::{Cleanup, Join, TopicSpec};
    use millstream::{ManualClock, Timestamp};

    use super::*;
    use crate::commands::topics;

    fn config() -> Config {
        Config::read(None, std::iter::empty(), |_| Vec::new()).unwrap()
    }

    /// A cluster with the topics of the application, and these.
    fn cluster(more: &[&str]) -> Embedded {
        let broker = Embedded::new(Arc::new(ManualClock::at(Timestamp(0))));
        topics::create_all(&broker, &config()).unwrap();
        let spec = |name: &&str| TopicSpec {
            name: Topic::from(*name),
            partitions: 2,
            cleanup: Cleanup::Compact,
        };
        let specs: Vec<_> = more.iter().map(spec).collect();
        broker.admin().unwrap().create(&specs).unwrap();
        broker
    }

    fn asked(left_by: Option<&str>, yes: bool) -> Gc {
        Gc { left_by: left_by.map(Into::into), yes, dry_run: false, json: false }
    }

    fn exists(broker: &Embedded, topic: &str) -> bool {
        broker.admin().unwrap().topics().unwrap().contains(&Topic::from(topic))
    }

    #[test]
    fn an_orphan_is_told_and_deleted_only_when_that_is_asked_for() {
        let broker =
            cluster(&["feedmill-gone-changelog", "feedmill-2-tasks", "feedmill-2-x-changelog"]);
        let before = broker.admin().unwrap().topics().unwrap().len();
        let told = collect(&broker, &config(), &asked(None, false)).unwrap();
        let expected = "feedmill-gone-changelog  2 partitions, up to 0 records\n\
                        1 would be deleted by --yes\n";
        assert_eq!((told.as_str(), exists(&broker, "feedmill-gone-changelog")), (expected, true));
        let told = collect(&broker, &config(), &asked(None, true)).unwrap();
        assert!(told.ends_with("1 deleted\n"), "{told}");
        assert!(!exists(&broker, "feedmill-gone-changelog"));
        assert_eq!(broker.admin().unwrap().topics().unwrap().len(), before - 1, "and nothing else");
        let told = collect(&broker, &config(), &asked(None, false)).unwrap();
        assert_eq!(told, "nothing that nobody names\n");
    }

    #[test]
    fn what_another_application_left_is_deleted_by_its_name_once_nobody_runs_it() {
        let broker = cluster(&["old-tasks", "old-x-changelog", "old-dead-letters", "older-tasks"]);
        let join = Join {
            group: "old".into(),
            topic: "old-tasks".into(),
            instance: "a".into(),
            session_timeout: Duration::from_secs(10),
        };
        let mut member = broker.membership(&join).unwrap();
        member.poll(Duration::ZERO, &mut |_, _| {}).unwrap();
        let Failed(exit, words) =
            collect(&broker, &config(), &asked(Some("old"), true)).unwrap_err();
        assert_eq!(
            (exit, words.as_str()),
            (Exit::Mismatch, "--left-by old: it runs, its group has 1 members")
        );
        drop(member);
        let itself = collect(&broker, &config(), &asked(Some("feedmill"), true));
        assert_eq!(itself.map_err(|Failed(exit, _)| exit), Err(Exit::Usage));
    }
}
