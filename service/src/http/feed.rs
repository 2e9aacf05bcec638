//! `GET /api/v1/feed`: the caller's feed, scored as of the current second, and who answered; page by page where it goes on.

use std::sync::Arc;
use std::time::Instant;

use schemas::{Facts, FeedItem, PostId, UserId, V1};
use serde::Serialize;
use topologies::ranking::{Policies, Scorer};
use utoipa::ToSchema;
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;

use super::cursor::{Cursor, CursorFault, IDLE_MS_MAX, Known, Left, Rest};
use super::page::{self, Entry, Page, Shown};
use super::parameter::{FLAG, Number, OneOf, Parameter, Text};
use super::routes::Request;
use super::{Api, Fault, Refusal, json, request_id};
use crate::read::terms::TermsShown;
use crate::read::{Algo, Found, Nobody, Source};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// How many items.
    pub limit: usize,
    /// In which order.
    pub algo: Algo,
    /// Whether to say why.
    pub explain: bool,
}

/// A feed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Feed {
    items: Vec<Item>,
    /// What the next page is asked for with.
    cursor: Option<String>,
    /// What is asked with for what ranks above since.
    newer_cursor: Option<String>,
    /// Who answered: redis, state, clickhouse or postgres.
    source: &'static str,
    /// Whether it was Redis.
    cache_hit: bool,
    /// Whether what was served is not what was asked for.
    fallback: bool,
    /// What ordered it: ranked, ch or timeline.
    algo: &'static str,
    /// The number of the weight set by which it is scored.
    weight_set: u16,
    /// The version of the feed; null where it has none, as from PostgreSQL.
    version: Option<u64>,
    /// The time by which it is scored, the current second, ms UTC.
    as_of: i64,
    /// Until when it would be the same but for the clock's part in the scores, ms UTC.
    valid_until: i64,
    /// Whether the reader follows nobody and has done nothing lately: then it is what trends.
    cold_start: bool,
    /// Whether it may lack what was done lately.
    stale: bool,
    /// Whether all that was seen is left out, or only what the reader liked and commented on: full or partial.
    seen: &'static str,
    /// What the weight set asks for beyond `v1`.
    #[serde(skip)]
    facts: Option<Facts>,
    /// How long the answer took.
    response_time_ms: u64,
}

/// A post in a feed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FeedItem)]
struct Item {
    post_id: PostId,
    author_id: UserId,
    /// When it was made, ms UTC.
    created_at: i64,
    /// Null in a timeline.
    score: Option<f64>,
    /// Why it may be here: follow, trending, affinity.
    sources: Vec<&'static str>,
    counts: Counts,
    ctx: Ctx,
    /// Only with `explain=1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explain>,
}

/// What was done to a post, ever.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FeedCounts)]
struct Counts {
    likes: u32,
    comments: u32,
    /// Null in a timeline: PostgreSQL does not know it.
    shares: Option<u32>,
    /// How often it was shown or looked at; null in a timeline.
    exposures: Option<u32>,
}

/// What names an item; events about it bring this back.
#[derive(Debug, Serialize, ToSchema)]
struct Ctx {
    request_id: String,
    /// Its place, from 1.
    position: usize,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// None of a timeline, which no weights have ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_set: Option<u16>,
}

/// Why an item stands where it stands.
#[derive(Debug, Serialize, ToSchema)]
struct Explain {
    /// What the score is made of: the sum of weight x value.
    #[serde(skip_serializing_if = "Option::is_none")]
    terms: Option<TermsShown>,
    /// Its place by score alone, before spacing.
    rank: u32,
    /// What spacing did: none, spaced, distance_dropped, top5_dropped or reserved.
    rule: &'static str,
}

/// How many items.
pub static LIMIT: Parameter<Number> = Parameter {
    name: "limit",
    about: "How many items",
    takes: Number { from: 1, to: 100, unless_told: 50 },
};
/// In which order.
pub static ALGO: Parameter<OneOf<Algo>> = Parameter {
    name: "algo",
    about: "The ranking; the same made by ClickHouse; or what followees posted, newest first",
    takes: OneOf {
        words: &[("ranked", Algo::Ranked), ("ch", Algo::ClickHouse), ("timeline", Algo::Timeline)],
        unless_told: ("ranked", Algo::Ranked),
    },
};
/// Whether to say why.
pub static EXPLAIN: Parameter<OneOf<bool>> = Parameter {
    name: "explain",
    about: "Whether each item says why it stands where it stands",
    takes: FLAG,
};

/// Where it goes on.
pub static CURSOR: Parameter<Text<String>> = Parameter {
    name: "cursor",
    about: "A `cursor` or a `newer_cursor` of an answer that is no older than 10 minutes",
    takes: Text {
        is_required: false,
        expected: "a cursor of an answer",
        format: None,
        read: |text| (!text.is_empty()).then(|| text.to_owned()),
    },
};

/// Answers with the caller's feed.
pub async fn get(api: &Api, request: Request) -> Result<Response, Refusal> {
    let began = Instant::now();
    let given = request.given()?;
    let (user, now_ms) = (request.reader(&given)?, api.reads.now().0);
    let mut asked =
        Asked { limit: given.get(&LIMIT), algo: given.get(&ALGO), explain: given.get(&EXPLAIN) };
    let cursor = given.told(&CURSOR).map(|text| api.cursors.read(&text, user, now_ms));
    let wrong =
        |fault: CursorFault| Refusal::invalid(vec![Fault::of(CURSOR.name, fault.to_string())]);
    let cursor = cursor.transpose().map_err(wrong)?;
    if let Some(cursor) = &cursor {
        if given.told(&ALGO).is_some_and(|algo| algo != cursor.algo) {
            let words = format!("the cursor is of a feed by {}", cursor.algo.name());
            return Err(Refusal::invalid(vec![Fault::of(ALGO.name, words)]));
        }
        asked.algo = cursor.algo;
    }
    let id = request_id();
    let is_ranked = api.flags.known().ranks(&user);
    let second = now_ms - now_ms.rem_euclid(1000);
    let weights = api.weights.known();
    let answering = Answering {
        api,
        weights: &weights,
        user,
        asked,
        is_ranked,
        issued_ms: now_ms,
        now_ms: second,
        id,
    };
    let mut feed = match &cursor {
        None => answering.first(None).await?,
        Some(Cursor { rest: Rest::Newer(known), .. }) => answering.first(Some(known)).await?,
        Some(of @ Cursor { rest: Rest::Older { shown, left }, .. }) => {
            answering.next(of, (*shown, left)).await?
        }
    };
    if api.remembers_shown {
        api.reads.tell_served(user, feed.items.iter().map(|item| item.post_id).collect());
    }
    feed.response_time_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(json(StatusCode::OK, &feed, id))
}

/// A request on its way to its answer.
struct Answering<'a> {
    api: &'a Api,
    weights: &'a Policies,
    user: UserId,
    asked: Asked,
    /// Whether operators give this reader the ranking.
    is_ranked: bool,
    issued_ms: i64,
    /// The current second.
    now_ms: i64,
    id: Uuid,
}

impl Answering<'_> {
    /// The first page of the feed as it is now, or what of it stands above what is known.
    async fn first(&self, known: Option<&Known>) -> Result<Feed, Refusal> {
        let found = self.find().await.map_err(|Nobody| Refusal::unavailable("no tier answers"))?;
        let entries = match &*found {
            Found::Ranked { body, .. } => {
                page::of_body(body, (self.weights.of_set(body.weight_set), self.now_ms))
            }
            Found::Timeline(timeline) => page::of_timeline(timeline),
        };
        let (page, known) = match known {
            None => {
                let page = Page::first(entries, self.asked.limit);
                let known = page.known();
                (page, known)
            }
            Some(known) => Page::newer(entries, known, self.asked.limit),
        };
        let mut feed = self.head(found.source());
        match &*found {
            Found::Ranked { version, body, stale, .. } => {
                feed.version = *version;
                let by_clickhouse = found.source() == Source::ClickHouse;
                if self.asked.algo == Algo::ClickHouse {
                    feed.fallback = !by_clickhouse;
                    feed.algo = if by_clickhouse { self.asked.algo } else { Algo::Ranked }.name();
                }
                feed.weight_set = body.weight_set;
                feed.valid_until = body.valid_until_ms;
                feed.cold_start = body.cold_start;
                feed.facts = body.facts;
                feed.stale = *stale;
            }
            Found::Timeline(timeline) => {
                self.is_timeline(&mut feed);
                feed.cold_start = timeline.cold_start;
            }
        }
        self.fill(&mut feed, &page);
        feed.newer_cursor = Some(self.cursor(&feed, Rest::Newer(known)));
        Ok(feed)
    }

    /// What was asked for; the timeline for whom the ranking is not on yet, unless nobody has that.
    async fn find(&self) -> Result<Arc<Found>, Nobody> {
        let (reads, asked) = (&self.api.reads, self.asked.algo);
        if !self.is_ranked && asked == Algo::Ranked {
            let timeline = reads.find(self.user, Algo::Timeline).await;
            if timeline.is_ok() {
                return timeline;
            }
        }
        reads.find(self.user, asked).await
    }

    /// The next page of a snapshot, of what may still be shown of it.
    async fn next(&self, of: &Cursor, (shown, left): (u16, &[Left])) -> Result<Feed, Refusal> {
        let posts: Vec<_> = left.iter().map(|left| left.post).collect();
        let ranked = match self.asked.algo {
            Algo::Timeline => Err(Nobody),
            Algo::Ranked | Algo::ClickHouse => {
                self.api.reads.still_shown(self.user, posts.clone()).await
            }
        };
        let (found, source) = match ranked {
            Ok((items, source)) => (items.into_iter().map(Shown::Ranked).collect(), source),
            Err(Nobody) => {
                let found = self.api.reads.still_in_timeline(self.user, &posts).await;
                let found = found.map_err(|Nobody| Refusal::unavailable("no tier answers"))?;
                let posts: Vec<_> = found.posts.into_iter().map(Shown::Timeline).collect();
                (posts, Source::Postgres)
            }
        };
        let page = Page::next(shown, left, &found, self.asked.limit);
        let mut feed = self.head(source);
        feed.version = of.version;
        feed.weight_set = of.weight_set;
        feed.cold_start = of.cold_start;
        feed.facts = of.facts;
        match source {
            Source::Postgres => self.is_timeline(&mut feed),
            // It may lack what was deleted, or seen, since.
            Source::Redis => feed.stale = true,
            Source::State | Source::ClickHouse => {}
        }
        self.fill(&mut feed, &page);
        Ok(feed)
    }

    fn head(&self, source: Source) -> Feed {
        Feed {
            items: Vec::new(),
            cursor: None,
            newer_cursor: None,
            source: source.name(),
            cache_hit: source == Source::Redis,
            fallback: false,
            algo: self.asked.algo.name(),
            weight_set: V1,
            version: None,
            as_of: self.now_ms,
            valid_until: self.now_ms.saturating_add(IDLE_MS_MAX),
            cold_start: false,
            facts: None,
            stale: false,
            seen: "full",
            response_time_ms: 0,
        }
    }

    fn is_timeline(&self, feed: &mut Feed) {
        feed.algo = Algo::Timeline.name();
        feed.fallback = self.asked.algo != Algo::Timeline;
        feed.seen = "partial";
    }

    /// Puts a page into an answer, and where it goes on.
    fn fill(&self, feed: &mut Feed, page: &Page) {
        let scorer = Scorer::new(self.weights.of_set(feed.weight_set), feed.facts, self.now_ms);
        let mut items = Vec::with_capacity(page.entries.len());
        for (position, entry) in (usize::from(page.shown) + 1..).zip(&page.entries) {
            items.push(self.item((position, entry), feed, &scorer));
        }
        feed.items = items;
        if !page.left.is_empty() {
            let (shown, left) = (page.shown_then(), page.left.clone());
            feed.cursor = Some(self.cursor(feed, Rest::Older { shown, left }));
        }
    }

    fn cursor(&self, feed: &Feed, rest: Rest) -> String {
        let cursor = Cursor {
            user: self.user,
            algo: self.asked.algo,
            issued_ms: self.issued_ms,
            weight_set: feed.weight_set,
            version: feed.version,
            cold_start: feed.cold_start,
            facts: feed.facts,
            rest,
        };
        self.api.cursors.write(&cursor)
    }

    fn item(&self, (position, entry): (usize, &Entry), feed: &Feed, scorer: &Scorer<'_>) -> Item {
        let Entry { left, post } = entry;
        let (rank, rule) = (left.rank.into(), left.rule.name());
        let explain = |terms: &dyn Fn() -> Option<TermsShown>| {
            self.asked.explain.then(|| Explain { terms: terms(), rank, rule })
        };
        let is_ranked = matches!(post, Shown::Ranked(_));
        let ctx = Ctx {
            request_id: self.id.to_string(),
            position,
            source: feed.source,
            version: feed.version,
            weight_set: is_ranked.then_some(feed.weight_set),
        };
        let sources = left.sources.names().collect();
        match post {
            Shown::Ranked(of) => {
                // Later pages know by the cursor where it came from.
                let Left { sources: from, ignored, unseen, .. } = *left;
                let terms = scorer.item(&FeedItem { sources: from, ignored, unseen, ..*of });
                let at = (scorer.weights(), self.now_ms);
                Item {
                    post_id: of.post,
                    author_id: of.author,
                    created_at: of.created_at_ms,
                    score: Some(terms.score),
                    sources,
                    counts: Counts {
                        likes: of.likes,
                        comments: of.comments,
                        shares: Some(of.shares),
                        exposures: Some(of.exposures),
                    },
                    ctx,
                    explain: explain(&|| Some(TermsShown::of(of, &terms, at))),
                }
            }
            Shown::Timeline(of) => Item {
                post_id: of.post,
                author_id: of.author,
                created_at: of.created_at_ms,
                score: None,
                sources,
                counts: Counts {
                    likes: of.likes,
                    comments: of.comments,
                    shares: None,
                    exposures: None,
                },
                ctx,
                explain: explain(&|| None),
            },
        }
    }
}
