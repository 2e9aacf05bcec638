//! Names of things: UUIDs, ordered by their 16 bytes, one type for each kind of thing.
//!
//! As a key or in a value an id is its 16 raw bytes; as text the hyphenated form in lower case. Any
//! form that UUIDs are commonly written in is read.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::poison::{FieldFault, Poison};
use crate::wire::{Cursor, Wire};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Uuid::from_bytes(self.0).hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = Poison;

            fn from_str(text: &str) -> Result<Self, Poison> {
                Uuid::try_parse(text)
                    .map(|uuid| Self(uuid.into_bytes()))
                    .map_err(|_| FieldFault::new("id", "a UUID", format_args!("{text:?}")).of($what))
            }
        }

        impl From<[u8; 16]> for $name {
            fn from(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
                let uuid = SchemaFormat::KnownFormat(KnownFormat::Uuid);
                ObjectBuilder::new().schema_type(Type::String).format(Some(uuid)).into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl Wire for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.0);
            }

            fn decode(bytes: &[u8]) -> Result<Self, Poison> {
                let mut cursor = Cursor::new($what, bytes);
                let id = cursor.bytes("id")?;
                cursor.end()?;
                Ok(Self(id))
            }
        }
    )*};
}

ids! {
    /// A user: a reader, an author, or both.
    UserId "user id";
    /// A post.
    PostId "post id";
    /// A row of `comments`.
    CommentId "comment id";
    /// A row of `likes`.
    LikeId "like id";
    /// A behaviour event; unique within its user.
    EventId "event id";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assert_round_trip;

    const TEXT: &str = "0190a6c2-7d3e-7c4b-8a5f-112233445566";

    #[test]
    fn an_id_is_sixteen_raw_bytes_and_reads_as_a_uuid() {
        let id: PostId = TEXT.parse().unwrap();
        assert_round_trip(&id, 16);
        assert_eq!((id.to_string(), format!("{id:?}")), (TEXT.into(), format!("PostId({TEXT})")));
    }

    #[test]
    fn ids_sort_as_their_bytes() {
        let low: UserId = "00000000-0000-0000-0000-0000000000ff".parse().unwrap();
        let high: UserId = "01000000-0000-0000-0000-000000000000".parse().unwrap();
        assert!(low < high);
    }

    #[test]
    fn what_is_no_uuid_is_named() {
        let poison = "bob".parse::<UserId>().unwrap_err();
        assert_eq!(poison.to_string(), "decode user id: id: expected a UUID, found \"bob\"");
    }
}
