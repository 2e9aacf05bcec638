//! A reader looked at the feed: topic `reads`, key the user.
//!
//! Written by whoever served the read, at most once per user and 5 minutes, and on every miss. 10
//! bytes: format, at i64, miss u8.

use crate::poison::Poison;
use crate::wire::{Cursor, Wire};

const FORMAT: u8 = 1;

/// One read of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// When, in ms UTC.
    pub at_ms: i64,
    /// Whether no fresh feed was found where reads look first.
    pub miss: bool,
}

impl Wire for Read {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.extend_from_slice(&self.at_ms.to_le_bytes());
        out.push(u8::from(self.miss));
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut cursor = Cursor::new("read", bytes);
        cursor.format(FORMAT)?;
        let read = Self { at_ms: cursor.i64("at")?, miss: cursor.flag("miss")? };
        cursor.end()?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assert_round_trip;

    #[test]
    fn a_read_comes_back() {
        assert_round_trip(&Read { at_ms: -1, miss: true }, 10);
    }
}
