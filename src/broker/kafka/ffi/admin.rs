//! Asking the cluster: topics made, partitions counted, records deleted.

use std::collections::BTreeMap;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_admin_op_t as Op;

use super::list::elements;
use super::{Client, List, Queue, c_string, millis, owned, plain, text};
use crate::broker::kafka::errors::failure;
use crate::broker::{Call, Code, Created, Failure};
use crate::record::{Topic, TopicPartition};

/// A topic that is to be created.
#[derive(Debug)]
pub(in crate::broker::kafka) struct TopicDraft(NonNull<sys::rd_kafka_NewTopic_t>);

impl TopicDraft {
    /// A topic with the broker's own replication factor and these settings.
    pub(in crate::broker::kafka) fn new(
        name: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let c_name = c_string(Call::Admin, name)?;
        let mut words = [0u8; 512];
        // SAFETY: a C string, and a buffer of the length told; -1 asks for the broker's replication factor.
        let raw = unsafe {
            sys::rd_kafka_NewTopic_new(
                c_name.as_ptr(),
                partitions,
                -1,
                words.as_mut_ptr().cast(),
                words.len(),
            )
        };
        let refused = || Failure::new(Call::Admin, Code::InvalidArgument, text(&words));
        let draft = NonNull::new(raw).map(Self).ok_or_else(refused)?;
        for (name, value) in settings {
            let (name, value) = (c_string(Call::Admin, name)?, c_string(Call::Admin, value)?);
            // SAFETY: a live draft and two C strings, which it copies.
            plain(Call::Admin, unsafe {
                sys::rd_kafka_NewTopic_set_config(draft.0.as_ptr(), name.as_ptr(), value.as_ptr())
            })?;
        }
        Ok(draft)
    }
}

impl Drop for TopicDraft {
    fn drop(&mut self) {
        // SAFETY: ours, once.
        unsafe { sys::rd_kafka_NewTopic_destroy(self.0.as_ptr()) };
    }
}

/// The options of an administrative call, freed when it is over.
struct Options(NonNull<sys::rd_kafka_AdminOptions_t>);

impl Options {
    fn new(client: &Client, op: Op, wait: Duration) -> Result<Self, Failure> {
        let mut words = [0u8; 512];
        // SAFETY: a live handle; the options are ours; a buffer of the length told.
        unsafe {
            let raw = sys::rd_kafka_AdminOptions_new(client.raw(), op);
            let none = || Failure::new(Call::Admin, Code::Unsupported, "no options for the call");
            let options = NonNull::new(raw).map(Self).ok_or_else(none)?;
            plain(
                Call::Admin,
                sys::rd_kafka_AdminOptions_set_request_timeout(
                    raw,
                    millis(wait),
                    words.as_mut_ptr().cast(),
                    words.len(),
                ),
            )?;
            // A question is answered at once: there is no operation whose end the broker could wait for.
            if op != Op::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS {
                plain(
                    Call::Admin,
                    sys::rd_kafka_AdminOptions_set_operation_timeout(
                        raw,
                        millis(wait),
                        words.as_mut_ptr().cast(),
                        words.len(),
                    ),
                )?;
            }
            Ok(options)
        }
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: ours, once.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.0.as_ptr()) };
    }
}

/// The answer to an administrative call, freed after it was read.
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

impl Client {
    /// The settings of these topics, by their names.
    pub(in crate::broker::kafka) fn configs_of(
        &mut self,
        topics: &[Topic],
        wait: Duration,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, Failure> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let options = Options::new(self, Op::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, wait)?;
        let queue = Queue::new(self)?;
        let resources = topics.iter().map(|topic| Resource::new(topic));
        let resources = resources.collect::<Result<Vec<_>, _>>()?;
        let mut asked: Vec<_> = resources.iter().map(|resource| resource.0.as_ptr()).collect();
        // SAFETY: live handle, resources (copied), options and queue; the answer outlives what is read from it.
        unsafe {
            sys::rd_kafka_DescribeConfigs(
                self.raw(),
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

    /// Creates topics; one that is there already is left as it is.
    pub(in crate::broker::kafka) fn create_topics(
        &mut self,
        drafts: &[TopicDraft],
        wait: Duration,
    ) -> Result<Vec<Created>, Failure> {
        let options = Options::new(self, Op::RD_KAFKA_ADMIN_OP_CREATETOPICS, wait)?;
        let queue = Queue::new(self)?;
        let mut topics: Vec<_> = drafts.iter().map(|draft| draft.0.as_ptr()).collect();
        // SAFETY: live handles, options, drafts (copied) and queue; the answer outlives what is read from it.
        unsafe {
            sys::rd_kafka_CreateTopics(
                self.raw(),
                topics.as_mut_ptr(),
                topics.len(),
                options.0.as_ptr(),
                queue.raw(),
            );
            let answer = Answer::take(&queue, wait)?;
            let result = asked_for(sys::rd_kafka_event_CreateTopics_result(answer.0.as_ptr()))?;
            let mut count = 0;
            let results = sys::rd_kafka_CreateTopics_result_topics(result, &mut count);
            (0..count).map(|index| created(*results.add(index))).collect()
        }
    }

    /// How many partitions `topic` has; `None` if there is no such topic.
    pub(in crate::broker::kafka) fn partitions(
        &mut self,
        topic: &str,
        wait: Duration,
    ) -> Result<Option<i32>, Failure> {
        let handle = self.topic(topic)?;
        let mut metadata = ptr::null();
        // SAFETY: a live handle and topic; the metadata is ours and read before it is destroyed.
        unsafe {
            plain(
                Call::Admin,
                sys::rd_kafka_metadata(self.raw(), 0, handle.raw(), &mut metadata, millis(wait)),
            )?;
            let told = match metadata.as_ref() {
                Some(metadata) if metadata.topic_cnt > 0 => metadata.topics.as_ref(),
                Some(_) | None => None,
            };
            let count = told.map_or(Ok(None), |topic| match plain(Call::Admin, topic.err) {
                Ok(()) => Ok(Some(topic.partition_cnt)),
                Err(failed) if failed.code == Code::UnknownTopic => Ok(None),
                Err(failed) => Err(failed),
            });
            sys::rd_kafka_metadata_destroy(metadata);
            count
        }
    }

    /// Deletes the records before the list's offsets.
    pub(in crate::broker::kafka) fn delete_records(
        &mut self,
        before: &List,
        wait: Duration,
    ) -> Result<Vec<TopicPartition>, Failure> {
        let options = Options::new(self, Op::RD_KAFKA_ADMIN_OP_DELETERECORDS, wait)?;
        let queue = Queue::new(self)?;
        // SAFETY: live handle, list (copied), options and queue; the request is ours and freed after the call,
        // which copies it; the answer outlives what is read from it.
        unsafe {
            let mut request = sys::rd_kafka_DeleteRecords_new(before.raw());
            sys::rd_kafka_DeleteRecords(
                self.raw(),
                &mut request,
                1,
                options.0.as_ptr(),
                queue.raw(),
            );
            sys::rd_kafka_DeleteRecords_destroy(request);
            let answer = Answer::take(&queue, wait)?;
            let result = asked_for(sys::rd_kafka_event_DeleteRecords_result(answer.0.as_ptr()))?;
            elements(sys::rd_kafka_DeleteRecords_result_offsets(result))
                .iter()
                .map(|element| {
                    plain(Call::Admin, element.err)?;
                    Ok(TopicPartition::new(owned(element.topic), element.partition))
                })
                .collect()
        }
    }
}

/// What became of one topic.
///
/// # Safety
/// `result` is null or a result that lives during the call.
unsafe fn created(result: *const sys::rd_kafka_topic_result_t) -> Result<Created, Failure> {
    // SAFETY: the caller promises a live result.
    unsafe {
        match sys::rd_kafka_topic_result_error(result) {
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(Created::New),
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS => {
                Ok(Created::Existed)
            }
            err => {
                let name = owned(sys::rd_kafka_topic_result_name(result));
                let words = owned(sys::rd_kafka_topic_result_error_string(result));
                Err(failure(Call::Admin, err, format!("{name}: {words}")))
            }
        }
    }
}
