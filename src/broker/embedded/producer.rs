//! The producer. What is sent lies in the log at once, so `flush` has nothing to wait for.
//!
//! A handle follows librdkafka's states: an abortable failure leaves only `abort`, a fatal one leaves
//! nothing. Dropping it is a crash: its transaction stays open until the id is initialised again or the
//! time is up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::faults::Lost;
use super::groups::Groups;
use super::log::{Appended, Ending};
use super::topics::{LogId, Topics};
use super::transaction::{Epoch, Open};
use super::{Embedded, State, Wake};
use crate::broker::{
    Acknowledged, Call, Cleanup, Code, Failure, GroupMetadata, OutRecord, Outgoing, Producer,
    TopicIndex,
};
use crate::record::{Offset, Timestamp, Topic, TopicPartition};

/// What the broker takes of key, value and headers in one record (Kafka's default, `message.max.bytes`).
const RECORD_BYTES_MAX: usize = 1_048_588;
/// Kafka's INVALID_RECORD: a compacted topic takes no record without a key.
const INVALID_RECORD: Code = Code::Other(87);

pub(super) struct EmbeddedProducer {
    cluster: Embedded,
    id: Option<Arc<str>>,
    topics: Arc<[Topic]>,
    numbers: Vec<Option<usize>>,
    phase: Phase,
    acknowledged: BTreeMap<(TopicIndex, i32), Offset>,
}

#[derive(Clone, Debug)]
enum Phase {
    /// Without a transactional id.
    Plain,
    Opened,
    Ready(Epoch),
    /// Between begin and end; whether the coordinator knows of it.
    Open(Epoch, Known),
    /// Wants an abort.
    Failed(Epoch, Known),
    Dead(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    No,
    Yes,
}

impl EmbeddedProducer {
    pub fn new(cluster: Embedded, id: Option<&str>, topics: Arc<[Topic]>) -> Self {
        let phase = id.map_or(Phase::Plain, |_| Phase::Opened);
        let numbers = vec![None; topics.len()];
        let acknowledged = BTreeMap::new();
        Self { cluster, id: id.map(Into::into), topics, numbers, phase, acknowledged }
    }

    /// The transactional id and epoch for a call that needs an open transaction.
    fn open(&self, call: Call) -> Result<(Arc<str>, Epoch), Failure> {
        match (&self.id, &self.phase) {
            (Some(id), Phase::Open(epoch, _)) => Ok((id.clone(), *epoch)),
            (_, Phase::Dead(failure)) => Err(Failure { call, ..failure.clone() }),
            (_, Phase::Failed(..)) => Err(self.wrong(call).abortable()),
            (_, Phase::Plain | Phase::Opened | Phase::Ready(_)) | (None, Phase::Open(..)) => {
                Err(self.wrong(call))
            }
        }
    }

    fn wrong(&self, call: Call) -> Failure {
        let id = self.id.as_deref().unwrap_or("without a transactional id");
        Failure::new(call, Code::InvalidTransactionState, format!("{id}: {:?}", self.phase))
    }

    /// Moves on as the flags of the failure say.
    fn fail(&mut self, failure: Failure) -> Failure {
        match (&self.phase, failure.fatal, failure.abortable) {
            (_, true, _) => self.phase = Phase::Dead(failure.clone()),
            (Phase::Open(epoch, known), false, true) => {
                self.phase = Phase::Failed(*epoch, *known);
            }
            (_, false, _) => {}
        }
        failure
    }

    /// Makes a call that belongs to the open transaction.
    fn within<T>(
        &mut self,
        call: Call,
        act: impl FnOnce(&mut Self, &mut State, Timestamp) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let cluster = self.cluster.clone();
        let done = cluster.with(|state, now| {
            state.faults.refusal(call, self.id.as_deref().unwrap_or_default())?;
            act(self, state, now)
        });
        cluster.wake(Wake::Logs);
        done.map_err(|failure| self.fail(failure))
    }

    /// Where a record goes; a topic's number is looked up once.
    fn log(&mut self, topics: &Topics, record: &OutRecord<'_>) -> Result<LogId, Failure> {
        let index = usize::from(record.topic.0);
        let number = self.numbers.get(index).copied().flatten().or_else(|| {
            let number = topics.number(self.topics.get(index)?)?;
            *self.numbers.get_mut(index)? = Some(number);
            Some(number)
        });
        let id = number.map(|topic| LogId { topic, partition: record.partition });
        id.filter(|id| topics.log(*id).is_some()).ok_or_else(|| {
            let name = self.topics.get(index).map_or("a topic not in the table", |name| name);
            let words = format!("{name}-{}: no such partition", record.partition);
            Failure::new(Call::Send, Code::UnknownTopic, words).abortable()
        })
    }

    fn append(
        &mut self,
        record: &OutRecord<'_>,
        open: Option<&mut Open>,
        topics: &mut Topics,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let id = self.log(topics, record)?;
        check(topics, id, record)?;
        let local = open.and_then(|open| open.local(id, topics));
        let Some(log) = topics.log_mut(id) else { return Ok(()) };
        let OutRecord { key, value, headers, .. } = *record;
        let timestamp = if record.logged { now } else { record.timestamp };
        let offset = log.append(Appended { timestamp, key, value, headers }, local);
        if record.logged {
            self.acknowledged.insert((record.topic, record.partition), offset);
        }
        Ok(())
    }

    /// The open transaction at the coordinator, which opens it if it must.
    fn opened<'a>(
        &mut self,
        call: Call,
        state: &'a mut State,
        now: Timestamp,
    ) -> Result<(&'a mut Open, &'a mut Topics, &'a mut Groups), Failure> {
        let (id, epoch) = self.open(call)?;
        state.settle(&id);
        state.due_by(now.plus(state.transaction_timeout));
        let State { coordinator, topics, groups, .. } = state;
        let open = coordinator.opened(call, &id, epoch, now)?;
        self.phase = Phase::Open(epoch, Known::Yes);
        Ok((open, topics, groups))
    }

    fn acknowledged(&mut self) -> Acknowledged {
        let acknowledged = std::mem::take(&mut self.acknowledged);
        let named = acknowledged.into_iter().filter_map(|((topic, partition), offset)| {
            let topic = self.topics.get(usize::from(topic.0))?.clone();
            Some((TopicPartition { topic, partition }, offset))
        });
        named.collect()
    }

    fn end(
        &mut self,
        call: Call,
        known: Known,
        epoch: Epoch,
        ending: Ending,
    ) -> Result<(), Failure> {
        let Some(id) = self.id.clone() else { return Err(self.wrong(call)) };
        if known == Known::No {
            return Ok(());
        }
        self.within(call, |_, state, now| {
            let lost = if ending == Ending::Committed { state.faults.lost(&id) } else { None };
            if lost != Some(Lost::Request)
                && let Some(open) = state.coordinator.take(call, &id, epoch)?
            {
                state.end(&id, open, ending, now);
            }
            match lost {
                None => Ok(()),
                Some(_) => Err(Failure::new(call, Code::TimedOut, "no answer").fatal()),
            }
        })
    }
}

impl Producer for EmbeddedProducer {
    fn init(&mut self, _wait: Duration) -> Result<(), Failure> {
        let (Some(id), Phase::Opened) = (self.id.clone(), &self.phase) else {
            return Err(match &self.phase {
                Phase::Dead(failure) => Failure { call: Call::Init, ..failure.clone() },
                Phase::Plain
                | Phase::Opened
                | Phase::Ready(_)
                | Phase::Open(..)
                | Phase::Failed(..) => self.wrong(Call::Init),
            });
        };
        let epoch = self.within(Call::Init, |_, state, _| {
            state.settle(&id);
            let (epoch, open) = state.coordinator.init(&id);
            if let Some(open) = open {
                state.write_markers(&id, open, Ending::Aborted);
            }
            Ok(epoch)
        })?;
        self.phase = Phase::Ready(epoch);
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Failure> {
        let Phase::Ready(epoch) = self.phase else {
            return match self.open(Call::Begin) {
                Ok(_) => Err(self.wrong(Call::Begin)),
                Err(failure) => Err(failure),
            };
        };
        self.within(Call::Begin, |_, _, _| Ok(()))?;
        self.acknowledged.clear();
        self.phase = Phase::Open(epoch, Known::No);
        Ok(())
    }

    fn send(&mut self, records: &Outgoing) -> Result<(), Failure> {
        if !matches!(self.phase, Phase::Plain) {
            self.open(Call::Send)?;
        }
        if records.is_empty() {
            return Ok(());
        }
        self.within(Call::Send, |producer, state, now| {
            if matches!(producer.phase, Phase::Plain) {
                let mut each = records.iter();
                return each.try_for_each(|r| producer.append(&r, None, &mut state.topics, now));
            }
            let (open, topics, _) = producer.opened(Call::Send, state, now)?;
            records.iter().try_for_each(|r| producer.append(&r, Some(&mut *open), topics, now))
        })
    }

    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, Offset)],
        group: &GroupMetadata,
    ) -> Result<(), Failure> {
        let (id, _) = self.open(Call::SendOffsets)?;
        if let Some((of, offset)) = offsets.iter().find(|(_, offset)| offset.0 < 0) {
            let words = format!("{of}: {offset} is not a concrete position");
            return Err(Failure::new(Call::SendOffsets, Code::InvalidArgument, words));
        }
        if offsets.is_empty() {
            return Ok(());
        }
        self.within(Call::SendOffsets, |producer, state, now| {
            let (open, _, groups) = producer.opened(Call::SendOffsets, state, now)?;
            open.add_group(&group.group);
            let of = groups.of(&group.group);
            of.admit(Call::SendOffsets, group)?;
            of.offsets.pend(&id, offsets);
            Ok(())
        })
    }

    fn commit(&mut self) -> Result<Acknowledged, Failure> {
        let (_, epoch) = self.open(Call::Commit)?;
        let known = if let Phase::Open(_, known) = self.phase { known } else { Known::No };
        self.end(Call::Commit, known, epoch, Ending::Committed)?;
        self.phase = Phase::Ready(epoch);
        Ok(self.acknowledged())
    }

    fn abort(&mut self) -> Result<(), Failure> {
        let (epoch, known) = match self.phase {
            Phase::Open(epoch, known) | Phase::Failed(epoch, known) => (epoch, known),
            Phase::Plain | Phase::Opened | Phase::Ready(_) | Phase::Dead(_) => {
                return self.open(Call::Abort).map(|_| ());
            }
        };
        self.end(Call::Abort, known, epoch, Ending::Aborted)?;
        self.acknowledged.clear();
        self.phase = Phase::Ready(epoch);
        Ok(())
    }

    fn flush(&mut self, _wait: Duration) -> Result<Acknowledged, Failure> {
        match self.phase {
            Phase::Plain => {
                self.within(Call::Flush, |_, _, _| Ok(()))?;
                Ok(self.acknowledged())
            }
            Phase::Opened
            | Phase::Ready(_)
            | Phase::Open(..)
            | Phase::Failed(..)
            | Phase::Dead(_) => self.open(Call::Flush).map(|_| Acknowledged::new()),
        }
    }
}

/// Whether the broker takes the record.
fn check(topics: &Topics, id: LogId, record: &OutRecord<'_>) -> Result<(), Failure> {
    let refused = |code, words: String| Failure::new(Call::Send, code, words).abortable();
    let bytes = record.key.map_or(0, <[u8]>::len)
        + record.value.map_or(0, <[u8]>::len)
        + record.headers.bytes().len();
    if bytes > topics.record_bytes_max.unwrap_or(RECORD_BYTES_MAX) {
        return Err(refused(Code::MessageTooLarge, format!("{bytes} bytes")));
    }
    if record.key.is_none() && topics.cleanup(id.topic).is_some_and(Cleanup::is_compact) {
        return Err(refused(INVALID_RECORD, "a compacted topic wants keys".into()));
    }
    Ok(())
}
