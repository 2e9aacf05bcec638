//! What a cluster with access control must let the application do, as the lines that let it.
//!
//! For one principal that does all of it: ranks, pushes, answers reads and takes events. What captures the database
//! writes `cdc.*` as a principal of its own.

use std::collections::{BTreeMap, BTreeSet};

use millstream::{Topic, Topology};
use schemas::topic::{self, DISMISSALS, EVENTS, PREFERENCES, READS, WEIGHTS};

use crate::capture::HEARTBEATS;

/// What may be done to a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Read,
    Write,
    /// Records that were worked off.
    Delete,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Delete => "Delete",
        }
    }
}

/// The lines, each a command.
pub fn lines(topology: &Topology, bootstrap: &str, principal: &str, creates: bool) -> Vec<String> {
    let add =
        format!("kafka-acls --bootstrap-server {bootstrap} --add --allow-principal {principal}");
    let app = topology.app();
    let prefixed = "--resource-pattern-type prefixed";
    let mut lines = vec![
        format!("{add} --operation IdempotentWrite --cluster"),
        format!("{add} --operation Read --operation Describe --group {app} {prefixed}"),
        format!(
            "{add} --operation Write --operation Describe --transactional-id {app}- {prefixed}"
        ),
    ];
    if creates {
        lines.push(format!("{add} --operation Create --cluster"));
    }
    for (topic, operations) in operations(topology) {
        let named = operations.iter().map(|of| format!("--operation {}", of.name()));
        let named = named.collect::<Vec<_>>().join(" ");
        lines.push(format!(
            "{add} {named} --operation Describe --operation DescribeConfigs --topic {topic}"
        ));
    }
    lines
}

fn operations(topology: &Topology) -> BTreeMap<Topic, BTreeSet<Operation>> {
    let mut needed: BTreeMap<Topic, BTreeSet<Operation>> = BTreeMap::new();
    let mut need = |topics: Vec<Topic>, operations: &[Operation]| {
        for topic in topics {
            needed.entry(topic).or_default().extend(operations);
        }
    };
    let declared = |topics: &[topic::Topic]| -> Vec<Topic> {
        topics.iter().map(|topic| topic.name.into()).collect()
    };
    need(topology.inputs(), &[Operation::Read]);
    need(topology.broadcasts(), &[Operation::Read]);
    need(topology.outputs(), &[Operation::Write]);
    need(topology.internals(), &[Operation::Read, Operation::Write, Operation::Delete]);
    let logs = topology.changelogs().into_iter().map(|(log, _)| log).collect();
    need(logs, &[Operation::Read, Operation::Write]);
    need(vec![topology.task_topic()], &[Operation::Read, Operation::Write]);
    let own = topic::own(topology.app()).map(|topic| topic.name.into()).to_vec();
    need(own, &[Operation::Read, Operation::Write]);
    // A worker tells how old the last heartbeat of the capture is.
    need(vec![HEARTBEATS.into()], &[Operation::Read]);
    // Sinks read what the topology writes; the API and commands write what it reads.
    need(topology.outputs(), &[Operation::Read]);
    need(declared(&[EVENTS, READS, DISMISSALS, PREFERENCES, WEIGHTS]), &[Operation::Write]);
    needed
}

#[cfg(test)]
mod tests {
    use super::*;
    use topologies::feed::{FeedSettings, feed};

    fn asked(creates: bool) -> Vec<String> {
        let topology = feed(&FeedSettings::default()).unwrap().topology;
        lines(&topology, "k:9092", "User:feed", creates)
    }

    #[test]
    fn each_topic_is_let_with_what_is_done_to_it() {
        let lines = asked(false);
        let of = |topic: &str| {
            let line = lines.iter().find(|line| line.ends_with(&format!("--topic {topic}")))?;
            let words = line.split("--operation ").skip(1);
            Some(words.filter_map(|words| words.split(' ').next()).collect::<Vec<_>>().join(" "))
        };
        let rows = [
            ("cdc.users", "Read Describe DescribeConfigs"),
            ("events", "Read Write Describe DescribeConfigs"),
            ("by-post", "Read Write Delete Describe DescribeConfigs"),
            ("feeds", "Read Write Describe DescribeConfigs"),
            ("feed-reader-changelog", "Read Write Describe DescribeConfigs"),
            ("feed-tasks", "Read Write Describe DescribeConfigs"),
            ("feed-dead-letters", "Read Write Describe DescribeConfigs"),
            ("feed-dead-letters-done", "Read Write Describe DescribeConfigs"),
            ("feed-instances", "Read Write Describe DescribeConfigs"),
            ("__debezium-heartbeat.cdc", "Read Describe DescribeConfigs"),
            ("weights", "Read Write Describe DescribeConfigs"),
        ];
        for (topic, operations) in rows {
            assert_eq!(of(topic).as_deref(), Some(operations), "{topic}");
        }
        assert!(lines.iter().all(|line| line.contains("--allow-principal User:feed ")));
    }

    #[test]
    fn creating_is_let_only_where_workers_create() {
        let creates =
            |lines: Vec<String>| lines.iter().any(|line| line.contains("Create --cluster"));
        assert_eq!((creates(asked(true)), creates(asked(false))), (true, false));
    }
}
