//! The topics that an application made for itself and that nobody names any more.
//!
//! A topic of one's own bears the application's name and ends by its kind; it is of the application with the longest name
//! that fits, among those that have a task topic, so that nothing of another application is ever meant. What the manifest
//! names is in use by whoever runs, whatever this program has in its place.

use std::collections::BTreeSet;

use super::found::Found;
use crate::broker::{Broker, Failure};
use crate::record::Topic;
use crate::topology::{Shape, Topology, changelog_named};

/// The kinds that are deleted when nothing names them.
const KEPT_FOR_SELF: [&str; 2] = ["-changelog", "-repartition"];
/// The others that an application makes by its name.
const OF_THE_WHOLE: [&str; 2] = [TASKS, "-dead-letters"];
const TASKS: &str = "-tasks";

/// Those of `topology`'s application.
pub(crate) fn of_topology(topology: &Topology, broker: &dyn Broker) -> Result<Vec<Topic>, Failure> {
    let found = Found::look(topology, broker)?;
    let before = found.manifest.as_deref().map(Shape::decode).transpose();
    let before = match before {
        Ok(before) => before.unwrap_or_else(Shape::nothing),
        // Nobody knows what is in use.
        Err(_) => return Ok(Vec::new()),
    };
    let there = broker.admin()?.topics()?;
    Ok(orphans(topology, &before, &there))
}

/// All that an application of another name made for itself, as far as `topology` does not name it.
pub(crate) fn of_application(
    app: &str,
    topology: &Topology,
    broker: &dyn Broker,
) -> Result<Vec<Topic>, Failure> {
    let there = broker.admin()?.topics()?;
    Ok(left_by(app, topology, &there))
}

fn orphans(topology: &Topology, before: &Shape, there: &[Topic]) -> Vec<Topic> {
    let app = topology.app();
    let mut in_use = named(topology);
    in_use.extend(before.sources.keys().cloned());
    in_use.extend(before.subs().map(|(sub, _)| changelog_named(app, sub)));
    let ours = there.iter().filter(|topic| is_of(app, topic, there, &KEPT_FOR_SELF));
    ours.filter(|topic| !in_use.contains(*topic)).cloned().collect()
}

fn left_by(app: &str, topology: &Topology, there: &[Topic]) -> Vec<Topic> {
    let in_use = named(topology);
    let kinds = [KEPT_FOR_SELF, OF_THE_WHOLE].concat();
    let its = there.iter().filter(|topic| is_of(app, topic, there, &kinds));
    its.filter(|topic| !in_use.contains(*topic)).cloned().collect()
}

fn named(topology: &Topology) -> BTreeSet<Topic> {
    super::topics::named(topology).into_iter().collect()
}

/// Whether a topic is of one of these kinds and of `app`: of those that have a task topic the one with the longest name that
/// it bears.
fn is_of(app: &str, topic: &str, there: &[Topic], kinds: &[&str]) -> bool {
    let bears = |app: &&str| topic.strip_prefix(app).is_some_and(|rest| rest.starts_with('-'));
    let apps = there.iter().filter_map(|other| other.strip_suffix(TASKS));
    let owner = apps.filter(|app| !app.is_empty()).filter(bears).max_by_key(|app| app.len());
    let is_whole = |kind: &&str| topic.len() >= app.len() + kind.len() && topic.ends_with(*kind);
    owner == Some(app) && kinds.iter().any(is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serde::{I64, Utf8};
    use crate::topology::Builder;

    fn topology() -> Topology {
        let builder = Builder::new("app");
        let lines = builder.stream::<String, String>("app-lines-changelog", Utf8, Utf8);
        lines.repartition("words", Utf8, Utf8).count("counts", Utf8).to("counted", Utf8, I64);
        builder.build().unwrap()
    }

    fn topics(names: &[&str]) -> Vec<Topic> {
        names.iter().map(|name| Topic::from(*name)).collect()
    }

    /// Two applications beside ours, and topics of all kinds.
    fn there() -> Vec<Topic> {
        topics(&[
            "app-tasks",
            "app-dead-letters",
            "app-counts-changelog",
            "app-words-repartition",
            "app-old-changelog",
            "app-old-repartition",
            "app-lines-changelog",
            "app-2-tasks",
            "app-2-dead-letters",
            "app-2-counts-changelog",
            "app-orders",
            "application-counts-changelog",
            "-tasks",
            "counted",
            "-changelog",
        ])
    }

    #[test]
    fn an_orphan_is_of_this_application_and_named_by_nobody() {
        let found = orphans(&topology(), &Shape::nothing(), &there());
        assert_eq!(found, topics(&["app-old-changelog", "app-old-repartition"]));
    }

    #[test]
    fn what_runs_keeps_what_it_names_whatever_asks() {
        let text = "format 2\ntopology 01\nsource app-old-repartition internal 1 3\n\
                    sub-topology old\nreads app-old-repartition\nstore kept 1\n";
        let found = orphans(&topology(), &Shape::decode(text).unwrap(), &there());
        assert_eq!(found, topics(&[]));
    }

    #[test]
    fn an_application_is_left_with_all_its_topics_and_none_of_another() {
        let of = |app: &str| left_by(app, &topology(), &there());
        let expected = ["app-2-tasks", "app-2-dead-letters", "app-2-counts-changelog"];
        assert_eq!(of("app-2"), topics(&expected));
        // The last two would be parts of others: nobody says that they ever were applications.
        for nobody in ["", "ap", "nobody", "application", "app-2-counts"] {
            assert_eq!(of(nobody), topics(&[]), "{nobody}");
        }
    }
}
