//! Writes events in Avro, in the published schema: what the API does where it is told to.

use serde::Serialize;
use serde_avro_fast::Schema;
use serde_avro_fast::ser::SerializerConfig;

use crate::event::Event;
use crate::published::EVENTS_SCHEMA;
use crate::trace::{FeedContext, Trace};

/// Writes events under the id by which a registry knows their schema.
#[derive(Debug)]
pub struct EventWriter {
    schema: Schema,
    id: u32,
}

/// An event in the names of its schema.
#[derive(Serialize)]
struct Written<'a> {
    event_id: Option<String>,
    event_time: i64,
    user_id: String,
    post_id: String,
    action: &'static str,
    dwell_ms: Option<u32>,
    author_id: Option<String>,
    device: Option<&'a str>,
    app_ver: Option<&'a str>,
    ctx: Option<WrittenContext<'a>>,
}

#[derive(Serialize)]
struct WrittenContext<'a> {
    request_id: Option<&'a str>,
    position: Option<u32>,
    source: Option<&'a str>,
    version: Option<u64>,
    weight_set: Option<u16>,
}

impl<'a> WrittenContext<'a> {
    fn of(of: &'a FeedContext<'_>) -> Self {
        Self {
            request_id: of.request_id.as_deref(),
            position: of.position,
            source: of.source.as_deref(),
            version: of.version,
            weight_set: of.weight_set,
        }
    }
}

impl EventWriter {
    /// Writes under this id; fails, in words, if our own schema is none.
    pub fn new(id: u32) -> Result<Self, String> {
        let schema = EVENTS_SCHEMA.schema.parse::<Schema>().map_err(|error| error.to_string())?;
        Ok(Self { schema, id })
    }

    /// The value of a record: a zero, the id, the datum. Fails, in words, if a number does not fit the schema.
    pub fn write(&self, event: &Event, trace: &Trace<'_>) -> Result<Vec<u8>, String> {
        let written = Written {
            event_id: Some(event.id.to_string()),
            event_time: event.at_ms,
            user_id: event.user.to_string(),
            post_id: event.post.to_string(),
            action: event.action.name(),
            dwell_ms: event.dwell_ms,
            author_id: event.author.map(|author| author.to_string()),
            device: trace.device.as_deref(),
            app_ver: trace.app_ver.as_deref(),
            ctx: trace.ctx.as_ref().map(WrittenContext::of),
        };
        let mut out = vec![0];
        out.extend_from_slice(&self.id.to_be_bytes());
        let config = &mut SerializerConfig::new(&self.schema);
        serde_avro_fast::to_datum(&written, out, config).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Action, Lookup, Payload, SchemaById};

    #[derive(Debug)]
    struct Registered;

    impl SchemaById for Registered {
        fn schema(&self, id: u32) -> Lookup {
            assert_eq!(id, 70_000);
            Lookup::Ready(Arc::new(EVENTS_SCHEMA.schema.parse().unwrap()))
        }
    }

    const BARE: &str = r#""action":"like""#;
    const FULL: &str = r#""event_id":"0190a6c2-0000-7000-8000-000000000004","action":"dwell",
        "dwell_ms":3600000,"author_id":"0190a6c2-0000-7000-8000-000000000003","device":"ä phone",
        "app_ver":"1.0","ctx":{"request_id":"r","position":3,"source":"redis","version":9,"weight_set":1}"#;

    fn json(more: &str) -> String {
        format!(
            r#"{{"user_id":"0190a6c2-0000-7000-8000-000000000001",
            "post_id":"0190a6c2-0000-7000-8000-000000000002","event_time":1795216628123,{more}}}"#
        )
    }

    #[test]
    fn what_is_written_in_avro_is_read_as_what_is_written_in_json() {
        let writer = EventWriter::new(70_000).unwrap();
        for more in [BARE, FULL] {
            let sent = json(more);
            let (event, trace) = Event::check(sent.as_bytes(), None).unwrap();
            let written = writer.write(&event, &trace).unwrap();
            let read = Event::decode(&Payload::of(&written, &Registered).unwrap()).unwrap();
            assert_eq!(read, event);
        }
    }

    #[test]
    fn every_action_has_its_symbol() {
        let writer = EventWriter::new(1).unwrap();
        for action in Action::ALL.map(Action::name) {
            let sent = json(&format!(r#""action":"{action}""#));
            let (event, trace) = Event::check(sent.as_bytes(), None).unwrap();
            assert!(writer.write(&event, &trace).is_ok(), "{action}");
        }
    }
}
