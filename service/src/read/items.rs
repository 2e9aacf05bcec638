//! What of a feed that was read before may still be shown, as instances tell each other.

use schemas::{FeedItem, PostId, UserId};
use serde::{Deserialize, Serialize};
use topologies::ranking::still_shown::StillShown;
use uuid::Uuid;

/// What is left of some posts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Items {
    /// Those that may be shown, in the order in which they were asked for.
    pub items: Vec<ItemKnown>,
    /// Those that no ranking knows any more.
    pub unlisted: Vec<Uuid>,
}

/// A post with what its score is made of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemKnown {
    post: Uuid,
    author: Uuid,
    created_at: i64,
    /// L, C, S, E.
    counts: [u32; 4],
    affinity: u32,
}

impl From<&FeedItem> for ItemKnown {
    fn from(item: &FeedItem) -> Self {
        Self {
            post: Uuid::from_bytes(item.post.0),
            author: Uuid::from_bytes(item.author.0),
            created_at: item.created_at_ms,
            counts: [item.likes, item.comments, item.shares, item.exposures],
            affinity: item.affinity,
        }
    }
}

impl From<ItemKnown> for FeedItem {
    fn from(known: ItemKnown) -> Self {
        let [likes, comments, shares, exposures] = known.counts;
        Self {
            post: PostId(known.post.into_bytes()),
            author: UserId(known.author.into_bytes()),
            created_at_ms: known.created_at,
            likes,
            comments,
            shares,
            exposures,
            affinity: known.affinity,
            ..Self::default()
        }
    }
}

impl From<&StillShown> for Items {
    fn from(left: &StillShown) -> Self {
        let unlisted = left.unlisted.iter().map(|post| Uuid::from_bytes(post.0));
        Self { items: left.items.iter().map(Into::into).collect(), unlisted: unlisted.collect() }
    }
}
