//! Topic `cdc.posts`: passed on to the post itself, which keeps the mark and the last image.

use schemas::{Change, Post, ToPost, ToUser};

use super::{Effect, Routed};

/// Takes a change of a post.
pub fn change(change: &Change<Post>, epoch: u32, out: &mut Vec<Routed>) -> Effect {
    let Some(post) = change.key else { return Effect::Unknown };
    let live = change.live();
    let fact = ToPost::Post {
        mark: change.mark(epoch),
        image: change.image().map(Post::image),
        live: live.is_some(),
    };
    out.push(Routed::ToPost(post, fact));
    let active = live.map(|row| (row.author, ToUser::Active { at_ms: row.created_at_ms }));
    out.extend(active.map(|(author, active)| Routed::ToUser(author, active)));
    Effect::Applied
}
