//! Sources: the queue of fetched records, and the nodes that decode their heads.
//!
//! The queue holds, per source partition, batches in the order they were fetched. The next record is the
//! head with the smallest timestamp (ties by topic and partition); nobody waits for an empty source. A
//! record that cannot be decoded has had no effect yet, so it is dead-lettered without an abort; one that cannot be decoded
//! yet stays where it is, and its partition is passed over for a while.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::wiring::Wiring;
use super::{Core, Edge, Next};
use crate::batch::Batch;
use crate::dead_letter::Reason;
use crate::error::{Fault, Result};
use crate::record::{RawRecord, Rec, Timestamp, TopicPartition};
use crate::serde::Serde;
use crate::store::Envelope;
use crate::trace::TraceContext;

/// How far ahead of the wall time a record's time may lie.
const FUTURE_MAX: Duration = Duration::from_secs(3600);
/// How long a partition is passed over whose next record cannot be decoded yet.
const PASSED_OVER_FOR: Duration = Duration::from_millis(250);
/// How often it is told that one is.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Gives a decoded record its time; `None` keeps the one Kafka has.
pub(crate) type Extractor<K, V> = Arc<dyn Fn(&K, &V, RawRecord<'_>) -> Timestamp + Send + Sync>;

/// The fetched records of one task, by source partition in the order of topic and partition.
#[derive(Debug)]
pub(crate) struct RecordQueues {
    lanes: Vec<PartitionQueue>,
    chosen: usize,
    bytes: usize,
}

#[derive(Debug)]
struct PartitionQueue {
    source: TopicPartition,
    batches: VecDeque<Batch>,
    next: usize,
    passed_over: Option<PassedOver>,
}

/// A partition is passed over, as its next record cannot be decoded yet.
#[derive(Clone, Copy, Debug)]
struct PassedOver {
    until: Timestamp,
    told: Timestamp,
}

impl PartitionQueue {
    fn head_time(&self, now: Timestamp) -> Option<Timestamp> {
        if self.passed_over.is_some_and(|passed| passed.until > now) {
            return None;
        }
        self.batches.front()?.timestamp(self.next)
    }
}

impl RecordQueues {
    pub(crate) fn of(mut sources: Vec<TopicPartition>) -> Self {
        sources.sort();
        let lane = |source| PartitionQueue {
            source,
            batches: VecDeque::new(),
            next: 0,
            passed_over: None,
        };
        let lanes = sources.into_iter().map(lane).collect();
        Self { lanes, chosen: 0, bytes: 0 }
    }

    /// Takes a batch in; one that is of none of the sources comes back.
    pub(crate) fn add(&mut self, batch: Batch) -> Option<Batch> {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.source == *batch.source()) else {
            return Some(batch);
        };
        if !batch.is_empty() {
            self.bytes += batch.bytes();
            lane.batches.push_back(batch);
        }
        None
    }

    /// Passes the chosen record's partition over for a while from `now` on; whether that should be told.
    pub(crate) fn pass_over(&mut self, now: Timestamp) -> bool {
        let Some(lane) = self.lanes.get_mut(self.chosen) else { return false };
        let told = lane
            .passed_over
            .map(|passed| passed.told)
            .filter(|told| !now.has_passed(*told, TOLD_EVERY));
        lane.passed_over =
            Some(PassedOver { until: now.plus(PASSED_OVER_FOR), told: told.unwrap_or(now) });
        told.is_none()
    }

    /// How many partitions wait until their next record can be decoded.
    pub(crate) fn passed_over(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.passed_over.is_some()).count()
    }

    /// Chooses the next record: which lane it is in, by the lane's number.
    pub(crate) fn choose(&mut self, now: Timestamp) -> Option<usize> {
        if let [only] = &self.lanes[..] {
            self.chosen = 0;
            return only.head_time(now).map(|_| 0);
        }
        let heads = self.lanes.iter().enumerate();
        let heads = heads.filter_map(|(number, lane)| lane.head_time(now).map(|at| (at, number)));
        self.chosen = heads.min()?.1;
        Some(self.chosen)
    }

    /// The chosen record and its partition.
    pub(crate) fn current(&self) -> Option<(&TopicPartition, RawRecord<'_>)> {
        let lane = self.lanes.get(self.chosen)?;
        Some((&lane.source, lane.batches.front()?.get(lane.next)?))
    }

    /// Goes past the chosen record.
    pub(crate) fn advance(&mut self) {
        let Some(lane) = self.lanes.get_mut(self.chosen) else { return };
        (lane.next, lane.passed_over) = (lane.next + 1, None);
        if lane.batches.front().is_some_and(|batch| lane.next >= batch.len()) {
            let worked_off = lane.batches.pop_front().map_or(0, |batch| batch.bytes());
            self.bytes = self.bytes.saturating_sub(worked_off);
            lane.next = 0;
        }
    }

    /// Whether nothing of this lane waits.
    pub(crate) fn is_empty(&self, lane: usize) -> bool {
        self.lanes.get(lane).is_none_or(|lane| lane.batches.is_empty())
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets every record.
    pub(crate) fn clear(&mut self) {
        for lane in &mut self.lanes {
            lane.batches.clear();
            (lane.next, lane.passed_over) = (0, None);
        }
        self.bytes = 0;
    }
}

/// What became of the chosen record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Done,
    /// It cannot be decoded yet, in words; nothing has happened.
    NotYet(String),
}

/// A source node: works off the chosen record.
pub(crate) trait Source {
    fn process(&mut self, core: &mut Core) -> Result<Taken>;
}

/// How a source decodes, and what it takes.
pub(crate) struct Decoded<K, V> {
    pub key: Arc<dyn Serde<K>>,
    pub value: Arc<dyn Serde<V>>,
    /// Whether values carry version and time themselves (topics of our own).
    pub logged: bool,
    pub extractor: Option<Extractor<K, V>>,
}

impl<K, V> Clone for Decoded<K, V> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            value: self.value.clone(),
            logged: self.logged,
            extractor: self.extractor.clone(),
        }
    }
}

struct SourceNode<K, V> {
    form: Decoded<K, V>,
    key: Option<K>,
    value: Option<V>,
    record_bytes_max: usize,
    next: Box<dyn Next<K, V>>,
}

impl<K: 'static, V: 'static> SourceNode<K, V> {
    /// Fills the slots; answers the record's time.
    fn decode(&mut self, record: RawRecord<'_>, now: Timestamp) -> Result<Timestamp, Undecoded> {
        let size = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        if size > self.record_bytes_max {
            let max = self.record_bytes_max;
            let words = format!("record of {size} bytes, at most {max} are taken");
            return Err(Undecoded(Reason::TooLarge, Fault::Reject(words)));
        }
        match record.key {
            Some(key) => self.form.key.decode(key, self.form.key.version(), &mut self.key),
            None => self.form.key.decode_null(&mut self.key),
        }
        .map_err(|fault| within("key", fault))?;
        let (values, slot) = (&self.form.value, &mut self.value);
        let (decoded, at) = match (record.value, self.form.logged) {
            (Some(value), true) => {
                let held = Envelope::open(value)?;
                (values.decode(held.value, held.version, slot), held.at)
            }
            (Some(value), false) => {
                (values.decode(value, values.version(), slot), record.timestamp)
            }
            (None, _) => (values.decode_null(slot), record.timestamp),
        };
        decoded.map_err(|fault| within("value", fault))?;
        let at = match (&self.form.extractor, &self.key, &self.value) {
            (Some(extract), Some(key), Some(value)) => extract(key, value, record),
            (None, _, _) | (Some(_), _, None) | (Some(_), None, Some(_)) => at,
        };
        if at > now.plus(FUTURE_MAX) {
            let ahead = at.since(now).as_secs();
            let words = format!("its time lies {ahead} s ahead of the clock");
            return Err(Undecoded(Reason::Timestamp, Fault::Reject(words)));
        }
        Ok(at)
    }
}

impl<K, V> SourceNode<K, V> {
    /// The place in a trace that a record bears.
    fn trace_of(&self, record: RawRecord<'_>) -> Option<TraceContext> {
        match self.form.logged {
            true => TraceContext::of(Envelope::open(record.value?).ok()?.headers),
            false => TraceContext::of(record.headers),
        }
    }
}

impl<K: 'static, V: 'static> Source for SourceNode<K, V> {
    fn process(&mut self, core: &mut Core) -> Result<Taken> {
        let now = core.wall_time();
        let Some((source, record)) = core.queue.current() else { return Ok(Taken::Done) };
        let parent = core.tracer.is_some().then(|| self.trace_of(record)).flatten();
        let traced = parent.map(|parent| (parent, source.topic.clone()));
        let at = match self.decode(record, now) {
            Ok(at) => at,
            Err(Undecoded(reason, Fault::Reject(why))) => {
                return core.dead_letter(reason, &why).map(|()| Taken::Done);
            }
            Err(Undecoded(_, Fault::Retry(why))) => return Ok(Taken::NotYet(why)),
            Err(Undecoded(_, fault @ Fault::Fatal(_))) => return Err(fault),
        };
        core.advance_stream_time(at);
        let (Some(key), Some(value)) = (&self.key, &self.value) else { return Ok(Taken::Done) };
        let step = traced.and_then(|(parent, topic)| core.begin_step(parent, &topic));
        self.next.push(Rec { key, value, at }, core)?;
        core.end_step(step);
        Ok(Taken::Done)
    }
}

/// Why a record was not decoded; the reason is that of its letter, if it becomes one.
struct Undecoded(Reason, Fault);

impl From<Fault> for Undecoded {
    fn from(fault: Fault) -> Self {
        Self(Reason::Decode, fault)
    }
}

fn within(what: &str, fault: Fault) -> Fault {
    match fault {
        Fault::Reject(why) => Fault::Reject(format!("decode {what}: {why}")),
        Fault::Retry(_) | Fault::Fatal(_) => fault,
    }
}

/// Makes a source node for one task; the number is the most bytes a record may have.
pub(crate) type MakeSource = Arc<dyn Fn(&mut Wiring, usize) -> Box<dyn Source> + Send + Sync>;

/// A factory of the node.
pub(crate) fn source<K: 'static, V: 'static>(form: Decoded<K, V>, out: Edge<K, V>) -> MakeSource {
    Arc::new(move |wiring, record_bytes_max| {
        let (form, next) = (form.clone(), out.wire(wiring));
        Box::new(SourceNode { form, key: None, value: None, record_bytes_max, next })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Headers, Offset};

    fn batch(topic: &str, times: &[i64]) -> Batch {
        let mut batch = Batch::new(TopicPartition::new(topic, 0));
        for (offset, at) in (0..).zip(times) {
            batch.push(RawRecord {
                offset: Offset(offset),
                timestamp: Timestamp(*at),
                key: None,
                value: None,
                headers: Headers::default(),
            });
        }
        batch
    }

    #[test]
    fn the_earliest_head_goes_first_and_ties_go_by_topic() {
        let mut queue =
            RecordQueues::of(vec![TopicPartition::new("b", 0), TopicPartition::new("a", 0)]);
        assert!(queue.add(batch("b", &[1, 3])).is_none());
        assert!(queue.add(batch("a", &[1, 2])).is_none());
        assert!(queue.add(batch("c", &[0])).is_some());
        let mut order = Vec::new();
        while queue.choose(Timestamp(0)).is_some() {
            let (source, record) = queue.current().unwrap();
            order.push(format!("{}{}", source.topic, record.timestamp.0));
            queue.advance();
        }
        assert_eq!(order, ["a1", "b1", "a2", "b3"]);
    }

    #[test]
    fn a_lane_is_empty_when_its_last_record_is_worked_off_whatever_waits_in_others() {
        let sources = ["a", "b"].map(|topic| TopicPartition::new(topic, 0));
        let mut queue = RecordQueues::of(sources.into());
        assert!(queue.add(batch("a", &[1, 2])).is_none());
        assert!(queue.add(batch("b", &[3])).is_none());
        let mut empty = vec![[queue.is_empty(0), queue.is_empty(1)]];
        while queue.choose(Timestamp(0)).is_some() {
            queue.advance();
            empty.push([queue.is_empty(0), queue.is_empty(1)]);
        }
        assert_eq!(empty, [[false, false], [false, false], [true, false], [true, true]]);
        assert_eq!(queue.bytes(), 0);
    }
}
