//! A post that has points in some window: what lists need of it, kept in a row of its own.
//!
//! Most posts have no such row. It is written when points change or the post itself does, and deleted with its last
//! bucket; so a task finds all candidates of its lists by one scan of a small store.

use schemas::UserId;
use serde::Serialize;

use super::buckets::Buckets;

/// What is kept of a post with points.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hot {
    /// Its author and when it was created, in ms UTC; none while the post is unknown, or deleted.
    pub live: Option<(UserId, i64)>,
    /// Its points.
    pub buckets: Buckets,
}
