//! Reading: assigned partitions from their beginnings, in batches.

use std::ffi::c_int;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka_sys as sys;

use super::{Client, Handle, c_string, millis, plain};
use crate::{Broken, Result};

/// A consumer of one topic.
#[derive(Debug)]
pub(crate) struct Consumer {
    queue: NonNull<sys::rd_kafka_queue_t>,
    fetched: Vec<*mut sys::rd_kafka_message_t>,
    handle: Handle,
}

/// A record that was read, until the next one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Polled<'a> {
    /// A record.
    Record {
        /// Where it lay.
        partition: i32,
        /// Where it lay there.
        offset: i64,
        /// Its time in ms.
        at: i64,
        /// Empty if it is null.
        key: &'a [u8],
        /// Empty if it is null.
        value: &'a [u8],
    },
    /// A partition is read to its end.
    End,
}

impl Consumer {
    /// Reads all of `topic`'s partitions from their beginnings, committed records only.
    pub(crate) fn open(client: Client, topic: &str, partitions: i32) -> Result<Self> {
        let conf = client.set("isolation.level", "read_committed").conf()?;
        let handle = Handle::open(sys::rd_kafka_type_t::RD_KAFKA_CONSUMER, conf)?;
        let c_topic = c_string(topic)?;
        // SAFETY: a live consumer; the list is ours, copied by the call and destroyed here.
        let queue = unsafe {
            sys::rd_kafka_poll_set_consumer(handle.raw());
            let list = sys::rd_kafka_topic_partition_list_new(partitions as c_int);
            for partition in 0..partitions {
                let place =
                    sys::rd_kafka_topic_partition_list_add(list, c_topic.as_ptr(), partition);
                (*place).offset = 0;
            }
            let assigned = sys::rd_kafka_assign(handle.raw(), list);
            sys::rd_kafka_topic_partition_list_destroy(list);
            plain("assign", assigned)?;
            sys::rd_kafka_queue_get_consumer(handle.raw())
        };
        let queue = NonNull::new(queue).ok_or_else(|| Broken("a consumer has no queue".into()))?;
        Ok(Self { queue, fetched: vec![ptr::null_mut(); 1_000], handle })
    }

    /// Hands what arrives within `wait`, a thousand records at most, to `each`.
    pub(crate) fn poll(&mut self, wait: Duration, mut each: impl FnMut(Polled<'_>)) -> Result<()> {
        // SAFETY: a live queue and room for as many pointers as told.
        let count = unsafe {
            let room = self.fetched.as_mut_ptr();
            sys::rd_kafka_consume_batch_queue(
                self.queue.as_ptr(),
                millis(wait),
                room,
                self.fetched.len(),
            )
        };
        let mut polled = Ok(());
        for message in self.fetched.iter().take(usize::try_from(count).unwrap_or(0)) {
            // SAFETY: a message that is ours, read before it is destroyed, once.
            unsafe {
                match read(*message) {
                    Ok(record) => each(record),
                    Err(broken) => polled = Err(broken),
                }
                sys::rd_kafka_message_destroy(*message);
            }
        }
        polled
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // SAFETY: ours, once, before the handle; closing stops fetches that would otherwise be waited for.
        unsafe {
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
            sys::rd_kafka_consumer_close(self.handle.raw());
        }
    }
}

/// # Safety
/// `message` is live for as long as the answer is used.
unsafe fn read<'a>(message: *mut sys::rd_kafka_message_t) -> Result<Polled<'a>> {
    // SAFETY: the caller's promise.
    let record = unsafe { &*message };
    match record.err {
        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {}
        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => return Ok(Polled::End),
        err => return Err(plain("poll", err).err().unwrap_or_else(|| Broken("poll".into()))),
    }
    // SAFETY: the same; a null pointer comes with length 0 and is replaced.
    unsafe {
        Ok(Polled::Record {
            partition: record.partition,
            offset: record.offset,
            at: sys::rd_kafka_message_timestamp(message, ptr::null_mut()),
            key: bytes(record.key.cast(), record.key_len),
            value: bytes(record.payload.cast(), record.len),
        })
    }
}

/// # Safety
/// `from` is null or points to `length` bytes that live as long as the answer is used.
unsafe fn bytes<'a>(from: *const u8, length: usize) -> &'a [u8] {
    if from.is_null() {
        return &[];
    }
    // SAFETY: not null, and the caller promises the rest.
    unsafe { std::slice::from_raw_parts(from, length) }
}
