//! The bytes of state: fixed little-endian layouts, under one serde.
//!
//! What is kept in a store implements schemas' [`Wire`], as what travels does, so that one adapter,
//! [`WireSerde`], serves both. Ids keep their order as bytes, and so do pairs of ids: a scan by the first
//! half finds all seconds, ascending.

use std::fmt::{self, Display};
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use millstream::{Fault, Readable, Result, Serde, hex_prefix};
use schemas::{Cursor, Payload, Poison, SchemaById, TrendingKey, Wire};
use serde::Serialize;

/// The bytes of a key's first id. Where that is the key of the records that change the row, they say its partition.
pub const FIRST_ID: Range<usize> = 0..16;
/// The same of a pair's second id.
pub const SECOND_ID: Range<usize> = 16..32;

/// The serde of everything that has a wire form.
#[derive(Clone, Copy, Debug)]
pub struct WireSerde;

impl<T: Wire + 'static> Serde<T> for WireSerde {
    fn encode(&self, value: &T, out: &mut Vec<u8>) {
        value.encode(out);
    }

    fn decode(&self, bytes: &[u8], _version: u8, slot: &mut Option<T>) -> Result<()> {
        T::decode_into(bytes, slot).map_err(|poison| Fault::Reject(poison.to_string()))
    }

    fn weight(&self, value: &T) -> usize {
        size_of::<T>() + value.heap_bytes()
    }
}

/// The serde of a store's keys, which have a text too.
#[derive(Clone, Copy, Debug)]
pub struct KeySerde;

/// The serde of a store's values, which can be shown.
#[derive(Clone, Copy, Debug)]
pub struct RowSerde;

/// What a key of a store is.
pub trait Key: Wire + Display + FromStr + 'static {
    /// The bytes that keys begin with whose text begins so.
    fn prefix(text: &str) -> Option<Vec<u8>> {
        hex_prefix(text)
    }
}

impl Key for schemas::UserId {}
impl Key for schemas::PostId {}
impl Key for schemas::CommentId {}
impl Key for schemas::LikeId {}
impl<A: Id, B: Id> Key for Pair<A, B> {}

impl Key for TrendingKey {
    /// Digits of a number say nothing of how its bytes begin.
    fn prefix(_text: &str) -> Option<Vec<u8>> {
        None
    }
}

/// One of the ids that pairs are made of.
pub trait Id: Wire + Display + FromStr + 'static {}
impl Id for schemas::UserId {}
impl Id for schemas::PostId {}
impl Id for schemas::EventId {}

impl<T: Key> Serde<T> for KeySerde {
    fn encode(&self, value: &T, out: &mut Vec<u8>) {
        value.encode(out);
    }

    fn decode(&self, bytes: &[u8], version: u8, slot: &mut Option<T>) -> Result<()> {
        WireSerde.decode(bytes, version, slot)
    }

    fn weight(&self, value: &T) -> usize {
        Serde::weight(&WireSerde, value)
    }

    fn readable(&self) -> Readable<T> {
        Readable::key().by_prefix(T::prefix)
    }
}

impl<T: Wire + Serialize + 'static> Serde<T> for RowSerde {
    fn encode(&self, value: &T, out: &mut Vec<u8>) {
        value.encode(out);
    }

    fn decode(&self, bytes: &[u8], version: u8, slot: &mut Option<T>) -> Result<()> {
        WireSerde.decode(bytes, version, slot)
    }

    fn weight(&self, value: &T) -> usize {
        Serde::weight(&WireSerde, value)
    }

    fn readable(&self) -> Readable<T> {
        Readable::value()
    }
}

/// The serde of what others write, in JSON or in Avro: the bytes, with the schema that they were written with. Until that
/// can be had the record waits.
#[derive(Clone, Debug)]
pub struct PayloadSerde(Arc<dyn SchemaById>);

impl PayloadSerde {
    /// Asks `schemas` for the schemas that it meets.
    pub fn new(schemas: Arc<dyn SchemaById>) -> Self {
        Self(schemas)
    }
}

impl Serde<Payload> for PayloadSerde {
    fn encode(&self, value: &Payload, out: &mut Vec<u8>) {
        out.extend_from_slice(value.bytes());
    }

    fn decode(&self, bytes: &[u8], _version: u8, slot: &mut Option<Payload>) -> Result<()> {
        slot.get_or_insert_default().fill(bytes, &*self.0).map_err(Fault::Retry)
    }

    fn weight(&self, value: &Payload) -> usize {
        size_of::<Payload>() + value.heap_bytes()
    }
}

/// Two ids as one key, sorted by the first, then the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair<A, B>(pub A, pub B);

impl<A: Wire, B: Wire> Wire for Pair<A, B> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut fields = Cursor::new("pair of ids", bytes);
        let (first, second) = (fields.bytes::<16>("first")?, fields.bytes::<16>("second")?);
        fields.end()?;
        Ok(Self(A::decode(&first)?, B::decode(&second)?))
    }
}

/// As text both have a colon between.
impl<A: Display, B: Display> Display for Pair<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

impl<A: FromStr, B: FromStr> FromStr for Pair<A, B> {
    /// What it is nobody asks: there is only one way to write a pair.
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (first, second) = text.split_once(':').ok_or(())?;
        Ok(Self(first.parse().map_err(|_| ())?, second.parse().map_err(|_| ())?))
    }
}

/// Appends a field that may be absent.
pub(crate) fn put_option<T>(
    value: Option<T>,
    out: &mut Vec<u8>,
    put: impl FnOnce(T, &mut Vec<u8>),
) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(value, out);
    }
}

/// Appends a time that may be absent.
pub(crate) fn put_time(time: Option<i64>, out: &mut Vec<u8>) {
    put_option(time, out, |time, out| out.extend_from_slice(&time.to_le_bytes()));
}

/// Appends a list: its length, then its items.
pub(crate) fn put_list<T>(list: &[T], out: &mut Vec<u8>, put: impl Fn(&T, &mut Vec<u8>)) {
    out.extend_from_slice(&u32::try_from(list.len()).unwrap_or(u32::MAX).to_le_bytes());
    list.iter().for_each(|item| put(item, out));
}
