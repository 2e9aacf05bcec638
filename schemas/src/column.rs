//! What stands under one name of a JSON object, not yet decoded.
//!
//! An object is read in one pass that keeps the raw text of the names that are used and skips the rest;
//! a value is decoded when it is asked for, so that an error can name its field. Objects only: an array
//! in place of an object is refused, since then position would decide what a value means. Nothing is
//! kept for null, which means the same as absent.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::poison::FieldFault;
use crate::time;

/// The raw text of a value; `None` if it is null or absent.
pub(crate) type Raw<'a> = Option<&'a RawValue>;

/// A `T` that stands as a JSON object.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// One named value: where errors and conversions meet.
#[derive(Clone, Copy)]
pub(crate) struct Column<'a> {
    name: &'static str,
    raw: Raw<'a>,
}

impl<'a> Column<'a> {
    pub(crate) fn new(name: &'static str, raw: Raw<'a>) -> Self {
        Self { name, raw }
    }

    /// The value as `convert` reads it; a fault if it is absent or `convert` gives nothing.
    pub(crate) fn required<T>(
        self,
        expected: &'static str,
        convert: impl FnOnce(&'a RawValue) -> Option<T>,
    ) -> Result<T, FieldFault> {
        self.optional(expected, convert)?.ok_or_else(|| FieldFault::missing(self.name, expected))
    }

    /// The value as `convert` reads it, if there is one; a fault if `convert` gives nothing.
    pub(crate) fn optional<T>(
        self,
        expected: &'static str,
        convert: impl FnOnce(&'a RawValue) -> Option<T>,
    ) -> Result<Option<T>, FieldFault> {
        let Some(raw) = self.raw else { return Ok(None) };
        let fault = || FieldFault::new(self.name, expected, raw.get());
        convert(raw).map(Some).ok_or_else(fault)
    }

    /// The fault of a value that is none of those `expected`.
    pub(crate) fn unknown(self, expected: &'static str) -> FieldFault {
        match self.raw {
            None => FieldFault::missing(self.name, expected),
            Some(raw) => FieldFault::new(self.name, expected, raw.get()),
        }
    }

    /// The id that must stand here.
    pub(crate) fn id<T: From<[u8; 16]>>(self) -> Result<T, FieldFault> {
        self.required("a UUID", uuid).map(T::from)
    }

    /// The time that must stand here, in ms UTC.
    pub(crate) fn time_ms(self) -> Result<i64, FieldFault> {
        self.required("a time", time_ms)
    }

    /// The whole number that may stand here.
    pub(crate) fn number<T: TryFrom<i128>>(self) -> Result<Option<T>, FieldFault> {
        self.optional("a whole number", number)
    }
}

/// The text of a JSON string, borrowed where it holds no escapes.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let quoted = raw.get();
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(quoted).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

pub(crate) fn uuid(raw: &RawValue) -> Option<[u8; 16]> {
    uuid::Uuid::try_parse(&text(raw)?).ok().map(uuid::Uuid::into_bytes)
}

pub(crate) fn time_ms(raw: &RawValue) -> Option<i64> {
    match text(raw) {
        Some(text) => time::from_text(&text),
        None => raw.get().parse().ok().map(time::from_number),
    }
}

pub(crate) fn number<T: TryFrom<i128>>(raw: &RawValue) -> Option<T> {
    T::try_from(raw.get().parse().ok()?).ok()
}
