//! The port on a real cluster, by librdkafka: administration and configuration through the crate rdkafka, what runs per
//! record and per transaction through librdkafka's C calls.
//!
//! [`Kafka`] holds settings and opens handles; each handle owns one librdkafka client with its threads, buffers and
//! connections. What always holds: transactions run only with idempotence and `acks=all`; positions are concrete
//! offsets, never "latest"; nothing is committed or stored on its own; topics are never created by naming them.

mod admin;
mod consumer;
mod delivery_reports;
mod errors;
mod fetch;
mod ffi;
mod group_consumer;
mod heard;
mod membership;
mod producer;
mod settings;
mod watchdog;

use std::sync::Arc;
use std::time::Duration;

pub use settings::{Compression, KafkaSettings};

use super::{
    Admin, Broker, Consumer, Failure, GroupConsumer, Isolation, Join, Membership, Producer,
};
use crate::record::Topic;

/// A cluster, reached by these settings. Cheap to clone; connects when a handle is opened.
#[derive(Clone, Debug)]
pub struct Kafka {
    settings: Arc<KafkaSettings>,
}

impl Kafka {
    /// A cluster by `settings`. Refuses an override that is not on the list, and a value that librdkafka does not take;
    /// that options contradict each other shows when the first handle is opened.
    pub fn new(settings: KafkaSettings) -> Result<Self, Failure> {
        ffi::warn_unless_mended();
        settings.check()?;
        settings::native(&settings.admin())?;
        Ok(Self { settings: Arc::new(settings) })
    }
}

impl Broker for Kafka {
    fn is_away(&self) -> bool {
        watchdog::is_away()
    }

    fn transaction_timeout(&self) -> Duration {
        self.settings.transaction_timeout
    }

    fn consumer(&self, group: &str, isolation: Isolation) -> Result<Box<dyn Consumer>, Failure> {
        Ok(Box::new(consumer::KafkaConsumer::open(&self.settings, group, isolation)?))
    }

    fn producer(
        &self,
        id: Option<&str>,
        topics: Arc<[Topic]>,
    ) -> Result<Box<dyn Producer>, Failure> {
        Ok(Box::new(producer::KafkaProducer::open(&self.settings, id, topics)?))
    }

    fn membership(&self, join: &Join) -> Result<Box<dyn Membership>, Failure> {
        Ok(Box::new(membership::KafkaMembership::open(&self.settings, join)?))
    }

    fn group_consumer(
        &self,
        group: &str,
        instance: Option<&str>,
        topics: &[Topic],
    ) -> Result<Box<dyn GroupConsumer>, Failure> {
        let settings = self.settings.group_consumer(group, instance);
        let timeout = self.settings.answer_timeout();
        Ok(Box::new(group_consumer::KafkaGroupConsumer::open(&settings, timeout, topics)?))
    }

    fn admin(&self) -> Result<Box<dyn Admin>, Failure> {
        Ok(Box::new(admin::KafkaAdmin::open(&self.settings)?))
    }
}
