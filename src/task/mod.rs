//! One task: a partition group of a sub-topology, its nodes, its state, its positions.
//!
//! Always so: everything a record did (state, outputs, timers, the position behind it) is committed together
//! or undone together. A task is worked by one thread and never sent; only its opened store moves, while it
//! restores. After an abort the nodes are made anew and the state is what was last committed.
//!
//! The order within a transaction: `run` (`run.rs`) works off broadcasts, timers and records; `stage` (`staging.rs`)
//! emits what waits for the commit and turns dirty state into changelog records; the worker commits; `applied` puts
//! the same changes down in the store in one batch. `rewind` undoes instead.

mod bisection;
mod commit;
pub(crate) mod genesis;
mod lag;
mod nodes;
mod phase;
mod progress;
mod restore;
mod run;
mod staging;
mod standing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bisection::Bisection;
pub(crate) use bisection::Blame;
pub(crate) use commit::{Limits, Open, Reason, drained_after, due};
pub use lag::Lag;
pub(crate) use lag::LagClock;
pub(crate) use nodes::Nodes;
use phase::{History, Phase};
pub(crate) use restore::{RestoreError, RestoreJob, Restored, Restorer};
pub(crate) use run::{TaskFailure, TimeSlice};

use crate::batch::Batch;
use crate::dead_letter::{self, Sent};
use crate::error::{Fault, Result};
use crate::metrics::Family;
use crate::outgoing::{OutRecord, Outgoing};
use crate::processor::{Core, Destination, RecordQueues};
use crate::record::{Headers, Offset, TaskId, Timestamp, Topic, TopicPartition};
use crate::serde::{Bytes, I64};
use crate::store::{
    BroadcastStore, CacheBudget, Checkpoint, Column, KeyValue, StateChanges, StateReader,
    TaskStore, WaitsFor,
};
use crate::topology::{HandleKind, SubTopology, Topology};
use crate::trace::Tracer;

/// Changelog bytes after which the store is brought to disk, however young they are.
const FLUSH_BYTES: usize = 16 << 20;

/// What every task of a process is made from.
pub(crate) struct AppContext {
    pub topology: Topology,
    /// Where every topic is that the application writes to.
    pub destinations: BTreeMap<Topic, Destination>,
    pub partitions: BTreeMap<Topic, i32>,
    pub broadcasts: BTreeMap<u16, Arc<dyn BroadcastStore>>,
    pub record_bytes_max: usize,
    pub sent_bytes_max: usize,
    /// Who is told of the steps of traced records.
    pub tracer: Option<Arc<dyn Tracer>>,
    pub record_caches: Arc<CacheBudget>,
    pub flush_interval: Duration,
}

/// See the module.
pub(crate) struct Task {
    context: Arc<AppContext>,
    sub: usize,
    core: Core,
    nodes: Nodes,
    progress: Option<KeyValue<Vec<u8>, i64>>,
    store: Option<Box<dyn TaskStore>>,
    checkpoint: Checkpoint,
    positions: Vec<Position>,
    cursors: BTreeMap<(u16, i32), Offset>,
    changes: StateChanges,
    /// Its changelog and how it is reached, if it has state.
    changelog: Option<(TopicPartition, Destination)>,
    /// The names of its columns.
    columns: Vec<Arc<str>>,
    /// The key of the changelog record in hand.
    logged_key: Vec<u8>,
    /// Records that are dead-lettered instead of processed, with the reason.
    skips: BTreeMap<(TopicPartition, Offset), (dead_letter::Reason, String)>,
    bisection: Bisection,
    phase: Phase,
    lag: LagClock,
    /// When it was told last where it stands.
    told: Option<Timestamp>,
    processed: u64,
    unflushed_bytes: usize,
    flushed_at: Timestamp,
    /// Since when it has committed nothing.
    idle_since: Timestamp,
}

/// How far a source partition is read.
#[derive(Clone, Debug)]
struct Position {
    source: TopicPartition,
    committed: Offset,
    next: Offset,
    /// The end that was reported last; behind `next` if there is more.
    ended: Offset,
}

/// Brings a store to disk.
type Flush = Box<dyn FnOnce() -> Result<()> + Send>;

/// What a task starts from.
pub(crate) struct TaskStart {
    pub store: Option<Box<dyn TaskStore>>,
    pub checkpoint: Checkpoint,
    pub positions: Vec<(TopicPartition, Offset)>,
    /// Nothing was ever committed: the first transaction commits the start positions.
    pub fresh: bool,
}

fn changelog(
    context: &AppContext,
    spec: &SubTopology,
    partition: i32,
) -> Result<Option<(TopicPartition, Destination)>> {
    let Some(topic) = context.topology.built().changelog_of(spec) else { return Ok(None) };
    match context.destinations.get(&topic) {
        Some(to) => Ok(Some((TopicPartition::new(topic, partition), to.clone()))),
        None => Err(Fault::Fatal(format!("changelog {topic} is not among the destinations"))),
    }
}

impl Task {
    /// A task that stands at the positions of `from`.
    pub(crate) fn new(context: Arc<AppContext>, id: TaskId, from: TaskStart) -> Result<Self> {
        let built = context.topology.built();
        let sub = built.subs.iter().position(|sub| sub.name == id.sub_topology);
        let unknown = || Fault::Fatal(format!("no task {id}"));
        let sub = sub.ok_or_else(unknown)?;
        let spec = built.subs.get(sub).ok_or_else(unknown)?;
        let dead_letters = context.topology.dead_letters();
        let dead_letters = context.destinations.get(&dead_letters).cloned();
        let dead_letters =
            dead_letters.ok_or_else(|| Fault::Fatal("no topic for dead letters".into()))?;
        let history = if from.fresh { History::None } else { History::Some };
        let mut from_positions = from.positions;
        from_positions.sort();
        let sources = from_positions.iter().map(|(source, _)| source.clone()).collect();
        let handles = built.plan.handles.len();
        let mut core = Core::new(id.clone(), handles, RecordQueues::of(sources), dead_letters);
        core.bytes_max = context.sent_bytes_max;
        core.tracer = context.tracer.clone();
        let position = |(source, next): (TopicPartition, Offset)| Position {
            source,
            committed: next,
            next,
            ended: next,
        };
        let mut task = Self {
            nodes: Nodes::wire(&context, spec, &id)?,
            context: context.clone(),
            sub,
            core,
            progress: None,
            store: None,
            checkpoint: from.checkpoint,
            positions: from_positions.into_iter().map(position).collect(),
            cursors: BTreeMap::new(),
            changes: StateChanges::default(),
            changelog: changelog(&context, spec, id.partition)?,
            columns: built.columns_of(spec),
            logged_key: Vec::new(),
            skips: BTreeMap::new(),
            bisection: Bisection::default(),
            phase: Phase::first(history),
            lag: LagClock::default(),
            told: None,
            processed: 0,
            unflushed_bytes: 0,
            flushed_at: Timestamp::MIN,
            idle_since: Timestamp::MIN,
        };
        if let Some(store) = from.store {
            task.open(spec, &store.reader())?;
            task.store = Some(store);
        }
        task.load_progress()?;
        if history == History::None {
            task.name_changelog();
        }
        Ok(task)
    }

    /// Opens the typed stores over the task's bytes.
    fn open(&mut self, spec: &SubTopology, reader: &Arc<dyn StateReader>) -> Result<()> {
        let caches = &self.context.record_caches;
        let plan = &self.context.topology.built().plan;
        for (column, handle) in (0..).zip(&spec.columns) {
            let make = match plan.handles.get(*handle as usize).map(|handle| &handle.kind) {
                Some(HandleKind::Store(make, _) | HandleKind::Timers(make, _)) => make,
                Some(HandleKind::Broadcast { .. }) | None => continue,
            };
            let state = make(Column(column), reader.clone(), caches)?;
            self.core.put_back(*handle, state);
        }
        let progress = Column(spec.columns.len() as u16);
        let (keys, values) = (Arc::new(Bytes), Arc::new(I64));
        self.progress = Some(KeyValue::new(progress, reader.clone(), keys, values, caches));
        Ok(())
    }

    /// Writes the first record of the changelog: an id by which the store knows its log again.
    fn name_changelog(&mut self) {
        let Some((log, to)) = self.changelog.as_ref().filter(|_| self.progress.is_some()) else {
            return;
        };
        let (id, key, value) = genesis::make();
        self.checkpoint.genesis = Some(id);
        self.core.out.push(OutRecord {
            topic: to.topic,
            partition: log.partition,
            logged: true,
            timestamp: Timestamp(0),
            key: Some(key),
            value: Some(&value),
            headers: Headers::default(),
        });
    }

    /// What was worked off could not be staged. Answers who is to blame.
    pub(crate) fn blame(&mut self) -> Blame {
        self.bisection.failed(self.positions.iter().map(|position| position.next))
    }

    /// Whether what it has worked off is to be committed now, because a record is sought that cannot be.
    pub(crate) fn is_bisecting(&self) -> bool {
        self.bisection.is_on() && self.phase.has_worked()
    }

    /// Dead-letters this record, for this reason, when it comes again.
    pub(crate) fn skip(
        &mut self,
        record: (TopicPartition, Offset),
        why: (dead_letter::Reason, String),
    ) {
        self.skips.insert(record, why);
    }

    /// Takes in a batch; one that is of none of its sources comes back.
    pub(crate) fn add(&mut self, batch: Batch) -> Option<Batch> {
        self.core.queue.add(batch)
    }

    /// The end of one of its sources was reached: all before it has been added.
    pub(crate) fn ended(&mut self, source: &TopicPartition, end: Offset) {
        if let Some(position) = self.positions.iter_mut().find(|at| at.source == *source) {
            position.ended = end;
        }
    }

    /// How far it is behind; `end_of` knows the ends of sources.
    pub(crate) fn lag(
        &mut self,
        now: Timestamp,
        end_of: impl FnMut(&TopicPartition) -> Option<Offset>,
    ) -> Lag {
        if self.lag.wants_ends(now) {
            let ends = self.positions.iter().map(|position| &position.source).map(end_of);
            if let Some(ends) = ends.collect() {
                self.lag.note(ends, now);
            }
        }
        let queue = &self.core.queue;
        self.lag.read_up_to(self.positions.iter().enumerate().map(|(lane, position)| {
            // Behind the last record there may be markers: they are told of by an end alone.
            if queue.is_empty(lane) { position.next.max(position.ended) } else { position.next }
        }));
        self.lag.lag(now)
    }

    /// Whether the process it runs in lags.
    pub(crate) fn set_lagging(&mut self, lagging: bool) {
        self.core.lagging = lagging;
    }

    /// Brings the caches of a task at rest to their shares, which others may have made smaller.
    pub(crate) fn trim_caches(&mut self) {
        if self.phase == Phase::Idle {
            self.core.stores.iter_mut().flatten().for_each(|store| store.settle());
            self.changes.clear();
        }
    }

    /// Bytes waiting to be worked off.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.core.queue.bytes()
    }

    /// Whether records wait.
    pub(crate) fn has_records(&mut self) -> bool {
        self.core.queue.choose(self.core.wall_time()).is_some()
    }

    /// Whether anything happened since the last commit.
    pub(crate) fn has_worked(&self) -> bool {
        self.phase.has_worked()
    }

    /// Since when committed changes wait for the disk, if they do.
    pub(crate) fn unapplied_since(&self) -> Option<Timestamp> {
        (self.phase == Phase::Unapplied).then_some(self.checkpoint.committed_at)
    }

    /// Whether its state was found damaged.
    pub(crate) fn is_damaged(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.is_damaged())
    }

    /// Bytes the open transaction holds here.
    pub(crate) fn open_bytes(&self) -> usize {
        let dirty: usize = self.core.stores.iter().flatten().map(|state| state.dirty_bytes()).sum();
        dirty + self.core.out.bytes()
    }

    /// What the task has sent since the last time the worker handed it to the producer.
    pub(crate) fn out(&mut self) -> &mut Outgoing {
        &mut self.core.out
    }

    /// How many of its inputs wait until their next record can be decoded.
    pub(crate) fn waiting(&self) -> usize {
        self.core.queue.passed_over()
    }

    /// The earliest deadline.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.core.stores.iter().flatten().filter_map(|state| state.waits_for().next).min()
    }

    /// Whether there is nothing that it would do at `now`, and nothing that it owes later.
    pub(crate) fn is_at_rest(&mut self, now: Timestamp) -> bool {
        let is_at_rest = |waits: WaitsFor| waits.owed == 0 && waits.next.is_none_or(|at| at > now);
        !self.has_worked()
            && self.unapplied_since().is_none()
            && !self.has_records()
            && self.waiting() == 0
            && !self.is_behind_broadcasts()
            && self.core.stores.iter().flatten().all(|state| is_at_rest(state.waits_for()))
    }

    /// Whether a broadcast has moved beyond a cursor.
    pub(crate) fn is_behind_broadcasts(&self) -> bool {
        self.cursors.iter().any(|((handle, partition), cursor)| {
            let heard =
                self.nodes.broadcast_listeners.iter().any(|(heard, _)| heard.contains(handle));
            heard
                && self
                    .context
                    .broadcasts
                    .get(handle)
                    .is_some_and(|shared| *cursor < shared.end(*partition))
        })
    }

    /// The next position of every source partition.
    pub(crate) fn offsets(&self) -> Vec<(TopicPartition, Offset)> {
        self.positions.iter().map(|position| (position.source.clone(), position.next)).collect()
    }

    /// Every source partition.
    pub(crate) fn sources(&self) -> Vec<TopicPartition> {
        self.positions.iter().map(|position| position.source.clone()).collect()
    }

    /// The committed position of every source partition.
    pub(crate) fn committed(&self) -> impl Iterator<Item = (TopicPartition, Offset)> + '_ {
        self.positions.iter().map(|position| (position.source.clone(), position.committed))
    }

    /// What processors counted since it was asked last or was rewound.
    pub(crate) fn take_counted(&mut self) -> Vec<(Family, u64)> {
        std::mem::take(&mut self.core.counted)
    }

    /// Records worked off, and records dead-lettered, since it was asked last or was rewound.
    pub(crate) fn take_counts(&mut self) -> (u64, Sent) {
        (std::mem::take(&mut self.processed), std::mem::take(&mut self.core.dead_lettered))
    }

    /// What brings its state to disk, if that is due: without it a small store would be restored from the
    /// log's beginning after every crash.
    pub(crate) fn flush_due(&mut self, now: Timestamp) -> Option<Flush> {
        if self.flushed_at == Timestamp::MIN {
            self.flushed_at = now;
        }
        let is_old = now.has_passed(self.flushed_at, self.context.flush_interval);
        let is_old = is_old && self.unflushed_bytes > 0;
        if self.unflushed_bytes < FLUSH_BYTES && !is_old {
            return None;
        }
        (self.unflushed_bytes, self.flushed_at) = (0, now);
        self.store.as_ref().map(|store| store.flusher())
    }

    /// Gives the store up, for closing.
    pub(crate) fn into_store(self) -> Option<Box<dyn TaskStore>> {
        self.store
    }
}
