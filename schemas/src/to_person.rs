//! What a person must hear to be suggested to others: topic `by-person`, key the person.
//!
//! Ingest sends it. A first byte names the kind:
//!
//! * 1 `Follower`: who, delta i8.
//! * 2 `Row`: mark (epoch u32, lsn u64), live u8, then the profile if there is an image: three texts, each a byte (0 not repeated,
//!   1 none, 2 some) and, of some, length u16 and bytes.

use crate::ids::UserId;
use crate::mark::Mark;
use crate::poison::Poison;
use crate::profile::Profile;
use crate::to_post::Delta;
use crate::to_user::decode_delta;
use crate::wire::{Cursor, Wire};

const FOLLOWER: u8 = 1;
const ROW: u8 = 2;

/// A fact for the person of this record's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToPerson {
    /// Somebody follows them by one row more or one less.
    Follower {
        /// Who.
        follower: UserId,
        /// One row more or less.
        delta: Delta,
    },
    /// Their row changed.
    Row {
        /// Of the change.
        mark: Mark,
        /// Whether it exists, undeleted.
        live: bool,
        /// How they are seen; none of a deletion that does not tell.
        profile: Option<Profile>,
    },
}

impl Wire for ToPerson {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Follower { follower, delta } => {
                out.push(FOLLOWER);
                out.extend_from_slice(&follower.0);
                out.push(delta.byte());
            }
            Self::Row { mark, live, profile } => {
                out.push(ROW);
                mark.encode(out);
                out.push(u8::from(*live));
                out.push(u8::from(profile.is_some()));
                if let Some(profile) = profile {
                    profile.encode(out);
                }
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut cursor = Cursor::new("by-person", bytes);
        let fact = match cursor.u8("kind")? {
            FOLLOWER => {
                let follower = UserId(cursor.bytes("follower")?);
                Self::Follower { follower, delta: decode_delta(&mut cursor)? }
            }
            ROW => Self::Row {
                mark: Mark::decode(&mut cursor)?,
                live: cursor.flag("live")?,
                profile: cursor.option("profile", Profile::decode)?,
            },
            other => return Err(cursor.fault("kind", "1 or 2", other)),
        };
        cursor.end()?;
        Ok(fact)
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Follower { .. } | Self::Row { profile: None, .. } => 0,
            Self::Row { profile: Some(profile), .. } => profile.heap_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Text;
    use crate::wire::assert_round_trip;

    #[test]
    fn every_kind_comes_back() {
        let follower = UserId([1; 16]);
        assert_round_trip(&ToPerson::Follower { follower, delta: Delta::Minus }, 18);
        let mark = Mark { epoch: 1, lsn: 9 };
        assert_round_trip(&ToPerson::Row { mark, live: false, profile: None }, 15);
        let username = Text::Some("mira".into());
        let profile = Some(Profile { username, avatar_url: Text::None, bio: Text::Unrepeated });
        assert_round_trip(&ToPerson::Row { mark, live: true, profile }, 24);
    }
}
