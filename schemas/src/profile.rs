//! A row of `users` as others see the user: name, picture and a line about them.

use serde::{Serialize, Serializer};

use crate::column::{Column, Scalar};
use crate::ids::UserId;
use crate::poison::{FieldFault, Poison};
use crate::row::{Columns, Row, UNAVAILABLE};
use crate::user::User;
use crate::wire::Cursor;

/// What is longer is cut, at the end of a character.
const TEXT_BYTES_MAX: usize = 1_024;

/// A text of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Text {
    /// Unchanged, and the log did not repeat it.
    Unrepeated,
    /// There is none.
    #[default]
    None,
    /// This one.
    Some(Box<str>),
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_deref().serialize(serializer)
    }
}

impl Text {
    fn read(column: Column<'_, '_>) -> Result<Self, FieldFault> {
        let text = column.optional("text", Scalar::text)?;
        Ok(match text.as_deref() {
            None => Self::None,
            Some(UNAVAILABLE) => Self::Unrepeated,
            Some(text) => Self::Some(cut(text).into()),
        })
    }

    /// The text, if there is one and it is known.
    pub fn as_deref(&self) -> Option<&str> {
        match self {
            Self::Unrepeated | Self::None => None,
            Self::Some(text) => Some(text),
        }
    }

    /// Takes over from what was known before what is unchanged.
    fn complete(&mut self, before: &Self) {
        if *self == Self::Unrepeated {
            self.clone_from(before);
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unrepeated => out.push(0),
            Self::None => out.push(1),
            Self::Some(text) => {
                out.push(2);
                out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }
        }
    }

    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Poison> {
        match cursor.u8("text")? {
            0 => Ok(Self::Unrepeated),
            1 => Ok(Self::None),
            2 => {
                let length = cursor.u16("length")?;
                cursor.text("text", usize::from(length)).map(|text| Self::Some(text.into()))
            }
            other => Err(cursor.fault("text", "0, 1 or 2", other)),
        }
    }
}

/// As much of a text as is kept.
fn cut(text: &str) -> &str {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// How a user is seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// What they are called.
    pub username: Text,
    /// Where their picture is.
    pub avatar_url: Text,
    /// A line about them.
    pub bio: Text,
}

impl Profile {
    /// Takes over from what was known before what is unchanged.
    pub fn complete(&mut self, before: &Self) {
        self.username.complete(&before.username);
        self.avatar_url.complete(&before.avatar_url);
        self.bio.complete(&before.bio);
    }

    /// Appends its bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        [&self.username, &self.avatar_url, &self.bio].into_iter().for_each(|text| text.encode(out));
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Poison> {
        Ok(Self {
            username: Text::decode(cursor)?,
            avatar_url: Text::decode(cursor)?,
            bio: Text::decode(cursor)?,
        })
    }

    /// About how many bytes it keeps in memory beyond its own size.
    pub fn heap_bytes(&self) -> usize {
        let texts = [&self.username, &self.avatar_url, &self.bio];
        texts.iter().filter_map(|text| text.as_deref()).map(str::len).sum()
    }
}

/// A user of the database, as others see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileRow {
    /// The row.
    pub user: User,
    /// How they are seen.
    pub profile: Profile,
}

impl Row for ProfileRow {
    type Key = UserId;
    const WHAT: &'static str = User::WHAT;
    const COUNTS_AT_CREATION: bool = User::COUNTS_AT_CREATION;

    fn key(columns: &Columns<'_>) -> Result<UserId, FieldFault> {
        User::key(columns)
    }

    fn read(columns: &Columns<'_>) -> Result<Self, FieldFault> {
        Ok(Self {
            user: User::read(columns)?,
            profile: Profile {
                username: Text::read(columns.username())?,
                avatar_url: Text::read(columns.avatar_url())?,
                bio: Text::read(columns.bio())?,
            },
        })
    }

    fn created_at_ms(&self) -> i64 {
        self.user.created_at_ms
    }

    fn is_deleted(&self) -> bool {
        self.user.deleted
    }

    fn complete(&mut self, before: &Self) {
        self.profile.complete(&before.profile);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_the_end_of_a_character() {
        let long = "ä".repeat(600);
        assert_eq!((cut("short"), cut(&long).len()), ("short", 1_024));
        assert_eq!(cut(&format!("x{long}")).len(), 1_023);
    }

    #[test]
    fn what_the_log_did_not_repeat_stays_what_it_was() {
        let known = Profile { username: Text::Some("mira".into()), ..Profile::default() };
        let mut changed = Profile {
            username: Text::Unrepeated,
            bio: Text::Some("x".into()),
            ..Profile::default()
        };
        changed.complete(&known);
        let texts = [&changed.username, &changed.avatar_url, &changed.bio].map(Text::as_deref);
        assert_eq!(texts, [Some("mira"), None, Some("x")]);
    }
}
