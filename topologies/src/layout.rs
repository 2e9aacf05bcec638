//! The bytes of state: fixed little-endian layouts, under one serde.
//!
//! What is kept in a store implements schemas' [`Wire`], as what travels does, so that one adapter,
//! [`WireSerde`], serves both. Ids keep their order as bytes, and so do pairs of ids: a scan by the first
//! half finds all seconds, ascending.

use std::sync::Arc;

use millstream::{Fault, Result, Serde};
use schemas::{Cursor, Payload, Poison, SchemaById, Wire};

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
