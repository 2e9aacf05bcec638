//! A stream and its verbs. Every stateful operator is named, because its state is found by that name.

use std::sync::{Arc, Mutex};

use super::builder::{Builder, Internal, Use};
use super::plan::{HandleKind, NodeKind, TopicKind};
use crate::error::Result;
use crate::processor::{
    Edge, Emit, Encoded, Next, Out, Processor, Uses, Wiring, aggregate, flat_map, process, sink,
};
use crate::record::{Rec, Topic};
use crate::serde::{I64, Serde};

/// Records of one type, on their way.
pub struct Stream<K, V> {
    builder: Builder,
    node: Vec<u16>,
    edge: Vec<Edge<K, V>>,
    emit: Option<Arc<Mutex<Emit>>>,
}

impl<K: 'static, V: 'static> Stream<K, V> {
    pub(super) fn new(builder: Builder, node: u16, edge: Edge<K, V>) -> Self {
        Self { builder, node: vec![node], edge: vec![edge], emit: None }
    }

    fn next<A: 'static, B: 'static>(&self, node: u16, edge: Edge<A, B>) -> Stream<A, B> {
        Stream::new(self.builder.clone(), node, edge)
    }

    fn node(&self, name: &str, kind: NodeKind, uses: Vec<u16>) -> u16 {
        self.builder.plan.borrow_mut().node(name, kind, self.node.clone(), uses)
    }

    /// Hangs what `make` makes on every edge that leads here.
    fn attach(&self, make: impl Fn(&mut Wiring) -> Box<dyn Next<K, V>> + Send + Sync + 'static) {
        let make = Arc::new(make);
        for edge in &self.edge {
            let make = make.clone();
            edge.attach(move |wiring| make(wiring));
        }
    }

    /// Any number of records for one.
    pub fn flat_map<A: 'static, B: 'static>(
        &self,
        name: &str,
        map: impl for<'r, 'o> Fn(Rec<'r, K, V>, &'o mut Out<'o, A, B>) -> Result<()>
        + Send
        + Sync
        + 'static,
    ) -> Stream<A, B> {
        let out = Edge::new();
        let id = self.node(name, NodeKind::Verb("flat_map"), Vec::new());
        self.attach(flat_map(out.clone(), map));
        self.next(id, out)
    }

    /// The records for which `keep` holds.
    pub fn filter(
        &self,
        name: &str,
        keep: impl Fn(Rec<'_, K, V>) -> bool + Send + Sync + 'static,
    ) -> Stream<K, V> {
        self.flat_map(
            name,
            move |record, out| {
                if keep(record) { out.emit(record.key, record.value) } else { Ok(()) }
            },
        )
    }

    /// The records of both.
    pub fn merge(&self, other: &Self) -> Self {
        let node = self.node.iter().chain(&other.node).copied().collect();
        let edge = self.edge.iter().chain(&other.edge).cloned().collect();
        Self { builder: self.builder.clone(), node, edge, emit: None }
    }

    /// A processor of one's own; `uses` names the stores, timers and broadcasts it asks for.
    pub fn process<P: Processor<KeyIn = K, ValueIn = V>>(
        &self,
        name: &str,
        uses: &[Use],
        new: impl Fn() -> P + Send + Sync + 'static,
    ) -> Stream<P::KeyOut, P::ValueOut>
    where
        P::KeyOut: 'static,
        P::ValueOut: 'static,
    {
        let out = Edge::new();
        let uses: Vec<_> = uses.iter().map(|used| used.0).collect();
        let id = self.node(name, NodeKind::Verb("process"), uses.clone());
        self.attach(process(id, self.sorted(&uses), new, out.clone()));
        self.next(id, out)
    }

    fn sorted(&self, uses: &[u16]) -> Uses {
        let plan = self.builder.plan.borrow();
        let mut sorted = Uses::default();
        for index in uses {
            match plan.handles.get(*index as usize).map(|handle| &handle.kind) {
                Some(HandleKind::Timers(..)) => sorted.timers.push(*index),
                Some(HandleKind::Broadcast { .. }) => sorted.broadcasts.push(*index),
                Some(HandleKind::Store(..)) | None => {}
            }
        }
        sorted
    }

    /// One value per key, changed by `fold` for each record, kept in the store `name`.
    pub fn aggregate<A: Default + 'static>(
        &self,
        name: &str,
        key: impl Serde<K>,
        value: impl Serde<A>,
        fold: impl Fn(Rec<'_, K, V>, &mut A) -> Result<()> + Send + Sync + 'static,
    ) -> Stream<K, A> {
        let store = self.builder.store_of(name, Arc::new(key), Arc::new(value));
        let out = Edge::new();
        let emit = Arc::new(Mutex::new(Emit::default()));
        let id = self.node(name, NodeKind::Verb("aggregate"), vec![Use::from(store).0]);
        self.attach(aggregate(id, store, fold, emit.clone(), out.clone()));
        Stream { emit: Some(emit), ..self.next(id, out) }
    }

    /// How many records each key has had.
    pub fn count(&self, name: &str, key: impl Serde<K>) -> Stream<K, i64> {
        self.aggregate(name, key, I64, |_, count: &mut i64| {
            *count += 1;
            Ok(())
        })
    }

    /// When the stateful operator just made forwards; [`Emit::OnCommit`] unless told otherwise.
    pub fn emit(self, emit: Emit) -> Self {
        match &self.emit {
            Some(choice) => *choice.lock().unwrap_or_else(|e| e.into_inner()) = emit,
            None => {
                let fault = "`emit` follows a stateful operator".into();
                self.builder.plan.borrow_mut().faults.push(fault);
            }
        }
        self
    }

    /// Sends records through the topic `<app>-<name>-repartition`, so that each key is in one task.
    pub fn repartition(&self, name: &str, key: impl Serde<K>, value: impl Serde<V>) -> Self {
        let topic = format!("{}-{name}-repartition", self.builder.app);
        let internal = self.builder.internal(&topic, key, value);
        self.into_internal(&internal);
        self.builder.from(&internal)
    }

    /// Writes to an internal topic.
    pub fn into_internal(&self, internal: &Internal<K, V>) {
        let (key, value) = (internal.key.clone(), internal.value.clone());
        let form = Encoded { key, value, headers: None };
        self.sink(internal.topic.clone(), TopicKind::Internal, form);
    }

    /// Writes to a topic.
    pub fn to(&self, topic: &str, key: impl Serde<K>, value: impl Serde<V>) {
        let form = Encoded { key: Arc::new(key), value: Arc::new(value), headers: None };
        self.sink(topic.into(), TopicKind::Output, form);
    }

    /// Writes to a topic; `headers` appends those of each record, each with
    /// [`encode_header`](crate::encode_header).
    pub fn to_with_headers(
        &self,
        topic: &str,
        key: impl Serde<K>,
        value: impl Serde<V>,
        headers: impl Fn(Rec<'_, K, V>, &mut Vec<u8>) + Send + Sync + 'static,
    ) {
        let headers = Some(Arc::new(headers) as Arc<_>);
        let form = Encoded { key: Arc::new(key), value: Arc::new(value), headers };
        self.sink(topic.into(), TopicKind::Output, form);
    }

    fn sink(&self, topic: Topic, kind: TopicKind, form: Encoded<K, V>) {
        self.builder.plan.borrow_mut().topic(&topic, kind);
        self.node(&topic, NodeKind::Sink { topic: topic.clone() }, Vec::new());
        self.attach(sink(topic, form));
    }
}
