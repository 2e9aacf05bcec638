//! Writing: batches of records, with or without a transaction around them.

use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_vtype_t as Field;

use super::{Client, Handle, c_string, millis, outcome, plain};
use crate::{Broken, Result};

/// A producer whose delivery reports are served inside flush and commit.
#[derive(Debug)]
pub(crate) struct Producer {
    handle: Rc<Handle>,
}

/// One topic of one producer.
#[derive(Debug)]
pub(crate) struct Topic {
    raw: NonNull<sys::rd_kafka_topic_t>,
    _handle: Rc<Handle>,
}

impl Topic {
    pub(super) fn raw(&self) -> *mut sys::rd_kafka_topic_t {
        self.raw.as_ptr()
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: ours, once, before its handle.
        unsafe { sys::rd_kafka_topic_destroy(self.raw.as_ptr()) };
    }
}

/// A record on its way out, borrowed.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a>(sys::rd_kafka_message_t, PhantomData<&'a [u8]>);

impl<'a> Message<'a> {
    pub(crate) fn new(partition: i32, key: &'a [u8], value: &'a [u8]) -> Self {
        let message = sys::rd_kafka_message_t {
            err: sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
            rkt: ptr::null_mut(),
            partition,
            payload: value.as_ptr().cast_mut().cast(),
            len: value.len(),
            key: key.as_ptr().cast_mut().cast(),
            key_len: key.len(),
            offset: 0,
            _private: ptr::null_mut(),
        };
        Self(message, PhantomData)
    }

    pub(crate) fn partition(&self) -> i32 {
        self.0.partition
    }
}

/// Records of one topic in a transaction.
pub(crate) struct Parcel<'a> {
    pub(crate) topic: &'a Topic,
    pub(crate) messages: Vec<Message<'a>>,
    /// Each record's own time, which only the slower of librdkafka's two ways of sending can carry.
    pub(crate) times: Option<Vec<i64>>,
}

/// Records that were sent and not delivered, by any producer of this process.
static UNDELIVERED: AtomicU64 = AtomicU64::new(0);

extern "C" fn delivered(
    _: *mut sys::rd_kafka_t,
    message: *const sys::rd_kafka_message_t,
    _: *mut c_void,
) {
    // SAFETY: librdkafka gives a live message.
    let err = unsafe { (*message).err };
    if err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        UNDELIVERED.fetch_add(1, Ordering::Relaxed);
    }
}

impl Producer {
    /// Opens it; with a `transactional.id` among its settings it also registers that.
    pub(crate) fn open(client: Client) -> Result<Self> {
        let is_transactional = client.0.iter().any(|(name, _)| name == "transactional.id");
        let conf = client.conf()?;
        // SAFETY: a live configuration; the callback lives for ever.
        unsafe { sys::rd_kafka_conf_set_dr_msg_cb(conf, Some(delivered)) };
        let handle = Rc::new(Handle::open(sys::rd_kafka_type_t::RD_KAFKA_PRODUCER, conf)?);
        if is_transactional {
            // SAFETY: a live producer.
            outcome("init transactions", unsafe {
                sys::rd_kafka_init_transactions(handle.raw(), millis(Duration::from_secs(30)))
            })?;
        }
        Ok(Self { handle })
    }

    pub(super) fn raw(&self) -> *mut sys::rd_kafka_t {
        self.handle.raw()
    }

    pub(crate) fn topic(&self, name: &str) -> Result<Topic> {
        let c_name = c_string(name)?;
        // SAFETY: a live producer and a C string; no configuration of the topic's own.
        let raw = unsafe { sys::rd_kafka_topic_new(self.raw(), c_name.as_ptr(), ptr::null_mut()) };
        let raw = NonNull::new(raw).ok_or_else(|| Broken(format!("no topic {name}")))?;
        Ok(Topic { raw, _handle: Rc::clone(&self.handle) })
    }

    /// Hands records over, copying them.
    pub(crate) fn send_copies<'a>(
        &mut self,
        topic: &Topic,
        messages: impl Iterator<Item = Message<'a>>,
    ) -> Result<()> {
        let mut messages: Vec<Message<'a>> = messages.collect();
        // SAFETY: records are copied before the call returns.
        unsafe { produce(topic, &mut messages, sys::RD_KAFKA_MSG_F_COPY) }
    }

    /// Serves reports until at most so many records wait.
    pub(crate) fn drain_to(&mut self, waiting_max: i32) {
        // SAFETY: a live producer.
        unsafe {
            while sys::rd_kafka_outq_len(self.raw()) > waiting_max {
                sys::rd_kafka_poll(self.raw(), 10);
            }
        }
    }

    /// Waits until everything is delivered.
    pub(crate) fn flush(&mut self, wait: Duration) -> Result<()> {
        // SAFETY: a live producer.
        plain("flush", unsafe { sys::rd_kafka_flush(self.raw(), millis(wait)) })?;
        undelivered()
    }

    /// One transaction: these records, and that `group` has read `topic` up to these positions.
    ///
    /// Nothing is copied: when it returns, everything is delivered or given up.
    pub(crate) fn transact(
        &mut self,
        parcels: &mut [Parcel<'_>],
        group: &str,
        topic: &str,
        positions: &[i64],
    ) -> Result<()> {
        // SAFETY: a live producer.
        outcome("begin", unsafe { sys::rd_kafka_begin_transaction(self.raw()) })?;
        let sent = parcels.iter_mut().try_for_each(|parcel| self.send_borrowed(parcel));
        let offsets = sent.and_then(|()| self.send_offsets(group, topic, positions));
        // SAFETY: a live producer; commit and abort wait for every record, so none outlives its borrow.
        let committed = offsets.and_then(|()| unsafe {
            outcome("commit", sys::rd_kafka_commit_transaction(self.raw(), -1))
        });
        if committed.is_err() {
            // SAFETY: a live producer.
            outcome("abort", unsafe { sys::rd_kafka_abort_transaction(self.raw(), -1) })?;
        }
        committed.and_then(|()| undelivered())
    }

    fn send_borrowed(&self, parcel: &mut Parcel<'_>) -> Result<()> {
        let Some(times) = &parcel.times else {
            // SAFETY: `transact` does not return before every record is delivered or purged.
            return unsafe { produce(parcel.topic, &mut parcel.messages, 0) };
        };
        let stamped = parcel.messages.iter().zip(times);
        stamped
            .into_iter()
            .try_for_each(|(message, at)| self.send_stamped(parcel.topic, message, *at))
    }

    fn send_stamped(&self, topic: &Topic, message: &Message<'_>, at: i64) -> Result<()> {
        let memory = |ptr, size| sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr, size };
        let message = &message.0;
        let fields = [
            field(Field::RD_KAFKA_VTYPE_RKT, |u| u.rkt = topic.raw()),
            field(Field::RD_KAFKA_VTYPE_PARTITION, |u| u.i32_ = message.partition),
            field(Field::RD_KAFKA_VTYPE_KEY, |u| u.mem = memory(message.key, message.key_len)),
            field(Field::RD_KAFKA_VTYPE_VALUE, |u| u.mem = memory(message.payload, message.len)),
            field(Field::RD_KAFKA_VTYPE_TIMESTAMP, |u| u.i64_ = at),
        ];
        // SAFETY: a live producer and fields set as their kinds say; see `send_borrowed` for the record's bytes.
        outcome("send", unsafe {
            sys::rd_kafka_produceva(self.raw(), fields.as_ptr(), fields.len())
        })
    }

    fn send_offsets(&self, group: &str, topic: &str, positions: &[i64]) -> Result<()> {
        let (group, topic) = (c_string(group)?, c_string(topic)?);
        // SAFETY: the list and the metadata are ours and destroyed here; the call copies what it needs.
        unsafe {
            let list = sys::rd_kafka_topic_partition_list_new(positions.len() as c_int);
            for (partition, position) in (0..).zip(positions) {
                let place = sys::rd_kafka_topic_partition_list_add(list, topic.as_ptr(), partition);
                (*place).offset = *position;
            }
            let metadata = sys::rd_kafka_consumer_group_metadata_new(group.as_ptr());
            let sent = sys::rd_kafka_send_offsets_to_transaction(self.raw(), list, metadata, -1);
            sys::rd_kafka_consumer_group_metadata_destroy(metadata);
            sys::rd_kafka_topic_partition_list_destroy(list);
            outcome("send offsets", sent)
        }
    }
}

fn undelivered() -> Result<()> {
    match UNDELIVERED.load(Ordering::Relaxed) {
        0 => Ok(()),
        lost => Err(Broken(format!("{lost} records were not delivered"))),
    }
}

/// # Safety
/// Unless `flags` ask for copies, the records' values must outlive their delivery.
unsafe fn produce(topic: &Topic, messages: &mut [Message<'_>], flags: c_int) -> Result<()> {
    let count = messages.len() as c_int;
    // SAFETY: a live topic; a message is an `rd_kafka_message_t` (transparent); the rest is the caller's.
    let taken = unsafe {
        let records = messages.as_mut_ptr().cast();
        let flags = flags | sys::RD_KAFKA_MSG_F_PARTITION;
        sys::rd_kafka_produce_batch(topic.raw(), 0, flags, records, count)
    };
    let refused = messages
        .iter()
        .find(|message| message.0.err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR);
    match refused {
        Some(message) if taken < count => plain("send", message.0.err),
        _ => Ok(()),
    }
}

type Union = sys::rd_kafka_vu_s__bindgen_ty_1;

fn field(vtype: Field, set: impl FnOnce(&mut Union)) -> sys::rd_kafka_vu_t {
    let mut u = Union { _pad: [0; 64] };
    set(&mut u);
    sys::rd_kafka_vu_t { vtype, u }
}
