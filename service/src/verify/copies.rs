//! One reader's feed in Redis, in ClickHouse and in the state of its worker: what must be equal of it, and when.
//!
//! A publication has a version, and says the same wherever it is: where two have the same version, they are equal in every
//! item and attribute, and in their times. Versions are the positions here: a copy has to come to the newest version that was
//! seen anywhere at the first look. These may be missing, and are no difference:
//!
//! * In Redis what was published longer ago than it keeps it: 24 hours, or an hour of a feed that is gone.
//! * In ClickHouse what Redis does not have either, for it keeps a week.
//!
//! State ranks from what it knows now, and is asked as of the time of the publication: then it says the same, but for
//! `valid_until`. What it has learnt since (counts, what trends) may wait for the reader's next time of the refresh grid, and
//! so until the publication's `valid_until`. Until then such a feed is *pending*; afterwards it differs.

use connectors::clickhouse::{self, PublishedFeed};
use connectors::redis::RedisFeed;
use schemas::{FeedBody, FeedItem, FeedVersion, UserId};

use super::difference::{Difference, Found};
use crate::read::Held;

pub const REDIS: &str = "redis";
pub const CLICKHOUSE: &str = "clickhouse";
pub const STATE: &str = "state";

const HOUR_MS: i64 = 3_600_000;
/// For so long Redis keeps a feed at least, and that a feed is gone.
const KEPT_MS: i64 = 24 * HOUR_MS;
const GONE_KEPT_MS: i64 = HOUR_MS;
/// A publication that is due is made within this time.
const GRACE_MS: i64 = 30_000;

/// What a server said.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Said<T> {
    /// It was not asked.
    #[default]
    Nothing,
    /// It has none.
    None,
    /// It has this.
    Some(T),
    /// It has something that is no feed; what that is.
    Foreign(String),
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Copies {
    /// What Redis has.
    pub redis: Said<RedisFeed>,
    /// The last publication in ClickHouse.
    pub clickhouse: Said<PublishedFeed>,
    /// What state makes as of the publication; where there is none, as of now.
    pub state: Said<Held>,
}

/// How the copies stand to each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// What is not equal.
    pub differences: Vec<Difference>,
    /// Whether any of it may be only late.
    pub is_behind: bool,
    /// Whether state knows more than was to be published yet.
    pub is_pending: bool,
}

/// A copy, whoever has it: its version, and its body unless it is gone.
type Copy<'c> = (&'static str, FeedVersion, Option<&'c FeedBody>);

impl Copies {
    /// The copies that there are.
    fn copies(&self) -> Vec<Copy<'_>> {
        let mut copies = Vec::new();
        if let Said::Some(feed) = &self.redis {
            copies.push((REDIS, feed.version, feed.body.as_ref()));
        }
        if let Said::Some(feed) = &self.clickhouse {
            copies.push((CLICKHOUSE, feed.version, feed.body.as_ref()));
        }
        if let Said::Some(held) = &self.state {
            copies.push((STATE, held.version, Some(&held.body)));
        }
        copies
    }

    /// As of when state is to be asked.
    pub fn as_of_ms(&self) -> Option<i64> {
        let published = self.copies().into_iter().filter(|(server, ..)| *server != STATE);
        let newest = published.max_by_key(|(_, version, _)| *version);
        newest.and_then(|(_, _, body)| body).map(|body| body.as_of_ms)
    }

    /// The newest version of which anybody tells; none if nothing was ever published.
    pub fn newest(&self) -> Option<FeedVersion> {
        let versions = self.copies().into_iter().map(|(_, version, _)| version);
        versions.filter(|version| version.version > 0).max()
    }

    /// Compares the copies of a reader at `now_ms`; each has to have come to `floor`.
    pub fn compare(&self, user: UserId, floor: Option<FeedVersion>, now_ms: i64) -> Compared {
        let mut compared = Compared::default();
        let Some(floor) = floor else { return compared };
        let copies = self.copies();
        let older = copies.iter().filter(|(_, version, _)| *version < floor);
        let older = older.map(|(server, version, _)| (*server, shown(*version)));
        for (server, has) in missing(self, now_ms).into_iter().chain(older) {
            compared.is_behind = true;
            let newest = copies.iter().max_by_key(|(_, version, _)| *version);
            let newest = newest.map_or((STATE, floor), |(server, version, _)| (*server, *version));
            let found: [Told<'_>; 2] = [(server, &has), (newest.0, &shown(newest.1))];
            compared.differences.push(difference(user, "version", found));
        }
        self.compare_publications(user, &mut compared);
        self.compare_with_state(user, now_ms, &mut compared);
        compared
    }

    fn compare_publications(&self, user: UserId, compared: &mut Compared) {
        let (Said::Some(redis), Said::Some(clickhouse)) = (&self.redis, &self.clickhouse) else {
            return;
        };
        if redis.version != clickhouse.version {
            return;
        }
        let (one, other) = match (&redis.body, &clickhouse.body) {
            (None, None) => return,
            (Some(one), Some(other)) => (one, other),
            (one, other) => {
                let words = [one, other].map(|body| if body.is_some() { "live" } else { "gone" });
                let found: [Told<'_>; 2] = [(REDIS, &words[0]), (CLICKHOUSE, &words[1])];
                compared.differences.push(difference(user, "feed", found));
                return;
            }
        };
        let servers = [REDIS, CLICKHOUSE];
        for (column, found) in times(one, other).into_iter().chain(contents(one, other)) {
            let [one, other] = &found;
            let found: [Told<'_>; 2] = [(servers[0], one), (servers[1], other)];
            compared.differences.push(difference(user, &column, found));
        }
    }

    fn compare_with_state(&self, user: UserId, now_ms: i64, compared: &mut Compared) {
        let Said::Some(held) = &self.state else { return };
        let copies = self.copies();
        let published =
            copies.iter().find(|(server, version, _)| *server != STATE && *version == held.version);
        let Some((server, _, body)) = published else { return };
        let Some(body) = body else {
            if held.is_published {
                let found: [Told<'_>; 2] = [(server, &"gone"), (STATE, &"live")];
                compared.differences.push(difference(user, "feed", found));
            }
            return;
        };
        // A worker of an older version ranks as of now, whatever it is asked.
        if held.body.as_of_ms != body.as_of_ms {
            return;
        }
        let found = contents(body, &held.body);
        if found.is_empty() {
            return;
        }
        if now_ms < body.valid_until_ms.saturating_add(GRACE_MS) {
            compared.is_pending = true;
            return;
        }
        for (column, [one, other]) in found {
            let found: [Told<'_>; 2] = [(server, &one), (STATE, &other)];
            compared.differences.push(difference(user, &column, found));
        }
    }
}

/// Who has no feed and must have one; what is there instead.
fn missing(of: &Copies, now_ms: i64) -> Vec<(&'static str, String)> {
    let none = || "none".to_owned();
    let mut missing = Vec::new();
    if let Said::Foreign(words) = &of.redis {
        missing.push((REDIS, words.clone()));
    }
    if let Said::Foreign(words) = &of.clickhouse {
        missing.push((CLICKHOUSE, words.clone()));
    }
    if let (Said::None, Said::Some(feed)) = (&of.redis, &of.clickhouse) {
        let kept_ms = if feed.body.is_some() { KEPT_MS } else { GONE_KEPT_MS };
        if now_ms < feed.published_at_ms.saturating_add(kept_ms) {
            missing.push((REDIS, none()));
        }
    }
    // The owner of the reader says that a feed is published, and no other copy says when.
    if let (Said::None, Said::None | Said::Nothing, Said::Some(Held { is_published: true, .. })) =
        (&of.redis, &of.clickhouse, &of.state)
    {
        missing.push((REDIS, none()));
    }
    if let (Said::Some(_), Said::None) = (&of.redis, &of.clickhouse) {
        missing.push((CLICKHOUSE, none()));
    }
    missing
}

/// A server, and what it has.
type Told<'t> = (&'static str, &'t dyn std::fmt::Display);

fn difference(user: UserId, column: &str, [one, other]: [Told<'_>; 2]) -> Difference {
    let (key, column) = (user.to_string(), column.to_owned());
    let found = [Found::at(one.0, one.1), Found::at(other.0, other.1)];
    Difference { part: "feeds", key, column, found }
}

fn shown(version: FeedVersion) -> String {
    match version.feeds_epoch {
        0 => version.version.to_string(),
        epoch => format!("{} of epoch {epoch}", version.version),
    }
}

pub type Column = (String, [String; 2]);

/// The times that differ. Those that ClickHouse cannot say are there as the nearest that it can.
fn times(one: &FeedBody, other: &FeedBody) -> Vec<Column> {
    let pairs = [
        ("as_of", one.as_of_ms, other.as_of_ms),
        ("valid_until", one.valid_until_ms, other.valid_until_ms),
    ];
    let pairs = pairs.into_iter().map(|(name, one, other)| {
        (name.to_owned(), [one, other].map(|ms| clickhouse::time(ms).to_string()))
    });
    differing(pairs)
}

/// What differs of what two bodies say, the times apart.
pub fn contents(one: &FeedBody, other: &FeedBody) -> Vec<Column> {
    let heads = [
        ("weight_set", [one, other].map(|body| body.weight_set.to_string())),
        ("cold_start", [one, other].map(|body| body.cold_start.to_string())),
        ("items", [one, other].map(|body| body.items.len().to_string())),
    ];
    let heads = heads.into_iter().map(|(name, pair)| (name.to_owned(), pair));
    let mut columns = differing(heads);
    for (place, (one, other)) in (1..).zip(one.items.iter().zip(&other.items)) {
        let attributes = attributes(one).into_iter().zip(attributes(other));
        let named = attributes
            .map(|((name, one), (_, other))| (format!("position {place}: {name}"), [one, other]));
        let found = differing(named);
        // Of another post everything else differs too.
        let is_other = one.post != other.post;
        columns.extend(found.into_iter().take(if is_other { 1 } else { usize::MAX }));
    }
    columns
}

fn differing(columns: impl Iterator<Item = Column>) -> Vec<Column> {
    columns.filter(|(_, [one, other])| one != other).collect()
}

fn attributes(item: &FeedItem) -> [(&'static str, String); 10] {
    [
        ("post_id", item.post.to_string()),
        ("author_id", item.author.to_string()),
        ("created_at", clickhouse::time(item.created_at_ms).to_string()),
        ("likes", item.likes.to_string()),
        ("comments", item.comments.to_string()),
        ("shares", item.shares.to_string()),
        ("exposures", item.exposures.to_string()),
        ("affinity", item.affinity.to_string()),
        ("sources", item.sources.bits().to_string()),
        ("rule", item.rule.name().to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use schemas::PostId;

    use super::*;

    const NOW: i64 = 1_795_216_628_000;
    const USER: UserId = UserId([7; 16]);

    fn version(version: u64) -> FeedVersion {
        FeedVersion { feeds_epoch: 0, version }
    }

    fn body() -> FeedBody {
        let item = |id| FeedItem { post: PostId([id; 16]), likes: 3, ..FeedItem::default() };
        let items = vec![item(1), item(2)];
        FeedBody { as_of_ms: NOW - 5, valid_until_ms: NOW + 5, items, ..FeedBody::default() }
    }

    /// All three have the same publication.
    fn copies(number: u64) -> Copies {
        let (version, body) = (version(number), body());
        let ranked = FeedBody { valid_until_ms: NOW + 9, ..body.clone() };
        let held = Held { version, body: ranked, is_published: true };
        Copies {
            redis: Said::Some(RedisFeed { version, body: Some(body.clone()) }),
            clickhouse: Said::Some(PublishedFeed {
                version,
                published_at_ms: NOW - 4,
                body: Some(body),
            }),
            state: Said::Some(held),
        }
    }

    /// What is told of copies after a change, at a time; whether it may be late; whether it is pending.
    fn told(at: i64, change: impl FnOnce(&mut Copies)) -> (Vec<String>, bool, bool) {
        let mut copies = copies(4);
        change(&mut copies);
        let compared = copies.compare(USER, copies.newest(), at);
        let words = |difference: &Difference| {
            let [one, other] = &difference.found;
            let (column, one, other) = (&difference.column, one, other);
            format!("{column}: {} {}, {} {}", one.server, one.value, other.server, other.value)
        };
        let differences = compared.differences.iter().map(words).collect();
        (differences, compared.is_behind, compared.is_pending)
    }

    fn redis(copies: &mut Copies) -> &mut RedisFeed {
        let Said::Some(feed) = &mut copies.redis else { panic!("redis has one") };
        feed
    }

    fn clickhouse(copies: &mut Copies) -> &mut PublishedFeed {
        let Said::Some(feed) = &mut copies.clickhouse else { panic!("clickhouse has one") };
        feed
    }

    fn state(copies: &mut Copies) -> &mut Held {
        let Said::Some(held) = &mut copies.state else { panic!("state has one") };
        held
    }

    fn body_of(feed: &mut Option<FeedBody>) -> &mut FeedBody {
        feed.as_mut().unwrap()
    }

    fn in_order(said: (Vec<String>, bool, bool)) -> Vec<String> {
        assert_eq!((said.1, said.2), (false, true));
        said.0
    }

    #[test]
    fn equal_copies_do_not_differ_and_readers_without_a_feed_are_equal() {
        assert_eq!(told(NOW, |_| {}), (vec![], false, false));
        let none = |copies: &mut Copies| {
            let (version, body) = (version(0), FeedBody::default());
            let held = Held { version, body, is_published: false };
            *copies = Copies { redis: Said::None, clickhouse: Said::None, state: Said::Some(held) };
        };
        assert_eq!(told(NOW, none), (vec![], false, false));
    }

    #[test]
    fn one_publication_says_the_same_wherever_it_is() {
        let (first, second) = (PostId([1; 16]), PostId([2; 16]));
        let order = in_order(told(NOW, |of| body_of(&mut redis(of).body).items.swap(0, 1)));
        let expected = [
            format!("position 1: post_id: redis {second}, clickhouse {first}"),
            format!("position 2: post_id: redis {first}, clickhouse {second}"),
        ];
        assert_eq!(order, expected);
        let count = |of: &mut Copies| body_of(&mut clickhouse(of).body).items[1].likes = 4;
        assert_eq!(told(NOW, count).0, ["position 2: likes: redis 3, clickhouse 4"]);
        let fewer = |of: &mut Copies| body_of(&mut clickhouse(of).body).items.truncate(1);
        assert_eq!(told(NOW, fewer).0, ["items: redis 2, clickhouse 1"]);
        let later = |of: &mut Copies| body_of(&mut clickhouse(of).body).valid_until_ms += 1;
        let words = format!("valid_until: redis {}, clickhouse {}", NOW + 5, NOW + 6);
        assert_eq!(told(NOW, later).0, [words]);
        let gone = |of: &mut Copies| clickhouse(of).body = None;
        assert_eq!(told(NOW, gone).0, ["feed: redis live, clickhouse gone"]);
    }

    #[test]
    fn a_copy_that_is_older_or_missing_may_be_late_and_is_told() {
        let older = told(NOW, |of| redis(of).version = version(3));
        assert_eq!(older, (vec!["version: redis 3, state 4".to_owned()], true, false));
        let state = told(NOW, |of| {
            state(of).version = version(5);
        });
        let expected = ["version: redis 4, state 5", "version: clickhouse 4, state 5"];
        assert_eq!(state, (expected.map(str::to_owned).to_vec(), true, false));
        let (lacks, is_late, _) = told(NOW, |of| of.redis = Said::None);
        assert_eq!((lacks, is_late), (vec!["version: redis none, state 4".to_owned()], true));
        let lacks = told(NOW, |of| of.clickhouse = Said::None).0;
        assert_eq!(lacks, ["version: clickhouse none, state 4"]);
    }

    #[test]
    fn a_feed_that_its_owner_has_published_is_missed_also_where_no_copy_is_left() {
        let forgotten = |of: &mut Copies| (of.redis, of.clickhouse) = (Said::None, Said::None);
        let expected = vec!["version: redis none, state 4".to_owned()];
        assert_eq!(told(NOW, forgotten), (expected.clone(), true, false));
        let alone = |of: &mut Copies| (of.redis, of.clickhouse) = (Said::None, Said::Nothing);
        assert_eq!(told(NOW, alone), (expected, true, false));
        let gone = |of: &mut Copies| {
            (redis(of).body, clickhouse(of).body) = (None, None);
        };
        assert_eq!(told(NOW, gone).0, ["feed: redis gone, state live"]);
        let withdrawn = |of: &mut Copies| {
            gone(of);
            state(of).is_published = false;
        };
        assert_eq!(told(NOW, withdrawn), (vec![], false, false));
    }

    #[test]
    fn redis_may_have_forgotten_what_is_a_day_old_and_what_is_gone_after_an_hour() {
        let lacks = |at: i64, is_gone: bool| {
            let forget = |of: &mut Copies| {
                of.redis = Said::None;
                if is_gone {
                    clickhouse(of).body = None;
                    state(of).is_published = false;
                }
            };
            told(NOW - 4 + at, forget).0.len()
        };
        let day = 24 * HOUR_MS;
        let lacking = [(day - 1, false), (day, false), (HOUR_MS - 1, true), (HOUR_MS, true)];
        assert_eq!(lacking.map(|(at, is_gone)| lacks(at, is_gone)), [1, 0, 1, 0]);
    }

    #[test]
    fn what_state_knows_better_is_pending_until_the_publication_holds_no_longer() {
        let liked = |of: &mut Copies| {
            state(of).body.items[0].likes = 5;
        };
        let holds_until = NOW + 5 + GRACE_MS;
        assert_eq!(told(holds_until - 1, liked), (vec![], false, true));
        let expected = vec!["position 1: likes: redis 3, state 5".to_owned()];
        assert_eq!(told(holds_until, liked), (expected, false, false));
        // Ranked as of another time it is another feed.
        let elsewhen = |of: &mut Copies| {
            liked(of);
            state(of).body.as_of_ms += 1;
        };
        assert_eq!(told(holds_until, elsewhen), (vec![], false, false));
    }

    #[test]
    fn a_server_that_was_not_asked_lacks_nothing() {
        assert_eq!(told(NOW, |of| of.redis = Said::Nothing), (vec![], false, false));
        assert_eq!(told(NOW, |of| of.clickhouse = Said::Nothing), (vec![], false, false));
        let alone = |of: &mut Copies| (of.redis, of.clickhouse) = (Said::Nothing, Said::Nothing);
        assert_eq!(told(NOW, alone), (vec![], false, false));
    }
}
