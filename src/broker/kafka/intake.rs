//! What a fetch brings, sorted into one batch per partition.
//!
//! Messages of a partition come in runs, so the batch of the last one is tried first; bytes are copied into the
//! batch's arena and librdkafka's buffer is free again before the next message is looked at.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ffi::{Message, Queue};
use crate::broker::{Batch, Code, Failure, Polled};
use crate::record::{Headers, Offset, RawRecord, TopicPartition};

/// Messages taken by one call: the gain over one by one is all there, and a batch stays in the cache.
const FETCH_MAX: usize = 1_000;
/// Room made at once for a batch; beyond it, it grows.
const ROOM_BYTES_MAX: usize = 128 << 10;

/// Where a reader stands in a partition assigned to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The next offset to read.
    pub(super) next: Offset,
    /// The end that was reported last.
    pub(super) ended: Option<Offset>,
    /// Whether it is kept from arriving.
    pub(super) paused: bool,
}

/// Every partition assigned, and where the reader stands in it.
pub(super) type Standings = BTreeMap<TopicPartition, Standing>;

/// One poll's harvest.
#[derive(Debug, Default)]
pub(super) struct Intake {
    polled: Polled,
    /// Partitions seen in this poll, with their batch; none if the partition is not to arrive.
    lanes: Vec<((usize, i32), Option<usize>)>,
    headers: Vec<u8>,
    failed: Option<Failure>,
}

/// A harvest, and the failure that came with it, to be told at the next poll.
pub(super) struct Harvest {
    pub(super) polled: Polled,
    pub(super) failed: Option<Failure>,
}

impl Intake {
    /// Takes what has arrived; waits at most `wait` if there is nothing.
    ///
    /// librdkafka's batch call waits until the batch is *full*, so waiting is for one message alone.
    pub(super) fn collect(
        mut self,
        queue: &mut Queue,
        wait: Duration,
        mut standings: Option<&mut Standings>,
    ) -> Harvest {
        let mut take = |queue: &mut Queue, wait, max| {
            let each = |message: Message<'_>, left: usize| {
                self.take((message, left), standings.as_deref_mut());
            };
            queue.fetch(wait, max, each)
        };
        let mut count = take(queue, Duration::ZERO, FETCH_MAX);
        if count == 0 && !wait.is_zero() {
            count = take(queue, wait, 1);
            if count > 0 {
                take(queue, Duration::ZERO, FETCH_MAX);
            }
        }
        if let Some(standings) = standings {
            self.advance(standings);
        }
        self.polled.batches.retain(|batch| !batch.is_empty());
        Harvest { polled: self.polled, failed: self.failed }
    }

    /// Takes a message, with how many are left to take.
    fn take(&mut self, (message, left): (Message<'_>, usize), standings: Option<&mut Standings>) {
        if message.is_end() {
            return self.end(&message, standings);
        }
        if let Some(failed) = message.failure() {
            return self.fail(&message, failed, standings);
        }
        let Some(index) = self.lane((&message, left), standings) else { return };
        let Some(batch) = self.polled.batches.get_mut(index) else { return };
        self.headers.clear();
        message.headers(&mut self.headers);
        batch.push(RawRecord {
            offset: message.offset(),
            timestamp: message.timestamp(),
            key: message.key(),
            value: message.value(),
            headers: Headers::from_bytes(&self.headers),
        });
    }

    /// The batch that the message belongs to.
    fn lane(
        &mut self,
        (message, left): (&Message<'_>, usize),
        standings: Option<&mut Standings>,
    ) -> Option<usize> {
        let id = message.lane();
        if let Some((_, index)) = self.lanes.iter().rev().find(|(lane, _)| *lane == id) {
            return *index;
        }
        let source = message.source();
        let flows = |standings: &mut Standings| {
            standings.get(&source).is_some_and(|standing| !standing.paused)
        };
        let index = standings.is_none_or(flows).then(|| {
            // Messages of a partition come in runs, and are often of one size.
            let bytes =
                message.key().map_or(0, <[u8]>::len) + message.value().map_or(0, <[u8]>::len);
            let bytes = bytes.saturating_mul(left).min(ROOM_BYTES_MAX);
            self.polled.batches.push(Batch::with_room(source.clone(), left, bytes));
            self.polled.batches.len() - 1
        });
        self.lanes.push((id, index));
        index
    }

    fn end(&mut self, message: &Message<'_>, standings: Option<&mut Standings>) {
        let (source, end) = (message.source(), message.offset());
        let Some(standing) = standings.and_then(|standings| standings.get_mut(&source)) else {
            return;
        };
        let is_news = standing.ended != Some(end) && !standing.paused;
        standing.next = standing.next.max(end);
        if is_news {
            standing.ended = Some(end);
            self.polled.ends.push((source, end));
        }
    }

    fn fail(&mut self, message: &Message<'_>, failed: Failure, standings: Option<&mut Standings>) {
        match failed.code {
            Code::OffsetOutOfRange => {
                let source = message.source();
                // librdkafka tells this of partitions too that were taken away meanwhile.
                if standings.is_none_or(|standings| standings.contains_key(&source)) {
                    self.polled.out_of_range.push(source);
                }
            }
            Code::TimedOut | Code::Transport | Code::CoordinatorNotAvailable => {
                tracing::debug!(%failed, "a fetch failed; librdkafka tries again");
            }
            Code::Fenced
            | Code::InvalidProducerEpoch
            | Code::InvalidTransactionState
            | Code::InvalidProducerIdMapping
            | Code::UnknownProducerId
            | Code::OutOfOrderSequence
            | Code::ConcurrentTransactions
            | Code::Conflict
            | Code::IllegalGeneration
            | Code::UnknownMember
            | Code::FencedInstance
            | Code::StaleMemberEpoch
            | Code::RebalanceInProgress
            | Code::UnstableOffsets
            | Code::UnknownTopic
            | Code::MessageTooLarge
            | Code::QueueFull
            | Code::Purged
            | Code::Denied
            | Code::Unsupported
            | Code::InvalidArgument
            | Code::Other(_) => {
                let source = message.source();
                self.failed.get_or_insert(Failure {
                    detail: format!("{source}: {}", failed.detail),
                    ..failed
                });
            }
        }
    }

    fn advance(&self, standings: &mut Standings) {
        for batch in &self.polled.batches {
            let last = batch.len().checked_sub(1).and_then(|index| batch.get(index));
            if let (Some(last), Some(standing)) = (last, standings.get_mut(batch.source())) {
                standing.next = standing.next.max(last.offset.next());
            }
        }
    }
}
