//! A feed against what the oracle expects: item by item, but that neighbours nearly equal may swap.

use schemas::FeedBody;
use topologies::ranking::{Weights, rerank::rerank};

use worlds::oracle::{Expected, ExpectedItem};

/// Scores closer than this are equal.
const NEAR: f64 = 1e-9;

/// Fails, naming `whose` feed and the place, unless `body` is the feed that the oracle expects.
pub fn assert_feed_equals(whose: &str, body: &FeedBody, expected: &Expected) {
    assert_eq!(body.cold_start, expected.cold_start, "{whose}: cold start");
    let found = items(body);
    let posts = |items: &[ExpectedItem]| items.iter().map(short).collect::<Vec<_>>();
    let lists = || format!("found {:#?}\nexpected {:#?}", posts(&found), posts(&expected.items));
    assert_eq!(found.len(), expected.items.len(), "{whose}: length\n{}", lists());
    for (place, (item, wanted)) in found.iter().zip(&expected.items).enumerate() {
        let near = (item.score - wanted.score).abs() < NEAR;
        assert!(near, "{whose}: score at {place}\n{}", lists());
        let twin = expected.items.iter().find(|other| other.post == item.post);
        let Some(twin) = twin else { panic!("{whose}: stranger at {place}\n{}", lists()) };
        let swapped = item.post != wanted.post;
        let rule = if swapped { item.rule } else { twin.rule };
        let twin = ExpectedItem { rule, score: item.score, ..twin.clone() };
        assert_eq!(*item, twin, "{whose}: item at {place}\n{}", lists());
    }
}

/// The items of a body, each with its score as of the ranking.
fn items(body: &FeedBody) -> Vec<ExpectedItem> {
    let served = rerank(body, &Weights::v1(), body.as_of_ms);
    let score = |post| {
        let same = served.iter().find(|served| served.item.post == post);
        same.map_or(f64::NAN, |served| served.terms.score)
    };
    let item = |item: &schemas::FeedItem| ExpectedItem {
        post: item.post.0,
        author: item.author.0,
        created_at: item.created_at_ms,
        likes: item.likes,
        comments: item.comments,
        shares: item.shares,
        exposures: item.exposures,
        affinity: item.affinity,
        sources: item.sources.bits(),
        rule: item.rule as u8,
        score: score(item.post),
    };
    body.items.iter().map(item).collect()
}

fn short(item: &ExpectedItem) -> String {
    let ExpectedItem { post, author, created_at, likes, comments, shares, .. } = item;
    let ExpectedItem { exposures, affinity, sources, rule, score, .. } = item;
    format!(
        "{:02x}{:02x} by {:02x} at {created_at} L{likes} C{comments} S{shares} E{exposures} \
         A{affinity} sources {sources} rule {rule} score {score:.12}",
        post[0], post[1], author[0]
    )
}
