//! Topics, made.

use std::time::Duration;
use std::{ptr, slice};

use rdkafka_sys as sys;
use tests::poll_until;

use super::{Producer, c_string, millis, plain, text};
use crate::{Broken, Result};

const WAIT: Duration = Duration::from_secs(30);

/// Creates these topics, unreplicated, and waits until the broker knows them: a transaction that is quicker
/// than the broker's own news of a topic fails for good.
pub(crate) fn create_topics(through: &Producer, names: &[&str], partitions: i32) -> Result<()> {
    for name in names {
        create(through, name, partitions)?;
    }
    for name in names {
        poll_until(WAIT, || (known(through, name) == partitions).then_some(()))
            .map_err(|late| Broken::while_doing(name, late))?;
    }
    Ok(())
}

/// How many partitions of the topic have a leader.
fn known(through: &Producer, name: &str) -> i32 {
    let Ok(topic) = through.topic(name) else { return 0 };
    let mut metadata = ptr::null();
    // SAFETY: a live handle and topic; the metadata is ours and destroyed here, after it was read.
    unsafe {
        let wait = millis(WAIT);
        let err = sys::rd_kafka_metadata(through.raw(), 0, topic.raw(), &mut metadata, wait);
        if err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return 0;
        }
        let asked = &*(*metadata).topics;
        let partitions = if asked.partition_cnt == 0 {
            &[]
        } else {
            slice::from_raw_parts(asked.partitions, asked.partition_cnt as usize)
        };
        let led = partitions.iter().filter(|partition| partition.leader >= 0).count();
        sys::rd_kafka_metadata_destroy(metadata);
        i32::try_from(led).unwrap_or(0)
    }
}

fn create(through: &Producer, name: &str, partitions: i32) -> Result<()> {
    let c_name = c_string(name)?;
    let mut words = [0_u8; 512];
    // SAFETY: a live handle; the draft, the queue and the event are ours and destroyed here; the event's topics live
    // as long as the event; a null set of options asks for the defaults.
    unsafe {
        let buffer = words.as_mut_ptr().cast();
        let draft = sys::rd_kafka_NewTopic_new(c_name.as_ptr(), partitions, 1, buffer, words.len());
        if draft.is_null() {
            return Err(Broken::while_doing(name, text(&words)));
        }
        let queue = sys::rd_kafka_queue_new(through.raw());
        let mut drafts = [draft];
        let options = ptr::null();
        sys::rd_kafka_CreateTopics(through.raw(), drafts.as_mut_ptr(), 1, options, queue);
        sys::rd_kafka_NewTopic_destroy(draft);
        let event = sys::rd_kafka_queue_poll(queue, millis(WAIT));
        sys::rd_kafka_queue_destroy(queue);
        if event.is_null() {
            return Err(Broken::while_doing(name, "the broker did not answer"));
        }
        let mut answer = plain(name, sys::rd_kafka_event_error(event));
        let mut count = 0;
        let result = sys::rd_kafka_event_CreateTopics_result(event);
        let topics = sys::rd_kafka_CreateTopics_result_topics(result, &mut count);
        if answer.is_ok() && count == 1 {
            answer = plain(name, sys::rd_kafka_topic_result_error(*topics));
        }
        sys::rd_kafka_event_destroy(event);
        answer
    }
}
