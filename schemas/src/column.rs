//! What stands under one name of an object or a record, not yet decoded.
//!
//! A value is read in one pass that keeps what stands under the names that are used and skips the rest; it is decoded when
//! it is asked for, so that an error can name its field. Objects only: an array in place of an object is refused, since
//! then position would decide what a value means. Nothing is kept for null, which means the same as absent.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::poison::FieldFault;
use crate::time;

/// What stands under a name; `None` if it is null or absent.
pub(crate) type Raw<'a> = Option<Scalar<'a>>;

/// A value as its format has it.
#[derive(Clone, Debug)]
pub enum Scalar<'a> {
    /// The text of a value in JSON, whatever it is.
    Json(&'a RawValue),
    /// Text in Avro, or the name of a symbol.
    Text(Cow<'a, str>),
    /// A whole number in Avro.
    Whole(i64),
    /// Bytes in Avro.
    Bytes(&'a [u8]),
    /// `true` or `false` in Avro.
    Flag(bool),
    /// What no field of ours is in Avro, in words.
    Other(&'static str),
}

/// A value in JSON.
pub(crate) struct JsonCell<'a>(&'a RawValue);

/// A value in Avro.
pub(crate) struct AvroCell<'a>(Scalar<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for JsonCell<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'a RawValue>::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for AvroCell<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor).map(Self)
    }
}

impl<'a> From<JsonCell<'a>> for Scalar<'a> {
    fn from(cell: JsonCell<'a>) -> Self {
        Self::Json(cell.0)
    }
}

impl<'a> From<AvroCell<'a>> for Scalar<'a> {
    fn from(cell: AvroCell<'a>) -> Self {
        cell.0
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, whole: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Whole(whole))
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Scalar::Bytes(bytes))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Other("a fraction"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("a record"))
    }
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(raw) => f.write_str(raw.get()),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Whole(whole) => write!(f, "{whole}"),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl<'a> Scalar<'a> {
    /// The text that it is, borrowed where it holds no escapes.
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Json(raw) => json_text(raw),
            Self::Text(text) => Some(text.clone()),
            Self::Whole(_) | Self::Bytes(_) | Self::Flag(_) | Self::Other(_) => None,
        }
    }

    /// The UUID that it is: text in either format, the 16 bytes in Avro.
    pub(crate) fn uuid(&self) -> Option<[u8; 16]> {
        match self {
            Self::Bytes(bytes) => <[u8; 16]>::try_from(*bytes).ok(),
            Self::Json(_) | Self::Text(_) | Self::Whole(_) | Self::Flag(_) | Self::Other(_) => {
                uuid::Uuid::try_parse(&self.text()?).ok().map(uuid::Uuid::into_bytes)
            }
        }
    }

    /// The time that it is, in ms UTC.
    pub(crate) fn time_ms(&self) -> Option<i64> {
        match self.text() {
            Some(text) => time::from_text(&text),
            None => self.number().map(time::from_number),
        }
    }

    /// Whether it is true or false.
    pub(crate) fn flag(&self) -> Option<bool> {
        match self {
            Self::Json(raw) => raw.get().parse().ok(),
            Self::Flag(flag) => Some(*flag),
            Self::Text(_) | Self::Whole(_) | Self::Bytes(_) | Self::Other(_) => None,
        }
    }

    /// The whole number that it is.
    pub(crate) fn number<T: TryFrom<i128>>(&self) -> Option<T> {
        let whole = match self {
            Self::Json(raw) => raw.get().parse().ok()?,
            Self::Whole(whole) => i128::from(*whole),
            Self::Text(_) | Self::Bytes(_) | Self::Flag(_) | Self::Other(_) => return None,
        };
        T::try_from(whole).ok()
    }
}

/// A struct of values of one format, found by their names, and the same of values of any format.
macro_rules! cells {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$of:meta])* $field:ident),* $(,)? }) => {
        $(#[$meta])*
        #[derive(serde::Deserialize)]
        #[serde(bound(deserialize = "C: serde::Deserialize<'de>"))]
        $vis struct $name<C> {
            $($(#[$of])* pub(crate) $field: Option<C>),*
        }

        impl<C> $name<C> {
            /// The same values, their format forgotten.
            pub(crate) fn scalars<'a>(self) -> $name<crate::column::Scalar<'a>>
            where
                C: Into<crate::column::Scalar<'a>>,
            {
                $name { $($field: self.$field.map(Into::into)),* }
            }
        }
    };
}

pub(crate) use cells;

/// A `T` that stands as an object or a record.
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
pub(crate) struct Column<'c, 'a> {
    name: &'static str,
    raw: Option<&'c Scalar<'a>>,
}

impl<'c, 'a> Column<'c, 'a> {
    pub(crate) fn new(name: &'static str, raw: &'c Raw<'a>) -> Self {
        Self { name, raw: raw.as_ref() }
    }

    /// The value as `convert` reads it; a fault if it is absent or `convert` gives nothing.
    pub(crate) fn required<T>(
        self,
        expected: &'static str,
        convert: impl FnOnce(&'c Scalar<'a>) -> Option<T>,
    ) -> Result<T, FieldFault> {
        let name = self.name;
        self.optional(expected, convert)?.ok_or_else(|| FieldFault::missing(name, expected))
    }

    /// The value as `convert` reads it, if there is one; a fault if `convert` gives nothing.
    pub(crate) fn optional<T>(
        self,
        expected: &'static str,
        convert: impl FnOnce(&'c Scalar<'a>) -> Option<T>,
    ) -> Result<Option<T>, FieldFault> {
        let Some(raw) = self.raw else { return Ok(None) };
        convert(raw).map(Some).ok_or_else(|| FieldFault::new(self.name, expected, raw))
    }

    /// The fault of a value that is none of those `expected`.
    pub(crate) fn unknown(self, expected: &'static str) -> FieldFault {
        match self.raw {
            None => FieldFault::missing(self.name, expected),
            Some(raw) => FieldFault::new(self.name, expected, raw),
        }
    }

    /// The id that must stand here.
    pub(crate) fn id<T: From<[u8; 16]>>(self) -> Result<T, FieldFault> {
        self.required("a UUID", Scalar::uuid).map(T::from)
    }

    /// The time that must stand here, in ms UTC.
    pub(crate) fn time_ms(self) -> Result<i64, FieldFault> {
        self.required("a time", Scalar::time_ms)
    }

    /// The whole number that may stand here.
    pub(crate) fn number<T: TryFrom<i128>>(self) -> Result<Option<T>, FieldFault> {
        self.optional("a whole number", Scalar::number)
    }
}

/// The text of a JSON string, borrowed where it holds no escapes.
fn json_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let quoted = raw.get();
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(quoted).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}
