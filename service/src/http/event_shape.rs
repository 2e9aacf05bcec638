//! What an event is in a request, made of the schema by which producers write events.

use schemas::EVENTS_SCHEMA;
use serde_json::Value;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, Ref, RefOr, Schema};

use super::routes::Shape;

const BATCH: &str = "Events";
const EVENT: &str = "Event";
/// The caller, unless it is named.
const CALLER: &str = "user_id";

/// The body of a request.
pub const EVENTS: Shape = Shape { name: || BATCH.to_owned(), gather };

fn gather(to: &mut Vec<(String, RefOr<Schema>)>) {
    let events = ArrayBuilder::new().items(Ref::from_schema_name(EVENT)).min_items(Some(1));
    let batch = ObjectBuilder::new().property("events", events).required("events");
    to.push((BATCH.to_owned(), batch.build().into()));
    // The schema is part of this program, and a test reads it.
    let event = serde_json::from_str(EVENTS_SCHEMA.schema).unwrap_or_default();
    to.push((EVENT.to_owned(), shape(&event)));
}

fn shape(of: &Value) -> RefOr<Schema> {
    match of {
        Value::Array(either) => {
            either.iter().find(|one| *one != "null").map_or_else(unknown, shape)
        }
        Value::Object(_) if of["type"] == "record" => record(of),
        Value::Object(_) if of["type"] == "enum" => {
            let words = of["symbols"].as_array().cloned().unwrap_or_default();
            ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build().into()
        }
        Value::Object(_) => primitive(&of["type"], &of["logicalType"]),
        other => primitive(other, &Value::Null),
    }
}

fn unknown() -> RefOr<Schema> {
    ObjectBuilder::new().build().into()
}

fn primitive(kind: &Value, logical: &Value) -> RefOr<Schema> {
    let kind = match kind.as_str() {
        Some("int" | "long") => Type::Integer,
        Some("float" | "double") => Type::Number,
        Some("boolean") => Type::Boolean,
        Some(_) | None => Type::String,
    };
    let format = (*logical == "uuid").then_some(SchemaFormat::KnownFormat(KnownFormat::Uuid));
    ObjectBuilder::new().schema_type(kind).format(format).build().into()
}

fn record(of: &Value) -> RefOr<Schema> {
    let mut object = ObjectBuilder::new().description(of["doc"].as_str());
    for field in of["fields"].as_array().into_iter().flatten() {
        let Some(name) = field["name"].as_str() else { continue };
        object = object.property(name, described(shape(&field["type"]), &field["doc"]));
        if field.get("default").is_none() && name != CALLER {
            object = object.required(name);
        }
    }
    object.build().into()
}

fn described(of: RefOr<Schema>, doc: &Value) -> RefOr<Schema> {
    match of {
        RefOr::T(Schema::Object(mut object)) => {
            object.description = doc.as_str().map(str::to_owned).or(object.description);
            object.into()
        }
        other => other,
    }
}
