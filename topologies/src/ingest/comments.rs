//! Topic `cdc.comments`: each row is an [`InteractionRow`] on a post.

use schemas::{Change, Comment, RowKind};

use super::interaction_row::{InteractionImage, InteractionRow};
use super::row::RowVersion;
use super::{Effect, Routed};

/// Takes a change of a comment; `stored` is what is kept under its primary key.
pub fn change(
    stored: &mut Option<InteractionRow>,
    change: &Change<Comment>,
    epoch: u32,
    out: &mut Vec<Routed>,
) -> Effect {
    let next = RowVersion { mark: change.mark(epoch), live: change.live().is_some() };
    let image = change.image().map(|comment| InteractionImage {
        post: comment.post,
        user: comment.user,
        at_ms: comment.created_at_ms,
    });
    InteractionRow::change(stored, next, image, RowKind::Comment, out)
}
