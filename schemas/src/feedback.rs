//! What a user said against a post: topic `feedback`, key the user, for whoever keeps it where no event is.
//!
//! post, kind u8 (1 hidden, 2 less, 3 undone), at i64. Of each kind the latest time counts, whatever the order in which they come.

use crate::action::Action;
use crate::ids::PostId;
use crate::poison::Poison;
use crate::wire::{Cursor, Wire};

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Said {
    /// It is not to be shown again: hidden, or reported.
    Hidden = 1,
    /// Less of its author.
    Less = 2,
    /// What was said of it before is taken back.
    Undone = 3,
}

impl Said {
    /// What an action says; none of one that says nothing against a post.
    pub fn by(action: Action) -> Option<Self> {
        match action {
            Action::Hide | Action::Report => Some(Self::Hidden),
            Action::LessLikeThis => Some(Self::Less),
            Action::Undo => Some(Self::Undone),
            Action::Impression
            | Action::View
            | Action::Click
            | Action::Like
            | Action::Comment
            | Action::Share
            | Action::Dwell => None,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Hidden, Self::Less, Self::Undone].into_iter().find(|said| *said as u8 == byte)
    }
}

/// What a user said of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// Of which post.
    pub post: PostId,
    /// What.
    pub said: Said,
    /// When, in ms UTC.
    pub at_ms: i64,
}

impl Wire for Feedback {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.said as u8);
        out.extend_from_slice(&self.post.0);
        out.extend_from_slice(&self.at_ms.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut cursor = Cursor::new("feedback", bytes);
        let kind = cursor.u8("kind")?;
        let Some(said) = Said::from_byte(kind) else {
            return Err(cursor.fault("kind", "1, 2 or 3", kind));
        };
        let (post, at_ms) = (PostId(cursor.bytes("post")?), cursor.i64("at")?);
        cursor.end()?;
        Ok(Self { post, said, at_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assert_round_trip;

    #[test]
    fn every_kind_comes_back_and_another_is_none() {
        for said in [Said::Hidden, Said::Less, Said::Undone] {
            assert_round_trip(&Feedback { post: PostId([1; 16]), said, at_ms: -7 }, 25);
        }
        let poison = Feedback::decode(&[4; 25]).unwrap_err();
        assert_eq!(poison.to_string(), "decode feedback: kind: expected 1, 2 or 3, found 4");
    }
}
