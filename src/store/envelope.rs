//! The form of a value in a changelog, a repartition topic and a store:
//! `[version u8][timestamp i64 LE][value]`.
//!
//! Bit 7 of the version says that headers follow the timestamp, as `[size u32 LE][headers]`. Only a record of a topic of
//! our own has any, and only if it is traced; whoever does not want them reads over them.

use crate::error::{Fault, Result};
use crate::record::{Headers, Timestamp};

const HEADERS_FOLLOW: u8 = 0x80;

/// A stored value and what travels with it, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The version of the serde that wrote it.
    pub version: u8,
    /// Its time.
    pub at: Timestamp,
    /// Its headers.
    pub headers: Headers<'a>,
    /// What the serde wrote.
    pub value: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads the form; bytes that are not of it are [`Fault::Reject`].
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        Self::parse(bytes).ok_or_else(|| {
            Fault::Reject(format!(
                "not an envelope: {} bytes, {:?} first",
                bytes.len(),
                bytes.first()
            ))
        })
    }

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&tag, rest) = bytes.split_first()?;
        let (at, rest) = rest.split_first_chunk::<8>()?;
        let (headers, value) = match tag & HEADERS_FOLLOW {
            0 => (&[][..], rest),
            _ => {
                let (size, rest) = rest.split_first_chunk::<4>()?;
                rest.split_at_checked(u32::from_le_bytes(*size) as usize)?
            }
        };
        let version = tag & !HEADERS_FOLLOW;
        let at = Timestamp(i64::from_le_bytes(*at));
        (version != 0).then_some(Self { version, at, headers: Headers::from_bytes(headers), value })
    }
}

/// Appends what stands before a value; the serde's `encode` appends the value next.
pub fn seal(version: u8, at: Timestamp, out: &mut Vec<u8>) {
    out.push(version & !HEADERS_FOLLOW);
    out.extend_from_slice(&at.0.to_le_bytes());
}

/// The same with the headers that `write` appends.
pub(crate) fn seal_with(
    version: u8,
    at: Timestamp,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
) {
    out.push(version | HEADERS_FOLLOW);
    out.extend_from_slice(&at.0.to_le_bytes());
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let size = (out.len() - start - 4) as u32;
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&size.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_as_it_was() -> Result<()> {
        let mut bytes = Vec::new();
        seal(3, Timestamp(-7), &mut bytes);
        bytes.extend_from_slice(b"value");
        let opened = Envelope::open(&bytes)?;
        let expected = Envelope {
            version: 3,
            at: Timestamp(-7),
            headers: Headers::default(),
            value: b"value",
        };
        assert_eq!((opened, bytes.len()), (expected, 1 + 8 + 5));
        Ok(())
    }

    #[test]
    fn what_was_sealed_with_headers_opens_with_them() -> Result<()> {
        let mut bytes = Vec::new();
        seal_with(3, Timestamp(-7), &mut bytes, |out| out.extend_from_slice(b"hh"));
        bytes.extend_from_slice(b"value");
        let opened = Envelope::open(&bytes)?;
        assert_eq!((opened.version, opened.at, opened.value), (3, Timestamp(-7), &b"value"[..]));
        assert_eq!(opened.headers.bytes(), b"hh");
        Ok(())
    }

    #[test]
    fn headers_are_read_over() -> Result<()> {
        let bytes = [&[0x81][..], &9i64.to_le_bytes(), &2u32.to_le_bytes(), b"hhvalue"].concat();
        let opened = Envelope::open(&bytes)?;
        assert_eq!((opened.version, opened.at, opened.value), (1, Timestamp(9), &b"value"[..]));
        assert_eq!(opened.headers.bytes(), b"hh");
        Ok(())
    }

    #[test]
    fn cut_bytes_and_version_zero_are_rejected() {
        let long_headers = [&[0x81][..], &[0; 8], &9u32.to_le_bytes()].concat();
        for bytes in [&[][..], &[1, 0, 0], &[0; 20], &long_headers] {
            assert!(matches!(Envelope::open(bytes), Err(Fault::Reject(_))), "{bytes:?}");
        }
    }
}
