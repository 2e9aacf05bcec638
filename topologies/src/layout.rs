//! The bytes of state: fixed little-endian layouts, under one serde.
//!
//! What is kept in a store implements schemas' [`Wire`], as what travels does, so that one adapter,
//! [`Wired`], serves both. Ids keep their order as bytes, and so do pairs of ids: a scan by the first
//! half finds all seconds, ascending.

use millstream::{Fault, Result, Serde};
use schemas::{FieldFault, Poison, Wire};

/// The serde of everything that has a wire form.
#[derive(Clone, Copy, Debug)]
pub struct Wired;

impl<T: Wire + 'static> Serde<T> for Wired {
    fn encode(&self, value: &T, out: &mut Vec<u8>) {
        value.encode(out);
    }

    fn decode(&self, bytes: &[u8], _version: u8, slot: &mut Option<T>) -> Result<()> {
        T::decode_into(bytes, slot).map_err(|poison| Fault::Reject(poison.to_string()))
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
        let mut fields = Fields::of("pair of ids", bytes);
        let (first, second) = (fields.take::<16>("first")?, fields.take::<16>("second")?);
        fields.end()?;
        Ok(Self(A::decode(&first)?, B::decode(&second)?))
    }
}

/// The fields of a value that are still to be read.
pub(crate) struct Fields<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn of(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes }
    }

    pub(crate) fn take<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Poison> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            let found = format_args!("{} of {N}", self.rest.len());
            return Err(FieldFault::new(field, "more bytes", found).of(self.what));
        };
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn i64(&mut self, field: &'static str) -> Result<i64, Poison> {
        self.take(field).map(i64::from_le_bytes)
    }

    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32, Poison> {
        self.take(field).map(i32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, Poison> {
        self.take(field).map(u64::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, Poison> {
        self.take(field).map(u32::from_le_bytes)
    }

    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, Poison> {
        match self.take(field)? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(FieldFault::new(field, "0 or 1", other).of(self.what)),
        }
    }

    /// Reads a field that may be absent: a flag, then the field or as many zeros.
    pub(crate) fn maybe<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Poison>,
    ) -> Result<Option<T>, Poison> {
        self.flag(field)?.then(|| read(self)).transpose()
    }

    /// Reads a list: its length, then its items.
    pub(crate) fn list<T>(
        &mut self,
        field: &'static str,
        read: impl Fn(&mut Self) -> Result<T, Poison>,
    ) -> Result<Vec<T>, Poison> {
        (0..self.u32(field)?).map(|_| read(self)).collect()
    }

    pub(crate) fn end(self) -> Result<(), Poison> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let found = format_args!("{} more bytes", self.rest.len());
        Err(FieldFault::new("end", "no more bytes", found).of(self.what))
    }
}

/// Appends a field that may be absent.
pub(crate) fn put_maybe<T>(value: Option<T>, out: &mut Vec<u8>, put: impl FnOnce(T, &mut Vec<u8>)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(value, out);
    }
}

/// Appends a time that may be absent.
pub(crate) fn put_time(time: Option<i64>, out: &mut Vec<u8>) {
    put_maybe(time, out, |time, out| out.extend_from_slice(&time.to_le_bytes()));
}

/// Appends a list: its length, then its items.
pub(crate) fn put_list<T>(list: &[T], out: &mut Vec<u8>, put: impl Fn(&T, &mut Vec<u8>)) {
    out.extend_from_slice(&u32::try_from(list.len()).unwrap_or(u32::MAX).to_le_bytes());
    list.iter().for_each(|item| put(item, out));
}
