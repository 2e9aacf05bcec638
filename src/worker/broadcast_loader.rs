//! Loads every broadcast topic whole into the stores that the process shares, and follows them.
//!
//! Tasks start only when each partition has reached the end it had when the loader began, so that no task sees a
//! broadcast that is known to be incomplete. A removed key is kept as a tombstone for half a day at least, so that tasks
//! are called for it; then it is forgotten, and a task whose cursor lies behind that gets a `Resync`. What compaction had
//! removed from the log before this process read it is unknown here: a processor that must not miss it looks at every
//! key in `on_start`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::instance::Instance;
use super::retry::retry_unless_stopping;
use super::{Activity, Stop, log_and_go_on};
use crate::broker::{Batch, Consumer, Failure, Isolation};
use crate::error::Exit;
use crate::metrics::Counter;
use crate::record::{Offset, Timestamp, Topic, TopicPartition};
use crate::store::{BroadcastStore, Reservation};
use crate::task::LagClock;

/// How long a removed key is remembered at least; at most it is twice as long.
const REMEMBERED: Duration = Duration::from_secs(12 * 3600);

/// See the module.
pub(crate) struct BroadcastLoader {
    instance: Arc<Instance>,
    consumer: Box<dyn Consumer>,
    stores: BTreeMap<Topic, Arc<dyn BroadcastStore>>,
    /// Every partition of them.
    partitions: Vec<TopicPartition>,
    lag: LagClock,
    /// Partitions that have not reached the end they had at the start.
    missing: BTreeMap<TopicPartition, Offset>,
    /// Where the partitions ended when it forgot last, and when that was.
    ended: Vec<(TopicPartition, Offset)>,
    forgot: Instant,
    /// The stores' memory, which rows may not have.
    reservation: Reservation,
}

impl BroadcastLoader {
    pub(crate) fn new(instance: Arc<Instance>) -> Result<Self, Failure> {
        let context = &instance.context;
        let app = context.topology.app();
        let mut consumer = instance.broker.consumer(app, Isolation::ReadCommitted)?;
        let handles = &context.topology.built().plan.handles;
        let mut stores = BTreeMap::new();
        for (handle, store) in &context.broadcasts {
            if let Some(plan) = handles.get(*handle as usize) {
                stores.insert(plan.name.clone(), store.clone());
            }
        }
        let (mut from, mut missing) = (Vec::new(), BTreeMap::new());
        for topic in stores.keys() {
            for partition in 0..context.partitions.get(topic).copied().unwrap_or(0) {
                let at = TopicPartition::new(topic.clone(), partition);
                let is_stopping = || instance.is_stopping();
                let bounds = retry_unless_stopping(is_stopping, || consumer.bounds(&at))?;
                from.push((at.clone(), bounds.start));
                if bounds.start < bounds.end {
                    missing.insert(at, bounds.end);
                }
            }
        }
        consumer.assign(&from)?;
        if missing.is_empty() {
            instance.broadcasts_loaded();
        }
        let reservation = Reservation::of(&context.record_caches);
        let (ended, forgot, lag) = (Vec::new(), Instant::now(), LagClock::default());
        let partitions = from.into_iter().map(|(at, _)| at).collect();
        Ok(Self {
            instance,
            consumer,
            stores,
            partitions,
            lag,
            missing,
            ended,
            forgot,
            reservation,
        })
    }

    /// Applies what has arrived; waits at most `wait` for it. It is `now` before that.
    pub(crate) fn step(&mut self, now: Timestamp, wait: Duration) -> Result<Activity, Stop> {
        if self.stores.is_empty() {
            return Ok(Activity::Idle);
        }
        let polled = match self.consumer.poll(wait) {
            Ok(polled) => polled,
            Err(failure) => return log_and_go_on(failure, "broadcasts"),
        };
        if let Some(lost) = polled.out_of_range.first() {
            let words = format!("broadcast {lost} was cut while it was read");
            return Err(Stop::Exit(Exit::Mismatch, words));
        }
        for batch in &polled.batches {
            self.apply(batch);
        }
        if !polled.batches.is_empty() {
            self.reservation.tell(self.instance.broadcast_bytes());
        }
        for (at, end) in &polled.ends {
            self.reached(at, *end);
        }
        self.tell_lag(now);
        if self.forgot.elapsed() >= REMEMBERED {
            self.forget();
        }
        Ok(Activity::of(!polled.batches.is_empty()))
    }

    /// Tells the process up to when it knows everything.
    fn tell_lag(&mut self, now: Timestamp) {
        let Self { consumer, stores, partitions, lag, .. } = self;
        if lag.wants_ends(now)
            && let Some(ends) = partitions.iter().map(|at| consumer.end_seen(at)).collect()
        {
            lag.note(ends, now);
        }
        lag.read_up_to(partitions.iter().map(|at| end(stores, at)));
        if let Some(at) = lag.caught_up() {
            self.instance.set_broadcasts_known(at);
        }
    }

    /// Forgets the keys that were removed before the last time it forgot.
    pub(crate) fn forget(&mut self) {
        for (of, end) in std::mem::take(&mut self.ended) {
            if let Some(store) = self.stores.get(&of.topic) {
                store.forget(of.partition, end);
            }
        }
        self.ended = self.partitions.iter().map(|at| (at.clone(), end(&self.stores, at))).collect();
        self.forgot = Instant::now();
    }

    /// Whether every partition stands where its log ends, as far as a committed reader sees.
    #[cfg(feature = "testing")]
    pub(crate) fn is_caught_up(&mut self) -> Result<bool, Failure> {
        for at in &self.partitions {
            let bounds = self.consumer.bounds(at)?;
            if bounds.start < bounds.end && end(&self.stores, at) < bounds.end {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn apply(&mut self, batch: &Batch) {
        let source = batch.source();
        let Some(store) = self.stores.get(&source.topic) else { return };
        let end = batch.len().checked_sub(1).and_then(|last| batch.get(last));
        let Some(end) = end.map(|record| record.offset.next()) else { return };
        let rejected = store.apply(source.partition, &mut batch.iter(), end);
        for reject in &rejected {
            tracing::error!(at = %source, offset = %reject.offset, why = %reject.why, "broadcast record passed over");
        }
        self.instance.metrics.add(Counter::BroadcastRejects, rejected.len() as u64);
        let source = source.clone();
        self.progress(&source, end);
    }

    fn reached(&mut self, at: &TopicPartition, end: Offset) {
        if let Some(store) = self.stores.get(&at.topic) {
            store.apply(at.partition, &mut std::iter::empty(), end);
        }
        self.progress(at, end);
    }

    fn progress(&mut self, at: &TopicPartition, end: Offset) {
        if self.missing.get(at).is_some_and(|wanted| end >= *wanted) {
            self.missing.remove(at);
            if self.missing.is_empty() {
                self.instance.broadcasts_loaded();
            }
        }
    }
}

/// The offset after the last that was applied of a partition.
fn end(stores: &BTreeMap<Topic, Arc<dyn BroadcastStore>>, at: &TopicPartition) -> Offset {
    stores.get(&at.topic).map_or(Offset::default(), |store| store.end(at.partition))
}
