//! A feed as it is served against the one that must be: item by item, but that neighbours nearly equal may swap.

use uuid::Uuid;
use worlds::oracle::{Expected, ExpectedItem};

use super::answer::{Answer, Item};

/// Scores closer than this are equal.
const NEAR: f64 = 1e-9;
const SOURCES: [(&str, u8); 3] = [("follow", 1), ("trending", 2), ("affinity", 4)];
const RULES: [&str; 4] = ["none", "spaced", "distance_dropped", "top5_dropped"];

/// Where the two differ, one a line, with the position, from 1.
pub fn differences(found: &Answer, expected: &Expected) -> Vec<String> {
    let mut differences = Vec::new();
    let (left, right) = (found.items.len(), expected.items.len());
    if left != right {
        differences.push(format!("{left} items, expected {right}"));
    }
    // A user who is gone has no state of which it could be told.
    if found.cold_start != expected.cold_start && left + right > 0 {
        differences.push(format!("cold_start is {}", found.cold_start));
    }
    for (place, (item, wanted)) in found.items.iter().zip(&expected.items).enumerate() {
        let twin = expected.items.iter().find(|other| other.post == item.post_id.into_bytes());
        let same = twin.is_some_and(|twin| is_same(item, twin, wanted));
        if !same {
            let (item, place) = (shown(item), place + 1);
            let wanted = wanted_shown(wanted);
            differences.push(format!("position {place}: {item}, expected {wanted}"));
        }
    }
    differences
}

/// Whether the item is its own twin and may stand where `wanted` does.
fn is_same(item: &Item, twin: &ExpectedItem, wanted: &ExpectedItem) -> bool {
    let near = item.score.is_some_and(|score| {
        (score - wanted.score).abs() < NEAR && (score - twin.score).abs() < NEAR
    });
    let moved = twin.post != wanted.post;
    let rule = RULES.get(usize::from(twin.rule)).copied().unwrap_or_default();
    near && (moved || item.explain.rule == rule)
        && facts(item)
            == (
                twin.author,
                twin.created_at,
                [twin.likes, twin.comments, twin.shares, twin.exposures, twin.affinity],
                twin.sources,
            )
}

/// What is said of a post, apart from its place.
type Facts = ([u8; 16], i64, [u32; 5], u8);

fn facts(item: &Item) -> Facts {
    let counts = item.counts;
    let affinity = item.explain.terms.map_or(0, |terms| terms.affinity.interactions);
    let numbers = [
        counts.likes,
        counts.comments,
        counts.shares.unwrap_or(0),
        counts.exposures.unwrap_or(0),
        affinity,
    ];
    let named = |(name, _): &&(&str, u8)| item.sources.iter().any(|source| source == name);
    let sources = SOURCES.iter().filter(named).map(|(_, bit)| bit).sum();
    (item.author_id.into_bytes(), item.created_at, numbers, sources)
}

fn shown(item: &Item) -> String {
    let (_, _, [l, c, s, e, a], sources) = facts(item);
    let (post, rule) = (item.post_id, &item.explain.rule);
    let score = item.score.unwrap_or(f64::NAN);
    format!("{post} {score:.12} L{l} C{c} S{s} E{e} A{a} sources {sources} {rule}")
}

fn wanted_shown(item: &ExpectedItem) -> String {
    let ExpectedItem { post, likes, comments, shares, exposures, .. } = item;
    let ExpectedItem { affinity, sources, rule, score, .. } = item;
    let post = Uuid::from_bytes(*post);
    let rule = RULES.get(usize::from(*rule)).copied().unwrap_or_default();
    format!(
        "{post} {score:.12} L{likes} C{comments} S{shares} E{exposures} A{affinity} \
         sources {sources} {rule}"
    )
}

#[cfg(test)]
mod tests {
    use super::super::answer::{Affinity, Counts, Explain, Terms};
    use super::*;

    fn expected(post: u8, score: f64) -> ExpectedItem {
        ExpectedItem {
            post: [post; 16],
            author: [9; 16],
            created_at: 5,
            likes: 1,
            comments: 2,
            shares: 3,
            exposures: 4,
            affinity: 6,
            sources: 5,
            rule: 1,
            score,
        }
    }

    fn item(post: u8, score: f64) -> Item {
        Item {
            post_id: Uuid::from_bytes([post; 16]),
            author_id: Uuid::from_bytes([9; 16]),
            created_at: 5,
            score: Some(score),
            sources: vec!["follow".to_owned(), "affinity".to_owned()],
            counts: Counts { likes: 1, comments: 2, shares: Some(3), exposures: Some(4) },
            explain: Explain {
                terms: Some(Terms { affinity: Affinity { interactions: 6 } }),
                rule: "spaced".to_owned(),
            },
        }
    }

    fn compare(items: Vec<Item>) -> Vec<String> {
        let (source, version) = ("redis".to_owned(), Some(1));
        let found = Answer { items, source, version, as_of: 0, cold_start: false };
        let items = vec![expected(1, 0.5), expected(2, 0.5 - 1e-10), expected(3, 0.1)];
        differences(&found, &Expected { cold_start: false, items })
    }

    #[test]
    fn equal_feeds_do_not_differ_and_neighbours_nearly_equal_may_swap() {
        let straight = vec![item(1, 0.5), item(2, 0.5 - 1e-10), item(3, 0.1)];
        assert_eq!(compare(straight), [""; 0]);
        let swapped = vec![item(2, 0.5 - 1e-10), item(1, 0.5), item(3, 0.1)];
        assert_eq!(compare(swapped), [""; 0]);
    }

    #[test]
    fn each_difference_is_told_with_its_position() {
        let good = || [item(1, 0.5), item(2, 0.5 - 1e-10), item(3, 0.1)];
        let missing = compare(good()[..2].to_vec());
        assert_eq!(missing, ["2 items, expected 3"]);
        let changes: [fn(&mut Item); 6] = [
            |item| item.counts.exposures = Some(5),
            |item| item.score = Some(0.100_000_01),
            |item| item.post_id = Uuid::from_bytes([4; 16]),
            |item| item.sources.truncate(1),
            |item| item.explain.rule = "none".to_owned(),
            |item| item.explain.terms = None,
        ];
        for change in changes {
            let mut items = good();
            change(&mut items[2]);
            let found = compare(items.to_vec());
            assert!(found.len() == 1 && found[0].starts_with("position 3: "), "{found:?}");
        }
    }
}
