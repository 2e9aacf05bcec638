//! Topic `cdc.comments`: each row is an [`Act`] on a post.

use schemas::{Change, Comment, RowKind};

use super::act::{Act, ActImage};
use super::row::Life;
use super::{Effect, Routed};

/// Takes a change of a comment; `held` is what is kept under its primary key.
pub fn change(
    held: &mut Option<Act>,
    change: &Change<Comment>,
    epoch: u32,
    out: &mut Vec<Routed>,
) -> Effect {
    let next = Life { mark: change.mark(epoch), live: change.live().is_some() };
    let image = change.image().map(|comment| ActImage {
        post: comment.post,
        user: comment.user,
        at_ms: comment.created_at_ms,
    });
    Act::change(held, next, image, RowKind::Comment, out)
}
