//! A user who is gone: topic `gone`, broadcast, key the user.
//!
//! Present means gone, a tombstone means back. 13 bytes: format, mark.

use crate::mark::Mark;
use crate::poison::Poison;
use crate::wire::{Cursor, Wire};

const FORMAT: u8 = 1;

/// The user of this key is gone since the change at `mark`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// The change that said so.
    pub mark: Mark,
}

impl Wire for Gone {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        self.mark.encode(out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut cursor = Cursor::new("gone", bytes);
        cursor.format(FORMAT)?;
        let mark = Mark::decode(&mut cursor)?;
        cursor.end()?;
        Ok(Self { mark })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assert_round_trip;

    #[test]
    fn gone_comes_back() {
        assert_round_trip(&Gone { mark: Mark { epoch: 7, lsn: 1 << 40 } }, 13);
    }
}
