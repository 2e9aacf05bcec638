//! What topics are set to.
//!
//! Not by the crate, which can do the rest of administration: it leaves out what a broker answers for a single topic
//! (0.39 never asks `rd_kafka_ConfigResource_error`). A topic that may not be looked at would seem to have no settings, and
//! a changelog without them is one that forgets.

use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_admin_op_t as Op;

use super::{Queue, c_string, millis, owned, plain};
use crate::broker::kafka::errors::failure;
use crate::broker::{Call, Code, Failure};
use crate::record::Topic;

/// The settings of these topics, by their names.
pub(in crate::broker::kafka) fn configs_of(
    client: &Client<impl ClientContext>,
    topics: &[Topic],
    wait: Duration,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, Failure> {
    if topics.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rk = client.native_ptr();
    let options = Options::new(rk, wait)?;
    let queue = Queue::on(rk)?;
    let resources = topics.iter().map(|topic| Resource::new(topic));
    let resources = resources.collect::<Result<Vec<_>, _>>()?;
    let mut asked: Vec<_> = resources.iter().map(|resource| resource.0.as_ptr()).collect();
    // SAFETY: live handle, resources (copied), options and queue; the answer outlives what is read from it.
    unsafe {
        sys::rd_kafka_DescribeConfigs(
            rk,
            asked.as_mut_ptr(),
            asked.len(),
            options.0.as_ptr(),
            queue.raw(),
        );
        let answer = Answer::take(&queue, wait)?;
        let result = asked_for(sys::rd_kafka_event_DescribeConfigs_result(answer.0.as_ptr()))?;
        let mut count = 0;
        let told = sys::rd_kafka_DescribeConfigs_result_resources(result, &mut count);
        (0..count).map(|index| settings(*told.add(index))).collect()
    }
}

/// The options of the call, freed when it is over.
struct Options(NonNull<sys::rd_kafka_AdminOptions_t>);

impl Options {
    fn new(rk: *mut sys::rd_kafka_t, wait: Duration) -> Result<Self, Failure> {
        let mut words = [0u8; 512];
        // SAFETY: the caller's live handle; the options are ours; a buffer of the length told.
        unsafe {
            let raw = sys::rd_kafka_AdminOptions_new(rk, Op::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
            let none = || Failure::new(Call::Admin, Code::Unsupported, "no options for the call");
            let options = NonNull::new(raw).map(Self).ok_or_else(none)?;
            let buffer = words.as_mut_ptr().cast();
            let set = sys::rd_kafka_AdminOptions_set_request_timeout(
                raw,
                millis(wait),
                buffer,
                words.len(),
            );
            plain(Call::Admin, set).map(|()| options)
        }
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: ours, once.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.0.as_ptr()) };
    }
}

/// The answer, freed after it was read.
struct Answer(NonNull<sys::rd_kafka_event_t>);

impl Answer {
    /// Waits for it a little longer than librdkafka itself would.
    fn take(queue: &Queue, wait: Duration) -> Result<Self, Failure> {
        let wait = wait.saturating_add(Duration::from_secs(1));
        // SAFETY: a live queue; the event is ours.
        unsafe {
            let event = sys::rd_kafka_queue_poll(queue.raw(), millis(wait));
            let late =
                || Failure::new(Call::Admin, Code::TimedOut, "no answer in time").retriable();
            let answer = NonNull::new(event).map(Self).ok_or_else(late)?;
            let err = sys::rd_kafka_event_error(event);
            if err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                let words = owned(sys::rd_kafka_event_error_string(event));
                return Err(failure(Call::Admin, err, words));
            }
            Ok(answer)
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: ours, once.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

/// The result in an answer: null if it answers another question.
fn asked_for<T>(result: *const T) -> Result<*const T, Failure> {
    let other = || Failure::new(Call::Admin, Code::Unsupported, "another answer came");
    if result.is_null() { Err(other()) } else { Ok(result) }
}

/// A topic whose settings are asked for.
struct Resource(NonNull<sys::rd_kafka_ConfigResource_t>);

impl Resource {
    fn new(topic: &str) -> Result<Self, Failure> {
        let name = c_string(Call::Admin, topic)?;
        let kind = sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
        // SAFETY: a C string, which it copies.
        let raw = unsafe { sys::rd_kafka_ConfigResource_new(kind, name.as_ptr()) };
        let refused = || Failure::new(Call::Admin, Code::InvalidArgument, "a topic without name");
        NonNull::new(raw).map(Self).ok_or_else(refused)
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        // SAFETY: ours, once.
        unsafe { sys::rd_kafka_ConfigResource_destroy(self.0.as_ptr()) };
    }
}

/// The settings of one topic in an answer, with its name.
///
/// # Safety
/// A resource of a live answer.
unsafe fn settings(
    of: *const sys::rd_kafka_ConfigResource_t,
) -> Result<(String, BTreeMap<String, String>), Failure> {
    // SAFETY: the caller's; the entries and their strings live as long as the answer, and are copied.
    unsafe {
        plain(Call::Admin, sys::rd_kafka_ConfigResource_error(of))?;
        let mut count = 0;
        let entries = sys::rd_kafka_ConfigResource_configs(of, &mut count);
        let entry = |index| {
            let entry = *entries.add(index);
            let name = owned(sys::rd_kafka_ConfigEntry_name(entry));
            (name, owned(sys::rd_kafka_ConfigEntry_value(entry)))
        };
        let name = owned(sys::rd_kafka_ConfigResource_name(of));
        Ok((name, (0..count).map(entry).collect()))
    }
}
