//! What a test may make go wrong, exactly once each and in the order it was asked for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::log::{Budget, Ending};
use super::{Embedded, Wake};
use crate::broker::{Call, Failure};

const FETCH: Budget = Budget { records: 8192, bytes: 4 << 20 };

/// How an answer to a commit gets lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The transaction is committed; nobody was told.
    Answer,
    /// The coordinator never heard of it; the transaction stays open.
    Request,
}

/// Where a transaction ends without markers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    Logs,
    LogsAndGroups,
}

/// The faults that are still to happen.
#[derive(Debug)]
pub(super) struct Planned {
    refusals: VecDeque<(Arc<str>, Failure)>,
    commits: VecDeque<(Arc<str>, Lost)>,
    skips: VecDeque<(Arc<str>, Skip)>,
    fetch: Budget,
    marker_delay: Duration,
}

impl Default for Planned {
    fn default() -> Self {
        Self {
            refusals: VecDeque::new(),
            commits: VecDeque::new(),
            skips: VecDeque::new(),
            fetch: FETCH,
            marker_delay: Duration::ZERO,
        }
    }
}

impl Planned {
    /// Fails if this call of `whose` handle was to be refused.
    pub fn refusal(&mut self, call: Call, whose: &str) -> Result<(), Failure> {
        let planned = |(of, failure): &(Arc<str>, Failure)| &**of == whose && failure.call == call;
        match self.refusals.iter().position(planned).and_then(|at| self.refusals.remove(at)) {
            Some((_, failure)) => Err(failure),
            None => Ok(()),
        }
    }

    /// Whether this commit of `id` was to be lost, and how.
    pub fn lost(&mut self, id: &str) -> Option<Lost> {
        let at = self.commits.iter().position(|(of, _)| &**of == id)?;
        self.commits.remove(at).map(|(_, lost)| lost)
    }

    /// Where the transaction of `id` that ends was to end without markers, if it was.
    pub fn skipped(&mut self, id: &str) -> Option<Skip> {
        let at = self.skips.iter().position(|(of, _)| &**of == id)?;
        self.skips.remove(at).map(|(_, skip)| skip)
    }

    /// How long after a transaction's end its markers are written.
    pub fn marker_delay(&self) -> Duration {
        self.marker_delay
    }

    /// How much one poll brings.
    pub fn budget(&self) -> Budget {
        self.fetch
    }
}

/// Makes things go wrong on an [`Embedded`] cluster.
#[derive(Clone)]
pub struct Faults(pub(super) Embedded);

impl Faults {
    /// The next commit of this transactional id takes effect, but its producer hears a timeout and is dead.
    pub fn lose_next_commit_answer(&self, transactional_id: &str) {
        self.lose(transactional_id, Lost::Answer);
    }

    /// The next commit of this transactional id is never heard of: its transaction stays open, its producer
    /// hears a timeout and is dead.
    pub fn lose_next_commit_request(&self, transactional_id: &str) {
        self.lose(transactional_id, Lost::Request);
    }

    /// The next call of kind `failure.call` by a handle of `whose` (a transactional id, or a group) fails so
    /// and has no effect.
    pub fn refuse_next(&self, whose: &str, failure: Failure) {
        self.0.with(|state, _| state.faults.refusals.push_back((whose.into(), failure)));
    }

    /// The group forgets this static member, as if its session's time had passed.
    pub fn expire_session(&self, group: &str, instance: &str) {
        self.0.with(|state, _| state.groups.of(&group.into()).expire_instance(instance));
        self.0.wake(Wake::Groups);
    }

    /// Markers are written so long after `commit` or `abort` has answered, from here on; earlier if the same
    /// id goes on. Until then readers and `committed` see the transaction as open, as they may on Kafka.
    pub fn delay_markers(&self, by: Duration) {
        self.0.with(|state, _| state.faults.marker_delay = by);
    }

    /// The next transaction of this id that ends is left open in every log, as a lone broker may leave it that is back
    /// before its old session is over: the next transaction of the id ends it too, where it writes.
    pub fn skip_next_markers(&self, transactional_id: &str) {
        self.skip(transactional_id, Skip::Logs);
    }

    /// The same, and its positions are left open too: no marker is anywhere.
    pub fn skip_all_next_markers(&self, transactional_id: &str) {
        self.skip(transactional_id, Skip::LogsAndGroups);
    }

    /// Aborts what hangs of this id, as an operator does.
    pub fn abort_hanging(&self, transactional_id: &str) {
        self.0.with(|state, _| {
            for (log, local) in state.coordinator.hung(transactional_id) {
                if let Some(log) = state.topics.log_mut(log) {
                    log.end_transaction(local, Ending::Aborted);
                }
            }
        });
        self.0.wake(Wake::Logs);
    }

    /// A poll brings at most so many records, from here on.
    pub fn limit_fetch(&self, records_max: usize) {
        self.0.with(|state, _| state.faults.fetch.records = records_max.max(1));
    }

    fn skip(&self, id: &str, skip: Skip) {
        self.0.with(|state, _| state.faults.skips.push_back((id.into(), skip)));
    }

    fn lose(&self, id: &str, lost: Lost) {
        self.0.with(|state, _| state.faults.commits.push_back((id.into(), lost)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{
        Broker, Cleanup, Code, Consumer, GroupMetadata, Isolation, OutRecord, Outgoing, Producer,
        Reaction, TopicIndex, TopicSpec, classify,
    };
    use crate::clock::ManualClock;
    use crate::record::{Headers, Offset, Timestamp, TopicPartition};

    /// A cluster with the topic `t` and an initialised producer `p`.
    fn cluster() -> (Embedded, Arc<ManualClock>, Box<dyn Producer>) {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let cluster = Embedded::new(clock.clone());
        let (name, cleanup) = ("t".into(), Cleanup::Delete(None));
        let spec = TopicSpec { name, partitions: 1, cleanup };
        cluster.admin().unwrap().create(&[spec]).unwrap();
        let producer = producer(&cluster);
        (cluster, clock, producer)
    }

    fn producer(cluster: &Embedded) -> Box<dyn Producer> {
        let mut producer = cluster.producer(Some("p"), Arc::from(["t".into()])).unwrap();
        producer.init(Duration::ZERO).unwrap();
        producer
    }

    fn record() -> Outgoing {
        let mut out = Outgoing::default();
        out.push(OutRecord {
            topic: TopicIndex(0),
            partition: 0,
            logged: false,
            timestamp: Timestamp(1),
            key: Some(b"key"),
            value: Some(b"value"),
            headers: Headers::default(),
        });
        out
    }

    fn reader(cluster: &Embedded) -> Box<dyn Consumer> {
        let mut reader = cluster.consumer("g", Isolation::ReadCommitted).unwrap();
        reader.assign(&[(TopicPartition::new("t", 0), Offset(0))]).unwrap();
        reader
    }

    /// Offsets of what a committed reader sees from the start.
    fn seen(cluster: &Embedded) -> Vec<i64> {
        let polled = reader(cluster).poll(Duration::ZERO).unwrap();
        let records = polled.batches.iter().flat_map(|batch| batch.iter());
        records.map(|record| record.offset.0).collect()
    }

    #[test]
    fn a_refused_call_has_no_effect_and_the_next_one_has() {
        let (cluster, _, mut producer) = cluster();
        let failure = Failure::new(Call::Send, Code::QueueFull, "planned").retriable();
        cluster.faults().refuse_next("p", failure.clone());
        producer.begin().unwrap();
        assert_eq!(producer.send(&record()), Err(failure));
        producer.send(&record()).unwrap();
        producer.commit().unwrap();
        assert_eq!(seen(&cluster), [0]);
    }

    #[test]
    fn an_abortable_refusal_leaves_only_the_abort() {
        let (cluster, _, mut producer) = cluster();
        producer.begin().unwrap();
        producer.send(&record()).unwrap();
        let failure = Failure::new(Call::Commit, Code::Transport, "planned").abortable();
        cluster.faults().refuse_next("p", failure);
        assert_eq!(producer.commit().map_err(|it| classify(&it)), Err(Reaction::AbortAndRewind));
        assert_eq!(producer.commit().map_err(|it| classify(&it)), Err(Reaction::AbortAndRewind));
        producer.abort().unwrap();
        producer.begin().unwrap();
        producer.send(&record()).unwrap();
        producer.commit().unwrap();
        assert_eq!(seen(&cluster), [2]);
    }

    #[test]
    fn a_lost_commit_answer_leaves_a_dead_handle_and_a_committed_transaction() {
        let (cluster, _, mut producer) = cluster();
        cluster.faults().lose_next_commit_answer("p");
        producer.begin().unwrap();
        producer.send(&record()).unwrap();
        assert_eq!(producer.commit().map_err(|it| classify(&it)), Err(Reaction::RebuildProducer));
        assert_eq!(producer.abort().map_err(|it| classify(&it)), Err(Reaction::RebuildProducer));
        assert_eq!(seen(&cluster), [0]);
    }

    #[test]
    fn a_lost_commit_request_leaves_the_transaction_open_until_its_time_is_up() {
        let (cluster, clock, mut producer) = cluster();
        cluster.faults().lose_next_commit_request("p");
        producer.begin().unwrap();
        producer.send(&record()).unwrap();
        assert_eq!(producer.commit().map_err(|it| classify(&it)), Err(Reaction::RebuildProducer));
        let mut reader = reader(&cluster);
        let of = TopicPartition::new("t", 0);
        assert_eq!(reader.bounds(&of).unwrap().end, Offset(0));
        clock.advance(Duration::from_secs(10));
        assert_eq!(reader.bounds(&of).unwrap().end, Offset(2));
        assert_eq!(seen(&cluster), [] as [i64; 0]);
    }

    #[test]
    fn slow_markers_keep_readers_and_positions_back_until_they_are_written() {
        let (cluster, clock, mut producer) = cluster();
        cluster.faults().delay_markers(Duration::from_millis(30));
        let of = [TopicPartition::new("t", 0)];
        let nobody = GroupMetadata {
            group: "g".into(),
            generation: -1,
            member: String::new(),
            instance: "".into(),
        };
        producer.begin().unwrap();
        producer.send(&record()).unwrap();
        producer.send_offsets(&[(of[0].clone(), Offset(4))], &nobody).unwrap();
        producer.commit().unwrap();
        let mut reader = reader(&cluster);
        assert_eq!(seen(&cluster), [] as [i64; 0]);
        assert_eq!(reader.committed(&of).map_err(|it| it.code), Err(Code::UnstableOffsets));
        clock.advance(Duration::from_millis(30));
        assert_eq!(seen(&cluster), [0]);
        assert_eq!(reader.committed(&of), Ok(vec![Some(Offset(4))]));
    }

    #[test]
    fn slow_markers_are_written_before_a_successor_is_initialised() {
        let (cluster, _, mut first) = cluster();
        cluster.faults().delay_markers(Duration::from_secs(1));
        first.begin().unwrap();
        first.send(&record()).unwrap();
        first.commit().unwrap();
        drop(producer(&cluster));
        assert_eq!(seen(&cluster), [0]);
    }

    #[test]
    fn a_limited_poll_brings_so_many_records_and_the_next_poll_the_rest() {
        let (cluster, _, mut producer) = cluster();
        producer.begin().unwrap();
        producer.send(&record()).unwrap();
        producer.send(&record()).unwrap();
        producer.commit().unwrap();
        cluster.faults().limit_fetch(1);
        let mut reader = reader(&cluster);
        let sizes = [0, 1].map(|_| reader.poll(Duration::ZERO).unwrap().batches[0].len());
        assert_eq!(sizes, [1, 1]);
    }

    #[test]
    fn a_waiting_poll_is_woken_by_a_commit() {
        let (cluster, _, mut producer) = cluster();
        let mut reader = reader(&cluster);
        assert_eq!(reader.poll(Duration::ZERO).unwrap().ends.len(), 1);
        let waiting = std::thread::spawn(move || {
            let polled = reader.poll(Duration::from_secs(60)).unwrap();
            polled.batches.iter().map(|batch| batch.len()).sum::<usize>()
        });
        producer.begin().unwrap();
        producer.send(&record()).unwrap();
        producer.commit().unwrap();
        assert_eq!(waiting.join().unwrap(), 1);
    }
}
