//! The bytes of internal values: fixed little-endian layouts, read back totally.
//!
//! What always holds: `decode(encode(x)) == x`; any other bytes are a [`Poison`], never a panic, and a
//! value with bytes left over is one too. Every value but an id and a [`FeedBody`](crate::FeedBody)
//! opens with a byte that names its kind or format, so that a later one can stand beside it.

use crate::poison::{FieldFault, Poison};

/// A value with a fixed binary form.
pub trait Wire: Sized {
    /// Appends the bytes of `self` to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads what [`encode`](Self::encode) wrote, all of it and nothing more.
    fn decode(bytes: &[u8]) -> Result<Self, Poison>;

    /// Reads into `slot`, reusing what it holds; on a fault the slot's content is unspecified.
    fn decode_into(bytes: &[u8], slot: &mut Option<Self>) -> Result<(), Poison> {
        *slot = Some(Self::decode(bytes)?);
        Ok(())
    }

    /// About how many bytes `self` keeps in memory beyond its own size.
    fn heap_bytes(&self) -> usize {
        0
    }

    /// The bytes of `self`, in a vector of their own.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

/// What is left to read of a value.
pub struct Cursor<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Begins to read `bytes` as a `what`.
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes }
    }

    /// Reads so many bytes; the other numbers follow from it, little-endian.
    pub fn bytes<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Poison> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            let found = format_args!("{} of {N}", self.rest.len());
            return Err(FieldFault::new(field, "more bytes", found).of(self.what));
        };
        self.rest = rest;
        Ok(*head)
    }

    /// Whether nothing is left.
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads a u8.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, Poison> {
        self.bytes(field).map(u8::from_le_bytes)
    }

    /// Reads a u16.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, Poison> {
        self.bytes(field).map(u16::from_le_bytes)
    }

    /// Reads a u32.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, Poison> {
        self.bytes(field).map(u32::from_le_bytes)
    }

    /// Reads a i32.
    pub fn i32(&mut self, field: &'static str) -> Result<i32, Poison> {
        self.bytes(field).map(i32::from_le_bytes)
    }

    /// Reads a u64.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, Poison> {
        self.bytes(field).map(u64::from_le_bytes)
    }

    /// Reads a i64.
    pub fn i64(&mut self, field: &'static str) -> Result<i64, Poison> {
        self.bytes(field).map(i64::from_le_bytes)
    }

    /// Reads a byte that is 0 or 1.
    pub fn flag(&mut self, field: &'static str) -> Result<bool, Poison> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.fault(field, "0 or 1", other)),
        }
    }

    /// Reads a field that may be absent: a flag, then the field.
    pub fn option<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Poison>,
    ) -> Result<Option<T>, Poison> {
        self.flag(field)?.then(|| read(self)).transpose()
    }

    /// Reads a list: its length, then its items.
    pub fn list<T>(
        &mut self,
        field: &'static str,
        read: impl Fn(&mut Self) -> Result<T, Poison>,
    ) -> Result<Vec<T>, Poison> {
        (0..self.u32(field)?).map(|_| read(self)).collect()
    }

    /// Reads the leading byte of a value that has one format only.
    pub fn format(&mut self, known: u8) -> Result<(), Poison> {
        match self.u8("format")? {
            found if found == known => Ok(()),
            found => Err(self.fault("format", "a known format", found)),
        }
    }

    /// Reads so many bytes of UTF-8.
    pub fn text(&mut self, field: &'static str, length: usize) -> Result<&'a str, Poison> {
        let Some((head, rest)) = self.rest.split_at_checked(length) else {
            let found = format_args!("{} of {length}", self.rest.len());
            return Err(FieldFault::new(field, "more bytes", found).of(self.what));
        };
        self.rest = rest;
        let fault = || FieldFault::new(field, "UTF-8", "other bytes").of(self.what);
        std::str::from_utf8(head).map_err(|_| fault())
    }

    /// Says that `field` should be `expected` but is `found`.
    pub fn fault(&self, field: &'static str, expected: &'static str, found: u8) -> Poison {
        FieldFault::new(field, expected, found).of(self.what)
    }

    /// What was not read yet, for a value that stands within another one, at its end.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Checks that nothing is left.
    pub fn end(self) -> Result<(), Poison> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let found = format_args!("{} more bytes", self.rest.len());
        Err(FieldFault::new("end", "no more bytes", found).of(self.what))
    }
}

/// Checks that `value` comes back, and that no truncation, extension or flipped bit of its bytes panics.
#[cfg(test)]
pub(crate) fn assert_round_trip<T: Wire + PartialEq + std::fmt::Debug>(value: &T, size: usize) {
    let bytes = value.to_bytes();
    assert_eq!((T::decode(&bytes).as_ref(), bytes.len()), (Ok(value), size));
    let short = (0..bytes.len()).filter(|&len| T::decode(&bytes[..len]).is_ok());
    assert_eq!(short.collect::<Vec<_>>(), Vec::<usize>::new(), "a truncation decoded");
    assert!(T::decode(&[&bytes[..], &[0]].concat()).is_err(), "an extension decoded");
    for at in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        let again = T::decode(&flipped).map(|value| value.to_bytes());
        assert!(again.is_err() || again == Ok(flipped), "bit {at} is read but not kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gone::Gone;

    #[test]
    fn a_value_is_read_over_another_and_keeps_nothing_beside_itself() {
        let mut slot = None;
        let gone = Gone::default();
        Gone::decode_into(&gone.to_bytes(), &mut slot).unwrap();
        assert_eq!((slot, gone.heap_bytes()), (Some(gone), 0));
    }

    #[test]
    fn a_field_that_may_be_absent_is_read_if_its_flag_says_so() {
        let read = |bytes: &[u8]| Cursor::new("a test", bytes).option("count", |it| it.u8("count"));
        assert_eq!(read(&[0, 7]), Ok(None));
        assert_eq!(read(&[1, 7]), Ok(Some(7)));
        assert!(read(&[2, 7]).is_err());
        assert!(read(&[1]).is_err());
    }
}
