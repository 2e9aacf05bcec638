//! Topic `cdc.likes`: each row is an [`InteractionRow`] on a post.

use schemas::{Change, Like, RowKind};

use super::interaction_row::{InteractionImage, InteractionRow};
use super::row::RowVersion;
use super::{Effect, Routed};

/// Takes a change of a like; `stored` is what is kept under its primary key.
pub fn change(
    stored: &mut Option<InteractionRow>,
    change: &Change<Like>,
    epoch: u32,
    out: &mut Vec<Routed>,
) -> Effect {
    let next = RowVersion { mark: change.mark(epoch), live: change.live().is_some() };
    let image = change.image().map(|like| InteractionImage {
        post: like.post,
        user: like.user,
        at_ms: like.created_at_ms,
    });
    InteractionRow::change(stored, next, image, RowKind::Like, out)
}
