//! The key of topic `weights`: each version of the weight sets has its own, so none is ever lost. 4 bytes, big-endian.

use crate::poison::Poison;
use crate::wire::{Cursor, Wire};

/// Which version; the first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WeightsVersion(pub u32);

impl Wire for WeightsVersion {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut cursor = Cursor::new("weights' key", bytes);
        let version = u32::from_be_bytes(cursor.bytes("version")?);
        cursor.end()?;
        Ok(Self(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assert_round_trip;

    #[test]
    fn a_version_comes_back() {
        assert_round_trip(&WeightsVersion(258), 4);
    }
}
