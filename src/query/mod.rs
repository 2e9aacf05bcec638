//! Reads the state of running tasks from outside, while the engine writes.
//!
//! An answer is the last committed state; the open transaction does not show. Two calls may see two commits.
//! A task that does not run here has no answer: its owner must be asked. Only [`stores`], which say in what right they answer,
//! go on showing for a while what a task committed last before it was given up.

mod stores;

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::{Fault, Result};
use crate::partitioner::partition_of;
use crate::processor::{Broadcast, Store};
use crate::record::TaskId;
use crate::standing::{Role, Standing};
use crate::store::{
    BroadcastStore, CacheBudget, Column, KeyValue, ReadOnlyStore, Snapshot, StateReader, StateStore,
};
use crate::topology::{HandleKind, Topology};

pub use stores::{Found, Row, Scan, Scanned, StoreFacts, StoreKind, Unanswered};

/// Finds what runs in this process.
pub(crate) trait RunningTasks: Send + Sync {
    /// The committed state of a task, if it runs here.
    fn reader(&self, id: &TaskId) -> Option<Arc<dyn StateReader>>;

    /// The committed state of a task that runs here, or ran here lately, and where it stood before this was asked.
    fn shown(&self, id: &TaskId) -> Option<(Arc<dyn StateReader>, Role, Standing)>;

    /// All tasks of which that is so, in their order, each with its role.
    fn roles(&self) -> Vec<(TaskId, Role)>;

    /// A broadcast's shared store.
    fn broadcast(&self, handle: u16) -> Option<Arc<dyn BroadcastStore>>;

    /// Whether the group has given this partition to this process, its tasks open or not.
    fn owns(&self, partition: i32) -> bool;

    /// Why a fault has stopped this task, if one has.
    fn stopped(&self, id: &TaskId) -> Option<String>;

    /// How many partitions a topic has.
    fn partitions(&self, topic: &str) -> Option<i32>;
}

/// The state of the tasks that run in this process, read from any thread. Cheap to clone.
///
/// An answer is the last committed state; the open transaction does not show, and two calls may see two commits.
#[derive(Clone)]
pub struct Query {
    topology: Topology,
    running: Arc<dyn RunningTasks>,
}

/// Why a store could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// The task runs elsewhere, or nowhere at the moment.
    NotHere(TaskId),
    /// The task is this process's and does not run yet: its state is being restored. Unanswered again.
    Opening(TaskId),
    /// The state could not be read.
    Failed(Fault),
}

impl From<Fault> for QueryError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl Query {
    pub(crate) fn new(topology: Topology, running: Arc<dyn RunningTasks>) -> Self {
        Self { topology, running }
    }

    /// The name of the application whose state it is.
    pub fn app(&self) -> &str {
        self.topology.app()
    }

    /// Shows the store of partition `partition` to `read`.
    pub fn store<K: 'static, V: 'static, R>(
        &self,
        store: Store<K, V>,
        partition: i32,
        read: impl FnOnce(&mut ReadOnlyStore<'_, K, V>) -> Result<R>,
    ) -> Result<R, QueryError> {
        let mut state = self.open(store.index(), partition)?;
        let state: &mut dyn Any = state.as_any();
        match state.downcast_mut::<KeyValue<K, V>>() {
            Some(typed) => Ok(read(&mut typed.read_only())?),
            None => {
                Err(QueryError::Failed(Fault::Fatal("the handle is of another topology".into())))
            }
        }
    }

    fn open(&self, handle: u16, partition: i32) -> Result<Box<dyn StateStore>, QueryError> {
        let built = self.topology.built();
        let unknown =
            || QueryError::Failed(Fault::Fatal("the handle is of another topology".into()));
        let sub =
            built.subs.iter().find(|sub| sub.columns.contains(&handle)).ok_or_else(unknown)?;
        let column = sub.columns.iter().position(|of| *of == handle).ok_or_else(unknown)?;
        let id = TaskId { sub_topology: sub.name.clone(), partition };
        let reader = self.running.reader(&id).ok_or_else(|| self.missed(id))?;
        match built.plan.handles.get(handle as usize).map(|handle| &handle.kind) {
            Some(HandleKind::Store(make, _)) => {
                Ok(make(Column(column as u16), reader, &CacheBudget::new(0))?)
            }
            Some(HandleKind::Timers(..) | HandleKind::Broadcast { .. }) | None => Err(unknown()),
        }
    }

    fn missed(&self, id: TaskId) -> QueryError {
        match (self.running.owns(id.partition), self.running.stopped(&id)) {
            (false, _) => QueryError::NotHere(id),
            (true, None) => QueryError::Opening(id),
            (true, Some(why)) => {
                QueryError::Failed(Fault::Fatal(format!("{id} was stopped: {why}")))
            }
        }
    }

    /// The partition of `topic` that records of this key are in.
    pub fn partition(&self, topic: &str, key: &[u8]) -> Result<i32, QueryError> {
        let unknown =
            || QueryError::Failed(Fault::Fatal(format!("the application has no topic {topic}")));
        self.running.partitions(topic).map(|count| partition_of(key, count)).ok_or_else(unknown)
    }

    /// A broadcast as it is now, held still until the answer is dropped: drop it soon.
    pub fn view<K: 'static, V: 'static, I: 'static>(
        &self,
        broadcast: Broadcast<K, V, I>,
    ) -> Option<Rc<Snapshot<K, V, I>>> {
        let shared = self.running.broadcast(broadcast.index())?;
        shared.snapshot().into_any().downcast().ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::processor::{Context, Processor};
    use crate::record::Rec;
    use crate::serde::{I64, Utf8};
    use crate::topology::Builder;

    /// A process that owns partitions 1 and 2; a task of 1 is not open yet, that of 2 was stopped.
    struct Restoring;

    impl RunningTasks for Restoring {
        fn reader(&self, _id: &TaskId) -> Option<Arc<dyn StateReader>> {
            None
        }

        fn shown(&self, _id: &TaskId) -> Option<(Arc<dyn StateReader>, Role, Standing)> {
            None
        }

        fn roles(&self) -> Vec<(TaskId, Role)> {
            Vec::new()
        }

        fn broadcast(&self, _handle: u16) -> Option<Arc<dyn BroadcastStore>> {
            None
        }

        fn owns(&self, partition: i32) -> bool {
            partition > 0
        }

        fn stopped(&self, id: &TaskId) -> Option<String> {
            (id.partition == 2).then(|| "damaged".to_owned())
        }

        fn partitions(&self, _topic: &str) -> Option<i32> {
            Some(2)
        }
    }

    struct Idle;

    impl Processor for Idle {
        type KeyIn = String;
        type ValueIn = String;
        type KeyOut = ();
        type ValueOut = ();

        fn process(
            &mut self,
            _line: Rec<'_, String, String>,
            _cx: &mut Context<'_, (), ()>,
        ) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn state_that_is_being_restored_here_is_told_from_state_elsewhere_and_from_a_stopped_task() {
        let builder = Builder::new("app");
        let seen: Store<String, i64> = builder.store("seen", Utf8, I64);
        builder.stream("lines", Utf8, Utf8).process("idle", &[seen.into()], || Idle);
        let query = Query::new(builder.build().unwrap(), Arc::new(Restoring));
        let asked = |partition| query.store(seen, partition, |_| Ok(())).unwrap_err();
        assert!(matches!(asked(0), QueryError::NotHere(id) if id.partition == 0));
        assert!(matches!(asked(1), QueryError::Opening(id) if id.partition == 1));
        let stopped = Fault::Fatal("idle_2 was stopped: damaged".into());
        assert_eq!(asked(2), QueryError::Failed(stopped));
    }
}
