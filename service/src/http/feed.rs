//! `GET /api/v1/feed`: the caller's feed, scored as of the current second, and who answered.

use std::time::Instant;

use connectors::postgres::{Timeline, TimelinePost};
use schemas::{FeedBody, PostId, Rule, Sources, UserId, V1};
use serde::Serialize;
use topologies::ranking::Weights;
use topologies::ranking::rerank::{Served, rerank};
use topologies::ranking::spacing::Spacer;
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;

use super::auth::Caller;
use super::query::{fault, number, parameters};
use super::{Api, Fault, Refusal, json};
use crate::read::{Algo, Found, Source};

const LIMIT: usize = 50;
const LIMIT_MAX: usize = 100;
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

/// The answer.
#[derive(Debug, Serialize)]
pub struct Feed {
    items: Vec<Item>,
    cursor: Option<String>,
    newer_cursor: Option<String>,
    source: &'static str,
    cache_hit: bool,
    fallback: bool,
    algo: &'static str,
    weight_set: u16,
    version: Option<u64>,
    as_of: i64,
    valid_until: i64,
    cold_start: bool,
    stale: bool,
    seen: &'static str,
    response_time_ms: u64,
}

#[derive(Debug, Serialize)]
struct Item {
    post_id: PostId,
    author_id: UserId,
    created_at: i64,
    score: Option<f64>,
    sources: Vec<&'static str>,
    counts: Counts,
    ctx: Ctx,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explain>,
}

#[derive(Debug, Serialize)]
struct Counts {
    likes: u32,
    comments: u32,
    shares: Option<u32>,
    exposures: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Ctx {
    request_id: String,
    position: usize,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// None of a timeline, which no weights have ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_set: Option<u16>,
}

#[derive(Debug, Serialize)]
struct Explain {
    #[serde(skip_serializing_if = "Option::is_none")]
    terms: Option<TermsShown>,
    rank: u32,
    rule: &'static str,
}

#[derive(Debug, Serialize)]
struct TermsShown {
    freshness: Freshness,
    engagement: Engagement,
    affinity: Affinity,
}

#[derive(Debug, Serialize)]
struct Freshness {
    value: f64,
    weight: f64,
    age_ms: i64,
}

#[derive(Debug, Serialize)]
struct Engagement {
    value: f64,
    weight: f64,
    likes: u32,
    comments: u32,
    shares: u32,
    exposures: u32,
}

#[derive(Debug, Serialize)]
struct Affinity {
    value: f64,
    weight: f64,
    interactions: u32,
}

/// Answers with the caller's feed.
pub async fn get(api: &Api, caller: &Caller, query: &str) -> Result<Response, Refusal> {
    let began = Instant::now();
    let asked = asked(query).map_err(Refusal::invalid)?;
    let found = api.reads.find(UserId(caller.user.into_bytes()), asked.algo).await;
    let found = found.map_err(|_| Refusal::unavailable("no tier answers"))?;
    let request = Uuid::new_v4();
    let now_ms = api.reads.now().0;
    let mut feed = feed(&found, asked, now_ms - now_ms.rem_euclid(1000), request);
    feed.response_time_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(json(StatusCode::OK, &feed, request))
}

/// Reads the query; says everything that is wrong with it.
pub fn asked(query: &str) -> Result<Asked, Vec<Fault>> {
    let mut asked = Asked { limit: LIMIT, algo: Algo::Ranked, explain: false };
    let (given, mut faults) = parameters(query);
    for (name, value) in given {
        let fault = |expected| fault(name, value, expected);
        match (name, value) {
            ("limit", _) => match number(value).filter(|limit| (1..=LIMIT_MAX).contains(limit)) {
                Some(limit) => asked.limit = limit,
                None => faults.push(fault("a number from 1 to 100")),
            },
            ("algo", "ranked") => asked.algo = Algo::Ranked,
            ("algo", "ch") => asked.algo = Algo::ClickHouse,
            ("algo", "timeline") => asked.algo = Algo::Timeline,
            ("algo", _) => faults.push(fault("ranked, ch or timeline")),
            ("explain", "1" | "true") => asked.explain = true,
            ("explain", "0" | "false") => {}
            ("explain", _) => faults.push(fault("0, 1, true or false")),
            ("cursor", _) => faults.push(Fault::of("cursor", "paging is not offered yet")),
            (_, _) => faults.push(Fault::of(name, "is no parameter of this route")),
        }
    }
    if faults.is_empty() { Ok(asked) } else { Err(faults) }
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
    let (item, terms) = (&served.item, &served.terms);
    Explain {
        terms: Some(TermsShown {
            freshness: Freshness {
                value: terms.freshness,
                weight: weights.freshness,
                age_ms: now_ms.saturating_sub(item.created_at_ms).max(0),
            },
            engagement: Engagement {
                value: terms.engagement,
                weight: weights.engagement,
                likes: item.likes,
                comments: item.comments,
                shares: item.shares,
                exposures: item.exposures,
            },
            affinity: Affinity {
                value: terms.affinity,
                weight: weights.affinity,
                interactions: item.affinity,
            },
        }),
        rank: served.rank,
        rule: served.rule.name(),
    }
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
