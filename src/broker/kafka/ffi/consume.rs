//! What a consumer's handle can be told and asked: what is assigned, positions, ends, membership.
//!
//! The crate says the same only to consumers of its own, which are read one message at a time and wait for their group
//! when they are dropped.

use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka_sys as sys;

use super::list::List;
use super::queue::Queue;
use super::{Client, c_string, millis, outcome, owned, plain};
use crate::broker::{Bounds, Call, Code, Failure, GroupMetadata};
use crate::record::{Offset, TopicPartition};

impl Client {
    /// Adds to what is assigned.
    pub(in crate::broker::kafka) fn assign(&mut self, list: &List) -> Result<(), Failure> {
        // SAFETY: a live consumer and a live list, which it copies.
        outcome(Call::Assign, unsafe { sys::rd_kafka_incremental_assign(self.raw(), list.raw()) })
    }

    /// Answers what the group may be asking just now, so that the handle can be destroyed: a destroyed handle waits for
    /// the answer to an assignment that was told and not applied, for ever and on a whole core (librdkafka 2.12.1).
    /// The fatal error comes first, for after it nothing is asked again; it is nobody's concern, so nothing is logged.
    pub(in crate::broker::kafka) fn let_go(&mut self) {
        let reason = c"the member goes without a word";
        let why = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__DESTROY;
        // SAFETY: a live consumer; the words are a C string, which is copied.
        unsafe {
            sys::rd_kafka_set_log_level(self.raw(), -1);
            sys::rd_kafka_test_fatal_error(self.raw(), why, reason.as_ptr());
        }
        let applied = List::new(Call::Assign, []).and_then(|nothing| self.assign(&nothing));
        if let Err(refused) = applied {
            tracing::debug!(%refused, "a member that was closed already has nothing to answer");
        }
    }

    /// Takes from what is assigned; nothing of it is fetched afterwards.
    pub(in crate::broker::kafka) fn unassign(&mut self, list: &List) -> Result<(), Failure> {
        // SAFETY: a live consumer and a live list, which it copies.
        outcome(Call::Assign, unsafe { sys::rd_kafka_incremental_unassign(self.raw(), list.raw()) })
    }

    /// Keeps these from being fetched.
    pub(in crate::broker::kafka) fn pause(&mut self, list: &List) -> Result<(), Failure> {
        // SAFETY: a live consumer and a live list.
        plain(Call::Assign, unsafe { sys::rd_kafka_pause_partitions(self.raw(), list.raw()) })
    }

    /// Lets these be fetched again.
    pub(in crate::broker::kafka) fn resume(&mut self, list: &List) -> Result<(), Failure> {
        // SAFETY: a live consumer and a live list.
        plain(Call::Assign, unsafe { sys::rd_kafka_resume_partitions(self.raw(), list.raw()) })
    }

    /// Writes the group's committed offsets into the list.
    pub(in crate::broker::kafka) fn committed(
        &mut self,
        list: &List,
        wait: Duration,
    ) -> Result<(), Failure> {
        // SAFETY: a live consumer and a live list.
        plain(Call::Committed, unsafe {
            sys::rd_kafka_committed(self.raw(), list.raw(), millis(wait))
        })
    }

    /// Asks the broker where a partition begins and ends.
    pub(in crate::broker::kafka) fn bounds(
        &mut self,
        of: &TopicPartition,
        wait: Duration,
    ) -> Result<Bounds, Failure> {
        let topic = c_string(Call::Bounds, &of.topic)?;
        let (mut start, mut end) = (0, 0);
        // SAFETY: a live consumer, a C string and two places to write to.
        plain(Call::Bounds, unsafe {
            sys::rd_kafka_query_watermark_offsets(
                self.raw(),
                topic.as_ptr(),
                of.partition,
                &mut start,
                &mut end,
                millis(wait),
            )
        })?;
        Ok(Bounds { start: Offset(start), end: Offset(end) })
    }

    /// The end of a partition's log as the last fetch showed it, if there was one.
    pub(in crate::broker::kafka) fn end_seen(&self, of: &TopicPartition) -> Option<Offset> {
        let topic = c_string(Call::Bounds, &of.topic).ok()?;
        let (mut start, mut end) = (0, 0);
        // SAFETY: a live consumer, a C string and two places to write to.
        plain(Call::Bounds, unsafe {
            sys::rd_kafka_get_watermark_offsets(
                self.raw(),
                topic.as_ptr(),
                of.partition,
                &mut start,
                &mut end,
            )
        })
        .ok()?;
        (end >= 0).then_some(Offset(end))
    }

    /// Subscribes to these topics.
    pub(in crate::broker::kafka) fn subscribe(&mut self, list: &List) -> Result<(), Failure> {
        // SAFETY: a live consumer and a live list, which it copies.
        plain(Call::Open, unsafe { sys::rd_kafka_subscribe(self.raw(), list.raw()) })
    }

    /// Whether what is being revoked may be another's already.
    pub(in crate::broker::kafka) fn is_assignment_lost(&self) -> bool {
        // SAFETY: a live consumer.
        unsafe { sys::rd_kafka_assignment_lost(self.raw()) != 0 }
    }

    /// Generation and member id as this handle has them.
    pub(in crate::broker::kafka) fn membership(&self) -> Option<(i32, String)> {
        // SAFETY: a live consumer; the metadata is ours and read before it is destroyed.
        unsafe {
            let metadata = sys::rd_kafka_consumer_group_metadata(self.raw());
            if metadata.is_null() {
                return None;
            }
            let generation = sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
            let member = owned(sys::rd_kafka_consumer_group_metadata_member_id(metadata));
            sys::rd_kafka_consumer_group_metadata_destroy(metadata);
            Some((generation, member))
        }
    }

    /// Commits, and waits at most `wait` for the answer.
    pub(in crate::broker::kafka) fn commit_offsets(
        &mut self,
        list: &List,
        wait: Duration,
    ) -> Result<(), Failure> {
        let answers = Queue::new(self)?;
        // SAFETY: a live consumer, list and queue; without a callback the answer comes as an event, which is ours.
        unsafe {
            plain(
                Call::GroupCommit,
                sys::rd_kafka_commit_queue(
                    self.raw(),
                    list.raw(),
                    answers.raw(),
                    None,
                    ptr::null_mut(),
                ),
            )?;
            let event = sys::rd_kafka_queue_poll(answers.raw(), millis(wait));
            if event.is_null() {
                let late = Failure::new(Call::GroupCommit, Code::TimedOut, "no answer in time");
                return Err(late.retriable());
            }
            let err = sys::rd_kafka_event_error(event);
            sys::rd_kafka_event_destroy(event);
            plain(Call::GroupCommit, err)
        }
    }

    /// Starts closing; what is left to do comes by `queue`.
    pub(in crate::broker::kafka) fn close_to(&mut self, queue: &Queue) -> Result<(), Failure> {
        // SAFETY: a live consumer and a live queue of it.
        outcome(Call::Poll, unsafe { sys::rd_kafka_consumer_close_queue(self.raw(), queue.raw()) })
    }

    /// Whether closing is done.
    pub(in crate::broker::kafka) fn is_closed(&self) -> bool {
        // SAFETY: a live consumer.
        unsafe { sys::rd_kafka_consumer_closed(self.raw()) != 0 }
    }
}

/// A group's metadata as a producer is given it.
pub(super) struct Metadata(pub(super) NonNull<sys::rd_kafka_consumer_group_metadata_t>);

impl Metadata {
    pub(super) fn new(of: &GroupMetadata) -> Result<Self, Failure> {
        let group = c_string(Call::SendOffsets, &of.group)?;
        let member = c_string(Call::SendOffsets, &of.member)?;
        let instance = c_string(Call::SendOffsets, &of.instance)?;
        let instance = if of.instance.is_empty() { ptr::null() } else { instance.as_ptr() };
        // SAFETY: C strings, which it copies.
        let raw = unsafe {
            sys::rd_kafka_consumer_group_metadata_new_with_genid(
                group.as_ptr(),
                of.generation,
                member.as_ptr(),
                instance,
            )
        };
        let none = || Failure::new(Call::SendOffsets, Code::InvalidArgument, "no group metadata");
        NonNull::new(raw).map(Self).ok_or_else(none)
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        // SAFETY: ours, once.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) };
    }
}
