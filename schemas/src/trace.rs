//! What an event carries beside what happened: the device, the app, and the feed it came from.
//!
//! State never uses any of it; it is kept for analysis, so that a click can be traced to the feed, the
//! position and the weight set that showed the post.

use std::borrow::Cow;

use serde_json::Value;

use crate::column::{Column, JsonCell, Object, Raw, Scalar, cells};
use crate::event::{Faults, object};

/// The longest text that a caller may send: nothing of all this is long, and one event must not weigh on others.
pub(crate) const TEXT_BYTES_MAX: usize = 256;
const SHORT: &str = "text of at most 256 bytes";

/// Text of at most `longest` bytes.
fn short<'a>(longest: usize) -> impl Fn(&Scalar<'a>) -> Option<Cow<'a, str>> {
    move |raw| raw.text().filter(|text| text.len() <= longest)
}

/// The feed item that an event is about, as the answer of the feed route named it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedContext<'a> {
    /// The request whose answer showed the post.
    pub request_id: Option<Cow<'a, str>>,
    /// Its place in that answer, from 1.
    pub position: Option<u32>,
    /// Who answered: redis, state, clickhouse, postgres.
    pub source: Option<Cow<'a, str>>,
    /// The version of the feed.
    pub version: Option<u64>,
    /// The number of the weight set.
    pub weight_set: Option<u16>,
}

/// Where an event came from; all of it optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace<'a> {
    /// The device, in the client's words.
    pub device: Option<Cow<'a, str>>,
    /// The app's version, in the client's words.
    pub app_ver: Option<Cow<'a, str>>,
    /// The feed item it is about.
    pub ctx: Option<FeedContext<'a>>,
}

cells! {
    pub(crate) struct FeedContextFields {
        request_id,
        position,
        source,
        version,
        weight_set,
    }
}

/// The `ctx` of an event: in JSON not yet looked at, since a fault must name the field.
pub(crate) enum ContextFields<'a> {
    Unread(Scalar<'a>),
    Read(FeedContextFields<Scalar<'a>>),
}

impl<'a> ContextFields<'a> {
    fn read(self, to: &mut Faults) -> Option<FeedContextFields<Scalar<'a>>> {
        match self {
            Self::Unread(raw) => {
                to.keep(Column::new("ctx", &Some(raw)).required("an object", from_json))
            }
            Self::Read(fields) => Some(fields),
        }
    }
}

fn from_json<'a>(raw: &Scalar<'a>) -> Option<FeedContextFields<Scalar<'a>>> {
    let Scalar::Json(raw) = raw else { return None };
    let read = serde_json::from_str::<Object<FeedContextFields<JsonCell<'a>>>>(raw.get());
    read.ok().map(|Object(fields)| fields.scalars())
}

impl<'a> Trace<'a> {
    /// Reads the three fields, texts of at most `longest` bytes; what is wrong goes to `faults` and is absent here.
    pub(crate) fn read(
        (device, app_ver, ctx): (&Raw<'a>, &Raw<'a>, Option<ContextFields<'a>>),
        longest: usize,
        to: &mut Faults,
    ) -> Self {
        let ctx = ctx.and_then(|ctx| ctx.read(to));
        let mut short_text = |name: &'static str, raw: &Raw<'a>| {
            to.keep(Column::new(name, raw).optional(SHORT, short(longest))).flatten()
        };
        let (device, app_ver) = (short_text("device", device), short_text("app_ver", app_ver));
        let ctx = ctx.map(|fields| FeedContext::read(&fields, longest, to));
        Self { device, app_ver, ctx }
    }
}

impl<'a> FeedContext<'a> {
    /// The JSON object that the feed route gives out and an event brings back.
    pub fn to_value(&self) -> Value {
        object([
            ("request_id", self.request_id.as_deref().map(Value::from)),
            ("position", self.position.map(Value::from)),
            ("source", self.source.as_deref().map(Value::from)),
            ("version", self.version.map(Value::from)),
            ("weight_set", self.weight_set.map(Value::from)),
        ])
    }

    fn read(fields: &FeedContextFields<Scalar<'a>>, longest: usize, to: &mut Faults) -> Self {
        Self {
            request_id: to
                .keep(
                    Column::new("ctx.request_id", &fields.request_id)
                        .optional(SHORT, short(longest)),
                )
                .flatten(),
            position: to.keep(Column::new("ctx.position", &fields.position).number()).flatten(),
            source: to
                .keep(Column::new("ctx.source", &fields.source).optional(SHORT, short(longest)))
                .flatten(),
            version: to.keep(Column::new("ctx.version", &fields.version).number()).flatten(),
            weight_set: to
                .keep(Column::new("ctx.weight_set", &fields.weight_set).number())
                .flatten(),
        }
    }
}
