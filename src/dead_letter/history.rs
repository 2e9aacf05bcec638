//! How often a record was taken out of the dead letters and appended again, and when: one header `__dlq.redriven` each time,
//! the oldest first. Its value is the letter's place and the time, ms UTC: `2@17 1795216628123`.
//!
//! It travels with the record and into its next letter. Whoever may write to a source topic may write such headers too; all
//! that brings them is a record that is re-driven fewer times. What has not the form is dropped.

use std::fmt;
use std::str::FromStr;

use super::{Place, REDRIVEN};
use crate::record::{Header, Headers, Timestamp, encode_header};

/// So many are carried on, the newest.
const HISTORY_MAX: usize = 100;

/// One time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redriven {
    /// The letter that it was taken out of.
    pub from: Place,
    /// When.
    pub at: Timestamp,
}

impl fmt::Display for Redriven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.from, self.at.0)
    }
}

impl FromStr for Redriven {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("expected a place and a time as \"2@17 1795216628123\", found {text:?}");
        let (from, at) = text.split_once(' ').ok_or_else(wrong)?;
        let at = at.parse().map(Timestamp).map_err(|_| wrong())?;
        Ok(Self { from: from.parse()?, at })
    }
}

impl Redriven {
    /// All that these headers tell of, the oldest first.
    pub(super) fn all(headers: Headers<'_>) -> Vec<Self> {
        let told = headers.filter(|header| header.name == REDRIVEN);
        let read = |header: Header<'_>| std::str::from_utf8(header.value?).ok()?.parse().ok();
        let mut all: Vec<Self> = told.filter_map(read).collect();
        all.drain(..all.len().saturating_sub(HISTORY_MAX));
        all
    }

    /// Appends the header that tells of it.
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        let value = self.to_string();
        encode_header(Header { name: REDRIVEN, value: Some(value.as_bytes()) }, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outgoing;
    use crate::record::Offset;

    fn redriven(offset: i64) -> Redriven {
        Redriven { from: Place { partition: 2, offset: Offset(offset) }, at: Timestamp(70) }
    }

    #[test]
    fn what_is_told_comes_back_in_order_and_what_has_not_the_form_is_dropped() {
        let mut bytes = Vec::new();
        redriven(1).encode(&mut bytes);
        for value in [None, Some(&b"2@9"[..]), Some(b"2@9 soon"), Some(b"\xff"), Some(b"")] {
            encode_header(Header { name: REDRIVEN, value }, &mut bytes);
        }
        redriven(2).encode(&mut bytes);
        assert_eq!(Redriven::all(Headers::from_bytes(&bytes)), [redriven(1), redriven(2)]);
    }

    #[test]
    fn of_a_long_history_the_newest_part_is_carried_on() {
        let values: Vec<_> = (0..150).map(|offset| redriven(offset).to_string()).collect();
        let told =
            values.iter().map(|value| Header { name: REDRIVEN, value: Some(value.as_bytes()) });
        let bytes = outgoing::headers(&told.collect::<Vec<_>>());
        let kept = Redriven::all(Headers::from_bytes(&bytes));
        assert_eq!((kept.len(), kept[0], kept[99]), (100, redriven(50), redriven(149)));
    }
}
