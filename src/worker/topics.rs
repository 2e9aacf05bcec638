//! The topics of an application: what it needs, by the rules that its start creates them by.
//!
//! An input is never created: who writes to it decides how many partitions it has.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::broker::{Cleanup, TopicSpec};
use crate::config::Config;
use crate::record::Topic;
use crate::topology::Topology;

/// Every topic that a start looks at.
pub(super) fn named(topology: &Topology) -> Vec<Topic> {
    let mut names = topology.inputs();
    names.extend(topology.internals());
    names.extend(topology.outputs());
    names.extend(topology.broadcasts());
    names.extend(topology.changelogs().into_iter().map(|(log, _)| log));
    names.extend([topology.dead_letters(), topology.task_topic()]);
    names.sort();
    names.dedup();
    names
}

/// All but the inputs, as they would be created where topics have these partitions; a topic that is there counts as
/// it is. Inputs must be among `counts`, which is completed.
pub(super) fn wanted(
    topology: &Topology,
    config: &Config,
    counts: &mut BTreeMap<Topic, i32>,
) -> Vec<TopicSpec> {
    let mut specs = own_topics(topology, config);
    note(&specs, counts);
    let logs = changelogs(topology, counts);
    note(&logs, counts);
    let built = topology.built();
    let tasks = built.subs.iter().map(|sub| built.partitions_of(sub, counts)).max().unwrap_or(1);
    let tasks =
        TopicSpec { name: topology.task_topic(), partitions: tasks, cleanup: Cleanup::Compact };
    specs.extend(logs);
    specs.push(tasks);
    note(&specs, counts);
    specs
}

fn note(specs: &[TopicSpec], counts: &mut BTreeMap<Topic, i32>) {
    for spec in specs {
        counts.entry(spec.name.clone()).or_insert(spec.partitions);
    }
}

/// Topics between sub-topologies, outputs, dead letters.
fn own_topics(topology: &Topology, config: &Config) -> Vec<TopicSpec> {
    let broadcasts = topology.broadcasts();
    let cleanup = |name: &Topic| match broadcasts.contains(name) {
        true => Cleanup::CompactSoon,
        false => Cleanup::Delete(None),
    };
    let names =
        topology.internals().into_iter().chain(topology.outputs()).chain(broadcasts.clone());
    let mut specs: Vec<_> = names
        .map(|name| TopicSpec { partitions: config.partitions, cleanup: cleanup(&name), name })
        .collect();
    specs.push(TopicSpec {
        name: topology.dead_letters(),
        partitions: config.partitions,
        cleanup: Cleanup::Delete(Some(Duration::from_secs(30 * 24 * 3600))),
    });
    specs.sort_by(|a, b| a.name.cmp(&b.name));
    specs.dedup_by(|a, b| a.name == b.name);
    specs
}

fn changelogs(topology: &Topology, counts: &BTreeMap<Topic, i32>) -> Vec<TopicSpec> {
    let built = topology.built();
    let of = |sub| {
        let partitions = built.partitions_of(sub, counts);
        let name = built.changelog_of(sub)?;
        Some(TopicSpec { name, partitions, cleanup: Cleanup::Compact })
    };
    built.subs.iter().filter_map(of).collect()
}
