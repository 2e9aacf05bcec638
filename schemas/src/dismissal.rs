//! A user does not want somebody to be suggested to them: topic `dismissals`, key the user.
//!
//! 25 bytes: format, whom, at i64. It holds for ever: the topic is kept, and read again where state is rebuilt.

use crate::ids::UserId;
use crate::poison::Poison;
use crate::wire::{Cursor, Wire};

const FORMAT: u8 = 1;

/// One dismissal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dismissal {
    /// Who is not to be suggested.
    pub whom: UserId,
    /// When it was said, in ms UTC.
    pub at_ms: i64,
}

impl Wire for Dismissal {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.extend_from_slice(&self.whom.0);
        out.extend_from_slice(&self.at_ms.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut cursor = Cursor::new("dismissal", bytes);
        cursor.format(FORMAT)?;
        let dismissal = Self { whom: UserId(cursor.bytes("whom")?), at_ms: cursor.i64("at")? };
        cursor.end()?;
        Ok(dismissal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assert_round_trip;

    #[test]
    fn a_dismissal_comes_back() {
        assert_round_trip(&Dismissal { whom: UserId([1; 16]), at_ms: -1 }, 25);
    }
}
