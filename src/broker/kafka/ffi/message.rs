//! One message of a fetch: a record, or what librdkafka says in its place. Nothing of it outlives the fetch. The crate's
//! message comes from its own consumers alone.

use std::ffi::{CStr, c_void};
use std::ptr;

use rdkafka_sys as sys;

use super::plain;
use crate::broker::{Call, Failure};
use crate::record::{Header, Offset, Timestamp, TopicPartition, encode_header};

/// A message, or what librdkafka says in place of one, until the next fetch.
#[derive(Clone, Copy)]
pub(in crate::broker::kafka) struct Message<'a>(pub(super) &'a sys::rd_kafka_message_t);

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
