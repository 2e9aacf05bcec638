//! The only unsafe code of the crate: librdkafka's C calls, behind values that cannot be misused.
//!
//! A [`Client`] owns one `rd_kafka_t`; everything made from it ([`Queue`], [`TopicHandle`]) is kept beside it by
//! its owner and declared before it, so that it is dropped first. Callbacks run on the thread that polls, flushes
//! or commits (never event mode for producers), but for logs, which come from any of librdkafka's threads.
//!
//! Why not by the crate rdkafka: `script/bench client` measures both on one broker (two virtual cores). A record read takes
//! 180 ns of the process' CPU by `rd_kafka_consume_batch_queue` and 377 by the crate's poll; a record sent 284 by
//! `rd_kafka_produce_batch` and 504 by its producer; a commit of 1,000 records 9 ms where reports come by callback and
//! 107 by its producer, which takes them as events. These need handles of our own, which the crate cannot be given: so
//! what is said to such a handle is said raw too.
#![expect(
    unsafe_code,
    reason = "librdkafka is a C library; its calls are wrapped here and nowhere else"
)]

mod buried;
mod configs;
mod consume;
mod list;
mod log;
mod message;
mod produce;
mod queue;

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem;
use std::ptr::{self, NonNull};
use std::sync::Once;
use std::time::Duration;

use rdkafka_sys as sys;

pub(super) use buried::Buried;
pub(super) use configs::configs_of;
pub(super) use list::{List, OffsetSpec};
pub(super) use log::{listen, serve_log};
pub(super) use message::Message;
pub(super) use produce::{Draft, TopicHandle};
pub(super) use queue::{Event, Queue};

use super::delivery_reports::DeliveryReports;
use super::errors::{code_of, failure};
use super::settings::native;
use crate::broker::{Call, Code, Failure};

/// What the version of a librdkafka ends with that `script/setup` built, with the mends of its patch.
const MENDED: &str = "-millstream.3";

/// Says once if the librdkafka that is linked is another one than `script/setup` built.
pub(super) fn warn_unless_mended() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let version = version();
        if !version.ends_with(MENDED) {
            tracing::warn!(
                version,
                "this librdkafka can end the process when a broker comes back (librdkafka #5280); \
                 build after `script/setup`, which links a mended one"
            );
        }
    });
}

fn version() -> String {
    // SAFETY: librdkafka gives a C string that lives as long as the thread.
    unsafe { owned(sys::rd_kafka_version_str()) }
}

/// Which of librdkafka's two kinds of handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A producer.
    Producer,
    /// A consumer whose errors and logs come by its one queue.
    Consumer,
    /// A consumer that is told of rebalances by events instead of having them applied for it.
    Member,
}

/// One handle of librdkafka.
#[derive(Debug)]
pub(super) struct Client(Buried<Handle>);

/// The handle itself, and what delivery reports are written to; that is freed after it.
#[derive(Debug)]
struct Handle {
    rk: NonNull<sys::rd_kafka_t>,
    reports: NonNull<RefCell<DeliveryReports>>,
}

// SAFETY: an `rd_kafka_t` may be used from any thread. The reports are touched only through `&mut Client` and by
// callbacks that run inside calls which take `&mut Client`, so always on the one thread that owns it.
unsafe impl Send for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: ours, once; the reports go after the handle whose callbacks write to them.
        unsafe {
            let flags = sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE;
            sys::rd_kafka_destroy_flags(self.rk.as_ptr(), flags);
            drop(Box::from_raw(self.reports.as_ptr()));
        }
    }
}

impl Client {
    /// Makes a handle of these settings; of two with one name the later holds.
    pub(super) fn open(kind: Kind, settings: &[(String, String)]) -> Result<Self, Failure> {
        let settings = native(settings)?;
        let conf = settings.ptr();
        let reports = NonNull::from(Box::leak(Box::new(RefCell::new(DeliveryReports::default()))));
        let mut words = [0u8; 512];
        // SAFETY: `conf` is ours; the callbacks have C linkage and live for ever; the opaque is freed after the handle.
        let rk = unsafe {
            sys::rd_kafka_conf_set_opaque(conf, reports.as_ptr().cast());
            sys::rd_kafka_conf_set_log_cb(conf, Some(log::logged));
            sys::rd_kafka_conf_set_error_cb(conf, Some(log::errored));
            sys::rd_kafka_conf_enable_sasl_queue(conf, 1);
            if kind == Kind::Producer {
                sys::rd_kafka_conf_set_dr_msg_cb(conf, Some(delivered));
            }
            if kind == Kind::Member {
                sys::rd_kafka_conf_set_events(conf, sys::RD_KAFKA_EVENT_REBALANCE);
            }
            let kind = match kind {
                Kind::Producer => sys::rd_kafka_type_t::RD_KAFKA_PRODUCER,
                Kind::Consumer | Kind::Member => sys::rd_kafka_type_t::RD_KAFKA_CONSUMER,
            };
            sys::rd_kafka_new(kind, conf, words.as_mut_ptr().cast(), words.len())
        };
        let Some(rk) = NonNull::new(rk) else {
            // SAFETY: `rd_kafka_new` failed, so it took neither the configuration nor the opaque.
            drop(unsafe { Box::from_raw(reports.as_ptr()) });
            return Err(Failure::new(Call::Open, Code::InvalidArgument, text(&words)));
        };
        // The handle has it now.
        mem::forget(settings);
        let client = Self(Buried::new(Handle { rk, reports }));
        // SAFETY: a live handle, of a consumer where it must be one.
        let has_tokens = unsafe {
            if kind != Kind::Producer {
                sys::rd_kafka_poll_set_consumer(client.raw());
            }
            // A token is renewed by a thread of librdkafka's own: a member that takes events would be asked to do it.
            outcome(Call::Open, sys::rd_kafka_sasl_background_callbacks_enable(client.raw()))
        };
        if let Err(refused) = has_tokens {
            tracing::trace!(%refused, "this handle logs in without tokens, or not at all");
        }
        Ok(client)
    }

    fn raw(&self) -> *mut sys::rd_kafka_t {
        self.0.rk.as_ptr()
    }

    /// What has been reported of this producer's records; `None` from inside a callback.
    pub(super) fn reports<R>(&mut self, read: impl FnOnce(&mut DeliveryReports) -> R) -> Option<R> {
        // SAFETY: the reports live as long as `self`; the cell refuses a second borrow.
        let cell = unsafe { self.0.reports.as_ref() };
        cell.try_borrow_mut().ok().map(|mut reports| read(&mut reports))
    }

    /// Serves callbacks, waiting at most `wait` for one.
    pub(super) fn serve(&mut self, wait: Duration) {
        // SAFETY: a live handle.
        unsafe { sys::rd_kafka_poll(self.raw(), millis(wait)) };
    }

    /// The error that killed this handle, if one did.
    pub(super) fn fatal(&self, call: Call) -> Option<Failure> {
        let mut words = [0u8; 512];
        // SAFETY: a live handle and a buffer of the length told.
        let err = unsafe {
            sys::rd_kafka_fatal_error(self.raw(), words.as_mut_ptr().cast(), words.len())
        };
        (err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR)
            .then(|| Failure::new(call, code_of(err), text(&words)).fatal())
    }
}

/// The outcome of a call that answers with an error object, which this frees.
fn outcome(call: Call, error: *mut sys::rd_kafka_error_t) -> Result<(), Failure> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: an error object that is ours and live until it is destroyed here.
    unsafe {
        let detail = owned(sys::rd_kafka_error_string(error));
        let mut failed = Failure::new(call, code_of(sys::rd_kafka_error_code(error)), detail);
        failed.fatal = sys::rd_kafka_error_is_fatal(error) != 0;
        failed.retriable = sys::rd_kafka_error_is_retriable(error) != 0;
        failed.abortable = sys::rd_kafka_error_txn_requires_abort(error) != 0;
        sys::rd_kafka_error_destroy(error);
        Err(failed)
    }
}

/// The outcome of a call that answers with a bare code, which carries no flags.
fn plain(call: Call, err: sys::rd_kafka_resp_err_t) -> Result<(), Failure> {
    if err == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    Err(failure(call, err, words_of(err)))
}

pub(super) fn words_of(err: sys::rd_kafka_resp_err_t) -> String {
    // SAFETY: answers a static string for every code.
    unsafe { owned(sys::rd_kafka_err2str(err)) }
}

/// A copy of a C string, empty if null.
///
/// # Safety
/// `words` is null or a C string that lives during the call.
unsafe fn owned(words: *const c_char) -> String {
    if words.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller promises the rest.
    unsafe { CStr::from_ptr(words) }.to_string_lossy().into_owned()
}

/// The words in a buffer that C wrote to.
fn text(buffer: &[u8]) -> String {
    CStr::from_bytes_until_nul(buffer).unwrap_or_default().to_string_lossy().into_owned()
}

fn c_string(call: Call, words: &str) -> Result<CString, Failure> {
    CString::new(words).map_err(|_| {
        Failure::new(call, Code::InvalidArgument, format!("{words:?} holds a zero byte"))
    })
}

fn millis(wait: Duration) -> c_int {
    c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX)
}

/// Bytes and null as C tells them apart: null is a null pointer, empty is a pointer to nothing.
fn pointer(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    bytes.map_or((ptr::null_mut(), 0), |bytes| (bytes.as_ptr().cast_mut().cast(), bytes.len()))
}

extern "C" fn delivered(
    _: *mut sys::rd_kafka_t,
    message: *const sys::rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka gives a live message and the opaque of `Client::open`, freed only after the handle.
    let (message, reports) = unsafe { (&*message, &*opaque.cast::<RefCell<DeliveryReports>>()) };
    let Ok(mut reports) = reports.try_borrow_mut() else { return };
    if message.err == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        reports.acknowledge(message._private.addr(), message.partition, message.offset);
    } else {
        reports.fail(failure(Call::Send, message.err, words_of(message.err)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_librdkafka_that_is_linked_is_the_mended_one() {
        assert!(version().ends_with(MENDED), "{}", version());
    }
}
