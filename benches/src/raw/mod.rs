//! librdkafka's C interface with the least around it that makes it safe to call: what the floor stands on.
//!
//! A handle lives as long as anything made from it ([`Topic`], a queue), which hold it counted.
#![expect(unsafe_code, reason = "the floor speaks to librdkafka without a wrapper")]

mod admin;
mod consumer;
mod producer;

use std::ffi::{CStr, CString, c_int};
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka_sys as sys;

pub(crate) use admin::create_topics;
pub(crate) use consumer::{Consumer, Polled};
pub(crate) use producer::{Message, Parcel, Producer, Topic};

use crate::{Broken, Result};

/// librdkafka's settings for a handle.
#[derive(Debug)]
pub(crate) struct Client(Vec<(String, String)>);

impl Client {
    /// On the cluster at `bootstrap`.
    pub(crate) fn new(bootstrap: &str) -> Self {
        Self(Vec::new()).set("bootstrap.servers", bootstrap).set("log.connection.close", "false")
    }

    /// With this, too.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    fn conf(&self) -> Result<*mut sys::rd_kafka_conf_t> {
        // SAFETY: no arguments; ours until `rd_kafka_new` takes it.
        let conf = unsafe { sys::rd_kafka_conf_new() };
        let mut words = [0_u8; 512];
        for (name, value) in &self.0 {
            let (name, value) = (c_string(name)?, c_string(value)?);
            // SAFETY: a live configuration, two C strings and a buffer of the length told.
            let answer = unsafe {
                let buffer = words.as_mut_ptr().cast();
                sys::rd_kafka_conf_set(conf, name.as_ptr(), value.as_ptr(), buffer, words.len())
            };
            if answer != sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
                return Err(Broken(text(&words)));
            }
        }
        Ok(conf)
    }
}

/// An `rd_kafka_t`.
#[derive(Debug)]
struct Handle(NonNull<sys::rd_kafka_t>);

impl Handle {
    fn open(kind: sys::rd_kafka_type_t, conf: *mut sys::rd_kafka_conf_t) -> Result<Self> {
        let mut words = [0_u8; 512];
        // SAFETY: a configuration that is given away, and a buffer of the length told.
        let raw = unsafe { sys::rd_kafka_new(kind, conf, words.as_mut_ptr().cast(), words.len()) };
        NonNull::new(raw).map(Self).ok_or_else(|| Broken(text(&words)))
    }

    fn raw(&self) -> *mut sys::rd_kafka_t {
        self.0.as_ptr()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: ours, once, after everything made from it.
        unsafe { sys::rd_kafka_destroy(self.raw()) };
    }
}

/// The outcome of a call that answers with a code.
fn plain(doing: &str, code: sys::rd_kafka_resp_err_t) -> Result<()> {
    if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    // SAFETY: a static C string for every code.
    let words = unsafe { CStr::from_ptr(sys::rd_kafka_err2str(code)) };
    Err(Broken::while_doing(doing, words.to_string_lossy()))
}

/// The outcome of a call that answers with an error object, which this frees.
fn outcome(doing: &str, error: *mut sys::rd_kafka_error_t) -> Result<()> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: a live error object, ours to free, once its words are copied.
    let words = unsafe {
        let words =
            CStr::from_ptr(sys::rd_kafka_error_string(error)).to_string_lossy().into_owned();
        sys::rd_kafka_error_destroy(error);
        words
    };
    Err(Broken::while_doing(doing, words))
}

fn c_string(words: &str) -> Result<CString> {
    CString::new(words).map_err(|cause| Broken::while_doing(words, cause))
}

/// The words in a buffer that C wrote to.
fn text(buffer: &[u8]) -> String {
    CStr::from_bytes_until_nul(buffer).unwrap_or_default().to_string_lossy().into_owned()
}

fn millis(wait: Duration) -> c_int {
    c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX)
}
