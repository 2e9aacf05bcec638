//! Rows of `mutes` and `blocks`: a user wants to see nothing of another; of a block neither sees the other.

use crate::ids::UserId;
use crate::poison::FieldFault;
use crate::row::{Columns, Row};

/// The primary key of a mute or a block; sorts by who wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SilenceKey {
    /// Who mutes or blocks.
    pub by: UserId,
    /// Who is muted or blocked.
    pub whom: UserId,
}

macro_rules! silences {
    ($($(#[$meta:meta])* $row:ident $what:literal $by:ident $whom:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $row {
            /// Primary key.
            pub key: SilenceKey,
            /// When the row was created, in ms UTC.
            pub created_at_ms: i64,
            /// Whether `deleted_at` is set.
            pub deleted: bool,
        }

        impl Row for $row {
            type Key = SilenceKey;
            const WHAT: &'static str = $what;
            const COUNTS_AT_CREATION: bool = false;

            fn key(columns: &Columns<'_>) -> Result<SilenceKey, FieldFault> {
                Ok(SilenceKey { by: columns.$by().id()?, whom: columns.$whom().id()? })
            }

            fn read(columns: &Columns<'_>) -> Result<Self, FieldFault> {
                Ok(Self {
                    key: Self::key(columns)?,
                    created_at_ms: columns.created_at().time_ms()?,
                    deleted: columns.is_deleted(),
                })
            }

            fn created_at_ms(&self) -> i64 {
                self.created_at_ms
            }

            fn is_deleted(&self) -> bool {
                self.deleted
            }
        }
    )*};
}

silences! {
    /// A mute, as the database has it.
    Mute "mute" muter_id muted_id;
    /// A block, as the database has it.
    Block "block" blocker_id blocked_id;
}
