//! A behaviour event: who did what with which post, and when.
//!
//! Topic `events`, key the user, JSON. Required are `user_id`, `post_id`, `action` and `event_time`;
//! null means absent, unknown fields are skipped. The topic's reader takes the first fault as a
//! [`Poison`]; the HTTP route shows the caller all of them.
//!
//! An event without `event_id` is named by what it says: the version 5 UUID (SHA-1) in the URL namespace
//! (6ba7b811-9dad-11d1-80b4-00c04fd430c8) of the text `feedmill:event:{user}:{post}:{action}:{second}`,
//! ids in lower case with hyphens, the second since 1970 floored. So a repeat within a second is one event. Of what is said against a
//! post, which is said and taken back by a tap, the millisecond is meant.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::action::Action;
use crate::avro::{Datum, Payload, Read};
use crate::column::{AvroCell, Column, JsonCell, Object, Scalar};
use crate::feedback::Said;
use crate::ids::{EventId, PostId, UserId};
use crate::poison::{FieldFault, Poison};
use crate::time;
use crate::trace::{ContextFields, FeedContext, FeedContextFields, TEXT_BYTES_MAX, Trace};

/// How far an event's time may lie ahead of its record's.
const AHEAD_MS_MAX: i64 = 600_000;
const PLAUSIBLE: &str = "a time from 1990 to 10 min after the record's, in ms";
const DWELL_MS_MAX: u32 = 3_600_000;
const WHAT: &str = "event";
const DWELL: &str = "a whole number, 0 to 3600000";
const ACTIONS: &str =
    "impression, view, click, like, comment, share, dwell, hide, report, less_like_this or undo";

/// What happened, as far as state uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name, unique within its user: the sender's, or made from what it says.
    pub id: EventId,
    /// Who did it.
    pub user: UserId,
    /// With which post.
    pub post: PostId,
    /// What.
    pub action: Action,
    /// When, in ms UTC, by the sender's clock.
    pub at_ms: i64,
    /// How long it took, at most an hour.
    pub dwell_ms: Option<u32>,
    /// The post's author, as the sender thinks; never trusted over the post itself.
    pub author: Option<UserId>,
}

/// All that is wrong with an event.
#[derive(Default)]
pub(crate) struct Faults(Vec<FieldFault>);

impl Faults {
    /// The value, or none and the fault is kept.
    pub(crate) fn keep<T>(&mut self, read: Result<T, FieldFault>) -> Option<T> {
        read.map_err(|fault| self.0.push(fault)).ok()
    }
}

/// The fields of an event, and its `ctx`, which differs between the formats.
#[derive(Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>, X: Deserialize<'de>"))]
struct FieldsOf<C, X> {
    event_id: Option<C>,
    event_time: Option<C>,
    user_id: Option<C>,
    post_id: Option<C>,
    action: Option<C>,
    dwell_ms: Option<C>,
    author_id: Option<C>,
    device: Option<C>,
    app_ver: Option<C>,
    ctx: Option<X>,
}

/// The fields of an event, whatever its format.
type Fields<'a> = FieldsOf<Scalar<'a>, ContextFields<'a>>;

impl<'a> Fields<'a> {
    fn of<C: Into<Scalar<'a>>, X>(
        of: FieldsOf<C, X>,
        ctx: impl FnOnce(X) -> ContextFields<'a>,
    ) -> Self {
        Self {
            event_id: of.event_id.map(Into::into),
            event_time: of.event_time.map(Into::into),
            user_id: of.user_id.map(Into::into),
            post_id: of.post_id.map(Into::into),
            action: of.action.map(Into::into),
            dwell_ms: of.dwell_ms.map(Into::into),
            author_id: of.author_id.map(Into::into),
            device: of.device.map(Into::into),
            app_ver: of.app_ver.map(Into::into),
            ctx: of.ctx.map(ctx),
        }
    }

    fn from_json(json: &'a [u8]) -> Result<Self, FieldFault> {
        type InJson<'a> = FieldsOf<JsonCell<'a>, JsonCell<'a>>;
        let Object(fields) = serde_json::from_slice::<Object<InJson<'a>>>(json)
            .map_err(|error| FieldFault::new("value", "an event in JSON", error))?;
        Ok(Self::of(fields, |ctx| ContextFields::Unread(ctx.into())))
    }

    fn from_avro(datum: &Datum<'a>) -> Result<Self, FieldFault> {
        type InAvro<'a> = FieldsOf<AvroCell<'a>, Object<FeedContextFields<AvroCell<'a>>>>;
        let Object(fields) = datum
            .read::<Object<InAvro<'a>>>()
            .map_err(|error| FieldFault::new("value", "an event in Avro", error))?;
        Ok(Self::of(fields, |Object(ctx)| ContextFields::Read(ctx.scalars())))
    }
}

impl Event {
    /// Reads a record's value, in JSON or in Avro. However long its texts are: nobody who reads the topic keeps them.
    pub fn decode(value: &Payload) -> Result<Self, Poison> {
        Self::decode_with_trace(value).map(|(event, _)| event)
    }

    /// The same, with what state does not use.
    pub fn decode_with_trace(value: &Payload) -> Result<(Self, Trace<'_>), Poison> {
        let fields = value.read("value").and_then(|value| match value {
            Read::Json(json) => Fields::from_json(json),
            Read::Avro(datum) => Fields::from_avro(&datum),
        });
        let fields = fields.map_err(|fault| fault.of(WHAT))?;
        Self::read(fields, None, usize::MAX).map_err(first)
    }

    /// Reads an event with its trace and names every fault; `user` stands in for an absent `user_id`.
    pub fn check(json: &[u8], user: Option<UserId>) -> Result<(Self, Trace<'_>), Vec<FieldFault>> {
        let fields = Fields::from_json(json).map_err(|fault| vec![fault])?;
        Self::read(fields, user, TEXT_BYTES_MAX)
    }

    fn read(
        fields: Fields<'_>,
        user: Option<UserId>,
        longest: usize,
    ) -> Result<(Self, Trace<'_>), Vec<FieldFault>> {
        let mut faults = Faults::default();
        let event = read_event(&fields, user, &mut faults);
        let Fields { device, app_ver, ctx, .. } = fields;
        let trace = Trace::read((&device, &app_ver, ctx), longest, &mut faults);
        match event {
            Some(event) if faults.0.is_empty() => Ok((event, trace)),
            _ => Err(faults.0),
        }
    }

    /// What is wrong with the event's time in a record of `record_ms`, if it can count nowhere: it lies more than 10
    /// minutes ahead of its record, or before 1990, where a time in seconds ends that was meant in milliseconds. Who
    /// writes the topic refuses by this what its reader would dead-letter.
    pub fn implausible(&self, record_ms: i64) -> Option<FieldFault> {
        let ahead = self.at_ms > record_ms.saturating_add(AHEAD_MS_MAX);
        let plausible = !ahead && self.at_ms >= time::PLAUSIBLE_MS_MIN;
        (!plausible).then(|| FieldFault::new("event_time", PLAUSIBLE, self.at_ms))
    }

    /// What an event of a caller lacks that one of the topic may lack: how long a dwell was.
    pub fn incomplete(&self) -> Option<FieldFault> {
        let lacks = self.action == Action::Dwell && self.dwell_ms.is_none();
        lacks.then(|| FieldFault::missing("dwell_ms", DWELL))
    }

    /// The event as the topic carries it, in JSON, with its id and its user filled in.
    pub fn to_json(&self, trace: &Trace<'_>) -> String {
        let text = |text: &str| Some(Value::from(text));
        let fields = [
            ("event_id", text(&self.id.to_string())),
            ("event_time", Some(self.at_ms.into())),
            ("user_id", text(&self.user.to_string())),
            ("post_id", text(&self.post.to_string())),
            ("action", text(self.action.name())),
            ("dwell_ms", self.dwell_ms.map(Value::from)),
            ("author_id", self.author.and_then(|author| text(&author.to_string()))),
            ("device", trace.device.as_deref().and_then(text)),
            ("app_ver", trace.app_ver.as_deref().and_then(text)),
            ("ctx", trace.ctx.as_ref().map(FeedContext::to_value)),
        ];
        object(fields).to_string()
    }
}

/// The first of an event's faults, for the dead letter.
fn first(faults: Vec<FieldFault>) -> Poison {
    let none = || FieldFault::missing("value", "an event");
    faults.into_iter().next().unwrap_or_else(none).of(WHAT)
}

/// An object of those fields that hold something.
pub(crate) fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let held = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(held.collect())
}

/// Reads what state uses; what is wrong goes to `faults`. None if something required is wrong.
fn read_event(fields: &Fields<'_>, sender: Option<UserId>, faults: &mut Faults) -> Option<Event> {
    let user = match (&fields.user_id, sender) {
        (None, Some(sender)) => Some(sender),
        (raw, _) => faults.keep(Column::new("user_id", raw).id()),
    };
    let post = faults.keep(Column::new("post_id", &fields.post_id).id());
    let named = |raw: &Scalar<'_>| raw.text()?.parse::<Action>().ok();
    let action = faults.keep(Column::new("action", &fields.action).required(ACTIONS, named));
    let at_ms = faults.keep(Column::new("event_time", &fields.event_time).time_ms());
    let uuid = Scalar::uuid;
    let id = faults.keep(Column::new("event_id", &fields.event_id).optional("a UUID", uuid));
    let within = |raw: &Scalar<'_>| raw.number().filter(|dwell| *dwell <= DWELL_MS_MAX);
    let dwell_ms = Column::new("dwell_ms", &fields.dwell_ms).optional(DWELL, within);
    let dwell_ms = faults.keep(dwell_ms);
    let author = faults.keep(Column::new("author_id", &fields.author_id).optional("a UUID", uuid));
    let (user, post, action, at_ms) = (user?, post?, action?, at_ms?);
    let (id, dwell_ms, author) = (id?, dwell_ms?, author?);
    let id = id.map_or_else(|| id_of(user, post, action, at_ms), EventId);
    Some(Event { id, user, post, action, at_ms, dwell_ms, author: author.map(UserId) })
}

/// The id of an event that came without one.
fn id_of(user: UserId, post: PostId, action: Action, at_ms: i64) -> EventId {
    let time = if Said::by(action).is_some() { at_ms } else { at_ms.div_euclid(1000) };
    let name = format!("feedmill:event:{user}:{post}:{action}:{time}");
    EventId(Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "0190a6c2-0000-7000-8000-000000000001";
    const POST: &str = "0190a6c2-0000-7000-8000-000000000002";

    fn json(more: &str) -> String {
        format!(r#"{{"user_id":"{USER}","post_id":"{POST}"{more}}}"#)
    }

    fn decode(more: &str) -> Result<Event, String> {
        Event::decode(&Payload::json(json(more).as_bytes())).map_err(|poison| poison.to_string())
    }

    #[test]
    fn an_event_without_an_id_is_named_by_what_it_says_and_the_second() {
        let early = decode(r#","action":"view","event_time":1795216628000"#).unwrap();
        let late = decode(r#","action":"view","event_time":"2026-11-20T23:17:08.999Z""#).unwrap();
        let next = decode(r#","action":"view","event_time":1795216629000"#).unwrap();
        let expected = Event {
            id: "2f8673cf-af2d-57de-ab66-ae5095aa072c".parse().unwrap(),
            user: USER.parse().unwrap(),
            post: POST.parse().unwrap(),
            action: Action::View,
            at_ms: 1_795_216_628_000,
            dwell_ms: None,
            author: None,
        };
        assert_eq!(early, expected);
        assert_eq!((late.id, late.at_ms), (early.id, 1_795_216_628_999));
        assert_ne!(next.id, early.id);
        let [hidden, again, later] = [0, 0, 200].map(|ms| {
            let at = 1_795_216_628_000_i64 + ms;
            decode(&format!(r#","action":"hide","event_time":{at}"#)).unwrap().id
        });
        assert!(hidden == again && hidden != later, "said again within the second");
    }

    #[test]
    fn every_fault_is_named_with_its_field() {
        let bad = br#"{"event_id":7,"user_id":"bob","action":"wave","event_time":"soon",
            "dwell_ms":3600001,"device":{},"ctx":{"position":-1}}"#;
        let faults = Event::check(bad, None).unwrap_err();
        let said: Vec<_> = faults.iter().map(ToString::to_string).collect();
        let actions = ACTIONS;
        let wave = format!("action: expected {actions}, found \"wave\"");
        let expected = [
            "user_id: expected a UUID, found \"bob\"",
            "post_id: expected a UUID, found nothing",
            &wave,
            "event_time: expected a time, found \"soon\"",
            "event_id: expected a UUID, found 7",
            "dwell_ms: expected a whole number, 0 to 3600000, found 3600001",
            "device: expected text of at most 256 bytes, found {}",
            "ctx.position: expected a whole number, found -1",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn the_texts_of_a_client_are_short() {
        let of = |bytes: usize| {
            json(&format!(r#","action":"view","event_time":1,"device":"{}""#, "x".repeat(bytes)))
        };
        assert!(Event::check(of(256).as_bytes(), None).is_ok());
        let faults = Event::check(of(257).as_bytes(), None).unwrap_err();
        let said = faults.first().map(ToString::to_string).unwrap_or_default();
        assert!(said.starts_with("device: expected text of at most 256 bytes, found"), "{said}");
        assert!(
            Event::decode(&Payload::json(of(257).as_bytes())).is_ok(),
            "in the topic they do no harm"
        );
        assert!(said.len() < 400, "the fault does not repeat it all: {}", said.len());
    }

    #[test]
    fn what_is_no_object_is_poison() {
        let poison = |bytes: &[u8]| Event::decode(&Payload::json(bytes)).unwrap_err().to_string();
        assert!(poison(b"[]").starts_with("decode event: value: expected an event in JSON"));
        assert!(poison(b"").starts_with("decode event: value: expected an event in JSON"));
    }

    #[test]
    fn the_sender_stands_in_for_an_absent_user_only() {
        let sender = UserId([5; 16]);
        let absent = format!(r#"{{"post_id":"{POST}","action":"share","event_time":1}}"#);
        let (event, _) = Event::check(absent.as_bytes(), Some(sender)).unwrap();
        assert_eq!(event.user, sender);
        let named = json(r#","action":"share","event_time":1"#);
        let (event, _) = Event::check(named.as_bytes(), Some(sender)).unwrap();
        assert_eq!(event.user.to_string(), USER);
    }

    #[test]
    fn an_event_comes_back_from_its_json_with_its_trace() {
        let more = r#","action":"dwell","event_time":1795216628123,"dwell_ms":3600000,
            "author_id":"0190A6C2000070008000000000000003","device":"a \"b\"","app_ver":"1.0",
            "ctx":{"request_id":"r","position":3,"source":"redis","version":9,"weight_set":1,"x":[]},
            "event_id":"0190a6c2-0000-7000-8000-000000000004","unknown":{"deep":[1,2,{}]}"#;
        let sent = json(more);
        let (event, trace) = Event::check(sent.as_bytes(), None).unwrap();
        let written = event.to_json(&trace);
        assert_eq!(Event::check(written.as_bytes(), None), Ok((event, trace.clone())));
        assert_eq!(trace.device.as_deref(), Some("a \"b\""));
        assert_eq!(trace.ctx.and_then(|ctx| ctx.position), Some(3));
    }

    #[test]
    fn an_event_lies_between_1990_and_ten_minutes_after_its_record() {
        let event = decode(r#","action":"like","event_time":1795216600000"#).unwrap();
        let ahead = [1_795_216_000_000, 1_795_215_999_999];
        let refused = ahead.map(|record_ms| event.implausible(record_ms).is_some());
        assert_eq!(refused, [false, true]);
        let old = [631_152_000_000_i64, 631_151_999_999].map(|at| {
            let event = decode(&format!(r#","action":"like","event_time":{at}"#)).unwrap();
            event.implausible(1_795_216_000_000).is_some()
        });
        assert_eq!(old, [false, true]);
    }

    #[test]
    fn a_caller_says_how_long_a_dwell_was_and_a_record_need_not() {
        let dwell = r#","action":"dwell","event_time":1795216600000"#;
        let fault = decode(dwell).unwrap().incomplete().map(|fault| fault.to_string());
        assert_eq!(
            fault.as_deref(),
            Some("dwell_ms: expected a whole number, 0 to 3600000, found nothing")
        );
        let told = decode(&format!(r#"{dwell},"dwell_ms":0"#)).unwrap();
        assert_eq!(told.incomplete(), None);
    }
}
