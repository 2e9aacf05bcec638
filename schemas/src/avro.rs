//! Values in Avro, in Confluent's form: a zero, the id of the writer's schema in four bytes, the datum.
//!
//! A value is read as its writer's schema says, in one pass that keeps what is used, by name: what a later schema adds is
//! skipped, what an earlier one lacks is absent. Any schema will do that has the names; which types may stand under one is
//! what [`Scalar`](crate::column::Scalar) takes. Nothing here speaks to a registry: that is a [`SchemaById`].

use std::fmt::Debug;
use std::io::BufRead;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use serde_avro_fast::de::DeserializerState;

use crate::poison::FieldFault;

/// The first byte of Confluent's form; JSON never begins so.
const MAGIC: u8 = 0;
/// The zero and the id.
const HEAD_BYTES: usize = 5;

/// Whoever knows schemas by their ids. It never waits: a schema that has to be fetched is unavailable until it is there.
pub trait SchemaById: Debug + Send + Sync {
    /// The schema of this id.
    fn schema(&self, id: u32) -> Lookup;
}

/// What is known of a schema.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// Here it is.
    Ready(Arc<WriterSchema>),
    /// The registry has none of this id, or it is no schema: no retry will help. In words.
    Unknown(String),
    /// The registry does not answer, or has not yet: try again later. In words.
    Unavailable(String),
}

/// Where no registry is configured.
#[derive(Clone, Copy, Debug)]
pub struct NoRegistry;

impl SchemaById for NoRegistry {
    fn schema(&self, _: u32) -> Lookup {
        Lookup::Unknown("no schema registry is configured".into())
    }
}

/// A schema that values were written with.
#[derive(Debug)]
pub struct WriterSchema(serde_avro_fast::Schema);

impl FromStr for WriterSchema {
    type Err = String;

    /// Reads a schema in JSON.
    fn from_str(json: &str) -> Result<Self, String> {
        json.parse()
            .map(Self)
            .map_err(|error: serde_avro_fast::schema::SchemaError| error.to_string())
    }
}

/// The bytes of a key or a value, with all that is needed to read them.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    bytes: Vec<u8>,
    form: Form,
}

#[derive(Clone, Debug, Default)]
enum Form {
    #[default]
    Json,
    Avro(u32, Arc<WriterSchema>),
    /// Avro that nobody can read; what is wrong.
    Unknown(String),
}

/// What a payload is read as.
pub(crate) enum Read<'a> {
    Json(&'a [u8]),
    Avro(Datum<'a>),
}

/// A datum with its writer's schema.
pub(crate) struct Datum<'a> {
    schema: &'a WriterSchema,
    bytes: &'a [u8],
}

impl Payload {
    /// Bytes in JSON.
    pub fn json(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), form: Form::Json }
    }

    /// Bytes of either format.
    pub fn of(bytes: &[u8], schemas: &dyn SchemaById) -> Result<Self, String> {
        let mut payload = Self::default();
        payload.fill(bytes, schemas).map(|()| payload)
    }

    /// Takes other bytes in; fails, in words, if their schema cannot be had now.
    pub fn fill(&mut self, bytes: &[u8], schemas: &dyn SchemaById) -> Result<(), String> {
        self.form = match bytes {
            [MAGIC, a, b, c, d, ..] => {
                self.form_under(u32::from_be_bytes([*a, *b, *c, *d]), schemas)?
            }
            [MAGIC, ..] => Form::Unknown(format!("{} bytes", bytes.len())),
            _ => Form::Json,
        };
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Mostly one record has the schema of the one before.
    fn form_under(&mut self, id: u32, schemas: &dyn SchemaById) -> Result<Form, String> {
        if let Form::Avro(known, schema) = std::mem::take(&mut self.form)
            && known == id
        {
            return Ok(Form::Avro(id, schema));
        }
        match schemas.schema(id) {
            Lookup::Ready(schema) => Ok(Form::Avro(id, schema)),
            Lookup::Unknown(why) => Ok(Form::Unknown(format!("the id {id}: {why}"))),
            Lookup::Unavailable(why) => Err(format!("the schema {id}: {why}")),
        }
    }

    /// The bytes as they came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// About how many bytes it keeps in memory beyond its own size.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// What it is read as; `name` is what a fault calls it, `value` or `key`.
    pub(crate) fn read(&self, name: &'static str) -> Result<Read<'_>, FieldFault> {
        match &self.form {
            Form::Json => Ok(Read::Json(&self.bytes)),
            Form::Avro(_, schema) => {
                let bytes = self.bytes.get(HEAD_BYTES..).unwrap_or_default();
                Ok(Read::Avro(Datum { schema, bytes }))
            }
            Form::Unknown(why) => {
                Err(FieldFault::new(name, "Avro of a schema that the registry knows", why))
            }
        }
    }
}

impl<'a> Datum<'a> {
    /// Reads a `T`, of all the bytes.
    pub(crate) fn read<T: Deserialize<'a>>(&self) -> Result<T, String> {
        let mut state = DeserializerState::from_slice(self.bytes, &self.schema.0);
        let read = T::deserialize(state.deserializer()).map_err(|error| error.to_string())?;
        match state.into_reader().fill_buf().map_or(0, <[u8]>::len) {
            0 => Ok(read),
            left => Err(format!("{left} bytes more than its schema says")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, Cdc, Event, Like};

    const ID: &str = "0190a6c2-0000-7000-8000-000000000001";
    const AT_MS: i64 = 1_795_216_628_000;

    /// A registry that has one schema, 7, and has not answered yet for the others below 100.
    #[derive(Debug)]
    struct One(&'static str);

    impl SchemaById for One {
        fn schema(&self, id: u32) -> Lookup {
            match id {
                7 => Lookup::Ready(Arc::new(self.0.parse().unwrap())),
                0..100 => Lookup::Unavailable("no answer yet".into()),
                _ => Lookup::Unknown("Schema 100 not found".into()),
            }
        }
    }

    /// The head of a value under the schema of this id.
    fn under(id: u8) -> Vec<u8> {
        vec![MAGIC, 0, 0, 0, id]
    }

    fn long(number: i64) -> Vec<u8> {
        let (mut bytes, mut rest) = (Vec::new(), ((number << 1) ^ (number >> 63)).cast_unsigned());
        while rest > 127 {
            bytes.push((rest & 127) as u8 | 128);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        bytes
    }

    fn text(text: &str) -> Vec<u8> {
        [long(i64::try_from(text.len()).unwrap()), text.into()].concat()
    }

    fn event(schema: &'static str, parts: &[Vec<u8>]) -> Result<Event, String> {
        let value = [under(7), parts.concat()].concat();
        let value = Payload::of(&value, &One(schema)).unwrap();
        Event::decode(&value).map_err(|poison| poison.to_string())
    }

    /// Fields of these types, each given as `"name":type`.
    fn record(fields: &str) -> &'static str {
        let fields: Vec<_> = fields
            .split(';')
            .map(|field| field.split_once(':').unwrap())
            .map(|(name, of)| format!(r#"{{"name":"{name}","type":{of}}}"#))
            .collect();
        let fields = fields.join(",");
        format!(r#"{{"type":"record","name":"Act","fields":[{fields}]}}"#).leak()
    }

    #[test]
    fn an_event_is_read_by_the_names_of_its_writer_s_schema_whatever_their_order_and_types() {
        let schema = record(
            r#"later:{"type":"array","items":"long"};
            action:{"type":"enum","name":"Kind","symbols":["view","like"]};
            post_id:{"type":"fixed","name":"Id","size":16};user_id:{"type":"string","logicalType":"uuid"};
            dwell_ms:["null","int"];event_time:{"type":"long","logicalType":"timestamp-micros"};
            ctx:["null",{"type":"record","name":"Ctx","fields":[{"name":"position","type":"int"}]}]"#
                .replace(['\n', ' '], "")
                .as_str(),
        );
        let later = [long(1), long(3), long(0)].concat();
        let (time, ctx) = (long(AT_MS * 1_000), [long(1), long(5)].concat());
        let parts = [later, long(1), vec![9; 16], text(ID), long(0), time, ctx];
        let read = event(schema, &parts).unwrap();
        let found = (read.action, read.post.0, read.user.to_string(), read.at_ms, read.dwell_ms);
        assert_eq!(found, (Action::Like, [9; 16], ID.into(), AT_MS, None));
    }

    #[test]
    fn what_a_field_cannot_be_is_named_with_what_stands_there() {
        let with = |post: &str, bytes: Vec<u8>| {
            let schema = record(&format!(
                r#"user_id:"string";post_id:{post};action:"string";event_time:"long""#
            ));
            event(schema, &[text(ID), bytes, text("like"), long(AT_MS)]).unwrap_err()
        };
        let fault = |found| format!("decode event: post_id: expected a UUID, found {found}");
        assert_eq!(with(r#""long""#, long(-3)), fault("-3"));
        assert_eq!(with(r#""boolean""#, vec![1]), fault("true"));
        assert_eq!(with(r#""double""#, vec![0; 8]), fault("a fraction"));
        assert_eq!(with(r#""bytes""#, text("short")), fault("5 bytes"));
        assert_eq!(with(r#"["null","string"]"#, long(0)), fault("nothing"));
        let items = [long(1), long(3), long(0)].concat();
        assert_eq!(with(r#"{"type":"array","items":"long"}"#, items), fault("an array"));
        let inner = r#"{"type":"record","name":"Id","fields":[{"name":"a","type":"long"}]}"#;
        assert_eq!(with(inner, long(1)), fault("a record"));
        let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":0}"#;
        assert_eq!(with(decimal, [long(1), vec![12]].concat()), fault("\"12\""));
    }

    #[test]
    fn a_schema_that_nobody_knows_is_poison_and_one_that_cannot_be_had_now_is_waited_for() {
        let payload = |id| Payload::of(&under(id), &One(""));
        let read = |payload: Payload| Cdc::<Like>::decode(None, Some(&payload)).unwrap_err();
        let unknown = "decode like: value: expected Avro of a schema that the registry knows, \
            found the id 100: Schema 100 not found";
        assert_eq!(read(payload(100).unwrap()).to_string(), unknown);
        assert_eq!(payload(3).unwrap_err(), "the schema 3: no answer yet");
        let none = read(Payload::of(&under(7), &NoRegistry).unwrap()).to_string();
        assert!(none.ends_with("found the id 7: no schema registry is configured"), "{none}");
    }

    #[test]
    fn a_payload_is_filled_again_and_asks_only_for_a_schema_that_it_does_not_hold() {
        let schemas = One(r#"{"type":"string"}"#);
        let mut payload = Payload::of(&[under(7), text("a")].concat(), &schemas).unwrap();
        let read = |payload: &Payload| match payload.read("value").unwrap() {
            Read::Json(json) => String::from_utf8(json.into()).unwrap(),
            Read::Avro(datum) => datum.read().unwrap(),
        };
        payload.fill(&[under(7), text("b")].concat(), &NoRegistry).unwrap();
        assert_eq!((read(&payload), payload.heap_bytes()), ("b".into(), 7));
        payload.fill(b"{}", &NoRegistry).unwrap();
        assert_eq!((read(&payload), payload.bytes()), ("{}".into(), &b"{}"[..]));
        assert!(payload.fill(&under(3), &schemas).is_err());
        payload.fill(&[under(7), text("c")].concat(), &schemas).unwrap();
        assert_eq!(read(&payload), "c");
    }

    #[test]
    fn a_key_in_avro_names_a_deleted_row() {
        let delete = Payload::json(br#"{"op":"d"}"#);
        let key = [under(7), text(ID)].concat();
        let key = Payload::of(&key, &One(record(r#"id:"string""#))).unwrap();
        let Ok(Cdc::Change(change)) = Cdc::<Like>::decode(Some(&key), Some(&delete)) else {
            panic!("unread")
        };
        assert_eq!(change.key.map(|key| key.to_string()).as_deref(), Some(ID));
        let unknown = Payload::of(&under(100), &One("")).unwrap();
        let fault = Cdc::<Like>::decode(Some(&unknown), Some(&delete)).unwrap_err().to_string();
        assert!(fault.starts_with("decode like: key: expected Avro of a schema"), "{fault}");
    }

    #[test]
    fn a_datum_is_read_to_its_last_byte_and_no_further() {
        let schema =
            record(r#"user_id:"string";post_id:"string";action:"string";event_time:"long""#);
        let parts = [text(ID), text(ID), text("view"), long(AT_MS)];
        assert!(event(schema, &parts).is_ok());
        let longer = event(schema, &[&parts[..], &[vec![0]]].concat()).unwrap_err();
        let why = "value: expected an event in Avro, found 1 bytes more than its schema says";
        assert_eq!(longer, format!("decode event: {why}"));
        assert!(event(schema, &parts[..3]).unwrap_err().contains("an event in Avro, found"));
        let head = Payload::of(&[0, 0, 7], &NoRegistry).unwrap();
        let head = Event::decode(&head).unwrap_err().to_string();
        assert!(head.ends_with("a schema that the registry knows, found 3 bytes"), "{head}");
    }
}
