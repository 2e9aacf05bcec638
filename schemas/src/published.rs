//! The schemas by which others write and read our topics: one file of `schemas/avro` each.
//!
//! They are registered by the field's convention, TopicNameStrategy: the subject is the topic's name and `-value`. What
//! has been released stays readable: a change must be backward compatible, which the registry checks too.

use crate::topic::{EVENTS, FEEDS, Topic};

/// The schema of a topic's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The topic.
    pub topic: Topic,
    /// The schema, as its file has it.
    pub schema: &'static str,
    /// Whether values are written in it, so that a registry is to know it; else it says what other bytes mean.
    pub is_registered: bool,
}

/// Behaviour events.
pub const EVENTS_SCHEMA: Published =
    Published { topic: EVENTS, schema: include_str!("../avro/events.avsc"), is_registered: true };

impl Published {
    /// Every one.
    pub const ALL: [Self; 2] = [
        EVENTS_SCHEMA,
        Self { topic: FEEDS, schema: include_str!("../avro/feeds.avsc"), is_registered: false },
    ];

    /// What it is registered under.
    pub fn subject(&self) -> String {
        format!("{}-value", self.topic.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::WriterSchema;

    /// The names of fields without words about them, also of records within.
    fn undocumented(schema: &Value, within: &str, found: &mut Vec<String>) {
        match schema {
            Value::Array(branches) => {
                branches.iter().for_each(|branch| undocumented(branch, within, found))
            }
            Value::Object(of) => {
                let fields = of.get("fields").and_then(Value::as_array);
                if fields.is_some() && of.get("doc").is_none() {
                    found.push(within.to_owned());
                }
                for field in fields.into_iter().flatten() {
                    let name = format!("{within}.{}", field["name"].as_str().unwrap());
                    if field["doc"].as_str().is_none_or(str::is_empty) {
                        found.push(name.clone());
                    }
                    undocumented(&field["type"], &name, found);
                }
                for inner in ["items", "values", "type"] {
                    undocumented(of.get(inner).unwrap_or(&Value::Null), within, found);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_field_of_every_schema_has_words_about_it() {
        for of in Published::ALL {
            let mut found = Vec::new();
            undocumented(&serde_json::from_str(of.schema).unwrap(), of.topic.name, &mut found);
            assert_eq!(found, [""; 0]);
            assert!(of.schema.parse::<WriterSchema>().is_ok(), "{}", of.subject());
        }
        assert_eq!(Published::ALL.map(|of| of.subject()), ["events-value", "feeds-value"]);
    }
}
