//! A reader looked at the feed: topic `reads`, key the user.
//!
//! Written by whoever served the read, at most once per user and 5 minutes, and on every miss. 10
//! bytes: format, at i64, miss u8. Where it is remembered what was shown, format 2: behind them the number of posts u8, and the
//! posts of the answer.

use crate::ids::PostId;
use crate::poison::Poison;
use crate::wire::{Cursor, Wire};

const FORMAT: u8 = 1;
const WITH_POSTS: u8 = 2;

/// One read of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// When, in ms UTC.
    pub at_ms: i64,
    /// Whether no fresh feed was found where reads look first.
    pub miss: bool,
    /// The posts that were in the answer, at most 255; none where that is not remembered.
    pub served: Vec<PostId>,
}

impl Wire for Read {
    fn encode(&self, out: &mut Vec<u8>) {
        let served = self.served.iter().take(usize::from(u8::MAX));
        out.push(if self.served.is_empty() { FORMAT } else { WITH_POSTS });
        out.extend_from_slice(&self.at_ms.to_le_bytes());
        out.push(u8::from(self.miss));
        if let Some(count) = u8::try_from(served.len()).ok().filter(|count| *count > 0) {
            out.push(count);
            served.for_each(|post| out.extend_from_slice(&post.0));
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut cursor = Cursor::new("read", bytes);
        let format = cursor.u8("format")?;
        if !(FORMAT..=WITH_POSTS).contains(&format) {
            return Err(cursor.fault("format", "1 or 2", format));
        }
        let mut read =
            Self { at_ms: cursor.i64("at")?, miss: cursor.flag("miss")?, served: vec![] };
        if format == WITH_POSTS {
            let count = cursor.u8("n")?;
            if count == 0 {
                return Err(cursor.fault("n", "1 to 255", count));
            }
            for _ in 0..count {
                read.served.push(PostId(cursor.bytes("post")?));
            }
        }
        cursor.end()?;
        Ok(read)
    }

    fn heap_bytes(&self) -> usize {
        self.served.capacity() * size_of::<PostId>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assert_round_trip;

    #[test]
    fn a_read_comes_back() {
        assert_round_trip(&Read { at_ms: -1, miss: true, served: vec![] }, 10);
        let served = vec![PostId([1; 16]), PostId([2; 16])];
        assert_round_trip(&Read { at_ms: -1, miss: false, served }, 11 + 32);
    }

    #[test]
    fn a_read_that_showed_nothing_has_no_second_form() {
        let bytes = [WITH_POSTS, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let poison = Read::decode(&bytes).unwrap_err().to_string();
        assert_eq!(poison, "decode read: n: expected 1 to 255, found 0");
    }
}
