//! The only unsafe code of the crate: librdkafka's C calls, behind values that cannot be misused.
//!
//! A [`Client`] owns one `rd_kafka_t`; everything made from it ([`Queue`], [`TopicHandle`]) is kept beside it by
//! its owner and declared before it, so that it is dropped first. Callbacks run on the thread that polls, flushes
//! or commits (never event mode for producers), but for logs, which come from any of librdkafka's threads.
//! Destroying a handle may wait for the network, so a helper thread does it and its owner goes on after a while.
#![expect(
    unsafe_code,
    reason = "librdkafka is a C library; its calls are wrapped here and nowhere else"
)]

mod admin;
mod consume;
mod list;
mod message;
mod produce;
mod queue;

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::{Once, mpsc};
use std::thread;
use std::time::Duration;

use rdkafka_sys as sys;

pub(super) use admin::TopicDraft;
pub(super) use list::{List, OffsetSpec};
pub(super) use message::Message;
pub(super) use produce::{Draft, TopicHandle};
pub(super) use queue::{Event, Queue};

use super::delivery_reports::DeliveryReports;
use super::errors::{code_of, failure};
use crate::broker::{Call, Code, Failure};

/// How long an owner waits for its handle to be destroyed before it leaves that to the helper thread.
const DESTROY_WAIT: Duration = Duration::from_secs(3);

/// What the version of a librdkafka ends with that `script/setup` built, with the mends of its patch.
const MENDED: &str = "-millstream.2";

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
    /// A producer; also what administrative calls go by.
    Producer,
    /// A consumer whose errors and logs come by its one queue.
    Consumer,
    /// A consumer that is told of rebalances by events instead of having them applied for it.
    Member,
}

/// One handle of librdkafka.
#[derive(Debug)]
pub(super) struct Client {
    rk: NonNull<sys::rd_kafka_t>,
    /// What delivery reports are written to; freed after `rk`.
    reports: NonNull<RefCell<DeliveryReports>>,
}

// SAFETY: an `rd_kafka_t` may be used from any thread. The reports are touched only through `&mut Client` and by
// callbacks that run inside calls which take `&mut Client`, so always on the one thread that owns it.
unsafe impl Send for Client {}

impl Client {
    /// Makes a handle of these settings, in order.
    pub(super) fn open(kind: Kind, settings: &[(String, String)]) -> Result<Self, Failure> {
        // SAFETY: no arguments; the result is owned here until `rd_kafka_new` takes it.
        let conf = unsafe { sys::rd_kafka_conf_new() };
        if let Err(refused) = configure(conf, settings) {
            // SAFETY: `conf` is ours and was not given away.
            unsafe { sys::rd_kafka_conf_destroy(conf) };
            return Err(refused);
        }
        let reports = NonNull::from(Box::leak(Box::new(RefCell::new(DeliveryReports::default()))));
        let mut words = [0u8; 512];
        // SAFETY: `conf` is ours; the callbacks have C linkage and live for ever; the opaque is freed after the handle.
        let rk = unsafe {
            sys::rd_kafka_conf_set_opaque(conf, reports.as_ptr().cast());
            sys::rd_kafka_conf_set_log_cb(conf, Some(logged));
            sys::rd_kafka_conf_set_error_cb(conf, Some(errored));
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
            unsafe {
                sys::rd_kafka_conf_destroy(conf);
                drop(Box::from_raw(reports.as_ptr()));
            }
            return Err(Failure::new(Call::Open, Code::InvalidArgument, text(&words)));
        };
        if kind != Kind::Producer {
            // SAFETY: a live consumer handle.
            unsafe { sys::rd_kafka_poll_set_consumer(rk.as_ptr()) };
        }
        Ok(Self { rk, reports })
    }

    fn raw(&self) -> *mut sys::rd_kafka_t {
        self.rk.as_ptr()
    }

    /// What has been reported of this producer's records; `None` from inside a callback.
    pub(super) fn reports<R>(&mut self, read: impl FnOnce(&mut DeliveryReports) -> R) -> Option<R> {
        // SAFETY: the reports live as long as `self`; the cell refuses a second borrow.
        let cell = unsafe { self.reports.as_ref() };
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

impl Drop for Client {
    fn drop(&mut self) {
        struct Corpse(NonNull<sys::rd_kafka_t>, NonNull<RefCell<DeliveryReports>>);
        // SAFETY: the owner is gone; the helper thread is the only one left with these pointers.
        unsafe impl Send for Corpse {}
        let corpse = Corpse(self.rk, self.reports);
        let (done, destroyed) = mpsc::sync_channel(1);
        let bury = move || {
            let corpse = corpse;
            let Corpse(rk, reports) = corpse;
            // SAFETY: used by nobody else, once; the reports go after the handle whose callbacks write to them.
            unsafe {
                sys::rd_kafka_destroy_flags(rk.as_ptr(), sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
                drop(Box::from_raw(reports.as_ptr()));
            }
            // Nobody waits any more if it took longer than `DESTROY_WAIT`.
            done.send(()).ok();
        };
        match thread::Builder::new().name("kafka-destroy".into()).spawn(bury) {
            Ok(_) if destroyed.recv_timeout(DESTROY_WAIT).is_err() => {
                tracing::warn!("a kafka handle was not destroyed in time; left to its thread");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "no thread to destroy a kafka handle; leaked"),
        }
    }
}

/// Judges settings as [`Client::open`] would, without making a handle.
pub(super) fn validate(settings: &[(String, String)]) -> Result<(), Failure> {
    // SAFETY: no arguments; the result is owned here and destroyed below.
    let conf = unsafe { sys::rd_kafka_conf_new() };
    let judged = configure(conf, settings);
    // SAFETY: `conf` is ours and was not given away.
    unsafe { sys::rd_kafka_conf_destroy(conf) };
    judged
}

fn configure(
    conf: *mut sys::rd_kafka_conf_t,
    settings: &[(String, String)],
) -> Result<(), Failure> {
    for (name, value) in settings {
        let (name, value) = (c_string(Call::Open, name)?, c_string(Call::Open, value)?);
        let mut words = [0u8; 512];
        // SAFETY: a live configuration, two C strings, and a buffer of the length told.
        let answer = unsafe {
            sys::rd_kafka_conf_set(
                conf,
                name.as_ptr(),
                value.as_ptr(),
                words.as_mut_ptr().cast(),
                words.len(),
            )
        };
        if answer != sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
            return Err(Failure::new(Call::Open, Code::InvalidArgument, text(&words)));
        }
    }
    Ok(())
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

fn words_of(err: sys::rd_kafka_resp_err_t) -> String {
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

extern "C" fn errored(_: *mut sys::rd_kafka_t, err: c_int, reason: *const c_char, _: *mut c_void) {
    // SAFETY: librdkafka gives a C string that lives during the call.
    let reason = unsafe { owned(reason) };
    // Told in hundreds when a broker is away, all at once when a handle is served again; the log callback
    // says the same once, and what matters comes back from a call.
    tracing::debug!(code = err, reason, "kafka client");
}

extern "C" fn logged(
    _: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    words: *const c_char,
) {
    // SAFETY: librdkafka gives two C strings that live during the call.
    let (facility, words) = unsafe { (owned(facility), owned(words)) };
    match level {
        ..=3 => tracing::error!(facility, "{words}"),
        // A coordinator that loads is asked a hundred times a second, and each refusal is told; what comes of it is a call's.
        4 if facility == "GETPID" => tracing::debug!(facility, "{words}"),
        4 => tracing::warn!(facility, "{words}"),
        5 | 6 => tracing::info!(facility, "{words}"),
        7.. => tracing::debug!(facility, "{words}"),
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
