//! Topic `cdc.likes`: each row is an [`Act`] on a post.

use schemas::{Change, Like, RowKind};

use super::act::{Act, ActImage};
use super::row::Life;
use super::{Effect, Routed};

/// Takes a change of a like; `held` is what is kept under its primary key.
pub fn change(
    held: &mut Option<Act>,
    change: &Change<Like>,
    epoch: u32,
    out: &mut Vec<Routed>,
) -> Effect {
    let next = Life { mark: change.mark(epoch), live: change.live().is_some() };
    let image = change.image().map(|like| ActImage {
        post: like.post,
        user: like.user,
        at_ms: like.created_at_ms,
    });
    Act::change(held, next, image, RowKind::Like, out)
}
