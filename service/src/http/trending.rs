//! `GET /api/v1/feed/trending`: what trends within an hour, a day or a week, the same for every caller.
//!
//! The list is that of the window which ends with the current bucket, whoever has it and since when. An empty list says
//! so by `fallback`: nothing trends, or nobody who knows answers.

use std::time::Instant;

use schemas::{PostId, Trending, TrendingWindow, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use warp::http::StatusCode;
use warp::reply::Response;

use super::parameter::{Number, OneOf, Parameter};
use super::routes::Request;
use super::{Api, Refusal, json, request_id};

/// Within which time.
pub static WINDOW: Parameter<OneOf<TrendingWindow>> = Parameter {
    name: "window",
    about: "Within which time",
    takes: OneOf {
        words: &[
            ("1h", TrendingWindow::Hour),
            ("24h", TrendingWindow::Day),
            ("7d", TrendingWindow::Week),
        ],
        unless_told: ("24h", TrendingWindow::Day),
    },
};
/// How many items.
pub static LIMIT: Parameter<Number> = Parameter {
    name: "limit",
    about: "How many items",
    takes: Number { from: 1, to: schemas::TRENDING_MAX, unless_told: 50 },
};

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrendingAnswer)]
pub struct Answer {
    items: Vec<Item>,
    window: &'static str,
    /// Who had the list; null if nobody did.
    source: Option<&'static str>,
    fallback: bool,
    /// When the list was put together; null if there is none.
    as_of: Option<i64>,
    response_time_ms: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrendingItem)]
struct Item {
    post_id: PostId,
    author_id: UserId,
    created_at: i64,
    score: u32,
    counts: Counts,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrendingCounts)]
struct Counts {
    likes: u32,
    comments: u32,
    shares: u32,
}

/// Answers with the list.
pub async fn get(api: &Api, request: Request) -> Result<Response, Refusal> {
    let began = Instant::now();
    let given = request.given()?;
    let (window, limit) = (given.get(&WINDOW), given.get(&LIMIT));
    let found = api.reads.trending(window).await;
    let items = found.as_ref().map(|(trending, _)| items(trending, (window, api.reads.now().0)));
    let items: Vec<_> = items.into_iter().flatten().take(limit).collect();
    let answer = Answer {
        fallback: items.is_empty(),
        items,
        window: window.name(),
        source: found.as_ref().map(|(_, source)| source.name()),
        as_of: found.as_ref().map(|(trending, _)| trending.as_of_ms),
        response_time_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    Ok(json(StatusCode::OK, &answer, request_id()))
}

fn items(trending: &Trending, (window, now_ms): (TrendingWindow, i64)) -> Vec<Item> {
    let list = trending.list(window, now_ms);
    let posts = list.into_iter().flat_map(|list| trending.posts_of(list));
    let item = |(post, score): (&schemas::TrendingPost, u32)| Item {
        post_id: post.post,
        author_id: post.author,
        created_at: post.created_at_ms,
        score,
        counts: Counts { likes: post.likes, comments: post.comments, shares: post.shares },
    };
    posts.map(item).collect()
}
