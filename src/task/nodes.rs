//! The nodes of one task, made from the topology: once at the start, and anew after an abort.

use std::rc::Rc;

use super::Ground;
use crate::error::Result;
use crate::processor::{Flush, Listen, Ring, Source, Wiring};
use crate::record::TaskId;
use crate::topology::SubTopology;

/// See the module.
pub(crate) struct Nodes {
    /// One source a lane of the queue, in the same order.
    pub sources: Vec<Box<dyn Source>>,
    /// Who emits at a commit, parents first.
    pub flushes: Vec<(u16, Rc<dyn Flush>)>,
    pub rings: Vec<(u16, Rc<dyn Ring>)>,
    pub listens: Vec<(Vec<u16>, Rc<dyn Listen>)>,
}

impl Nodes {
    pub(crate) fn wire(ground: &Ground, spec: &SubTopology, id: &TaskId) -> Result<Self> {
        let mut wiring = Wiring::new(ground.destinations.clone());
        let reaches =
            |topic| ground.partitions.get(topic).is_some_and(|count| id.partition < *count);
        let sources = spec
            .sources
            .iter()
            .filter(|source| reaches(&source.topic))
            .map(|source| (source.make)(&mut wiring, ground.record_bytes_max))
            .collect();
        wiring.check()?;
        let Wiring { mut flushes, rings, listens, .. } = wiring;
        flushes.sort_by_key(|(id, _)| *id);
        Ok(Self { sources, flushes, rings, listens })
    }
}
