//! A feed for people: what stands in it, why it stands there, and what to try next.
//!
//! A pure function of the items and the names. The terms add up to the score that stands above them.

use std::fmt::Write;

use schemas::{FeedItem, Rule, Trending, TrendingWindow, UserId};
use topologies::ranking::Weights;
use topologies::ranking::rerank::Served;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const TRENDING_SHOWN: usize = 3;

/// Whose feed it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader<'a> {
    /// Their id.
    pub id: UserId,
    /// Their name.
    pub username: &'a str,
    /// What they care for most.
    pub favourite: &'a str,
}

/// How people and posts are called.
pub trait Names {
    /// What a user is called.
    fn username(&self, item: &FeedItem) -> String;

    /// What a post says.
    fn content(&self, item: &FeedItem) -> String;
}

/// How the feed is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door<'a> {
    /// The public listener, `http://host:port`.
    pub url: &'a str,
    /// The path of the page there.
    pub page: &'a str,
    /// A token of the reader.
    pub token: &'a str,
}

/// The feed as of `now`.
pub fn feed(reader: Reader<'_>, served: &[Served], names: &dyn Names, now: i64) -> String {
    let weights = Weights::v1();
    let mut out = format!(
        "\nThe feed of @{}, who cares most for {} ({})\n\n",
        reader.username,
        reader.favourite,
        count(u32::try_from(served.len()).unwrap_or(u32::MAX), "item"),
    );
    for (place, served) in (1..).zip(served) {
        item(&mut out, (place, served), names, (&weights, now));
    }
    out
}

fn item(
    out: &mut String,
    (place, served): (usize, &Served),
    names: &dyn Names,
    (weights, now): (&Weights, i64),
) {
    let Served { item, terms, rank, rule } = served;
    let who = format!("@{}", names.username(item));
    let sources: Vec<_> = item.sources.names().collect();
    let _ = writeln!(
        out,
        "{place:>3}.  {:.3}  {who:<20}  {:<12}  {}{}",
        terms.score,
        age(now.saturating_sub(item.created_at_ms)),
        sources.join(", "),
        moved(*rule, *rank),
    );
    let _ = writeln!(out, "      {}", names.content(item));
    let _ = writeln!(
        out,
        "      {:.2} x {:.2} fresh + {:.2} x {:.2} engagement + {:.2} x {:.2} affinity",
        weights.freshness,
        terms.freshness,
        weights.engagement,
        terms.engagement,
        weights.affinity,
        terms.affinity,
    );
    let _ = writeln!(
        out,
        "      {}, {}, {} on {}; you and them: {}\n",
        count(item.likes, "like"),
        count(item.comments, "comment"),
        count(item.shares, "share"),
        count(item.exposures, "view"),
        count(item.affinity, "interaction"),
    );
}

/// What spacing did to an item.
fn moved(rule: Rule, rank: u32) -> String {
    match rule {
        Rule::None => String::new(),
        Rule::Spaced | Rule::DistanceDropped | Rule::Top5Dropped | Rule::Reserved => {
            format!("  ({}, ranked {rank} before)", rule.name())
        }
    }
}

fn count(n: u32, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn age(ms: i64) -> String {
    match ms {
        ..MINUTE_MS => "just now".to_owned(),
        MINUTE_MS..HOUR_MS => format!("{} min ago", ms / MINUTE_MS),
        HOUR_MS..DAY_MS => format!("{} h ago", ms / HOUR_MS),
        DAY_MS.. => format!("{} d ago", ms / DAY_MS),
    }
}

/// The best of what trends within 24 hours as of `now`, the same for everybody.
pub fn trending(trending: &Trending, names: &dyn Names, now: i64) -> String {
    let list = trending.list(TrendingWindow::Day, now);
    let posts = list.into_iter().flat_map(|list| trending.posts_of(list)).take(TRENDING_SHOWN);
    let mut out = "Trending in 24 hours\n\n".to_owned();
    for (place, (post, score)) in (1..).zip(posts) {
        let item = FeedItem { post: post.post, author: post.author, ..FeedItem::default() };
        let who = format!("@{}", names.username(&item));
        let _ = writeln!(out, "{place:>3}.  {score:>5}  {who:<20}  {}", names.content(&item));
    }
    out.push('\n');
    out
}

/// How to ask for it again, and what to try; `post` is one to view.
pub fn next(reader: Reader<'_>, door: Door<'_>, post: Option<&FeedItem>) -> String {
    let Door { url, page, token } = door;
    let mut out =
        format!("@{} is {}. Their token, good for a day:\n\n", reader.username, reader.id);
    let _ = writeln!(out, "  export TOKEN={token}\n");
    let _ = writeln!(out, "Ask for the feed, with the reasons:\n");
    let _ = writeln!(
        out,
        "  curl -s -H \"Authorization: Bearer $TOKEN\" '{url}/api/v1/feed?limit=10&explain=1'\n"
    );
    let _ = writeln!(out, "Ask for what trends within an hour, a day (24h) or a week (7d):\n");
    let _ = writeln!(
        out,
        "  curl -s -H \"Authorization: Bearer $TOKEN\" '{url}/api/v1/feed/trending?window=1h&limit=5'\n"
    );
    if let Some(item) = post {
        let _ = writeln!(out, "Look at the first post; it leaves the feed at once:\n");
        let _ = writeln!(
            out,
            "  curl -s -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n    \
             '{url}/api/v1/events' -d '{{\"events\":[{{\"post_id\":\"{}\",\"action\":\"view\",\
             \"event_time\":'$(date +%s)000'}}]}}'\n",
            item.post
        );
        let _ = writeln!(
            out,
            "Send \"action\":\"like\" instead, and its author's other posts climb.\n"
        );
    }
    let _ = writeln!(out, "Or watch it in a browser, like something, and see it move:\n");
    let _ = writeln!(out, "  ==>  {url}{page}  <==\n");
    out.push_str(
        "The world goes on while this runs, sixty times faster than life. Ctrl-C ends it.\n",
    );
    out
}

#[cfg(test)]
mod tests {
    use schemas::{PostId, Sources, TrendingEntry, TrendingList, TrendingPost};
    use topologies::ranking::Scorer;

    use super::*;

    struct Known;

    impl Names for Known {
        fn username(&self, _: &FeedItem) -> String {
            "aiko.bell".to_owned()
        }

        fn content(&self, _: &FeedItem) -> String {
            "Noted: a heron.".to_owned()
        }
    }

    const READER: Reader<'_> =
        Reader { id: UserId([1; 16]), username: "mira.frost", favourite: "birds" };

    fn served() -> Served {
        let item = FeedItem {
            post: PostId([2; 16]),
            author: UserId([3; 16]),
            created_at_ms: -HOUR_MS,
            likes: 10,
            comments: 5,
            shares: 2,
            exposures: 100,
            affinity: 1,
            sources: Sources::FOLLOW.with(Sources::AFFINITY),
            ..FeedItem::default()
        };
        let terms = Scorer::new(&Weights::v1(), None, 0).item(&item);
        Served { item, terms, rank: 4, rule: Rule::Spaced }
    }

    #[test]
    fn a_feed_reads_like_this() {
        let expected = "
The feed of @mira.frost, who cares most for birds (1 item)

  1.  0.572  @aiko.bell            1 h ago       follow, affinity  (spaced, ranked 4 before)
      Noted: a heron.
      0.30 x 0.90 fresh + 0.40 x 0.23 engagement + 0.30 x 0.69 affinity
      10 likes, 5 comments, 2 shares on 100 views; you and them: 1 interaction

";
        assert_eq!(feed(READER, &[served()], &Known, 0), expected);
    }

    #[test]
    fn what_trends_reads_like_this() {
        let post = TrendingPost { post: PostId([2; 16]), ..TrendingPost::default() };
        let entries = vec![TrendingEntry { place: 0, score: 28 }];
        let lists = vec![TrendingList { window: TrendingWindow::Day, bucket: 0, entries }];
        let lists = Trending { as_of_ms: 0, posts: vec![post], lists };
        let expected = "Trending in 24 hours

  1.     28  @aiko.bell            Noted: a heron.

";
        assert_eq!(trending(&lists, &Known, 0), expected);
    }

    #[test]
    fn what_to_try_next_can_be_pasted() {
        let door = Door { url: "http://127.0.0.1:8080", page: "/page", token: "a.b.c" };
        let said = next(READER, door, Some(&served().item));
        let expected = "@mira.frost is 01010101-0101-0101-0101-010101010101. Their token, good for a day:

  export TOKEN=a.b.c

Ask for the feed, with the reasons:

  curl -s -H \"Authorization: Bearer $TOKEN\" 'http://127.0.0.1:8080/api/v1/feed?limit=10&explain=1'

Ask for what trends within an hour, a day (24h) or a week (7d):

  curl -s -H \"Authorization: Bearer $TOKEN\" 'http://127.0.0.1:8080/api/v1/feed/trending?window=1h&limit=5'

Look at the first post; it leaves the feed at once:

  curl -s -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\
    'http://127.0.0.1:8080/api/v1/events' -d '{\"events\":[{\"post_id\":\"02020202-0202-0202-0202-020202020202\",\"action\":\"view\",\"event_time\":'$(date +%s)000'}]}'

Send \"action\":\"like\" instead, and its author's other posts climb.

Or watch it in a browser, like something, and see it move:

  ==>  http://127.0.0.1:8080/page  <==

The world goes on while this runs, sixty times faster than life. Ctrl-C ends it.
";
        assert_eq!(said, expected);
    }
}
