//! The one transaction a worker has open, and how it is ended.
//!
//! It begins with the first thing sent. Its commit is a straight line: send, check that the group will fence
//! and that every partition worked is still owned under the same epoch, add the positions of *every* task
//! that worked (a transaction without positions is not fenced), commit, put down. The membership is read
//! *before* the epochs are checked: a generation in which a partition is another's cannot be obtained before
//! its epoch was removed here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::abort_proof::{AbortProof, Written};
use super::instance::Instance;
use super::ownership::AssignmentEpoch;
use super::retry::retry_in_transaction;
use super::{Stop, Task};
use crate::broker::{
    Acknowledged, Call, Code, Failure, OutRecord, Outgoing, Producer, Reaction, TopicIndex,
    classify,
};
use crate::dead_letter::{Sent, Telling};
use crate::fail_points::{Crashed, FailPoint};
use crate::metrics::{Counter, Family};
use crate::record::{Headers, Offset, TaskId, Timestamp, Topic, TopicPartition};
use crate::task::{Limits, Open, Reason, drained_after, due};

/// Outputs gathered in a task before they go to the producer.
const SEND_BYTES: usize = 128 << 10;
/// How long one call to register the producer may take: it is made again, unless the process stops meanwhile.
const INIT_WAIT: Duration = Duration::from_millis(500);
/// Within this time three fencings mean that another process has this identity.
const FENCED_WITHIN: Duration = Duration::from_secs(60);

/// Why a step of the transaction went no further.
pub(crate) enum TransactionError {
    /// A call failed: that is recovered from.
    Failed(Failure),
    /// The process must end.
    Stop(Stop),
}

impl From<Failure> for TransactionError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Crashed> for TransactionError {
    fn from(crashed: Crashed) -> Self {
        Self::Stop(crashed.into())
    }
}

/// See the module.
pub(crate) struct Transaction {
    instance: Arc<Instance>,
    worker: usize,
    producer: Option<Box<dyn Producer>>,
    /// Whether `producer` is registered at the coordinator.
    initialised: bool,
    begun: bool,
    opened_at: Option<Timestamp>,
    last: Timestamp,
    records: u64,
    dead_letters: Sent,
    telling: Telling,
    /// What processors counted.
    counted: Vec<(Family, u64)>,
    /// What each task that worked holds in memory.
    bytes: BTreeMap<TaskId, usize>,
    sent_bytes: usize,
    /// Whether its commit was asked for: then an answer that is lost leaves the outcome open.
    commit_asked: bool,
    /// Where it has written to, and whose positions it holds.
    written: Written,
    offered: Vec<TopicPartition>,
    /// What is to be proven before the next one begins.
    pub(super) proof: AbortProof,
    mean_commit: Duration,
    fencings: Vec<Timestamp>,
}

impl Transaction {
    pub(crate) fn new(instance: Arc<Instance>, worker: usize) -> Self {
        Self {
            instance,
            worker,
            producer: None,
            initialised: false,
            begun: false,
            opened_at: None,
            last: Timestamp::MIN,
            records: 0,
            dead_letters: Sent::default(),
            telling: Telling::default(),
            counted: Vec::new(),
            bytes: BTreeMap::new(),
            sent_bytes: 0,
            commit_asked: false,
            written: Written::default(),
            offered: Vec::new(),
            proof: AbortProof::default(),
            mean_commit: Duration::ZERO,
            fencings: Vec::new(),
        }
    }

    /// Whether anything is open.
    pub(crate) fn is_open(&self) -> bool {
        self.opened_at.is_some()
    }

    /// A task has worked: from now on there is something to commit.
    pub(crate) fn track(&mut self, id: &TaskId, task: &mut Task, now: Timestamp) {
        self.opened_at.get_or_insert(now);
        let (records, dead_letters) = task.take_counts();
        self.records += records;
        self.dead_letters.take_in(dead_letters);
        self.counted.extend(task.take_counted());
        match self.bytes.get_mut(id) {
            Some(bytes) => *bytes = task.open_bytes(),
            None => drop(self.bytes.insert(id.clone(), task.open_bytes())),
        }
    }

    /// About how many bytes it holds, and has sent.
    pub(crate) fn bytes(&self) -> usize {
        self.sent_bytes + self.bytes.values().sum::<usize>()
    }

    /// Why the transaction ends now, if it does; `open` says what the worker knows of it.
    pub(crate) fn due(&self, open: Open, now: Timestamp) -> Option<Reason> {
        let began = self.opened_at?;
        let config = &self.instance.config;
        let limits = Limits {
            interval: config.commit_interval,
            bytes_max: config.transaction_bytes_max,
            records_max: config.transaction_records_max,
            open_max: self.instance.transaction_timeout / 3,
            drained_after: drained_after(self.mean_commit).min(config.commit_interval),
        };
        let open = Open { began, bytes: self.bytes(), records: self.records, ..open };
        due(&open, &limits, self.last, now)
    }

    /// Sends what a task has gathered, if it is much.
    pub(crate) fn send_if_large(&mut self, task: &mut Task) -> Result<(), TransactionError> {
        if task.out().bytes() < SEND_BYTES { Ok(()) } else { self.send_outputs(task) }
    }

    fn send_outputs(&mut self, task: &mut Task) -> Result<(), TransactionError> {
        if task.out().is_empty() {
            return Ok(());
        }
        self.instance.fail_points.pass(FailPoint::BeforeProduce)?;
        self.written.note(task.out());
        let producer = self.begin()?;
        let sent = producer.send(task.out());
        self.sent_bytes += task.out().bytes();
        task.out().clear();
        self.instance.fail_points.pass(FailPoint::AfterProduce)?;
        Ok(sent?)
    }

    /// The producer, with a transaction begun.
    fn begin(&mut self) -> Result<&mut Box<dyn Producer>, TransactionError> {
        if !self.begun && !self.proof.is_complete() {
            let words = "it is not proven that the last transaction has ended everywhere";
            let failure = Failure::new(Call::Begin, Code::ConcurrentTransactions, words);
            return Err(failure.abortable().into());
        }
        self.begin_unproven()
    }

    /// The same, for a transaction that is aborted whatever comes.
    fn begin_unproven(&mut self) -> Result<&mut Box<dyn Producer>, TransactionError> {
        let began = Instant::now();
        let patience = self.instance.transaction_timeout * 3;
        while let Err(failure) = self.init_producer() {
            let is_over = self.instance.is_stopping() || began.elapsed() >= patience;
            if classify(&failure) != Reaction::Retry || is_over {
                return Err(failure.into());
            }
        }
        let producer = self.producer.as_mut().ok_or_else(no_producer)?;
        if !self.begun {
            self.instance.fail_points.pass(FailPoint::BeforeBegin)?;
            producer.begin()?;
            self.begun = true;
            self.instance.fail_points.pass(FailPoint::AfterBegin)?;
        }
        Ok(producer)
    }

    /// Registers the producer, which ends what a crash of this worker left open: until then its last
    /// transaction makes committed positions unstable. A failure that asks to try again leaves it half done; the next
    /// call goes on.
    pub(crate) fn init_producer(&mut self) -> Result<(), Failure> {
        if self.initialised {
            return Ok(());
        }
        let mut producer = match self.producer.take() {
            Some(producer) => producer,
            None => self.instance.producer(self.worker)?,
        };
        let outcome = producer.init(INIT_WAIT);
        self.initialised = outcome.is_ok();
        if outcome.as_ref().err().is_none_or(|failure| classify(failure) == Reaction::Retry) {
            self.producer = Some(producer);
        }
        outcome
    }

    /// Commits the work of these tasks, which are staged, and puts it down.
    pub(crate) fn commit(
        &mut self,
        tasks: &mut [(&TaskId, &mut Task)],
        epochs: &BTreeMap<i32, AssignmentEpoch>,
        now: Timestamp,
    ) -> Result<(), TransactionError> {
        let started = Instant::now();
        for (_, task) in tasks.iter_mut() {
            self.send_outputs(task)?;
        }
        let acknowledged = self.end(tasks, epochs)?;
        let open = self.opened_at.map_or(Duration::ZERO, |at| now.since(at));
        self.instance.metrics.transaction(open, started.elapsed());
        self.committed(now, started.elapsed());
        self.instance.fail_points.pass(FailPoint::AfterCommit)?;
        for (id, task) in tasks.iter_mut() {
            if let Err(fault) = task.applied(&acknowledged, now) {
                tracing::error!(task = %id, %fault, "committed state cannot be stored; the task waits");
            }
            self.instance.fail_points.pass(FailPoint::AfterApply)?;
        }
        Ok(())
    }

    fn end(
        &mut self,
        tasks: &[(&TaskId, &mut Task)],
        epochs: &BTreeMap<i32, AssignmentEpoch>,
    ) -> Result<Acknowledged, TransactionError> {
        let Some(group) = self.instance.membership() else {
            let words = "this process is no member of the group at the moment";
            return Err(Failure::new(Call::SendOffsets, Code::UnknownMember, words)
                .abortable()
                .into());
        };
        if !self.instance.still_owns(tasks.iter().map(|(id, _)| id.partition), epochs) {
            let words = "a partition worked in this transaction is not owned any more";
            let failure = Failure::new(Call::SendOffsets, Code::IllegalGeneration, words);
            return Err(failure.abortable().into());
        }
        let offsets: Vec<_> = tasks.iter().flat_map(|(_, task)| task.offsets()).collect();
        self.offered = offsets.iter().map(|(of, _)| of.clone()).collect();
        let fail_points = self.instance.fail_points.clone();
        let producer = self.begin()?;
        fail_points.pass(FailPoint::BeforeOffsets)?;
        retry_in_transaction(|| producer.send_offsets(&offsets, &group))?;
        fail_points.pass(FailPoint::AfterOffsets)?;
        fail_points.pass(FailPoint::BeforeCommit)?;
        self.commit_asked = true;
        let producer = self.producer.as_mut().ok_or_else(no_producer)?;
        Ok(retry_in_transaction(|| producer.commit())?)
    }

    /// The transaction is committed: nothing is open.
    fn committed(&mut self, now: Timestamp, took: Duration) {
        let metrics = &self.instance.metrics;
        metrics.add(Counter::Commits, 1);
        metrics.add(Counter::Records, self.records);
        metrics.add_dead_letters(&self.dead_letters.counts);
        metrics.add_named(&self.counted);
        self.mean_commit = (self.mean_commit * 7 + took) / 8;
        self.last = now;
        if let Some(sent) = self.telling.due(std::mem::take(&mut self.dead_letters), now) {
            tracing::warn!(
                records = sent.count(),
                last = sent.last,
                "records are dead letters now"
            );
        }
        self.reset();
    }

    fn reset(&mut self) {
        (self.begun, self.commit_asked, self.opened_at) = (false, false, None);
        (self.records, self.sent_bytes) = (0, 0);
        self.dead_letters = Sent::default();
        self.counted.clear();
        self.bytes.clear();
        self.written.clear();
        self.offered.clear();
    }

    /// What the open transaction has done is void: that it ended everywhere is to be proven.
    fn demand_proof(&mut self) {
        if self.begun {
            let logs = self.written.take(&self.instance.topics);
            self.proof.demand(logs, std::mem::take(&mut self.offered), self.commit_asked);
        }
    }

    /// Opens a transaction that writes to these logs and names these positions, and aborts it: its markers end what an
    /// earlier transaction of this id left pending there. Nothing of it is ever committed, so what it writes and the
    /// offsets do not matter.
    pub(crate) fn abort_hanging(
        &mut self,
        logs: &[TopicPartition],
        positions: &[TopicPartition],
    ) -> Result<(), TransactionError> {
        let Some(group) = self.instance.membership().filter(|_| self.opened_at.is_none()) else {
            return Ok(());
        };
        let filler = filler(logs, &self.instance.topics);
        let answer_wait = self.instance.transaction_timeout / 2;
        self.written.note(&filler);
        let producer = self.begin_unproven()?;
        let mut sent = Ok(());
        if !filler.is_empty() {
            // What is still queued when a transaction is aborted is never sent, and would end nothing.
            sent = producer.send(&filler).and_then(|()| producer.flush(answer_wait).map(drop));
        }
        if !positions.is_empty() {
            let positions: Vec<_> = positions.iter().map(|of| (of.clone(), Offset(0))).collect();
            sent = sent.and(retry_in_transaction(|| producer.send_offsets(&positions, &group)));
        }
        let aborted = self.abort();
        if sent.is_err() || aborted.is_err() {
            self.drop_producer();
        }
        Ok(sent.and(aborted)?)
    }

    /// Aborts what is open, at the broker too if it got that far.
    pub(crate) fn abort(&mut self) -> Result<(), Failure> {
        let begun = self.begun;
        self.demand_proof();
        self.reset();
        let aborted = match &mut self.producer {
            Some(producer) if begun => retry_in_transaction(|| producer.abort()),
            Some(_) | None => Ok(()),
        };
        if begun && aborted.is_ok() {
            self.proof.decided();
        }
        aborted
    }

    /// The producer is dead or its last outcome unknown.
    pub(crate) fn drop_producer(&mut self) {
        self.demand_proof();
        (self.producer, self.initialised) = (None, false);
        self.reset();
    }

    /// Whether this is the third fencing in a minute.
    pub(crate) fn fenced_too_often(&mut self, failure: &Failure, now: Timestamp) -> bool {
        if !matches!(failure.code, Code::Fenced | Code::InvalidProducerEpoch) {
            return false;
        }
        self.fencings.retain(|at| !now.has_passed(*at, FENCED_WITHIN));
        self.fencings.push(now);
        self.fencings.len() >= 3
    }
}

fn no_producer() -> Failure {
    Failure::new(Call::Begin, Code::InvalidTransactionState, "no producer")
}

/// A record for each of these logs, of no meaning; whoever reads what is committed never sees it.
fn filler(logs: &[TopicPartition], topics: &[Topic]) -> Outgoing {
    let mut out = Outgoing::default();
    for log in logs {
        let at = topics.iter().position(|topic| *topic == log.topic);
        let Some(at) = at.and_then(|at| u16::try_from(at).ok()) else { continue };
        out.push(OutRecord {
            topic: TopicIndex(at),
            partition: log.partition,
            logged: false,
            timestamp: Timestamp(0),
            // A compacted topic takes no record without a key.
            key: Some(b""),
            value: None,
            headers: Headers::default(),
        });
    }
    out
}
