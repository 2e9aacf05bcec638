//! A topology as it is drawn: which sub-topology reads and writes what.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::plan::NodeKind;
use super::{Built, SubTopology, Topology};

/// A sub-topology with everything that goes in and out of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubGraph {
    /// Its name.
    pub name: String,
    /// The topics that its tasks read.
    pub reads: Vec<String>,
    /// The topics that every process reads whole for it.
    pub broadcasts: Vec<String>,
    /// The topics that it writes.
    pub writes: Vec<String>,
    /// Its stores and timers.
    pub stores: Vec<String>,
    /// Where the changes of its stores are logged, if it has any.
    pub changelog: Option<String>,
}

impl Topology {
    /// Every sub-topology, in the order in which they were built.
    pub fn graph(&self) -> Vec<SubGraph> {
        self.built().subs.iter().map(|sub| drawn(self.built(), sub)).collect()
    }
}

fn drawn(built: &Built, sub: &SubTopology) -> SubGraph {
    let handles = |of: &[u16]| -> Vec<_> {
        of.iter().filter_map(|handle| built.plan.handles.get(usize::from(*handle))).collect()
    };
    let nodes = sub.nodes.iter().filter_map(|id| built.plan.nodes.get(*id as usize));
    let writes: BTreeSet<_> = nodes
        .filter_map(|node| match &node.kind {
            NodeKind::Sink { topic } => Some(topic.to_string()),
            NodeKind::Source { .. } | NodeKind::Verb(_) => None,
        })
        .collect();
    let broadcasts = handles(&sub.broadcasts);
    let broadcasts = broadcasts.iter().filter_map(|handle| handle.broadcast_topic());
    SubGraph {
        name: sub.name.to_string(),
        reads: sub.sources.iter().map(|source| source.topic.to_string()).collect(),
        broadcasts: broadcasts.map(|topic| topic.to_string()).collect(),
        writes: writes.into_iter().collect(),
        stores: handles(&sub.columns).iter().map(|handle| handle.name.to_string()).collect(),
        changelog: built.changelog_of(sub).map(|topic| topic.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use crate::serde::{I64, Utf8};
    use crate::topology::Builder;

    #[test]
    fn a_sub_topology_tells_what_goes_in_and_out_of_it() {
        let builder = Builder::new("app");
        builder
            .stream("lines", Utf8, Utf8)
            .filter("all", |_| true)
            .repartition("words", Utf8, Utf8)
            .count("counts", Utf8)
            .to("counted", Utf8, I64);
        let graph = builder.build().unwrap().graph();
        let told: Vec<_> = graph
            .iter()
            .map(|sub| (sub.reads.join(","), sub.writes.join(","), sub.stores.join(",")))
            .collect();
        let of = |words: [&str; 3]| words.map(ToOwned::to_owned).into();
        let expected = [
            of(["lines", "app-words-repartition", ""]),
            of(["app-words-repartition", "counted", "counts"]),
        ];
        assert_eq!(told, expected);
        assert_eq!(graph[0].changelog, None);
        assert!(graph[1].changelog.as_ref().unwrap().ends_with("-changelog"));
    }
}
