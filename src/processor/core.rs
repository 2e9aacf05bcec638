//! What a task owns beside its nodes: stores, views, the queue, the outgoing arena, the clocks.
//!
//! Every node gets it by `&mut`, so nothing in it is shared and nothing is locked. A [`Handle`] is an index
//! into it with the type behind: one bounds check and one type compare at run time.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use super::source::RecordQueues;
use crate::dead_letter::{DeadLetter, Reason, Sent};
use crate::error::{Fault, Result};
use crate::metrics::Family;
use crate::outgoing::{OutRecord, Outgoing, TopicIndex};
use crate::partitioner::partition_of;
use crate::record::{Headers, RawRecord, TaskId, Timestamp};
use crate::store::{BroadcastSnapshot, KeyValue, Snapshot, StateStore, TimerQueue, View};
use crate::trace::{Step, TraceContext, Tracer};

/// A typed index into what the builder made: copy it into processors.
pub struct Handle<T>(u16, PhantomData<fn() -> T>);

impl<T> Handle<T> {
    pub(crate) fn at(index: u16) -> Self {
        Self(index, PhantomData)
    }

    pub(crate) fn index(self) -> u16 {
        self.0
    }
}

impl<T> Copy for Handle<T> {}
impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

/// A key-value store.
pub type Store<K, V> = Handle<KeyValue<K, V>>;
/// Timers by key.
pub type Timers<K> = Handle<TimerQueue<K>>;
/// A broadcast topic, with an index `I` that the process keeps beside it.
pub type Broadcast<K, V, I = ()> = Handle<View<K, V, I>>;

/// A topic a task sends to.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub topic: TopicIndex,
    pub partitions: i32,
    /// Whether it is one of our own topics, whose values carry version, time and headers.
    pub logged: bool,
}

/// What a broker adds to a record.
const ENVELOPE_BYTES: usize = 512;

/// See the module.
pub struct Core {
    task: TaskId,
    pub(crate) stores: Vec<Option<Box<dyn StateStore>>>,
    pub(crate) views: Vec<Option<Rc<dyn BroadcastSnapshot>>>,
    pub(crate) queue: RecordQueues,
    pub(crate) out: Outgoing,
    dead_letters: Destination,
    /// The largest record that is sent.
    pub(crate) bytes_max: usize,
    stream_time: Timestamp,
    wall_time: Timestamp,
    round_robin: u32,
    in_hand: bool,
    /// Whether the process lags.
    pub(crate) lagging: bool,
    pub(crate) dead_lettered: Sent,
    /// What processors counted.
    pub(crate) counted: Vec<(Family, u64)>,
    /// Who is told of the steps of traced records.
    pub(crate) tracer: Option<Arc<dyn Tracer>>,
    /// The step that goes on, if what is in hand is traced.
    pub(crate) trace: Option<TraceContext>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Core {
    pub(crate) fn new(
        task: TaskId,
        stores: usize,
        queue: RecordQueues,
        dead_letters: Destination,
    ) -> Self {
        Self {
            task,
            stores: (0..stores).map(|_| None).collect(),
            views: (0..stores).map(|_| None).collect(),
            queue,
            out: Outgoing::default(),
            dead_letters,
            bytes_max: usize::MAX,
            stream_time: Timestamp::MIN,
            wall_time: Timestamp::MIN,
            round_robin: 0,
            in_hand: false,
            lagging: true,
            dead_lettered: Sent::default(),
            counted: Vec::new(),
            tracer: None,
            trace: None,
            key: Vec::new(),
            value: Vec::new(),
        }
    }

    /// The store behind `handle`.
    pub(crate) fn slot<T: 'static>(&mut self, handle: Handle<T>) -> Result<&mut T> {
        self.stores
            .get_mut(handle.0 as usize)
            .and_then(Option::as_mut)
            .and_then(|store| store.as_any().downcast_mut())
            .ok_or_else(|| unattached::<T>("store"))
    }

    /// Lends a store out while what it holds is pushed downstream. It is back when `call` has ended, by a
    /// panic too.
    pub(crate) fn lend<R>(
        &mut self,
        index: u16,
        call: impl FnOnce(&mut dyn StateStore, &mut Self) -> Result<R>,
    ) -> Result<R> {
        let store = self.stores.get_mut(index as usize).and_then(Option::take);
        let mut lent = Lent { core: self, index, store };
        match &mut lent.store {
            Some(store) => call(&mut **store, lent.core),
            None => Err(Fault::Fatal("a store is used by two operators at once".into())),
        }
    }

    pub(crate) fn put_back(&mut self, index: u16, store: Box<dyn StateStore>) {
        if let Some(slot) = self.stores.get_mut(index as usize) {
            *slot = Some(store);
        }
    }

    pub(crate) fn view<K: 'static, V: 'static, I: 'static>(
        &self,
        handle: Broadcast<K, V, I>,
    ) -> Result<Rc<Snapshot<K, V, I>>> {
        self.views
            .get(handle.0 as usize)
            .and_then(Option::as_ref)
            .and_then(|view| view.clone().into_any().downcast().ok())
            .ok_or_else(|| unattached::<View<K, V, I>>("broadcast"))
    }

    /// Refuses what no broker would take: sent, it would be refused for ever.
    pub(crate) fn check_size(&self, bytes: usize) -> Result<()> {
        let max = self.bytes_max.saturating_sub(ENVELOPE_BYTES);
        match bytes > max {
            true => Err(Fault::Reject(format!(
                "makes a record of {bytes} bytes, at most {max} are sent"
            ))),
            false => Ok(()),
        }
    }

    /// Appends a record to what the task sends; `write` fills the key and the value, and says which is null.
    pub(crate) fn send(
        &mut self,
        to: &Destination,
        (at, headers): (Timestamp, Headers<'_>),
        write: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>) -> Nulls,
    ) -> Result<()> {
        self.key.clear();
        self.value.clear();
        let nulls = write(&mut self.key, &mut self.value);
        self.check_size(self.key.len() + self.value.len() + headers.bytes().len())?;
        let key = (!nulls.key).then_some(self.key.as_slice());
        let partition = match key {
            Some(key) => partition_of(key, to.partitions),
            None => {
                self.round_robin = self.round_robin.wrapping_add(1);
                (self.round_robin % to.partitions.max(1).cast_unsigned()).cast_signed()
            }
        };
        self.out.push(OutRecord {
            topic: to.topic,
            partition,
            logged: to.logged,
            timestamp: at,
            key,
            value: (!nulls.value).then_some(self.value.as_slice()),
            headers,
        });
        Ok(())
    }

    /// Whether a record is in hand, and not a timer or a change.
    pub(crate) fn has_record(&self) -> bool {
        self.in_hand
    }

    /// Begins the step of what comes into hand, if that is traced: what is sent from now on bears it.
    pub(crate) fn begin_step(
        &mut self,
        parent: TraceContext,
        cause: &str,
    ) -> Option<Box<dyn Step>> {
        let tracer = self.tracer.as_ref()?;
        let TaskId { sub_topology, partition } = &self.task;
        let of = [("partition", &*partition.to_string()), ("cause", cause)];
        let step = tracer.begin(sub_topology, parent, &of);
        self.trace = Some(step.context());
        Some(step)
    }

    /// Ends it.
    pub(crate) fn end_step(&mut self, step: Option<Box<dyn Step>>) {
        if step.is_some() {
            self.trace = None;
        }
    }

    /// Counts `n` more of these.
    pub(crate) fn count(&mut self, of: Family, n: u64) {
        match self.counted.iter_mut().find(|(other, _)| other.name == of.name) {
            Some((_, counted)) => *counted += n,
            None => self.counted.push((of, n)),
        }
    }

    /// Sends the record in hand to the dead letters, with where it came from and why.
    pub(crate) fn dead_letter(&mut self, reason: Reason, why: &str) -> Result<()> {
        let in_hand = self.in_hand.then(|| self.queue.current()).flatten();
        let Some((source, record)) = in_hand else {
            return Err(Fault::Fatal(format!("dead letter without a record in hand: {why}")));
        };
        let node = &*self.task.sub_topology;
        let letter = DeadLetter { source, record, node, reason, error: why };
        let to = (self.dead_letters.topic, self.dead_letters.partitions);
        letter.send(to, self.wall_time, &mut self.out);
        self.dead_lettered.note(&letter);
        Ok(())
    }

    /// The record in hand.
    pub(crate) fn origin(&self) -> Option<RawRecord<'_>> {
        self.in_hand.then(|| self.queue.current())?.map(|(_, record)| record)
    }

    pub(crate) fn hold(&mut self, in_hand: bool) {
        // A step that an error broke off is of what was in hand.
        self.trace = None;
        self.in_hand = in_hand;
    }

    pub(crate) fn task(&self) -> &TaskId {
        &self.task
    }

    pub(crate) fn stream_time(&self) -> Timestamp {
        self.stream_time
    }

    pub(crate) fn advance_stream_time(&mut self, at: Timestamp) {
        self.stream_time = self.stream_time.max(at);
    }

    pub(crate) fn set_stream_time(&mut self, at: Timestamp) {
        self.stream_time = at;
    }

    pub(crate) fn wall_time(&self) -> Timestamp {
        self.wall_time
    }

    pub(crate) fn set_wall_time(&mut self, now: Timestamp) {
        self.wall_time = now;
    }
}

/// A store that is out of its place; dropping this puts it back.
struct Lent<'a> {
    core: &'a mut Core,
    index: u16,
    store: Option<Box<dyn StateStore>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(store) = self.store.take() {
            self.core.put_back(self.index, store);
        }
    }
}

/// Which of key and value is Kafka's null.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Nulls {
    pub key: bool,
    pub value: bool,
}

fn unattached<T: 'static>(what: &str) -> Fault {
    let name = std::any::type_name::<T>();
    Fault::Fatal(format!("{what} {name} is not attached to this sub-topology"))
}
