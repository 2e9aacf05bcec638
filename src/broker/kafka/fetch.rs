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
pub(super) struct ReadPosition {
    /// The next offset to read.
    pub(super) next: Offset,
    /// The end that was reported last.
    pub(super) ended: Option<Offset>,
    /// Whether it is kept from arriving.
    pub(super) paused: bool,
}

/// Every partition assigned, and where the reader stands in it.
pub(super) type ReadPositions = BTreeMap<TopicPartition, ReadPosition>;

/// What one poll has fetched so far.
#[derive(Debug, Default)]
pub(super) struct Fetch {
    polled: Polled,
    /// Partitions seen in this poll, with their batch; none if the partition is not to arrive.
    lanes: Vec<((usize, i32), Option<usize>)>,
    headers: Vec<u8>,
    failed: Option<Failure>,
}

/// The result of a fetch, and the failure that came with it, which the next poll answers.
pub(super) struct Fetched {
    pub(super) polled: Polled,
    pub(super) failed: Option<Failure>,
}

impl Fetch {
    /// Takes what has arrived; waits at most `wait` if there is nothing.
    ///
    /// librdkafka's batch call waits until the batch is *full*, so waiting is for one message alone.
    pub(super) fn collect(
        mut self,
        queue: &mut Queue,
        wait: Duration,
        mut positions: Option<&mut ReadPositions>,
    ) -> Fetched {
        let mut take = |queue: &mut Queue, wait, max| {
            let each = |message: Message<'_>, left: usize| {
                self.take((message, left), positions.as_deref_mut());
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
        if let Some(positions) = positions {
            self.advance(positions);
        }
        self.polled.batches.retain(|batch| !batch.is_empty());
        Fetched { polled: self.polled, failed: self.failed }
    }

    /// Takes a message, with how many are left to take.
    fn take(
        &mut self,
        (message, left): (Message<'_>, usize),
        positions: Option<&mut ReadPositions>,
    ) {
        if message.is_end() {
            return self.end(&message, positions);
        }
        if let Some(failed) = message.failure() {
            return self.fail(&message, failed, positions);
        }
        let Some(index) = self.lane((&message, left), positions) else { return };
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
        positions: Option<&mut ReadPositions>,
    ) -> Option<usize> {
        let id = message.lane();
        if let Some((_, index)) = self.lanes.iter().rev().find(|(lane, _)| *lane == id) {
            return *index;
        }
        let source = message.source();
        let flows = |positions: &mut ReadPositions| {
            positions.get(&source).is_some_and(|position| !position.paused)
        };
        let index = positions.is_none_or(flows).then(|| {
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

    fn end(&mut self, message: &Message<'_>, positions: Option<&mut ReadPositions>) {
        let (source, end) = (message.source(), message.offset());
        let Some(position) = positions.and_then(|positions| positions.get_mut(&source)) else {
            return;
        };
        let is_news = position.ended != Some(end) && !position.paused;
        position.next = position.next.max(end);
        if is_news {
            position.ended = Some(end);
            self.polled.ends.push((source, end));
        }
    }

    fn fail(
        &mut self,
        message: &Message<'_>,
        failed: Failure,
        positions: Option<&mut ReadPositions>,
    ) {
        match failed.code {
            Code::OffsetOutOfRange => {
                let source = message.source();
                // librdkafka tells this of partitions too that were taken away meanwhile.
                if positions.is_none_or(|positions| positions.contains_key(&source)) {
                    self.polled.out_of_range.push(source);
                }
            }
            Code::TimedOut | Code::Transport | Code::CoordinatorNotAvailable => {
                tracing::debug!(%failed, "a fetch failed; librdkafka tries again");
            }
            // The poll that hears of it has joined again.
            Code::PollOverdue => tracing::info!(%failed, "a member was given up; it joins again"),
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

    fn advance(&self, positions: &mut ReadPositions) {
        for batch in &self.polled.batches {
            let last = batch.len().checked_sub(1).and_then(|index| batch.get(index));
            if let (Some(last), Some(position)) = (last, positions.get_mut(batch.source())) {
                position.next = position.next.max(last.offset.next());
            }
        }
    }
}
