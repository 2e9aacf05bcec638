//! Writes a view, a like and a share of one user and one post, in the schema that the registry has for `events`.
//!
//! The key of a record is the user's id as text, 36 characters in lower case, and its partition murmur2 of the key, as
//! Java's client has it. librdkafka has CRC32 unless it is told: say `partitioner`. Two producers that differ in it put one
//! user's events into two partitions; their order is lost then, and an event that is sent twice may count twice.

use std::env;
use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use schema_registry_converter::async_impl::avro::AvroEncoder;
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use schema_registry_converter::schema_registry_common::SubjectNameStrategy;
use serde::Serialize;
use uuid::Uuid;

#[derive(Serialize)]
struct Event<'a> {
    event_id: String, // sent again under it, it is the same event
    event_time: i64,
    user_id: &'a str,
    post_id: &'a str,
    action: Action,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    View,
    Like,
    Share,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let told = |name: &str| env::var(name).map_err(|error| format!("{name}: {error}"));
    let (user_id, post_id) = (&told("USER_ID")?.to_lowercase(), &told("POST_ID")?);
    let encoder = AvroEncoder::new(SrSettings::new(told("REGISTRY")?));
    let subject = SubjectNameStrategy::TopicNameStrategy("events".to_owned(), false);
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", told("KAFKA")?)
        .set("partitioner", "murmur2_random")
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", "30000")
        .create()?;
    for action in [Action::View, Action::Like, Action::Share] {
        let event_time = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().try_into()?;
        let event_id = Uuid::new_v4().to_string();
        let event = Event { event_id, event_time, user_id, post_id, action };
        let value = encoder.encode_struct(event, &subject).await?;
        let record = FutureRecord::to("events").key(user_id).payload(&value);
        let sent = producer.send(record, Timeout::Never).await.map_err(|(error, _)| error)?;
        println!("{action:?}: partition {}, offset {}", sent.partition, sent.offset);
    }
    Ok(())
}
