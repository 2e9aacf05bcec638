//! The same records in Avro, as a connector with a registry would write them.

use std::collections::HashMap;
use std::sync::Arc;

use schemas::{Lookup, SchemaById, WriterSchema};
use serde_avro_fast::Schema;
use serde_avro_fast::ser::SerializerConfig;
use serde_json::{Value, json};

use crate::records::Record;

/// What the values of a topic are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Avro,
    /// Now this, now that.
    Mixed,
}

/// The columns of each topic with rows, and the fields of events, in the order of their names.
const FIELDS: [(&str, &[&str]); 8] = [
    ("cdc.blocks", &["blocked_id", "blocker_id", "created_at", "deleted_at"]),
    ("cdc.comments", &["content", "created_at", "deleted_at", "id", "post_id", "user_id"]),
    ("cdc.follows", &["created_at", "deleted_at", "followee_id", "follower_id"]),
    ("cdc.likes", &["content", "created_at", "deleted_at", "id", "post_id", "user_id"]),
    ("cdc.mutes", &["created_at", "deleted_at", "muted_id", "muter_id"]),
    ("cdc.posts", &["content", "created_at", "deleted_at", "id", "user_id"]),
    ("cdc.users", &["created_at", "deleted_at", "id", "username"]),
    ("events", &["action", "event_id", "event_time", "post_id", "user_id"]),
];

/// The registry of these topics: an id is a place in [`FIELDS`].
#[derive(Debug)]
pub struct Schemas(HashMap<u32, Arc<WriterSchema>>);

impl SchemaById for Schemas {
    fn schema(&self, id: u32) -> Lookup {
        let known = self.0.get(&id).cloned();
        known.map_or_else(|| Lookup::Unknown("made up".into()), Lookup::Ready)
    }
}

impl Default for Schemas {
    fn default() -> Self {
        let schema = |topic| Arc::new(schema(topic).to_string().parse().unwrap());
        Self((0..).zip(FIELDS).map(|(id, (topic, _))| (id, schema(topic))).collect())
    }
}

/// The record as this format has it; its number decides where both come.
pub fn in_format(record: Record, format: Format, number: usize) -> Record {
    let is_avro = match format {
        Format::Json => false,
        Format::Avro => true,
        Format::Mixed => number % 5 < 3,
    };
    match FIELDS.iter().position(|(topic, _)| is_avro && *topic == record.topic) {
        Some(id) => Record { value: encode(&record, id), ..record },
        None => record,
    }
}

fn encode(record: &Record, id: usize) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(&record.value).unwrap();
    if value.get("payload").is_some() {
        value = value["payload"].take();
    }
    let (topic, fields) = FIELDS[id];
    match topic {
        "events" => fit(&mut value, fields),
        _ => ["before", "after"].iter().for_each(|image| fit(&mut value[*image], fields)),
    }
    let schema: Schema = schema(topic).to_string().parse().unwrap();
    let head = [&[0][..], &u32::try_from(id).unwrap().to_be_bytes()].concat();
    serde_avro_fast::to_datum(&value, head, &mut SerializerConfig::new(&schema)).unwrap()
}

/// Gives a row, if it is one, these fields and no others.
fn fit(row: &mut Value, fields: &[&str]) {
    let Some(row) = row.as_object_mut() else { return };
    row.retain(|field, _| fields.contains(&field.as_str()));
    for field in fields {
        row.entry(*field).or_insert(Value::Null);
    }
}

fn schema(topic: &str) -> Value {
    let fields = FIELDS.iter().find(|(of, _)| *of == topic).unwrap().1;
    let field = |name: &&str| match name.ends_with("_at") || name.ends_with("_time") {
        true => json!({"name": name, "type": ["null", "long", "string"]}),
        false => json!({"name": name, "type": ["null", "string"]}),
    };
    let fields: Vec<_> = fields.iter().map(field).collect();
    let row = json!({"type": "record", "name": "Value", "fields": fields});
    if topic == "events" {
        return row;
    }
    let source = json!({"type": "record", "name": "Source", "fields": [
        {"name": "lsn", "type": ["null", "long"]},
        {"name": "snapshot", "type": ["null", "string"]},
        {"name": "table", "type": "string"},
    ]});
    json!({"type": "record", "name": "Envelope", "fields": [
        {"name": "after", "type": ["null", row]},
        {"name": "before", "type": ["null", "Value"]},
        {"name": "op", "type": "string"},
        {"name": "source", "type": source},
    ]})
}
