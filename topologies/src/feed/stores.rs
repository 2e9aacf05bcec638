//! The stores of readers, each by the reader first.

use millstream::{Builder, Store};
use schemas::{PostId, Preferences, UserId};

use crate::layout::{FIRST_ID, KeySerde, Pair, RowSerde};
use crate::ranking::Shown;
use crate::reader::ReaderStatus;
use crate::reader::days::Days;
use crate::reader::hidden::Hidden;
use crate::reader::silence::Silence;
use crate::state::{Count, Time};

/// The stores of readers, each by the reader first.
#[derive(Clone, Copy)]
pub struct ReaderStores {
    /// Whether they are active, what is due, what was published.
    pub readers: Store<UserId, ReaderStatus>,
    /// How many live rows say that the first follows the second; none is zero.
    pub follows: Store<Pair<UserId, UserId>, Count>,
    /// What the first did to posts of the second, by day.
    pub affinity: Store<Pair<UserId, UserId>, Days>,
    /// When the user last saw the post.
    pub seen: Store<Pair<UserId, PostId>, Time>,
    /// Why the first sees nothing of the second, if that is so.
    pub silences: Store<Pair<UserId, UserId>, Silence>,
    /// What the user said against the post.
    pub hidden: Store<Pair<UserId, PostId>, Hidden>,
    /// How often the user was shown the post.
    pub shown: Store<Pair<UserId, PostId>, Shown>,
    /// What the user chose.
    pub preferences: Store<UserId, Preferences>,
    /// When the first said that the second is not to be suggested.
    pub dismissed: Store<Pair<UserId, UserId>, Time>,
}

impl ReaderStores {
    /// Declares them.
    pub(super) fn of(builder: &Builder) -> Self {
        Self {
            readers: builder.placed(builder.store("readers", KeySerde, RowSerde), FIRST_ID),
            follows: builder.placed(builder.store("follows", KeySerde, RowSerde), FIRST_ID),
            affinity: builder.placed(builder.store("affinity", KeySerde, RowSerde), FIRST_ID),
            seen: builder.placed(builder.store("seen", KeySerde, RowSerde), FIRST_ID),
            silences: builder.placed(builder.store("silences", KeySerde, RowSerde), FIRST_ID),
            hidden: builder.placed(builder.store("hidden", KeySerde, RowSerde), FIRST_ID),
            shown: builder.placed(builder.store("shown", KeySerde, RowSerde), FIRST_ID),
            preferences: builder.placed(builder.store("preferences", KeySerde, RowSerde), FIRST_ID),
            dismissed: builder.placed(builder.store("dismissed", KeySerde, RowSerde), FIRST_ID),
        }
    }
}
