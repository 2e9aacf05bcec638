//! What an event carries beside what happened: the device, the app, and the feed it came from.
//!
//! State never uses any of it; it is kept for analysis, so that a click can be traced to the feed, the
//! position and the weight set that showed the post.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::column::{Column, Object, Raw, text};
use crate::event::{Faults, object};

/// The longest text that a caller may send: nothing of all this is long, and one event must not weigh on others.
pub(crate) const TEXT_BYTES_MAX: usize = 256;
const SHORT: &str = "text of at most 256 bytes";

/// Text of at most `longest` bytes.
fn short(longest: usize) -> impl Fn(&RawValue) -> Option<Cow<'_, str>> {
    move |raw| text(raw).filter(|text| text.len() <= longest)
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

#[derive(Deserialize)]
pub(crate) struct FeedContextFields<'a> {
    #[serde(borrow)]
    request_id: Raw<'a>,
    #[serde(borrow)]
    position: Raw<'a>,
    #[serde(borrow)]
    source: Raw<'a>,
    #[serde(borrow)]
    version: Raw<'a>,
    #[serde(borrow)]
    weight_set: Raw<'a>,
}

impl<'a> Trace<'a> {
    /// Reads the three fields, texts of at most `longest` bytes; what is wrong goes to `faults` and is absent here.
    pub(crate) fn read(
        (device, app_ver, ctx): (Raw<'a>, Raw<'a>, Raw<'a>),
        longest: usize,
        to: &mut Faults,
    ) -> Self {
        let object = |raw: &'a RawValue| {
            serde_json::from_str::<Object<FeedContextFields<'a>>>(raw.get()).ok()
        };
        let ctx = to.keep(Column::new("ctx", ctx).optional("an object", object)).flatten();
        Self {
            device: to
                .keep(Column::new("device", device).optional(SHORT, short(longest)))
                .flatten(),
            app_ver: to
                .keep(Column::new("app_ver", app_ver).optional(SHORT, short(longest)))
                .flatten(),
            ctx: ctx.map(|Object(fields)| FeedContext::read(&fields, longest, to)),
        }
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

    fn read(fields: &FeedContextFields<'a>, longest: usize, to: &mut Faults) -> Self {
        let (request_id, source) = (fields.request_id, fields.source);
        Self {
            request_id: to
                .keep(Column::new("ctx.request_id", request_id).optional(SHORT, short(longest)))
                .flatten(),
            position: to.keep(Column::new("ctx.position", fields.position).number()).flatten(),
            source: to
                .keep(Column::new("ctx.source", source).optional(SHORT, short(longest)))
                .flatten(),
            version: to.keep(Column::new("ctx.version", fields.version).number()).flatten(),
            weight_set: to
                .keep(Column::new("ctx.weight_set", fields.weight_set).number())
                .flatten(),
        }
    }
}
