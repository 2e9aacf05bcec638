//! A queue of a consumer: batches of messages, and the events of a member.
//!
//! The crate takes one message at a time, for 377 ns where a batch takes 180 (`script/bench client`), and applies a
//! rebalance inside its poll, where a member here answers it in its own time.

use std::fmt;
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka_sys as sys;

use super::list::partitions;
use super::message::Message;
use super::{Client, millis, owned};
use crate::broker::kafka::errors::failure;
use crate::broker::{Call, Code, Failure};
use crate::record::TopicPartition;

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
        Self::on(client.raw())
    }

    /// The same on a handle that lives as long.
    pub(super) fn on(rk: *mut sys::rd_kafka_t) -> Result<Self, Failure> {
        // SAFETY: a live handle.
        Self::owned(unsafe { sys::rd_kafka_queue_new(rk) })
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
