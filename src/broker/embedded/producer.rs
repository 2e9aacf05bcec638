//! The producer. What is sent lies in the log at once, so `flush` has nothing to wait for.
//!
//! A handle follows librdkafka's states: an abortable failure leaves only `abort`, a fatal one leaves
//! nothing. Dropping it is a crash: its transaction stays open until the id is initialised again or the
//! time is up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::faults::Lost;
use super::log::{Appended, Ending};
use super::topics::LogId;
use super::transaction::{Epoch, end};
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

    fn log(&mut self, state: &State, record: &OutRecord<'_>) -> Result<LogId, Failure> {
        let unknown =
            |words: String| Failure::new(Call::Send, Code::UnknownTopic, words).abortable();
        let index = usize::from(record.topic.0);
        let number = self.numbers.get(index).copied().flatten().or_else(|| {
            let number = state.topics.number(self.topics.get(index)?)?;
            *self.numbers.get_mut(index)? = Some(number);
            Some(number)
        });
        let topic = number.ok_or_else(|| {
            unknown(self.topics.get(index).map_or_else(|| format!("{index}"), |of| of.to_string()))
        })?;
        let id = LogId { topic, partition: record.partition };
        match state.topics.log(id) {
            Some(_) => Ok(id),
            None => Err(unknown(format!("topic {index}, partition {}", record.partition))),
        }
    }

    fn append(
        &mut self,
        state: &mut State,
        now: Timestamp,
        record: &OutRecord<'_>,
        transaction: Option<(&Arc<str>, Epoch)>,
    ) -> Result<(), Failure> {
        let id = self.log(state, record)?;
        check(state, id, record)?;
        let local = match transaction {
            None => None,
            Some((name, epoch)) => {
                let open = state.coordinator.opened(Call::Send, name, epoch, now)?;
                open.local(id, &mut state.topics)
            }
        };
        let Some(log) = state.topics.log_mut(id) else { return Ok(()) };
        let OutRecord { key, value, headers, .. } = *record;
        let timestamp = if record.logged { now } else { record.timestamp };
        let offset = log.append(Appended { timestamp, key, value, headers }, local);
        if record.logged {
            self.acknowledged.insert((record.topic, record.partition), offset);
        }
        Ok(())
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
        self.within(call, |_, state, _| {
            let lost = if ending == Ending::Committed { state.faults.lost(&id) } else { None };
            if lost != Some(Lost::Request)
                && let Some(open) = state.coordinator.take(call, &id, epoch)?
            {
                end(&id, open, ending, &mut state.topics, &mut state.groups);
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
            let (epoch, open) = state.coordinator.init(&id);
            if let Some(open) = open {
                end(&id, open, Ending::Aborted, &mut state.topics, &mut state.groups);
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
        let transaction = match self.phase {
            Phase::Plain => None,
            Phase::Opened
            | Phase::Ready(_)
            | Phase::Open(..)
            | Phase::Failed(..)
            | Phase::Dead(_) => Some(self.open(Call::Send)?),
        };
        if records.is_empty() {
            return Ok(());
        }
        self.within(Call::Send, |producer, state, now| {
            let transaction = transaction.as_ref().map(|(id, epoch)| (id, *epoch));
            if let Some((id, epoch)) = transaction {
                state.coordinator.opened(Call::Send, id, epoch, now)?;
                producer.phase = Phase::Open(epoch, Known::Yes);
                state.due_by(now.plus(state.transaction_timeout));
            }
            for record in records.iter() {
                producer.append(state, now, &record, transaction)?;
            }
            Ok(())
        })
    }

    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, Offset)],
        group: &GroupMetadata,
    ) -> Result<(), Failure> {
        let (id, epoch) = self.open(Call::SendOffsets)?;
        if offsets.is_empty() {
            return Ok(());
        }
        self.within(Call::SendOffsets, |producer, state, now| {
            if let Some((of, offset)) = offsets.iter().find(|(_, offset)| offset.0 < 0) {
                let words = format!("{of}: {offset} is not a concrete position");
                return Err(Failure::new(Call::SendOffsets, Code::InvalidArgument, words));
            }
            let open = state.coordinator.opened(Call::SendOffsets, &id, epoch, now)?;
            open.add_group(&group.group);
            producer.phase = Phase::Open(epoch, Known::Yes);
            state.due_by(now.plus(state.transaction_timeout));
            let of = state.groups.of(&group.group);
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
fn check(state: &State, id: LogId, record: &OutRecord<'_>) -> Result<(), Failure> {
    let refused = |code, words: String| Failure::new(Call::Send, code, words).abortable();
    let bytes = record.key.map_or(0, <[u8]>::len)
        + record.value.map_or(0, <[u8]>::len)
        + record.headers.bytes().len();
    if bytes > RECORD_BYTES_MAX {
        return Err(refused(Code::MessageTooLarge, format!("{bytes} bytes")));
    }
    if record.key.is_none() && state.topics.cleanup(id.topic) == Some(Cleanup::Compact) {
        return Err(refused(INVALID_RECORD, "a compacted topic wants keys".into()));
    }
    Ok(())
}
