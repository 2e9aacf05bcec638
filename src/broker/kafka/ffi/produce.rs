//! Writing: topic handles, records on their way out, transactions.
//!
//! The crate's producer takes 504 ns for a record where a batch takes 284, and 107 ms for a commit that takes 9 here
//! (`script/bench client`); its abort fails unless another thread takes reports meanwhile, and it can name a group's member only by
//! a consumer of its own.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_vtype_t as Field;

use super::consume::Metadata;
use super::{Client, List, c_string, millis, outcome, plain, pointer, words_of};
use crate::broker::kafka::delivery_reports::tag;
use crate::broker::kafka::errors::failure;
use crate::broker::{Call, Code, Failure, GroupMetadata, OutRecord};
use crate::record::{Headers, Timestamp};

/// One topic of one producer. Dropped before its [`Client`].
#[derive(Debug)]
pub(in crate::broker::kafka) struct TopicHandle(NonNull<sys::rd_kafka_topic_t>);

// SAFETY: a topic handle may be used from any thread.
unsafe impl Send for TopicHandle {}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: ours, once.
        unsafe { sys::rd_kafka_topic_destroy(self.0.as_ptr()) };
    }
}

/// A logged record as `rd_kafka_produce_batch` takes it, borrowing its bytes.
#[repr(transparent)]
#[derive(Debug)]
pub(in crate::broker::kafka) struct Draft<'a>(sys::rd_kafka_message_t, PhantomData<&'a [u8]>);

impl<'a> Draft<'a> {
    /// Of `record`, tagged so that its offset will be reported.
    pub(in crate::broker::kafka) fn new(record: &OutRecord<'a>) -> Self {
        let ((key, key_len), (payload, len)) = (pointer(record.key), pointer(record.value));
        let message = sys::rd_kafka_message_t {
            err: sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
            rkt: ptr::null_mut(),
            partition: record.partition,
            payload,
            len,
            key,
            key_len,
            offset: 0,
            _private: ptr::without_provenance_mut(tag(record.topic)),
        };
        Self(message, PhantomData)
    }

    /// Its partition.
    pub(in crate::broker::kafka) fn partition(&self) -> i32 {
        self.0.partition
    }

    /// Why it was not taken.
    pub(in crate::broker::kafka) fn failure(&self) -> Option<Failure> {
        let err = self.0.err;
        (err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR)
            .then(|| failure(Call::Send, err, words_of(err)))
    }
}

impl Client {
    /// A handle on `topic`, to send by.
    pub(in crate::broker::kafka) fn topic(&self, topic: &str) -> Result<TopicHandle, Failure> {
        let name = c_string(Call::Open, topic)?;
        // SAFETY: a live producer and a C string; no configuration of the topic's own.
        let raw = unsafe { sys::rd_kafka_topic_new(self.raw(), name.as_ptr(), ptr::null_mut()) };
        let none = || Failure::new(Call::Open, Code::InvalidArgument, format!("topic {topic:?}"));
        NonNull::new(raw).map(TopicHandle).ok_or_else(none)
    }

    /// Hands logged records of one topic over, copying their bytes. Those not taken say why.
    pub(in crate::broker::kafka) fn produce_batch(
        &mut self,
        topic: &TopicHandle,
        drafts: &mut [Draft<'_>],
    ) {
        let count = c_int::try_from(drafts.len()).unwrap_or(c_int::MAX);
        // SAFETY: a live topic; a draft is an `rd_kafka_message_t` (transparent) whose bytes outlive the call, and
        // are copied by it.
        unsafe {
            sys::rd_kafka_produce_batch(
                topic.0.as_ptr(),
                0,
                sys::RD_KAFKA_MSG_F_COPY | sys::RD_KAFKA_MSG_F_PARTITION,
                drafts.as_mut_ptr().cast(),
                count,
            );
        }
    }

    /// Hands one record over with its time and headers, copying its bytes.
    pub(in crate::broker::kafka) fn produce(
        &mut self,
        topic: &TopicHandle,
        record: &OutRecord<'_>,
    ) -> Result<(), Failure> {
        let headers = headers_of(record.headers);
        // Only of a logged record the offset is reported.
        let tagged = if record.logged { tag(record.topic) } else { 0 };
        let fields = [
            field(Field::RD_KAFKA_VTYPE_RKT, |u| u.rkt = topic.0.as_ptr()),
            field(Field::RD_KAFKA_VTYPE_PARTITION, |u| u.i32_ = record.partition),
            field(Field::RD_KAFKA_VTYPE_MSGFLAGS, |u| u.i = sys::RD_KAFKA_MSG_F_COPY),
            memory(Field::RD_KAFKA_VTYPE_KEY, record.key),
            memory(Field::RD_KAFKA_VTYPE_VALUE, record.value),
            field(Field::RD_KAFKA_VTYPE_TIMESTAMP, |u| u.i64_ = wire(record.timestamp)),
            field(Field::RD_KAFKA_VTYPE_OPAQUE, |u| u.ptr = ptr::without_provenance_mut(tagged)),
            field(Field::RD_KAFKA_VTYPE_HEADERS, |u| {
                u.headers = headers.map_or(ptr::null_mut(), NonNull::as_ptr);
            }),
        ];
        let count = fields.len() - usize::from(headers.is_none());
        // SAFETY: a live producer and `count` fields, each set as its kind says; bytes are copied. Headers become
        // librdkafka's if it takes the record, else they are freed here.
        unsafe {
            let sent =
                outcome(Call::Send, sys::rd_kafka_produceva(self.raw(), fields.as_ptr(), count));
            if let (Err(_), Some(headers)) = (&sent, headers) {
                sys::rd_kafka_headers_destroy(headers.as_ptr());
            }
            sent
        }
    }

    /// Waits until everything sent is acknowledged or has failed.
    pub(in crate::broker::kafka) fn flush(&mut self, wait: Duration) -> Result<(), Failure> {
        // SAFETY: a live producer.
        plain(Call::Flush, unsafe { sys::rd_kafka_flush(self.raw(), millis(wait)) })
    }

    /// Registers the transactional id.
    pub(in crate::broker::kafka) fn init_transactions(
        &mut self,
        wait: Duration,
    ) -> Result<(), Failure> {
        // SAFETY: a live producer.
        outcome(Call::Init, unsafe { sys::rd_kafka_init_transactions(self.raw(), millis(wait)) })
    }

    /// Opens a transaction.
    pub(in crate::broker::kafka) fn begin_transaction(&mut self) -> Result<(), Failure> {
        // SAFETY: a live producer.
        outcome(Call::Begin, unsafe { sys::rd_kafka_begin_transaction(self.raw()) })
    }

    /// Adds the group's next positions.
    pub(in crate::broker::kafka) fn send_offsets(
        &mut self,
        list: &List,
        group: &GroupMetadata,
        wait: Duration,
    ) -> Result<(), Failure> {
        let metadata = Metadata::new(group)?;
        // SAFETY: a live producer, list and metadata, which it copies.
        outcome(Call::SendOffsets, unsafe {
            sys::rd_kafka_send_offsets_to_transaction(
                self.raw(),
                list.raw(),
                metadata.0.as_ptr(),
                millis(wait),
            )
        })
    }

    /// Flushes and commits, serving reports meanwhile.
    pub(in crate::broker::kafka) fn commit_transaction(
        &mut self,
        wait: Duration,
    ) -> Result<(), Failure> {
        // SAFETY: a live producer.
        outcome(Call::Commit, unsafe { sys::rd_kafka_commit_transaction(self.raw(), millis(wait)) })
    }

    /// Purges and aborts, serving reports meanwhile.
    pub(in crate::broker::kafka) fn abort_transaction(
        &mut self,
        wait: Duration,
    ) -> Result<(), Failure> {
        // SAFETY: a live producer.
        outcome(Call::Abort, unsafe { sys::rd_kafka_abort_transaction(self.raw(), millis(wait)) })
    }
}

type Union = sys::rd_kafka_vu_s__bindgen_ty_1;

fn field(vtype: Field, set: impl FnOnce(&mut Union)) -> sys::rd_kafka_vu_t {
    let mut u = Union { _pad: [0; 64] };
    set(&mut u);
    sys::rd_kafka_vu_t { vtype, u }
}

fn memory(vtype: Field, bytes: Option<&[u8]>) -> sys::rd_kafka_vu_t {
    let (ptr, size) = pointer(bytes);
    field(vtype, |u| u.mem = sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr, size })
}

/// librdkafka reads 0 as "now", so no record can carry the epoch itself: one millisecond later is the nearest.
/// A negative time is Kafka's "none", and becomes now as well.
fn wire(timestamp: Timestamp) -> i64 {
    match timestamp.0 {
        ..0 => 0,
        0 => 1,
        millis => millis,
    }
}

fn headers_of(headers: Headers<'_>) -> Option<NonNull<sys::rd_kafka_headers_t>> {
    if headers.is_empty() {
        return None;
    }
    // SAFETY: the list is new; names and values are copied, with their lengths told.
    unsafe {
        let list = NonNull::new(sys::rd_kafka_headers_new(headers.count()))?;
        for header in headers {
            let (value, size) = pointer(header.value);
            sys::rd_kafka_header_add(
                list.as_ptr(),
                header.name.as_ptr().cast(),
                header.name.len().cast_signed(),
                value,
                size.cast_signed(),
            );
        }
        Some(list)
    }
}
