//! What to run: a topology is plain data, built once, checked at `build()`, shared by every thread.
//!
//! The builder collects nodes, stores and topics in a [`Plan`]; `build()` checks them, tells every fault at
//! once, and cuts the graph into sub-topologies: what is connected without a topic between. Nodes are made
//! from it by typed factories, once per task.

mod builder;
mod change;
mod describe;
mod graph;
mod partition;
mod plan;
mod shape;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use builder::{Builder, Internal, InvalidTopology, Use};
pub(crate) use change::{ANEW, changes};
pub use change::{Change, Subject, Verdict};
pub use graph::SubGraph;
pub(crate) use plan::{HandleKind, HandlePlan, Plan, TopicKind};
pub(crate) use shape::{Role, Shape};
pub use stream::Stream;

use crate::dead_letter::{Origin, Reason};
use crate::processor::MakeSource;
use crate::record::{TaskId, Topic};

/// A checked topology: data, `Send + Sync`, cheap to clone.
#[derive(Clone)]
pub struct Topology(Arc<Built>);

/// What a topology is made of.
pub(crate) struct Built {
    pub app: Arc<str>,
    pub subs: Vec<SubTopology>,
    pub plan: Plan,
}

/// Nodes that are connected without a topic between: what one task runs.
pub(crate) struct SubTopology {
    /// Its first named node, which names state directories and tasks.
    pub name: Arc<str>,
    pub sources: Vec<SourceSpec>,
    /// Handles of its stores and timers; their order is the order of columns.
    pub columns: Vec<u16>,
    /// Handles of the broadcasts it reads.
    pub broadcasts: Vec<u16>,
    pub nodes: Vec<u16>,
}

/// A source node and its topic.
#[derive(Clone)]
pub(crate) struct SourceSpec {
    pub topic: Topic,
    pub make: MakeSource,
}

impl Topology {
    pub(crate) fn built(&self) -> &Built {
        &self.0
    }

    /// The application's name.
    pub fn app(&self) -> &str {
        &self.0.app
    }

    /// The topic of its dead letters.
    pub fn dead_letters(&self) -> Topic {
        format!("{}-dead-letters", self.0.app).into()
    }

    /// The topic whose partitions are its tasks.
    pub fn task_topic(&self) -> Topic {
        format!("{}-tasks", self.0.app).into()
    }

    /// Topics it reads that it does not make itself.
    pub fn inputs(&self) -> Vec<Topic> {
        self.of_kind(TopicKind::Input)
    }

    /// Topics it writes for others.
    pub fn outputs(&self) -> Vec<Topic> {
        self.of_kind(TopicKind::Output)
    }

    /// Topics of its own between sub-topologies; records before the committed offset are deleted.
    pub fn internals(&self) -> Vec<Topic> {
        self.of_kind(TopicKind::Internal)
    }

    fn of_kind(&self, wanted: TopicKind) -> Vec<Topic> {
        let topics = self.0.plan.topics.iter().filter(|(_, kind)| **kind == wanted);
        topics.map(|(name, _)| name.clone()).collect()
    }

    /// Compacted topics that every process reads whole.
    pub fn broadcasts(&self) -> Vec<Topic> {
        let handles = self.0.plan.handles.iter();
        handles.filter_map(|handle| handle.broadcast_topic()).collect()
    }

    /// What dead letters may be counted by, at zero: a reader of counters that appear with their first one misses it.
    pub(crate) fn dead_letter_origins(&self) -> BTreeMap<Origin, u64> {
        let of = |sub: &SubTopology, reason| {
            let node = sub.name.clone();
            let origin = move |source: &SourceSpec| Origin {
                topic: source.topic.clone(),
                node: node.clone(),
                reason,
            };
            sub.sources.iter().map(origin).collect::<Vec<_>>()
        };
        let by_engine = Reason::ALL.into_iter().filter(|reason| *reason != Reason::Refused);
        let all =
            by_engine.flat_map(|reason| self.0.subs.iter().flat_map(move |sub| of(sub, reason)));
        all.map(|origin| (origin, 0)).collect()
    }

    /// The changelog of every sub-topology that has state, with its name: one for all its stores.
    pub fn changelogs(&self) -> Vec<(Topic, Arc<str>)> {
        let of = |sub: &SubTopology| Some((self.0.changelog_of(sub)?, sub.name.clone()));
        self.0.subs.iter().filter_map(of).collect()
    }

    /// The same topology as text, a line a node.
    pub fn describe(&self) -> String {
        describe::text(&self.0)
    }

    /// A digest of everything that must not change under existing state: names, stores, topics.
    pub fn hash(&self) -> String {
        describe::digest(&self.0)
    }
}

/// The changelog of the sub-topology `sub` of `app`.
pub(crate) fn changelog_named(app: &str, sub: &str) -> Topic {
    format!("{app}-{sub}-changelog").into()
}

impl Built {
    /// The sub-topology that a task is of.
    pub fn sub_of(&self, task: &TaskId) -> Option<&SubTopology> {
        self.subs.iter().find(|sub| sub.name == task.sub_topology)
    }

    /// The changelog of a sub-topology, if it has anything to restore.
    pub fn changelog_of(&self, sub: &SubTopology) -> Option<Topic> {
        sub.is_stateful().then(|| changelog_named(&self.app, &sub.name))
    }

    /// The names of a sub-topology's columns: its stores and timers, and last the store in which a task keeps its
    /// stream time and its places in broadcasts. None if it has nothing to restore.
    pub fn columns_of(&self, sub: &SubTopology) -> Vec<Arc<str>> {
        let stores =
            sub.columns.iter().filter_map(|handle| self.plan.handles.get(*handle as usize));
        let names = stores.map(|handle| handle.name.clone());
        let own = sub.is_stateful().then(|| format!("{}-task", sub.name).into());
        names.chain(own).collect()
    }

    /// How many partitions a sub-topology has, given those of its topics: the most of any source.
    pub fn partitions_of(&self, sub: &SubTopology, counts: &BTreeMap<Topic, i32>) -> i32 {
        let sources = sub.sources.iter().filter_map(|source| counts.get(&source.topic));
        sources.copied().max().unwrap_or(0)
    }
}

impl SubTopology {
    /// Whether a task of it has anything to restore.
    pub fn is_stateful(&self) -> bool {
        !self.columns.is_empty() || !self.broadcasts.is_empty()
    }
}
