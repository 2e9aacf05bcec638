//! `GET /api/v1/feed`: the caller's feed, scored as of the current second, and who answered.

use std::time::Instant;

use connectors::postgres::{Timeline, TimelinePost};
use schemas::{FeedBody, PostId, Rule, Sources, UserId, V1};
use serde::Serialize;
use topologies::ranking::Weights;
use topologies::ranking::rerank::{Served, rerank};
use topologies::ranking::spacing::Spacer;
use utoipa::ToSchema;
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;

use super::parameter::{FLAG, Number, OneOf, Parameter};
use super::routes::Request;
use super::{Api, Refusal, json};
use crate::read::terms::TermsShown;
use crate::read::{Algo, Found, Source};

/// Until when a timeline may be kept by its reader.
const TIMELINE_MS: i64 = 600_000;

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
    /// What spacing did: none, spaced, distance_dropped or top5_dropped.
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

/// Answers with the caller's feed.
pub async fn get(api: &Api, request: Request) -> Result<Response, Refusal> {
    let began = Instant::now();
    let given = request.given(&[&LIMIT, &ALGO, &EXPLAIN])?;
    let asked =
        Asked { limit: given.get(&LIMIT), algo: given.get(&ALGO), explain: given.get(&EXPLAIN) };
    let found = api.reads.find(UserId(request.caller.user.into_bytes()), asked.algo).await;
    let found = found.map_err(|_| Refusal::unavailable("no tier answers"))?;
    let id = Uuid::new_v4();
    let now_ms = api.reads.now().0;
    let mut feed = feed(&found, asked, now_ms - now_ms.rem_euclid(1000), id);
    feed.response_time_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(json(StatusCode::OK, &feed, id))
}

/// The answer made of what was found, as of `now_ms`.
pub fn feed(found: &Found, asked: Asked, now_ms: i64, request: Uuid) -> Feed {
    let ranked_by = match found {
        Found::Ranked { body, .. } => Some(body.weight_set),
        Found::Timeline(_) => None,
    };
    let weight_set = ranked_by.unwrap_or(V1);
    let ctx = |position, version| Ctx {
        request_id: request.to_string(),
        position,
        source: found.source().name(),
        version,
        weight_set: ranked_by,
    };
    let mut feed = Feed {
        items: Vec::new(),
        cursor: None,
        newer_cursor: None,
        source: found.source().name(),
        cache_hit: found.source() == Source::Redis,
        fallback: false,
        algo: Algo::Ranked.name(),
        weight_set,
        version: None,
        as_of: now_ms,
        valid_until: now_ms.saturating_add(TIMELINE_MS),
        cold_start: false,
        stale: false,
        seen: "full",
        response_time_ms: 0,
    };
    match found {
        Found::Ranked { version, body, stale, .. } => {
            feed.version = *version;
            let by_clickhouse = feed.source == Source::ClickHouse.name();
            if asked.algo == Algo::ClickHouse {
                feed.fallback = !by_clickhouse;
                feed.algo = if by_clickhouse { asked.algo } else { Algo::Ranked }.name();
            }
            feed.valid_until = body.valid_until_ms;
            feed.cold_start = body.cold_start;
            feed.stale = *stale;
            feed.items = ranked(body, asked, now_ms, |at| ctx(at, *version));
        }
        Found::Timeline(timeline) => {
            feed.algo = Algo::Timeline.name();
            feed.fallback = asked.algo != Algo::Timeline;
            feed.cold_start = timeline.cold_start;
            feed.seen = "partial";
            feed.items = by_time(timeline, asked, |at| ctx(at, None));
        }
    }
    feed
}

fn ranked(body: &FeedBody, asked: Asked, now_ms: i64, ctx: impl Fn(usize) -> Ctx) -> Vec<Item> {
    let weights = Weights::of(body);
    let served = rerank(body, &weights, now_ms).into_iter().take(asked.limit);
    let item = |(position, served): (usize, Served)| Item {
        post_id: served.item.post,
        author_id: served.item.author,
        created_at: served.item.created_at_ms,
        score: Some(served.terms.score),
        sources: served.item.sources.names().collect(),
        counts: Counts {
            likes: served.item.likes,
            comments: served.item.comments,
            shares: Some(served.item.shares),
            exposures: Some(served.item.exposures),
        },
        ctx: ctx(position),
        explain: asked.explain.then(|| explain(&served, &weights, now_ms)),
    };
    (1..).zip(served).map(item).collect()
}

fn explain(served: &Served, weights: &Weights, now_ms: i64) -> Explain {
    let terms = TermsShown::of(&served.item, &served.terms, (weights, now_ms));
    Explain { terms: Some(terms), rank: served.rank, rule: served.rule.name() }
}

fn by_time(timeline: &Timeline, asked: Asked, ctx: impl Fn(usize) -> Ctx) -> Vec<Item> {
    let sources = if timeline.followed { Sources::FOLLOW } else { Sources::NONE };
    let mut ranked = (1_u32..).zip(&timeline.posts).map(|(rank, post)| ((rank, post), post.author));
    let mut items = Vec::with_capacity(asked.limit);
    let mut place = |(rank, post): (u32, &TimelinePost), rule: Rule| {
        items.push(Item {
            post_id: post.post,
            author_id: post.author,
            created_at: post.created_at_ms,
            score: None,
            sources: sources.names().collect(),
            counts: Counts {
                likes: post.likes,
                comments: post.comments,
                shares: None,
                exposures: None,
            },
            ctx: ctx(items.len() + 1),
            explain: asked.explain.then(|| Explain { terms: None, rank, rule: rule.name() }),
        });
    };
    let spacing = (Weights::v1().spacing, asked.limit);
    Spacer::default().space(spacing, || ranked.next(), &mut place);
    items
}
