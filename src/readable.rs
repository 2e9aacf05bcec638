//! How keys and values read where their types are not known: keys as text, values as JSON.
//!
//! A [`Serde`](crate::Serde) tells it of its own. Text and bytes of a key say the same: what is shown can be asked for. A
//! key or a value without such a form is shown as its bytes, in hexadecimal.

use std::fmt::{Display, Write};
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;

/// The readable form of keys, or of values, or of both.
pub struct Readable<T> {
    pub(crate) text: Option<Text<T>>,
    pub(crate) json: Option<fn(&T) -> Value>,
}

/// Keys as text.
pub(crate) struct Text<T> {
    pub(crate) show: fn(&T) -> String,
    pub(crate) read: fn(&str) -> Option<T>,
    pub(crate) prefix: Option<Prefix>,
}

/// The bytes that all keys begin with whose text begins so; `None` for what no text begins with.
pub type Prefix = fn(&str) -> Option<Vec<u8>>;

impl<T> Copy for Readable<T> {}
impl<T> Clone for Readable<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Text<T> {}
impl<T> Clone for Text<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Default for Readable<T> {
    /// Shown as bytes.
    fn default() -> Self {
        Self { text: None, json: None }
    }
}

impl<T> Readable<T> {
    /// Keys that are shown by their text, and found again by it.
    pub fn key() -> Self
    where
        T: Display + FromStr,
    {
        let text = Text { show: T::to_string, read: |text| text.parse().ok(), prefix: None };
        Self { text: Some(text), json: None }
    }

    /// Values that are shown as serde has them.
    pub fn value() -> Self
    where
        T: Serialize,
    {
        // What JSON cannot say (a map with keys that are no text) is a fault of the type, not of a value.
        let json = |value: &T| {
            serde_json::to_value(value).unwrap_or_else(|fault| Value::String(fault.to_string()))
        };
        Self { text: None, json: Some(json) }
    }

    /// Keys that can also be scanned by the beginning of their text. `prefix` may answer fewer bytes than there are, for
    /// what comes is compared by its text.
    #[must_use]
    pub fn by_prefix(self, prefix: Prefix) -> Self {
        let text = self.text.map(|text| Text { prefix: Some(prefix), ..text });
        Self { text, ..self }
    }

    /// As a key, as this; as a value, as `values`.
    #[must_use]
    pub fn or_value(self, values: Self) -> Self {
        Self { json: values.json, ..self }
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The whole bytes that begin this text, in hexadecimal; what is between its digits must be hyphens or colons, which separate
/// what a key is made of.
pub fn hex_prefix(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().filter(|letter| !matches!(letter, '-' | ':'));
    let digits: Option<Vec<u8>> =
        digits.map(|digit| digit.to_digit(16).and_then(|digit| digit.try_into().ok())).collect();
    let whole = digits?;
    Some(whole.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect())
}

/// The bytes of a text that is hexadecimal and nothing else.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|of| of.is_ascii_hexdigit());
    is_hex.then(|| hex_prefix(text))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_comes_back_and_other_text_does_not() {
        assert_eq!(hex(&[0, 0xab, 0xff]), "00abff");
        assert_eq!(from_hex("00abff"), Some(vec![0, 0xab, 0xff]));
        assert_eq!(["0", "0g", "00-11"].map(from_hex), [None, None, None]);
    }

    #[test]
    fn a_prefix_is_the_whole_bytes_that_its_digits_begin_with() {
        assert_eq!(hex_prefix("0190a6c2-7d3"), Some(vec![0x01, 0x90, 0xa6, 0xc2, 0x7d]));
        assert_eq!(hex_prefix("ff:0"), Some(vec![0xff]));
        assert_eq!(hex_prefix(""), Some(vec![]));
        assert_eq!(hex_prefix("bob"), None);
    }
}
