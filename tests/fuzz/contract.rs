//! What others write and what the parts of the feed send each other, made of bytes that nobody meant.

use std::fmt::Debug;
use std::sync::{Arc, LazyLock};

use bolero::check;

use crate::golden::Written;
use crate::{
    Cdc, Comment, Dismissal, EVENTS_SCHEMA, Event, EventWriter, FeedBody, Feedback, Follow, Gone,
    Like, Lookup, Op, Payload, Post, PostLine, Preferences, Read, RedisValue, Row, SchemaById,
    ToPerson, ToPost, ToUser, Trending, TrendingKey, TrendingPart, User, WeightsVersion, Wire,
    Words, WriterSchema, truncated_at,
};

/// What stands in no JSON: the last one parts an input in two.
const BETWEEN: u8 = 0xff;
const YEAR_2100_MS: i64 = 4_102_444_800_000;
/// Nobody reads a dead letter whose reason is longer.
const REASON_BYTES_MAX: usize = 600;

/// The two parts of an input; the second is empty if nothing parts them.
fn parts(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().rposition(|byte| *byte == BETWEEN) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &[]),
    }
}

/// A registry that has one schema.
#[derive(Debug)]
struct Only(Arc<WriterSchema>);

impl SchemaById for Only {
    fn schema(&self, _: u32) -> Lookup {
        Lookup::Ready(Arc::clone(&self.0))
    }
}

/// A change that is read is whole, and one that is not is refused in a line.
fn look_at_change<R: Row + Debug + PartialEq>(key: Option<&Payload>, value: &Payload) {
    let decoded = Cdc::<R>::decode(key, Some(value));
    match &decoded {
        Ok(Cdc::Change(change)) => {
            assert_eq!(change.after.is_none(), change.op == Op::Delete);
            assert!(change.key.is_some() || change.op == Op::Delete);
            assert_eq!(truncated_at(value), None);
            let _ = (change.live(), change.image(), change.implausible(0));
        }
        Ok(Cdc::Message) => {}
        Ok(Cdc::Tombstone) => panic!("there is a value"),
        Err(poison) => assert!(poison.to_string().len() <= REASON_BYTES_MAX, "{poison}"),
    }
    // What stands beside its schema means the same.
    let text = String::from_utf8_lossy(value.bytes());
    let is_bare =
        text.contains("\"op\"") && !text.contains("payload") && !text.contains(['\\', '\0']);
    if is_bare && decoded.is_ok() {
        let beside = format!(r#"{{"schema":null,"payload":{text}}}"#);
        let again = Cdc::<R>::decode(key, Some(&Payload::json(beside.as_bytes())));
        assert_eq!(again, decoded);
    }
}

#[test]
fn a_change_is_whole_or_refused_in_a_line_whatever_stands_in_it() {
    check!(name = "envelope").with_iterations(0).for_each(|input: &[u8]| {
        let (value, key) = parts(input);
        let payload = |bytes| Payload::of(bytes, &Written).unwrap();
        let (key, value) = ((!key.is_empty()).then(|| payload(key)), payload(value));
        look_at_change::<User>(key.as_ref(), &value);
        look_at_change::<Post>(key.as_ref(), &value);
        look_at_change::<Follow>(key.as_ref(), &value);
        look_at_change::<Comment>(key.as_ref(), &value);
        look_at_change::<Like>(key.as_ref(), &value);
    });
}

#[test]
fn what_any_schema_says_of_any_bytes_is_read_or_refused() {
    check!(name = "avro").with_iterations(0).for_each(|input: &[u8]| {
        let (schema, datum) = parts(input);
        let schema = str::from_utf8(schema).ok().and_then(|text| text.parse().ok());
        let Some(schema) = schema.map(Arc::new) else { return };
        let value = [&[0; 5], datum].concat();
        let value = Payload::of(&value, &Only(schema)).unwrap();
        look_at_change::<Post>(None, &value);
        look_at_event(&value);
    });
}

/// An event that is read comes back from what we write of it, in both formats.
fn look_at_event(value: &Payload) {
    static PUBLISHED: LazyLock<Only> =
        LazyLock::new(|| Only(Arc::new(EVENTS_SCHEMA.schema.parse().unwrap())));
    static WRITER: LazyLock<EventWriter> = LazyLock::new(|| EventWriter::new(1).unwrap());
    let (event, trace) = match Event::decode_with_trace(value) {
        Ok(read) => read,
        Err(poison) => {
            assert!(poison.to_string().len() <= REASON_BYTES_MAX, "{poison}");
            return;
        }
    };
    let _ = event.incomplete();
    // Whoever writes refuses what cannot be meant: a number of ms so far ahead would be read as one of µs.
    if event.implausible(YEAR_2100_MS).is_some() {
        return;
    }
    let json = Payload::json(event.to_json(&trace).as_bytes());
    assert_eq!(Event::decode_with_trace(&json).as_ref(), Ok(&(event, trace.clone())));
    // A number may be too large for the schema: then nothing is written.
    if let Ok(avro) = WRITER.write(&event, &trace) {
        let avro = Payload::of(&avro, &*PUBLISHED).unwrap();
        assert_eq!(Event::decode_with_trace(&avro), Ok((event, trace)));
    }
}

#[test]
fn an_event_comes_back_from_what_is_written_of_it() {
    check!(name = "event").with_iterations(0).for_each(|input: &[u8]| {
        look_at_event(&Payload::of(input, &Written).unwrap());
        if let Ok((event, _)) = Event::check(input, None) {
            assert_eq!(Event::decode(&Payload::json(input)), Ok(event));
        }
    });
}

/// What decodes has these bytes and no others, and takes no more memory than they explain.
fn comes_back<T: Wire + Debug>(bytes: &[u8]) {
    if let Ok(value) = T::decode(bytes) {
        assert_eq!(value.to_bytes(), bytes, "{value:?}");
        assert!(value.heap_bytes() <= 64 * bytes.len(), "{value:?}");
    }
}

#[test]
fn a_feed_has_one_body_and_is_read_over_another_without_a_trace_of_it() {
    check!(name = "feed-body").with_iterations(0).for_each(|input: &[u8]| {
        let body = match RedisValue::decode(input) {
            Ok(value) => {
                let mut bytes = Vec::new();
                value.encode(&mut bytes);
                assert_eq!(bytes, input);
                value.body.unwrap_or_default()
            }
            Err(_) => input,
        };
        comes_back::<FeedBody>(body);
        let mut slot = Some(FeedBody { cold_start: true, ..FeedBody::default() });
        let over = FeedBody::decode_into(body, &mut slot).map(|()| slot);
        assert_eq!(over, FeedBody::decode(body).map(Some));
    });
}

#[test]
fn what_parts_of_the_feed_send_each_other_has_one_form() {
    const KINDS: [fn(&[u8]); 14] = [
        comes_back::<ToPost>,
        comes_back::<ToUser>,
        comes_back::<ToPerson>,
        comes_back::<Read>,
        comes_back::<Gone>,
        comes_back::<PostLine>,
        comes_back::<Feedback>,
        comes_back::<Dismissal>,
        comes_back::<Preferences>,
        comes_back::<Words>,
        comes_back::<WeightsVersion>,
        comes_back::<Trending>,
        comes_back::<TrendingPart>,
        comes_back::<TrendingKey>,
    ];
    check!(name = "wire").with_iterations(0).for_each(|input: &[u8]| {
        if let [kind, bytes @ ..] = input {
            KINDS[usize::from(*kind) % KINDS.len()](bytes);
        }
    });
}
