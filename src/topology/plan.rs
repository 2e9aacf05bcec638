//! The builder's notes: nodes, stores, topics and the faults found on the way.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::processor::MakeSource;
use crate::record::Topic;
use crate::store::{BroadcastStore, CacheBudget, Column, ColumnForm, StateReader, StateStore};

/// Makes the typed face of a store over a task's bytes. Its cache takes a share of the budget.
pub(crate) type MakeState =
    Arc<dyn Fn(Column, Arc<dyn StateReader>, &Arc<CacheBudget>) -> OpenColumn + Send + Sync>;
/// A store just opened, or why it could not be.
pub(crate) type OpenColumn = crate::error::Result<Box<dyn StateStore>>;
/// Makes a broadcast's shared store, once per process.
pub(crate) type MakeBroadcast = Arc<dyn Fn() -> Arc<dyn BroadcastStore> + Send + Sync>;

/// What the builder was told.
#[derive(Default)]
pub(crate) struct Plan {
    pub nodes: Vec<NodePlan>,
    pub handles: Vec<HandlePlan>,
    pub topics: BTreeMap<Topic, TopicKind>,
    /// The versions in which values of internal topics are written.
    pub versions: BTreeMap<Topic, u8>,
    pub faults: Vec<String>,
}

/// A node.
pub(crate) struct NodePlan {
    /// Its name; sources and sinks bear their topic's.
    pub name: Arc<str>,
    pub kind: NodeKind,
    pub parents: Vec<u16>,
    pub uses: Vec<u16>,
}

/// What a node does.
pub(crate) enum NodeKind {
    Source { topic: Topic, make: MakeSource },
    Sink { topic: Topic },
    Verb(&'static str),
}

/// A store, timers or a broadcast.
pub(crate) struct HandlePlan {
    pub name: Arc<str>,
    pub kind: HandleKind,
    /// The version in which its values are written.
    pub version: u8,
    /// Which bytes of its keys are the key of the records that change it, if that is known.
    pub placed_by: Option<Range<usize>>,
}

/// What a handle stands for.
pub(crate) enum HandleKind {
    Store(MakeState, Arc<dyn ColumnForm>),
    Timers(MakeState, Arc<dyn ColumnForm>),
    Broadcast { topic: Topic, make: MakeBroadcast },
}

/// Who makes a topic and who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopicKind {
    Input,
    Internal,
    Output,
}

impl HandlePlan {
    /// Its form for whoever does not know its types; a broadcast has none.
    pub(crate) fn form(&self) -> Option<&Arc<dyn ColumnForm>> {
        match &self.kind {
            HandleKind::Store(_, form) | HandleKind::Timers(_, form) => Some(form),
            HandleKind::Broadcast { .. } => None,
        }
    }

    pub(crate) fn broadcast_topic(&self) -> Option<Topic> {
        match &self.kind {
            HandleKind::Broadcast { topic, .. } => Some(topic.clone()),
            HandleKind::Store(..) | HandleKind::Timers(..) => None,
        }
    }
}

impl Plan {
    /// Adds a node; answers its number.
    pub(crate) fn node(
        &mut self,
        name: &str,
        kind: NodeKind,
        parents: Vec<u16>,
        uses: Vec<u16>,
    ) -> u16 {
        let id = u16::try_from(self.nodes.len()).unwrap_or(u16::MAX);
        self.nodes.push(NodePlan { name: name.into(), kind, parents, uses });
        id
    }

    /// Adds a handle whose values are written in `version`; answers its index.
    pub(crate) fn handle(&mut self, name: &str, kind: HandleKind, version: u8) -> u16 {
        let index = u16::try_from(self.handles.len()).unwrap_or(u16::MAX);
        self.handles.push(HandlePlan { name: name.into(), kind, version, placed_by: None });
        index
    }

    /// Notes a topic; an internal topic stays internal, and an input that is written too is one's own.
    pub(crate) fn topic(&mut self, name: &Topic, kind: TopicKind) {
        let known = self.topics.entry(name.clone()).or_insert(kind);
        match (*known, kind) {
            (TopicKind::Input, TopicKind::Output) | (TopicKind::Output, TopicKind::Input) => {
                self.faults.push(format!(
                    "topic {name} is read and written: declare it with `internal`, so that it is \
                     carried with version and time"
                ));
            }
            (TopicKind::Internal, _) | (_, TopicKind::Internal) => *known = TopicKind::Internal,
            (TopicKind::Input, TopicKind::Input) | (TopicKind::Output, TopicKind::Output) => {}
        }
    }
}
