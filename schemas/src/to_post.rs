//! Facts for a post: topic `by-post`, key the post.
//!
//! Ingest sends it, engagement keeps it. All records of one row come from one task and so arrive in
//! order, but nothing is promised between rows, events and the post itself. A first byte names the kind:
//!
//! * 1 `Post`: mark (epoch u32, lsn u64), flags u8 (1 live, 2 image, 4 content known), then with an image
//!   author, created_at i64, content_hash u64.
//! * 2 `Row`: user, kind u8 (1 like, 2 comment), at i64, delta i8 (1, -1, or 0: never live).
//! * 3 `Event`: user, action u8, at i64, event id.

use serde::Serialize;

use crate::action::Action;
use crate::ids::{EventId, UserId};
use crate::mark::Mark;
use crate::poison::Poison;
use crate::wire::{Cursor, Wire};

const POST: u8 = 1;
const ROW: u8 = 2;
const EVENT: u8 = 3;

const LIVE: u8 = 1;
const IMAGE: u8 = 2;
const CONTENT: u8 = 4;

/// One more or one less of something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Delta {
    /// One less: what was counted is taken back.
    Minus = -1,
    /// One more.
    Plus = 1,
}

impl Delta {
    /// 1 or -1.
    pub fn value(self) -> i64 {
        i64::from(self as i8)
    }

    pub(crate) fn byte(self) -> u8 {
        (self as i8).cast_unsigned()
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Minus, Self::Plus].into_iter().find(|delta| delta.byte() == byte)
    }
}

/// The tables whose rows count on a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RowKind {
    /// A row of `likes`.
    Like = 1,
    /// A row of `comments`.
    Comment = 2,
}

/// What is known of a post beside its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PostImage {
    /// Who wrote it.
    pub author: UserId,
    /// When it was created, in ms UTC.
    pub created_at_ms: i64,
    /// Equal for posts of equal content, 0 equals nothing; `None`: unchanged and not repeated, keep yours.
    pub content_hash: Option<u64>,
}

/// A fact for the post of this record's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToPost {
    /// The post itself, as of `mark`.
    Post {
        /// The change that said so; an older one than the post already has means nothing.
        mark: Mark,
        /// The columns; `None` when a delete carried none that can be trusted.
        image: Option<PostImage>,
        /// Whether it exists, undeleted. A live post always has an image.
        live: bool,
    },
    /// A row of the database about the post. From now on the database decides about this user and kind.
    ///
    /// A changed row is sent as minus the old image, plus the new one; so the live rows of a user and
    /// kind are a bag of times to which each record adds or from which it takes one.
    Row {
        /// Whose like or comment.
        user: UserId,
        /// Of which table.
        kind: RowKind,
        /// The row's `created_at` in ms UTC; in a minus that of the image taken back.
        at_ms: i64,
        /// `None`: a row that was never live here. The database decides from now on, nothing is counted.
        delta: Option<Delta>,
    },
    /// A behaviour event about the post; repeats of its id are already dropped.
    Event {
        /// Who did it.
        user: UserId,
        /// What.
        action: Action,
        /// The event's own time in ms UTC.
        at_ms: i64,
        /// Which event.
        event: EventId,
    },
}

impl Wire for ToPost {
    fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Post { mark, image, live } => encode_post(mark, image, live, out),
            Self::Row { user, kind, at_ms, delta } => {
                out.push(ROW);
                out.extend_from_slice(&user.0);
                out.push(kind as u8);
                out.extend_from_slice(&at_ms.to_le_bytes());
                out.push(delta.map_or(0, Delta::byte));
            }
            Self::Event { user, action, at_ms, event } => {
                out.push(EVENT);
                out.extend_from_slice(&user.0);
                out.push(action.number());
                out.extend_from_slice(&at_ms.to_le_bytes());
                out.extend_from_slice(&event.0);
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut cursor = Cursor::new("by-post", bytes);
        let fact = match cursor.u8("kind")? {
            POST => decode_post(&mut cursor)?,
            ROW => decode_row(&mut cursor)?,
            EVENT => decode_event(&mut cursor)?,
            other => return Err(cursor.fault("kind", "1, 2 or 3", other)),
        };
        cursor.end()?;
        Ok(fact)
    }
}

fn encode_post(mark: Mark, image: Option<PostImage>, live: bool, out: &mut Vec<u8>) {
    let content = image.and_then(|image| image.content_hash);
    let flags = [(live, LIVE), (image.is_some(), IMAGE), (content.is_some(), CONTENT)];
    out.push(POST);
    mark.encode(out);
    out.push(flags.into_iter().filter_map(|(set, bit)| set.then_some(bit)).sum());
    if let Some(image) = image {
        out.extend_from_slice(&image.author.0);
        out.extend_from_slice(&image.created_at_ms.to_le_bytes());
        out.extend_from_slice(&content.unwrap_or(0).to_le_bytes());
    }
}

fn decode_post(cursor: &mut Cursor<'_>) -> Result<ToPost, Poison> {
    let mark = Mark::decode(cursor)?;
    let flags = cursor.u8("flags")?;
    let (live, image, content) = (flags & LIVE != 0, flags & IMAGE != 0, flags & CONTENT != 0);
    if flags > (LIVE | IMAGE | CONTENT) || (!image && (live || content)) {
        return Err(cursor.fault("flags", "a known set", flags));
    }
    if !image {
        return Ok(ToPost::Post { mark, image: None, live });
    }
    let author = UserId(cursor.bytes("author")?);
    let created_at_ms = cursor.i64("created_at")?;
    let content_hash = match (content, cursor.u64("content_hash")?) {
        (true, hash) => Some(hash),
        (false, 0) => None,
        (false, _) => return Err(cursor.fault("flags", "content known", flags)),
    };
    let image = Some(PostImage { author, created_at_ms, content_hash });
    Ok(ToPost::Post { mark, image, live })
}

fn decode_row(cursor: &mut Cursor<'_>) -> Result<ToPost, Poison> {
    let user = UserId(cursor.bytes("user")?);
    let kind = match cursor.u8("kind")? {
        1 => RowKind::Like,
        2 => RowKind::Comment,
        other => return Err(cursor.fault("kind", "1 or 2", other)),
    };
    let at_ms = cursor.i64("at")?;
    let delta = match cursor.u8("delta")? {
        0 => None,
        byte => match Delta::from_byte(byte) {
            Some(delta) => Some(delta),
            None => return Err(cursor.fault("delta", "-1, 0 or 1", byte)),
        },
    };
    Ok(ToPost::Row { user, kind, at_ms, delta })
}

fn decode_event(cursor: &mut Cursor<'_>) -> Result<ToPost, Poison> {
    let user = UserId(cursor.bytes("user")?);
    let number = cursor.u8("action")?;
    let Some(action) = Action::from_number(number) else {
        return Err(cursor.fault("action", "1 to 11", number));
    };
    let at_ms = cursor.i64("at")?;
    Ok(ToPost::Event { user, action, at_ms, event: EventId(cursor.bytes("event")?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assert_round_trip;

    const MARK: Mark = Mark { epoch: 2, lsn: 300 };
    const USER: UserId = UserId([9; 16]);

    #[test]
    fn a_post_comes_back_with_and_without_what_is_unknown() {
        let image = PostImage { author: USER, created_at_ms: -5, content_hash: Some(77) };
        let unrepeated = PostImage { content_hash: None, ..image };
        assert_round_trip(&ToPost::Post { mark: MARK, image: Some(image), live: true }, 46);
        assert_round_trip(&ToPost::Post { mark: MARK, image: Some(unrepeated), live: false }, 46);
        assert_round_trip(&ToPost::Post { mark: MARK, image: None, live: false }, 14);
    }

    #[test]
    fn a_row_comes_back_with_each_delta() {
        assert_eq!((Delta::Plus.value(), Delta::Minus.value()), (1, -1));
        let row = |kind, delta| ToPost::Row { user: USER, kind, at_ms: 1 << 41, delta };
        assert_round_trip(&row(RowKind::Like, Some(Delta::Plus)), 27);
        assert_round_trip(&row(RowKind::Comment, Some(Delta::Minus)), 27);
        assert_round_trip(&row(RowKind::Like, None), 27);
    }

    #[test]
    fn an_event_comes_back() {
        let event = EventId([8; 16]);
        assert_round_trip(
            &ToPost::Event { user: USER, action: Action::Share, at_ms: 1, event },
            42,
        );
    }

    #[test]
    fn a_live_post_without_an_image_is_poison() {
        let mut bytes = ToPost::Post { mark: MARK, image: None, live: false }.to_bytes();
        bytes[13] = LIVE;
        let poison = ToPost::decode(&bytes).unwrap_err();
        assert_eq!(poison.to_string(), "decode by-post: flags: expected a known set, found 1");
    }
}
