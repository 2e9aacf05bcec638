//! What of a feed that was read before may still be shown: later pages of it, in which nothing may stand that was deleted or
//! seen since.

use schemas::{FeedItem, PostId};

use super::candidates::Window;
use super::removal::Removal;
use super::{ReaderState, World};

/// What is left of some posts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StillShown {
    /// Those that may be shown, in the order in which they were asked for, with their counts as of now. Which sources had
    /// them, and by which rule they were placed, is not asked again.
    pub items: Vec<FeedItem>,
    /// Those that have no line: deleted, or older than any line.
    pub unlisted: Vec<PostId>,
}

/// What `reader` may still be shown of `posts` as of `as_of`.
pub fn still_shown(
    reader: &ReaderState,
    world: &World<'_>,
    as_of: i64,
    posts: &[PostId],
) -> StillShown {
    let mut left = StillShown::default();
    if world.gone.contains(&reader.id) {
        return left;
    }
    let removal = Removal::of(reader, world, as_of);
    let window = Window::at(as_of, world.weights);
    for post in posts {
        let place = world.posts.place(post);
        let line = place.and_then(|(slot, at)| world.posts.lines(slot).get(at as usize));
        let Some(line) = line else {
            left.unlisted.push(*post);
            continue;
        };
        let author = line.known.author;
        if removal.of_author(&author).or_else(|| removal.of_post(post)).is_some() {
            continue;
        }
        let begin = reader.affinity.partition_point(|of| of.author < author);
        let days = reader.affinity.iter().skip(begin).take_while(|of| of.author == author);
        let counted = days.filter(|of| window.holds(of.day));
        let [likes, comments, shares, exposures] = line.counts();
        left.items.push(FeedItem {
            post: *post,
            author,
            created_at_ms: line.known.created_at_ms,
            likes,
            comments,
            shares,
            exposures,
            affinity: counted.map(|of| of.count).sum(),
            ..FeedItem::default()
        });
    }
    left
}
