//! The nodes of one task, made from the topology: once at the start, and anew after an abort.

use std::rc::Rc;

use super::AppContext;
use crate::error::Result;
use crate::processor::{BroadcastListener, EmitOnCommit, FireTimers, Source, Wiring};
use crate::record::TaskId;
use crate::topology::SubTopology;

/// See the module.
pub(crate) struct Nodes {
    /// One source a lane of the queue, in the same order.
    pub sources: Vec<Box<dyn Source>>,
    /// Who emits at a commit, parents first.
    pub commit_emitters: Vec<(u16, Rc<dyn EmitOnCommit>)>,
    pub timer_nodes: Vec<(u16, Rc<dyn FireTimers>)>,
    pub broadcast_listeners: Vec<(Vec<u16>, Rc<dyn BroadcastListener>)>,
    /// Whether they were told that the task starts.
    pub started: bool,
    /// Whether they are to be told once the process does not lag.
    pub lagged: bool,
}

impl Nodes {
    pub(crate) fn wire(context: &AppContext, spec: &SubTopology, id: &TaskId) -> Result<Self> {
        let mut wiring = Wiring::new(context.destinations.clone());
        let reaches =
            |topic| context.partitions.get(topic).is_some_and(|count| id.partition < *count);
        let sources = spec
            .sources
            .iter()
            .filter(|source| reaches(&source.topic))
            .map(|source| (source.make)(&mut wiring, context.record_bytes_max))
            .collect();
        wiring.check()?;
        let Wiring { mut commit_emitters, timer_nodes, broadcast_listeners, .. } = wiring;
        commit_emitters.sort_by_key(|(id, _)| *id);
        let (started, lagged) = (false, true);
        Ok(Self { sources, commit_emitters, timer_nodes, broadcast_listeners, started, lagged })
    }
}
