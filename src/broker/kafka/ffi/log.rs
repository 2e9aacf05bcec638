//! What librdkafka says by itself: lines of its log, from any of its threads.
//!
//! A handle of the crate's has a queue for them that nobody serves (0.39: `AdminClient` polls its own alone), so they
//! would lie there for ever, and why it cannot connect with them. [`listen`] and [`serve_log`] have them heard.

use std::ffi::{c_char, c_int, c_void};
use std::time::Instant;

use rdkafka::client::Client;
use rdkafka_sys as sys;

use super::owned;
use crate::broker::kafka::heard::{Heard, is_news};

/// Has the lines of this handle's log go to its context whenever [`serve_log`] is called.
pub(in crate::broker::kafka) fn listen(client: &Client<Heard>) {
    // SAFETY: a live handle, of which nobody serves the log meanwhile; the callback has C linkage and lives for ever.
    unsafe { sys::rd_kafka_set_logger(client.native_ptr(), Some(heard)) };
}

/// Hands the lines that have come since to the context.
pub(in crate::broker::kafka) fn serve_log(client: &Client<Heard>) {
    // SAFETY: a live handle.
    while unsafe { sys::rd_kafka_poll(client.native_ptr(), 0) } > 0 {}
}

extern "C" fn heard(
    rk: *const sys::rd_kafka_t,
    _: c_int,
    facility: *const c_char,
    words: *const c_char,
) {
    // SAFETY: librdkafka gives two C strings that live during the call, and a handle whose opaque is the context that the
    // crate keeps as long as the handle.
    unsafe {
        if let Some(context) = sys::rd_kafka_opaque(rk).cast::<Heard>().as_ref() {
            context.hear(&owned(facility), &owned(words));
        }
    }
}

pub(super) extern "C" fn errored(
    _: *mut sys::rd_kafka_t,
    err: c_int,
    reason: *const c_char,
    _: *mut c_void,
) {
    // SAFETY: librdkafka gives a C string that lives during the call.
    let reason = unsafe { owned(reason) };
    // Told in hundreds when a broker is away, all at once when a handle is served again; the log callback
    // says the same once, and what matters comes back from a call.
    tracing::debug!(code = err, reason, "kafka client");
}

pub(super) extern "C" fn logged(
    _: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    words: *const c_char,
) {
    // SAFETY: librdkafka gives two C strings that live during the call.
    let (facility, words) = unsafe { (owned(facility), owned(words)) };
    match level {
        // That a transaction came to nothing comes back from a call, and belongs to every rebalance.
        3 if facility == "TXNERR" => tracing::debug!(facility, "{words}"),
        // Each handle connects by itself, and a process has dozens.
        ..=3 if !is_news(&facility, &words, Instant::now()) => tracing::debug!(facility, "{words}"),
        ..=3 => tracing::error!(facility, "{words}"),
        // A coordinator that loads is asked a hundred times a second, and each refusal is told; what comes of it is a call's.
        4 if facility == "GETPID" => tracing::debug!(facility, "{words}"),
        4 => tracing::warn!(facility, "{words}"),
        5 | 6 => tracing::info!(facility, "{words}"),
        7.. => tracing::debug!(facility, "{words}"),
    }
}
