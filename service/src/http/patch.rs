//! What changed of a feed, as JSON Patch has it (RFC 6902): over `items` of a document, an item known by its post.
//!
//! Operations are applied one after the other, so each path is one in the list as those before have left it: what went is
//! removed, from the end; then, place by place from the top, what is not there is moved there or added; then what is another
//! in an item is replaced.

use schemas::{FeedItem, PostId, UserId};
use serde::Serialize;
use serde_json::{Value, json};
use topologies::ranking::rerank::Served;
use utoipa::ToSchema;

/// An item of a feed that is followed live: what its score is made of, and not the score, which changes by itself.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LiveItem {
    post_id: PostId,
    author_id: UserId,
    /// When it was made, ms UTC.
    created_at: i64,
    /// Why it may be here: follow, trending, affinity, explore.
    sources: Vec<&'static str>,
    counts: LiveCounts,
    /// The reader's interactions with its author's posts on 90 days.
    affinity: u32,
    /// What spacing did: none, spaced, distance_dropped, top5_dropped or reserved.
    rule: &'static str,
}

/// What was done to a post, ever.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
struct LiveCounts {
    likes: u32,
    comments: u32,
    shares: u32,
    exposures: u32,
}

impl From<&Served> for LiveItem {
    fn from(served: &Served) -> Self {
        let FeedItem { likes, comments, shares, exposures, .. } = served.item;
        Self {
            post_id: served.item.post,
            author_id: served.item.author,
            created_at: served.item.created_at_ms,
            sources: served.item.sources.names().collect(),
            counts: LiveCounts { likes, comments, shares, exposures },
            affinity: served.item.affinity,
            rule: served.rule.name(),
        }
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    Add { path: String, value: Value },
    Remove { path: String },
    Move { from: String, path: String },
    Replace { path: String, value: Value },
}

fn at(place: usize) -> String {
    format!("/items/{place}")
}

/// What makes `after` of `before`.
pub fn between(before: &[LiveItem], after: &[LiveItem]) -> Vec<Operation> {
    let mut list: Vec<&LiveItem> = before.iter().collect();
    let mut operations = Vec::new();
    let stays = |item: &LiveItem| after.iter().any(|of| of.post_id == item.post_id);
    for place in (0..list.len()).rev() {
        if list.get(place).is_some_and(|item| !stays(item)) {
            list.remove(place);
            operations.push(Operation::Remove { path: at(place) });
        }
    }
    for (place, item) in after.iter().enumerate() {
        let found = list.iter().skip(place).position(|of| of.post_id == item.post_id);
        match found {
            Some(0) => {}
            Some(further) => {
                let from = place + further;
                let moved = list.remove(from);
                list.insert(place, moved);
                operations.push(Operation::Move { from: at(from), path: at(place) });
            }
            None => {
                list.insert(place, item);
                operations.push(Operation::Add { path: at(place), value: json!(item) });
            }
        }
    }
    for (place, (was, is)) in list.into_iter().zip(after).enumerate() {
        replace(place, (was, is), &mut operations);
    }
    operations
}

/// What is another in an item.
fn replace(place: usize, (was, is): (&LiveItem, &LiveItem), to: &mut Vec<Operation>) {
    let fields = [
        ("author_id", was.author_id != is.author_id, json!(is.author_id)),
        ("created_at", was.created_at != is.created_at, json!(is.created_at)),
        ("sources", was.sources != is.sources, json!(is.sources)),
        ("counts", was.counts != is.counts, json!(is.counts)),
        ("affinity", was.affinity != is.affinity, json!(is.affinity)),
        ("rule", was.rule != is.rule, json!(is.rule)),
    ];
    let changed = fields.into_iter().filter(|(_, differs, _)| *differs);
    to.extend(changed.map(|(name, _, value)| Operation::Replace {
        path: format!("{}/{name}", at(place)),
        value,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(post: u8, likes: u32) -> LiveItem {
        LiveItem {
            post_id: PostId([post; 16]),
            author_id: UserId([post; 16]),
            created_at: 5,
            sources: vec!["follow"],
            counts: LiveCounts { likes, comments: 0, shares: 0, exposures: 0 },
            affinity: 0,
            rule: "none",
        }
    }

    fn feed(posts: &[u8]) -> Vec<LiveItem> {
        posts.iter().map(|post| item(*post, 0)).collect()
    }

    /// Applied by a library that knows nothing of feeds.
    fn applied(before: &[LiveItem], operations: &[Operation]) -> Value {
        let mut document = json!({"items": before});
        let patch: json_patch::Patch = serde_json::from_value(json!(operations)).unwrap();
        json_patch::patch(&mut document, &patch).unwrap();
        document
    }

    #[test]
    fn what_goes_comes_moves_and_changes_is_an_operation_each() {
        let (before, mut after) = (feed(&[1, 2, 3, 4]), feed(&[4, 1, 5, 3]));
        after[1].counts.likes = 7;
        let operations = between(&before, &after);
        let names: Vec<_> = json!(operations)
            .as_array()
            .unwrap()
            .iter()
            .map(|of| format!("{} {}", of["op"].as_str().unwrap(), of["path"].as_str().unwrap()))
            .collect();
        let expected =
            ["remove /items/1", "move /items/0", "add /items/2", "replace /items/1/counts"];
        assert_eq!(names, expected);
        assert_eq!(applied(&before, &operations), json!({"items": after}));
    }

    #[test]
    fn any_feed_becomes_any_other_and_the_same_one_needs_nothing() {
        let mut chance = 7_u64;
        let mut below = |n: u64| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (chance >> 33) % n
        };
        for _ in 0..500 {
            let [before, after] = [(); 2].map(|()| {
                let mut posts: Vec<u8> = (0..12).filter(|_| below(3) > 0).collect();
                (1..posts.len()).for_each(|at| posts.swap(at, below(at as u64 + 1) as usize));
                posts.iter().map(|post| item(*post, below(2) as u32)).collect::<Vec<_>>()
            });
            assert_eq!(applied(&before, &between(&before, &after)), json!({"items": after}));
            assert_eq!(between(&after, &after), []);
        }
    }
}
