//! Proof that an aborted transaction has ended in every log that it wrote to.
//!
//! The coordinator answers an abort before its markers are written, and a lone broker that comes back at the wrong moment
//! skips them. Records that hang so belong to the producer's next transaction in that log: its commit would commit them.
//! No epoch helps, because a log goes by the producer's id. So after an abort, in place or by a successor, the worker
//! begins nothing until the last stable offset of each log has come to where the log ended after the abort, and
//! the positions of the aborted transaction are stable. Usually that is so at the first look.
//!
//! What hangs for longer is ended by another transaction of the same producer that writes there and is aborted, if that
//! can tear nothing: the abort was answered or no commit was asked for, or no marker is anywhere, so that nobody has
//! seen a commit. Else some logs may have a commit and others hang: the worker says which, and waits for an operator.

use std::collections::{BTreeMap, BTreeSet};

use super::transaction::TransactionError;
use super::{Stop, Worker};
use crate::broker::{Code, Failure, Outgoing, Reaction, classify};
use crate::record::{Offset, Timestamp, Topic, TopicPartition};

/// Which partitions a transaction wrote to: topics by their index.
#[derive(Debug, Default)]
pub(super) struct Written(Vec<Vec<bool>>);

impl Written {
    /// Notes where these go. Once for each record, so it only looks.
    pub(super) fn note(&mut self, records: &Outgoing) {
        for record in records.iter() {
            let (topic, partition) =
                (usize::from(record.topic.0), record.partition.max(0) as usize);
            if self.0.len() <= topic {
                self.0.resize_with(topic + 1, Vec::new);
            }
            let Some(partitions) = self.0.get_mut(topic) else { continue };
            if partitions.len() <= partition {
                partitions.resize(partition + 1, false);
            }
            if let Some(written) = partitions.get_mut(partition) {
                *written = true;
            }
        }
    }

    /// Names them, and forgets them.
    pub(super) fn take(&mut self, topics: &[Topic]) -> Vec<TopicPartition> {
        let mut named = Vec::new();
        for (topic, partitions) in topics.iter().zip(&mut self.0) {
            for (partition, written) in (0..).zip(partitions) {
                if std::mem::take(written) {
                    named.push(TopicPartition::new(topic.clone(), partition));
                }
            }
        }
        named
    }

    pub(super) fn clear(&mut self) {
        self.0.iter_mut().for_each(|partitions| partitions.fill(false));
    }
}

/// What is not proven yet.
#[derive(Debug, Default)]
pub(super) struct AbortProof {
    /// By log: where it ended once the abort was answered, if that was asked already.
    logs: BTreeMap<TopicPartition, Option<Offset>>,
    /// Partitions whose positions were in the transaction.
    positions: BTreeSet<TopicPartition>,
    /// Since when the first of them waits, or when it was last said.
    since: Option<Timestamp>,
    /// Whether a commit was asked for whose outcome nobody knows.
    is_undecided: bool,
    /// Whether a marker was seen somewhere.
    has_ended: bool,
}

impl AbortProof {
    /// A transaction that wrote there and held these positions is aborted, unless its commit was asked for.
    pub(super) fn demand(
        &mut self,
        logs: impl IntoIterator<Item = TopicPartition>,
        positions: impl IntoIterator<Item = TopicPartition>,
        commit_asked: bool,
    ) {
        self.logs.extend(logs.into_iter().map(|log| (log, None)));
        self.positions.extend(positions);
        self.is_undecided |= commit_asked;
    }

    /// It is known to be aborted.
    pub(super) fn decided(&mut self) {
        self.is_undecided = false;
    }

    /// Whether what hangs can be aborted where it hangs, and nobody will have seen a commit elsewhere.
    fn may_be_aborted(&self) -> bool {
        !self.is_undecided || !self.has_ended
    }

    /// Whether nothing is left to prove.
    pub(super) fn is_complete(&self) -> bool {
        self.logs.is_empty() && self.positions.is_empty()
    }
}

impl Worker {
    /// Whether a transaction may begin: looks at what is not proven yet.
    pub(super) fn prove_aborts(&mut self, now: Timestamp) -> Result<bool, Stop> {
        if self.transaction.proof.is_complete() {
            return Ok(true);
        }
        let mut unanswered = None;
        match self.look_for_proof() {
            Ok(()) => {}
            Err(failure) if classify(&failure) == Reaction::Die => return Err(self.died(&failure)),
            Err(failure) => {
                tracing::debug!(%failure, "an abort is not proven yet");
                unanswered = Some(failure);
            }
        }
        let is_unstable =
            unanswered.as_ref().is_some_and(|failure| failure.code == Code::UnstableOffsets);
        let proof = &mut self.transaction.proof;
        if proof.is_complete() {
            (proof.since, proof.is_undecided, proof.has_ended) = (None, false, false);
            self.instance.ailments.held_up.clear(&self.index);
            return Ok(true);
        }
        let since = *proof.since.get_or_insert(now);
        if now.since(since) >= self.instance.transaction_timeout * 2 {
            proof.since = Some(now);
            if let Some(failure) = unanswered.filter(|_| !is_unstable) {
                // Nobody answers, which says nothing of what hangs.
                tracing::warn!(worker = self.index, %failure, "an abort cannot be proven, and the worker waits");
                let why = format!("an abort cannot be proven: {failure}");
                self.instance.ailments.held_up.tell(self.index, why);
                return Ok(false);
            }
            match proof.may_be_aborted() {
                true => self.sweep()?,
                false => self.tell_what_hangs(),
            }
        }
        Ok(false)
    }

    /// Only an operator can say what is right.
    fn tell_what_hangs(&self) {
        let proof = &self.transaction.proof;
        let hanging = proof.logs.keys().chain(&proof.positions);
        let hanging: Vec<_> = hanging.map(ToString::to_string).collect();
        tracing::error!(
            worker = self.index,
            ?hanging,
            "a transaction hangs in these logs and positions, and may be committed elsewhere; the worker waits for \
            its end: see `kafka-transactions find-hanging --max-transaction-timeout 1` and `abort`"
        );
        let why = format!("a transaction hangs in {}", hanging.join(", "));
        self.instance.ailments.held_up.tell(self.index, why);
    }

    /// Ends what hangs by a transaction that goes there too and is aborted.
    fn sweep(&mut self) -> Result<(), Stop> {
        let proof = &mut self.transaction.proof;
        let logs: Vec<_> = proof.logs.keys().cloned().collect();
        let positions: Vec<_> = proof.positions.iter().cloned().collect();
        // From here on some logs may have a marker and others not, and it is that of an abort.
        proof.decided();
        let (worker, logs_hang, positions_hang) = (self.index, logs.len(), positions.len());
        tracing::warn!(worker, logs_hang, positions_hang, "a transaction hangs; aborting it");
        match self.transaction.abort_hanging(&logs, &positions) {
            Ok(()) => Ok(()),
            Err(TransactionError::Stop(stop)) => Err(stop),
            Err(TransactionError::Failed(failure)) => {
                tracing::warn!(%failure, "what hangs was not ended; it is tried again");
                Ok(())
            }
        }
    }

    fn look_for_proof(&mut self) -> Result<(), Failure> {
        // A successor ends its predecessor's transaction: before that there is no end to look for.
        self.transaction.init_producer()?;
        let Self { transaction, consumer, instance, .. } = self;
        let proof = &mut transaction.proof;
        for (log, end) in &mut proof.logs {
            if end.is_none() {
                *end = Some(instance.high_watermarks().bounds(log)?.end);
            }
        }
        let ends: Vec<_> = proof.logs.iter().map(|(log, end)| (log.clone(), *end)).collect();
        for (log, end) in ends {
            if Some(consumer.bounds(&log)?.end) >= end {
                proof.logs.remove(&log);
                proof.has_ended = true;
            }
        }
        if !proof.positions.is_empty() {
            let positions: Vec<_> = proof.positions.iter().cloned().collect();
            // A silent coordinator passes for unstable positions: somebody must answer at all.
            if let Some(any) = positions.first() {
                consumer.bounds(any)?;
            }
            consumer.committed(&positions)?;
            proof.positions.clear();
            proof.has_ended = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{OutRecord, TopicIndex};
    use crate::record::Headers;

    #[test]
    fn the_partitions_written_are_named_once_each_and_forgotten() {
        let mut out = Outgoing::default();
        for (topic, partition) in [(1, 2), (0, 0), (1, 2), (1, 0)] {
            out.push(OutRecord {
                topic: TopicIndex(topic),
                partition,
                logged: false,
                timestamp: Timestamp(0),
                key: None,
                value: None,
                headers: Headers::default(),
            });
        }
        let topics = ["a", "b"].map(Topic::from);
        let mut written = Written::default();
        written.note(&out);
        let named = [("a", 0), ("b", 0), ("b", 2)].map(|(t, p)| TopicPartition::new(t, p));
        assert_eq!(written.take(&topics), named);
        assert_eq!(written.take(&topics), []);
        written.note(&out);
        written.clear();
        assert_eq!(written.take(&topics), []);
    }
}
