//! How nodes are made: typed factories, run once per task on the thread that owns it.
//!
//! An [`Edge`] collects the factories of what is attached to a stream; wiring an edge makes those nodes. A
//! node with state is made once per task, however many edges lead to it: the wiring remembers it by number.

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use super::{Core, Destination, Fan, Next, Nowhere};
use crate::error::{Fault, Result};
use crate::record::Timestamp;

/// The number of a node in its topology.
pub(crate) type NodeId = u16;

/// Makes a node.
pub(crate) type Make<K, V> = Arc<dyn Fn(&mut Wiring) -> Box<dyn Next<K, V>> + Send + Sync>;

/// What is attached to a stream.
pub struct Edge<K, V>(Arc<Mutex<Vec<Make<K, V>>>>);

impl<K, V> Clone for Edge<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: 'static, V: 'static> Edge<K, V> {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn attach(
        &self,
        make: impl Fn(&mut Wiring) -> Box<dyn Next<K, V>> + Send + Sync + 'static,
    ) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).push(Arc::new(make));
    }

    /// Makes what is attached. The lock is taken only here and while building.
    pub(crate) fn wire(&self, wiring: &mut Wiring) -> Box<dyn Next<K, V>> {
        let makes = self.0.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let mut nodes: Vec<_> = makes.iter().map(|make| make(wiring)).collect();
        match nodes.len() {
            0 => Box::new(Nowhere),
            1 => nodes.swap_remove(0),
            _ => Box::new(Fan(nodes)),
        }
    }
}

/// Emits what a commit asks for: the last value of each key that changed.
pub(crate) trait EmitOnCommit {
    fn emit_on_commit(&self, core: &mut Core) -> Result<()>;
}

/// Fires a deadline.
pub(crate) trait FireTimers {
    /// Takes the first deadline of `timers` that is due, and runs it. `false` if none is.
    fn fire_next(&self, timers: u16, now: Timestamp, core: &mut Core) -> Result<bool>;
}

/// Hears of broadcasts, of the task's start, and of the end of a lag.
pub(crate) trait BroadcastListener {
    /// A key changed; `None` is a resync.
    fn changed(&self, broadcast: u16, key: Option<&dyn Any>, core: &mut Core) -> Result<()>;

    /// The task starts.
    fn started(&self, core: &mut Core) -> Result<()>;

    /// The process does not lag any more.
    fn caught_up(&self, core: &mut Core) -> Result<()>;
}

/// The nodes of a task while they are made, and who among them wants to be called.
pub(crate) struct Wiring {
    made: BTreeMap<NodeId, Rc<dyn Any>>,
    destinations: BTreeMap<Arc<str>, Destination>,
    pub commit_emitters: Vec<(NodeId, Rc<dyn EmitOnCommit>)>,
    pub timer_nodes: Vec<(u16, Rc<dyn FireTimers>)>,
    pub broadcast_listeners: Vec<(Vec<u16>, Rc<dyn BroadcastListener>)>,
    pub faults: Vec<String>,
}

impl Wiring {
    pub(crate) fn new(destinations: BTreeMap<Arc<str>, Destination>) -> Self {
        Self {
            made: BTreeMap::new(),
            destinations,
            commit_emitters: Vec::new(),
            timer_nodes: Vec::new(),
            broadcast_listeners: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// The node `id`, made by `make` at the first call.
    pub(crate) fn once<N: 'static>(
        &mut self,
        id: NodeId,
        make: impl FnOnce(&mut Self) -> N,
    ) -> (Rc<N>, Made) {
        if let Some(node) = self.made.get(&id).and_then(|node| node.clone().downcast().ok()) {
            return (node, Made::Before);
        }
        let node = Rc::new(make(self));
        self.made.insert(id, node.clone());
        (node, Made::New)
    }

    /// Where `topic` is; a topic that is not known is a fault of the engine, told once wiring is done.
    pub(crate) fn destination(&mut self, topic: &str) -> Destination {
        if let Some(found) = self.destinations.get(topic) {
            return found.clone();
        }
        self.faults.push(format!("topic {topic} is not among the destinations"));
        Destination { topic: crate::outgoing::TopicIndex(u16::MAX), partitions: 1, logged: false }
    }

    /// What went wrong, if anything did.
    pub(crate) fn check(&self) -> Result<()> {
        match self.faults.first() {
            Some(fault) => Err(Fault::Fatal(fault.clone())),
            None => Ok(()),
        }
    }
}

/// Whether a node is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    New,
    Before,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_nobody_knows_is_a_fault_once_the_nodes_are_made() {
        let mut wiring = Wiring::new(BTreeMap::new());
        assert_eq!(wiring.check(), Ok(()));
        wiring.destination("out");
        let words = "topic out is not among the destinations";
        assert_eq!(wiring.check(), Err(Fault::Fatal(words.into())));
    }
}
