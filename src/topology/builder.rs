//! The builder: where streams, stores, timers, broadcasts and internal topics begin.

use std::cell::RefCell;
use std::fmt;
use std::hash::Hash;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::plan::{HandleKind, NodeKind, Plan, TopicKind};
use super::{Built, Stream, Topology, partition};
use crate::error::{Fault, Result};
use crate::processor::{Broadcast, Decoded, Edge, Extractor, Handle, Store, Timers, source};
use crate::record::{RawRecord, Timestamp, Topic};
use crate::serde::Serde;
use crate::store::{
    BroadcastStore, Index, KeyValue, RowForm, SharedView, StateReader, StateStore, TimerForm,
    TimerQueue,
};

/// Collects a topology; cheap to clone, single-threaded.
#[derive(Clone)]
pub struct Builder {
    pub(super) app: Arc<str>,
    pub(super) plan: Rc<RefCell<Plan>>,
}

/// A topic of one's own between sub-topologies, by its exact name. See [`Builder::internal`].
pub struct Internal<K, V> {
    pub(super) topic: Topic,
    pub(super) key: Arc<dyn Serde<K>>,
    pub(super) value: Arc<dyn Serde<V>>,
}

impl<K, V> Clone for Internal<K, V> {
    fn clone(&self) -> Self {
        Self { topic: self.topic.clone(), key: self.key.clone(), value: self.value.clone() }
    }
}

/// Names a handle that a node uses, so that `build()` can check and place it.
#[derive(Clone, Copy)]
pub struct Use(pub(super) u16);

impl<T> From<Handle<T>> for Use {
    fn from(handle: Handle<T>) -> Self {
        Self(handle.index())
    }
}

/// Everything that is wrong with a topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTopology(Vec<String>);

impl InvalidTopology {
    /// The faults, each a sentence.
    pub fn faults(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for InvalidTopology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for InvalidTopology {}

impl From<InvalidTopology> for Fault {
    fn from(invalid: InvalidTopology) -> Self {
        Self::Fatal(invalid.to_string())
    }
}

impl Builder {
    /// Begins the topology of application `app`, which names its topics, its group and its state.
    pub fn new(app: &str) -> Self {
        Self { app: app.into(), plan: Rc::default() }
    }

    /// Reads a topic; records have the time Kafka has.
    pub fn stream<K: 'static, V: 'static>(
        &self,
        topic: &str,
        key: impl Serde<K>,
        value: impl Serde<V>,
    ) -> Stream<K, V> {
        let form =
            Decoded { key: Arc::new(key), value: Arc::new(value), logged: false, extractor: None };
        self.source(topic.into(), TopicKind::Input, form)
    }

    /// Reads a topic; `extract` gives each record its time.
    pub fn stream_timed<K: 'static, V: 'static>(
        &self,
        topic: &str,
        key: impl Serde<K>,
        value: impl Serde<V>,
        extract: impl Fn(&K, &V, RawRecord<'_>) -> Timestamp + Send + Sync + 'static,
    ) -> Stream<K, V> {
        let extractor: Extractor<K, V> = Arc::new(extract);
        let (key, value) = (Arc::new(key), Arc::new(value));
        let form = Decoded { key, value, logged: false, extractor: Some(extractor) };
        self.source(topic.into(), TopicKind::Input, form)
    }

    /// Declares a topic of one's own: streams go [`into`](Stream::into_internal) it and come [`from`](Self::from)
    /// it. It bears exactly this name, carries version and time in its values, and is purged behind the
    /// committed offset.
    pub fn internal<K: 'static, V: 'static>(
        &self,
        topic: &str,
        key: impl Serde<K>,
        value: impl Serde<V>,
    ) -> Internal<K, V> {
        let topic: Topic = topic.into();
        let mut plan = self.plan.borrow_mut();
        plan.topic(&topic, TopicKind::Internal);
        plan.versions.insert(topic.clone(), value.version());
        Internal { topic, key: Arc::new(key), value: Arc::new(value) }
    }

    /// Reads an internal topic.
    pub fn from<K: 'static, V: 'static>(&self, internal: &Internal<K, V>) -> Stream<K, V> {
        let form = Decoded {
            key: internal.key.clone(),
            value: internal.value.clone(),
            logged: true,
            extractor: None,
        };
        self.source(internal.topic.clone(), TopicKind::Internal, form)
    }

    fn source<K: 'static, V: 'static>(
        &self,
        topic: Topic,
        kind: TopicKind,
        form: Decoded<K, V>,
    ) -> Stream<K, V> {
        let edge = Edge::new();
        let make = source(form, edge.clone());
        let mut plan = self.plan.borrow_mut();
        plan.topic(&topic, kind);
        let node = NodeKind::Source { topic: topic.clone(), make };
        let id = plan.node(&topic, node, Vec::new(), Vec::new());
        Stream::new(self.clone(), id, edge)
    }

    /// Declares a key-value store, kept in the changelog of its sub-topology.
    pub fn store<K: 'static, V: 'static>(
        &self,
        name: &str,
        key: impl Serde<K>,
        value: impl Serde<V>,
    ) -> Store<K, V> {
        self.store_of(name, Arc::new(key), Arc::new(value))
    }

    pub(super) fn store_of<K: 'static, V: 'static>(
        &self,
        name: &str,
        key: Arc<dyn Serde<K>>,
        value: Arc<dyn Serde<V>>,
    ) -> Store<K, V> {
        let version = value.version();
        let form = Arc::new(RowForm { keys: key.clone(), values: value.clone() });
        let make = move |column, reader, budget: &_| {
            let (key, value) = (key.clone(), value.clone());
            Ok(Box::new(KeyValue::new(column, reader, key, value, budget)) as Box<dyn StateStore>)
        };
        let kind = HandleKind::Store(Arc::new(make), form);
        Handle::at(self.plan.borrow_mut().handle(name, kind, version))
    }

    /// Declares timers: one deadline a key, logged, due by wall time.
    pub fn timers<K: 'static>(&self, name: &str, key: impl Serde<K>) -> Timers<K> {
        let key: Arc<dyn Serde<K>> = Arc::new(key);
        let form = Arc::new(TimerForm { keys: key.clone() });
        let make = move |column, reader: Arc<dyn StateReader>, budget: &_| {
            Ok(Box::new(TimerQueue::open(column, &*reader, key.clone(), budget)?)
                as Box<dyn StateStore>)
        };
        let kind = HandleKind::Timers(Arc::new(make), form);
        Handle::at(self.plan.borrow_mut().handle(name, kind, TimerQueue::<K>::VERSION))
    }

    /// Tells that these bytes of a key are the key of the records that change its row, so that whoever asks for a row by
    /// name knows its partition. What is not placed is looked for in all partitions.
    pub fn placed<T>(&self, handle: Handle<T>, bytes: Range<usize>) -> Handle<T> {
        if let Some(plan) = self.plan.borrow_mut().handles.get_mut(usize::from(handle.index())) {
            plan.placed_by = Some(bytes);
        }
        handle
    }

    /// Reads a compacted topic whole, in every process; processors see it and hear of its changes.
    pub fn broadcast<K, V>(
        &self,
        topic: &str,
        key: impl Serde<K>,
        value: impl Serde<V>,
    ) -> Broadcast<K, V>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        self.broadcast_indexed::<K, V, ()>(topic, key, value)
    }

    /// The same, with an index that the process keeps beside the rows.
    pub fn broadcast_indexed<K, V, I>(
        &self,
        topic: &str,
        key: impl Serde<K>,
        value: impl Serde<V>,
    ) -> Broadcast<K, V, I>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
        I: Index<K, V>,
    {
        let key: Arc<dyn Serde<K>> = Arc::new(key);
        let value: Arc<dyn Serde<V>> = Arc::new(value);
        let version = value.version();
        let make = move || {
            Arc::new(SharedView::<K, V, I>::new(key.clone(), value.clone()))
                as Arc<dyn BroadcastStore>
        };
        let kind = HandleKind::Broadcast { topic: topic.into(), make: Arc::new(make) };
        Handle::at(self.plan.borrow_mut().handle(topic, kind, version))
    }

    /// Checks the whole and cuts it into sub-topologies; a fault tells every fault there is, a line each.
    pub fn build(self) -> Result<Topology, InvalidTopology> {
        let plan = std::mem::take(&mut *self.plan.borrow_mut());
        let mut faults = plan.faults.clone();
        let subs = partition::cut(&plan, &mut faults);
        let topology = Topology(Arc::new(Built { app: self.app, subs, plan }));
        partition::check_app(&topology, &mut faults);
        if !faults.is_empty() {
            return Err(InvalidTopology(faults));
        }
        Ok(topology)
    }
}
