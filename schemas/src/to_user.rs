//! Facts for a reader: topic `by-user`, key the user.
//!
//! Ingest and engagement send it, the reader keeps it. A first byte names the kind:
//!
//! * 1 `Active`: at i64.
//! * 2 `Follow`: author, delta i8.
//! * 3 `Seen`: post, at i64.
//! * 4 `Interaction`: author, day i32, count i32.
//! * 5 `Mute`: whom, delta i8. 6 `Block`: the other, delta i8.
//! * 7 `Hidden`: post, at i64. 8 `Undone`: post, at i64.
//! * 9 `Less`: author, day i32, count i32.
//! * 10 `Impression`: post, at i64.

use crate::ids::{PostId, UserId};
use crate::poison::Poison;
use crate::to_post::Delta;
use crate::wire::{Cursor, Wire};

const ACTIVE: u8 = 1;
const FOLLOW: u8 = 2;
const SEEN: u8 = 3;
const INTERACTION: u8 = 4;
const MUTE: u8 = 5;
const BLOCK: u8 = 6;
const HIDDEN: u8 = 7;
const UNDONE: u8 = 8;
const LESS: u8 = 9;
const IMPRESSION: u8 = 10;

const DAY_MS: i64 = 86_400_000;

/// The number of the UTC day in which `at_ms` lies, from 1970-01-01; saturates far beyond any real time.
pub fn day_of(at_ms: i64) -> i32 {
    let day = at_ms.div_euclid(DAY_MS);
    i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX })
}

/// A fact for the user of this record's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToUser {
    /// The user did something: active until 7 days after `at_ms`, never online by it.
    Active {
        /// A row's `created_at` or an event's time, in ms UTC.
        at_ms: i64,
    },
    /// The user follows `author` once more or once less.
    Follow {
        /// Who is followed.
        author: UserId,
        /// One row more or less.
        delta: Delta,
    },
    /// The user has seen `post`; it stays so even if a like is taken back.
    Seen {
        /// Which post.
        post: PostId,
        /// When, in ms UTC; the latest counts.
        at_ms: i64,
    },
    /// Likes, comments or shares of the user on a post of `author` count, or no longer.
    Interaction {
        /// Whose post.
        author: UserId,
        /// The UTC day it counts on, as [`day_of`] has it; in a minus the day it was counted on.
        day: i32,
        /// How many more; below zero: how many less.
        count: i32,
    },
    /// The user mutes somebody by one row more or one less.
    Mute {
        /// Who is muted.
        whom: UserId,
        /// One row more or less.
        delta: Delta,
    },
    /// A row more or less says that the user and another block each other, whoever of them wanted it.
    Block {
        /// The other.
        other: UserId,
        /// One row more or less.
        delta: Delta,
    },
    /// The user does not want to be shown `post` again.
    Hidden {
        /// Which post.
        post: PostId,
        /// When, in ms UTC; the latest counts.
        at_ms: i64,
    },
    /// The user takes back what they said against `post` before.
    Undone {
        /// Which post.
        post: PostId,
        /// When, in ms UTC; the latest counts.
        at_ms: i64,
    },
    /// Wishes of the user for less of `author` count, or no longer.
    Less {
        /// Whose posts.
        author: UserId,
        /// The UTC day of the wish.
        day: i32,
        /// How many more; below zero: how many less.
        count: i32,
    },
    /// An impression of `post` was reported; sent only where it is remembered what was shown.
    Impression {
        /// Which post.
        post: PostId,
        /// When, in ms UTC.
        at_ms: i64,
    },
}

impl Wire for ToUser {
    fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Active { at_ms } => {
                out.push(ACTIVE);
                out.extend_from_slice(&at_ms.to_le_bytes());
            }
            Self::Follow { author, delta } => {
                out.push(FOLLOW);
                out.extend_from_slice(&author.0);
                out.push(delta.byte());
            }
            Self::Seen { post, at_ms } | Self::Impression { post, at_ms } => {
                out.push(if matches!(self, Self::Seen { .. }) { SEEN } else { IMPRESSION });
                out.extend_from_slice(&post.0);
                out.extend_from_slice(&at_ms.to_le_bytes());
            }
            Self::Interaction { author, day, count } => {
                out.push(INTERACTION);
                out.extend_from_slice(&author.0);
                out.extend_from_slice(&day.to_le_bytes());
                out.extend_from_slice(&count.to_le_bytes());
            }
            Self::Mute { whom: of, delta } | Self::Block { other: of, delta } => {
                out.push(if matches!(self, Self::Mute { .. }) { MUTE } else { BLOCK });
                out.extend_from_slice(&of.0);
                out.push(delta.byte());
            }
            Self::Hidden { post, at_ms } | Self::Undone { post, at_ms } => {
                out.push(if matches!(self, Self::Hidden { .. }) { HIDDEN } else { UNDONE });
                out.extend_from_slice(&post.0);
                out.extend_from_slice(&at_ms.to_le_bytes());
            }
            Self::Less { author, day, count } => {
                out.push(LESS);
                out.extend_from_slice(&author.0);
                out.extend_from_slice(&day.to_le_bytes());
                out.extend_from_slice(&count.to_le_bytes());
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut cursor = Cursor::new("by-user", bytes);
        let fact = match cursor.u8("kind")? {
            ACTIVE => Self::Active { at_ms: cursor.i64("at")? },
            FOLLOW => Self::Follow {
                author: UserId(cursor.bytes("author")?),
                delta: decode_delta(&mut cursor)?,
            },
            SEEN => Self::Seen { post: PostId(cursor.bytes("post")?), at_ms: cursor.i64("at")? },
            INTERACTION => Self::Interaction {
                author: UserId(cursor.bytes("author")?),
                day: cursor.i32("day")?,
                count: cursor.i32("count")?,
            },
            MUTE => Self::Mute {
                whom: UserId(cursor.bytes("whom")?),
                delta: decode_delta(&mut cursor)?,
            },
            BLOCK => Self::Block {
                other: UserId(cursor.bytes("other")?),
                delta: decode_delta(&mut cursor)?,
            },
            HIDDEN => {
                Self::Hidden { post: PostId(cursor.bytes("post")?), at_ms: cursor.i64("at")? }
            }
            UNDONE => {
                Self::Undone { post: PostId(cursor.bytes("post")?), at_ms: cursor.i64("at")? }
            }
            LESS => Self::Less {
                author: UserId(cursor.bytes("author")?),
                day: cursor.i32("day")?,
                count: cursor.i32("count")?,
            },
            IMPRESSION => {
                Self::Impression { post: PostId(cursor.bytes("post")?), at_ms: cursor.i64("at")? }
            }
            other => return Err(cursor.fault("kind", "1 to 10", other)),
        };
        cursor.end()?;
        Ok(fact)
    }
}

pub(crate) fn decode_delta(cursor: &mut Cursor<'_>) -> Result<Delta, Poison> {
    let byte = cursor.u8("delta")?;
    Delta::from_byte(byte).ok_or_else(|| cursor.fault("delta", "-1 or 1", byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assert_round_trip;

    #[test]
    fn every_kind_comes_back() {
        let author = UserId([1; 16]);
        assert_round_trip(&ToUser::Active { at_ms: 5 }, 9);
        assert_round_trip(&ToUser::Follow { author, delta: Delta::Minus }, 18);
        assert_round_trip(&ToUser::Seen { post: PostId([2; 16]), at_ms: -1 }, 25);
        assert_round_trip(&ToUser::Interaction { author, day: -3, count: -7 }, 25);
        assert_round_trip(&ToUser::Mute { whom: author, delta: Delta::Plus }, 18);
        assert_round_trip(&ToUser::Block { other: author, delta: Delta::Minus }, 18);
        assert_round_trip(&ToUser::Hidden { post: PostId([2; 16]), at_ms: -1 }, 25);
        assert_round_trip(&ToUser::Undone { post: PostId([2; 16]), at_ms: 7 }, 25);
        assert_round_trip(&ToUser::Less { author, day: 3, count: 1 }, 25);
        assert_round_trip(&ToUser::Impression { post: PostId([2; 16]), at_ms: 7 }, 25);
    }

    #[test]
    fn days_beyond_any_real_time_are_the_last_that_there_are() {
        assert_eq!((day_of(i64::MIN), day_of(i64::MAX)), (i32::MIN, i32::MAX));
    }

    #[test]
    fn days_begin_at_midnight_utc_also_before_1970() {
        let days = [0, DAY_MS - 1, DAY_MS, -1, -DAY_MS, -DAY_MS - 1, i64::MAX].map(day_of);
        assert_eq!(days, [0, 0, 1, -1, -1, -2, i32::MAX]);
    }
}
