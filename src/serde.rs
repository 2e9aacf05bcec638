//! How keys and values become bytes and come back.
//!
//! Decoding fills a slot that is reused, so that a warm path allocates nothing. A version travels with
//! every value in changelog and repartition topics; a serde decodes each version it ever wrote.

use crate::error::{Fault, Result};
use crate::readable::Readable;

/// Encodes and decodes values of `T`.
///
/// # Contract
/// 1. `decode(encode(x), version()) == x`, for every `x`.
/// 2. `encode` of a key keeps order where the key has one: stores are scanned in the order of the bytes.
/// 3. `decode` never panics, whatever the bytes; a fault is [`Fault::Reject`]. Of a source it may be [`Fault::Retry`]
///    where something that it needs cannot be had now: the record and its partition wait, and nothing is undone. So it
///    never blocks.
/// 4. `version` lies in 1..=127.
pub trait Serde<T>: Send + Sync + 'static {
    /// The version that `encode` writes.
    fn version(&self) -> u8 {
        1
    }

    /// Appends `value` to `out`.
    fn encode(&self, value: &T, out: &mut Vec<u8>);

    /// Decodes into `slot`, reusing what it holds.
    fn decode(&self, bytes: &[u8], version: u8, slot: &mut Option<T>) -> Result<()>;

    /// Decodes Kafka's null. Only a serde that has a value for it accepts one; see [`Nullable`].
    fn decode_null(&self, _slot: &mut Option<T>) -> Result<()> {
        Err(Fault::Reject("null where a value is required".into()))
    }

    /// Whether `value` is Kafka's null: a tombstone, or a record without a key.
    fn is_null(&self, _value: &T) -> bool {
        false
    }

    /// About how many bytes `value` keeps in memory.
    fn weight(&self, value: &T) -> usize {
        size_of_val(value)
    }

    /// How it reads for whoever does not know `T`; unless told, as bytes.
    fn readable(&self) -> Readable<T> {
        Readable::default()
    }
}

/// Text in UTF-8.
#[derive(Clone, Copy, Debug)]
pub struct Utf8;

impl Serde<String> for Utf8 {
    fn encode(&self, value: &String, out: &mut Vec<u8>) {
        out.extend_from_slice(value.as_bytes());
    }

    fn decode(&self, bytes: &[u8], _version: u8, slot: &mut Option<String>) -> Result<()> {
        let text = std::str::from_utf8(bytes)
            .map_err(|e| Fault::Reject(format!("text is not UTF-8: {e}")))?;
        let held = slot.get_or_insert_default();
        held.clear();
        held.push_str(text);
        Ok(())
    }

    fn weight(&self, value: &String) -> usize {
        value.len()
    }

    fn readable(&self) -> Readable<String> {
        let key = Readable::key().by_prefix(|text| Some(text.as_bytes().to_vec()));
        key.or_value(Readable::value())
    }
}

/// Bytes as they are.
#[derive(Clone, Copy, Debug)]
pub struct Bytes;

impl Serde<Vec<u8>> for Bytes {
    fn encode(&self, value: &Vec<u8>, out: &mut Vec<u8>) {
        out.extend_from_slice(value);
    }

    fn decode(&self, bytes: &[u8], _version: u8, slot: &mut Option<Vec<u8>>) -> Result<()> {
        let held = slot.get_or_insert_default();
        held.clear();
        held.extend_from_slice(bytes);
        Ok(())
    }

    fn weight(&self, value: &Vec<u8>) -> usize {
        value.len()
    }
}

/// A signed 64-bit number, big-endian with the sign bit flipped, so that bytes sort as numbers do.
#[derive(Clone, Copy, Debug)]
pub struct I64;

impl Serde<i64> for I64 {
    fn encode(&self, value: &i64, out: &mut Vec<u8>) {
        out.extend_from_slice(&(value.cast_unsigned() ^ (1 << 63)).to_be_bytes());
    }

    fn decode(&self, bytes: &[u8], _version: u8, slot: &mut Option<i64>) -> Result<()> {
        let bytes: [u8; 8] = bytes
            .try_into()
            .map_err(|_| Fault::Reject(format!("i64 has 8 bytes, found {}", bytes.len())))?;
        *slot = Some((u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed());
        Ok(())
    }

    fn readable(&self) -> Readable<i64> {
        Readable::key().or_value(Readable::value())
    }
}

/// Nothing, in no bytes.
#[derive(Clone, Copy, Debug)]
pub struct Unit;

impl Serde<()> for Unit {
    fn encode(&self, (): &(), _out: &mut Vec<u8>) {}

    fn decode(&self, bytes: &[u8], _version: u8, slot: &mut Option<()>) -> Result<()> {
        if !bytes.is_empty() {
            return Err(Fault::Reject(format!("unit has no bytes, found {}", bytes.len())));
        }
        *slot = Some(());
        Ok(())
    }

    fn readable(&self) -> Readable<()> {
        Readable::value()
    }
}

/// Another serde's values, and `None` for Kafka's null.
#[derive(Clone, Copy, Debug)]
pub struct Nullable<S>(pub S);

impl<T, S: Serde<T>> Serde<Option<T>> for Nullable<S> {
    fn version(&self) -> u8 {
        self.0.version()
    }

    fn encode(&self, value: &Option<T>, out: &mut Vec<u8>) {
        if let Some(value) = value {
            self.0.encode(value, out);
        }
    }

    fn decode(&self, bytes: &[u8], version: u8, slot: &mut Option<Option<T>>) -> Result<()> {
        self.0.decode(bytes, version, slot.get_or_insert(None))
    }

    fn decode_null(&self, slot: &mut Option<Option<T>>) -> Result<()> {
        *slot = Some(None);
        Ok(())
    }

    fn is_null(&self, value: &Option<T>) -> bool {
        value.is_none()
    }

    fn weight(&self, value: &Option<T>) -> usize {
        value.as_ref().map_or(0, |value| self.0.weight(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_as_their_bytes() -> Result<()> {
        let numbers = [i64::MIN, -2, -1, 0, 1, 300, i64::MAX];
        let encoded: Vec<_> = numbers
            .iter()
            .map(|number| {
                let mut out = Vec::new();
                I64.encode(number, &mut out);
                out
            })
            .collect();
        assert!(encoded.is_sorted());
        let mut slot = None;
        I64.decode(&encoded[1], 1, &mut slot)?;
        assert_eq!(slot, Some(-2));
        Ok(())
    }

    #[test]
    fn wrong_bytes_are_rejected_with_what_was_found() {
        let mut slot = None;
        let fault = I64.decode(b"abc", 1, &mut slot);
        assert_eq!(fault, Err(Fault::Reject("i64 has 8 bytes, found 3".into())));
    }
}
