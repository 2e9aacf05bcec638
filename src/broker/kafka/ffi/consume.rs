//! Reading: queues, messages, rebalance events, and what a consumer's handle can be asked.

use std::ffi::{CStr, c_void};
use std::fmt;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka_sys as sys;

use super::list::{List, partitions};
use super::{Client, c_string, millis, outcome, owned, plain};
use crate::broker::kafka::errors::failure;
use crate::broker::{Bounds, Call, Code, Failure, GroupMetadata};
use crate::record::{Header, Offset, Timestamp, TopicPartition, encode_header};

/// A queue of a consumer. Dropped before its [`Client`].
pub(in crate::broker::kafka) struct Queue {
    raw: NonNull<sys::rd_kafka_queue_t>,
    /// What a batch is fetched into; its messages are handed out or destroyed before the next one.
    fetched: Vec<*mut sys::rd_kafka_message_t>,
}

// SAFETY: a queue may be used from any thread, by one at a time; every use takes `&mut self`. Between two uses
// `fetched` holds no message.
unsafe impl Send for Queue {}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: ours, once.
        unsafe { sys::rd_kafka_queue_destroy(self.raw.as_ptr()) };
    }
}

/// What a queue of a member brings.
#[derive(Debug)]
pub(in crate::broker::kafka) enum Event {
    /// The group gives these; nothing is assigned until the member says so.
    Assign(Vec<TopicPartition>),
    /// The group wants these back.
    Revoke(Vec<TopicPartition>),
    /// Something failed.
    Failed(Failure),
    /// A record, a log, anything that a member has no use for.
    Nothing,
}

impl Queue {
    /// The queue by which everything of this consumer comes.
    pub(in crate::broker::kafka) fn of(client: &Client) -> Result<Self, Failure> {
        // SAFETY: a live consumer; the answer is a new reference.
        Self::owned(unsafe { sys::rd_kafka_queue_get_consumer(client.raw()) })
    }

    /// A new queue.
    pub(in crate::broker::kafka) fn new(client: &Client) -> Result<Self, Failure> {
        // SAFETY: a live handle.
        Self::owned(unsafe { sys::rd_kafka_queue_new(client.raw()) })
    }

    fn owned(raw: *mut sys::rd_kafka_queue_t) -> Result<Self, Failure> {
        let none = || Failure::new(Call::Open, Code::Unsupported, "the handle has no queue");
        Ok(Self { raw: NonNull::new(raw).ok_or_else(none)?, fetched: Vec::new() })
    }

    pub(super) fn raw(&self) -> *mut sys::rd_kafka_queue_t {
        self.raw.as_ptr()
    }

    /// Hands at most `max` messages to `each`, waiting at most `wait` until there are *that many*; with each it
    /// tells how many are left, that one included.
    pub(in crate::broker::kafka) fn fetch(
        &mut self,
        wait: Duration,
        max: usize,
        mut each: impl FnMut(Message<'_>, usize),
    ) -> usize {
        self.fetched.clear();
        self.fetched.reserve(max);
        // SAFETY: a live queue and room for `max` pointers, of which the answer says how many were written.
        let count = unsafe {
            let count = sys::rd_kafka_consume_batch_queue(
                self.raw.as_ptr(),
                millis(wait),
                self.fetched.as_mut_ptr(),
                max,
            );
            let count = usize::try_from(count).unwrap_or_default().min(max);
            self.fetched.set_len(count);
            count
        };
        for (left, message) in (1..=count).rev().zip(self.fetched.drain(..)) {
            // SAFETY: a message that is ours; destroyed once, after `each` returned.
            unsafe {
                if let Some(message) = message.as_ref() {
                    each(Message(message), left);
                }
                sys::rd_kafka_message_destroy(message);
            }
        }
        count
    }

    /// The next event, waiting at most `wait`.
    pub(in crate::broker::kafka) fn event(&mut self, wait: Duration) -> Option<Event> {
        // SAFETY: a live queue; the event is ours, and everything read from it is copied before it is destroyed.
        unsafe {
            let event = sys::rd_kafka_queue_poll(self.raw.as_ptr(), millis(wait));
            if event.is_null() {
                return None;
            }
            let err = sys::rd_kafka_event_error(event);
            let told = if sys::rd_kafka_event_type(event) == sys::RD_KAFKA_EVENT_REBALANCE {
                let list = partitions(sys::rd_kafka_event_topic_partition_list(event));
                let given = err == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
                if given { Event::Assign(list) } else { Event::Revoke(list) }
            } else if err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                let words = owned(sys::rd_kafka_event_error_string(event));
                Event::Failed(failure(Call::Poll, err, words))
            } else {
                Event::Nothing
            };
            sys::rd_kafka_event_destroy(event);
            Some(told)
        }
    }
}

/// A message, or what librdkafka says in place of one, until the next fetch.
#[derive(Clone, Copy)]
pub(in crate::broker::kafka) struct Message<'a>(&'a sys::rd_kafka_message_t);

impl<'a> Message<'a> {
    /// What it says in place of a record: [`None`] for a record, the words of it otherwise.
    pub(in crate::broker::kafka) fn failure(&self) -> Option<Failure> {
        plain(Call::Poll, self.0.err).err()
    }

    /// Whether it says that the partition's end was reached.
    pub(in crate::broker::kafka) fn is_end(&self) -> bool {
        self.0.err == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF
    }

    /// Tells partitions apart within one fetch, without reading the topic's name.
    pub(in crate::broker::kafka) fn lane(&self) -> (usize, i32) {
        (self.0.rkt.addr(), self.0.partition)
    }

    /// Its partition; the topic is empty for an error that is of none.
    pub(in crate::broker::kafka) fn source(&self) -> TopicPartition {
        if self.0.rkt.is_null() {
            return TopicPartition::new("", self.0.partition);
        }
        // SAFETY: the topic's handle lives as long as the message.
        let topic = unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.0.rkt)) };
        TopicPartition::new(topic.to_string_lossy().as_ref(), self.0.partition)
    }

    /// Its offset; of an end, the offset of the end.
    pub(in crate::broker::kafka) fn offset(&self) -> Offset {
        Offset(self.0.offset)
    }

    /// Its timestamp, as the topic's type has it.
    pub(in crate::broker::kafka) fn timestamp(&self) -> Timestamp {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: a live message and a place for the kind.
        Timestamp(unsafe { sys::rd_kafka_message_timestamp(self.0, &mut kind) })
    }

    /// Its key.
    pub(in crate::broker::kafka) fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: the message says where its key is and lives for `'a`.
        unsafe { bytes(self.0.key, self.0.key_len) }
    }

    /// Its value.
    pub(in crate::broker::kafka) fn value(&self) -> Option<&'a [u8]> {
        // SAFETY: the message says where its value is and lives for `'a`.
        unsafe { bytes(self.0.payload, self.0.len) }
    }

    /// Appends its headers, encoded. A name that is no UTF-8 is replaced where it is none.
    pub(in crate::broker::kafka) fn headers(&self, out: &mut Vec<u8>) {
        let mut headers = ptr::null_mut();
        // SAFETY: a live message, which keeps the headers; names are C strings, values as long as told.
        unsafe {
            let found = sys::rd_kafka_message_headers(self.0, &mut headers);
            if found != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            for index in 0.. {
                let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
                let found =
                    sys::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut size);
                if found != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return;
                }
                let name = CStr::from_ptr(name).to_string_lossy();
                encode_header(Header { name: &name, value: bytes(value, size) }, out);
            }
        }
    }
}

/// What a pointer and a length say: null is null.
///
/// # Safety
/// `start` is null or `length` bytes that live and stay as they are during `'a`.
unsafe fn bytes<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: not null, and the caller promises the rest.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast(), length) })
}

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
