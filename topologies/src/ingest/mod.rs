//! Ingest: what each record of an input topic means to posts, users and everybody.
//!
//! One file a topic. Each is a pure transition: the state kept under the record's key and the decoded
//! record go in; the new state and what to tell others come out. A change of a row counts only if its
//! mark is newer than that of the row's last one ([`row::is_newer`]), so that duplicates and replayed
//! snapshots say nothing. Afterwards nobody needs the order between topics.

pub mod comments;
pub mod epochs;
pub mod events;
pub mod follows;
pub mod interaction_row;
pub mod likes;
pub mod posts;
pub mod profiles;
pub mod row;
pub mod silences;
pub mod users;

use schemas::{Delta, Feedback, Gone, PostId, ToPost, ToUser, UserId};

/// Something to tell, with whom it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routed {
    /// To a post: topic `by-post`.
    ToPost(PostId, ToPost),
    /// To a user: topic `by-user`.
    ToUser(UserId, ToUser),
    /// To the second as a person, if users are suggested to each other: the first follows them by a row more or less.
    Follow(UserId, UserId, Delta),
    /// To sinks: topic `feedback`.
    Feedback(UserId, Feedback),
    /// To everybody: broadcast `gone`; none takes the former value away.
    Gone(UserId, Option<Gone>),
}

/// What a record did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changed the row's state.
    Applied,
    /// It is not newer than what is known of its row; nothing happens.
    Stale,
    /// It deletes a row that it does not name, or that nobody knows; nothing is told.
    Unknown,
}
