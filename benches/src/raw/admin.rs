//! Topics, made.

use std::time::Duration;

use rdkafka_sys as sys;

use super::{Producer, c_string, millis, plain, text};
use crate::{Broken, Result};

const WAIT: Duration = Duration::from_secs(30);

/// Creates these topics, unreplicated.
pub(crate) fn create_topics(through: &Producer, names: &[&str], partitions: i32) -> Result<()> {
    for name in names {
        create(through, name, partitions)?;
    }
    Ok(())
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
        let options = std::ptr::null();
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
