//! `GET /api/v1/feed/trending`: what trends within an hour, a day or a week, the same for every caller.
//!
//! The list is that of the window which ends with the current bucket, whoever has it and since when. An empty list says
//! so by `fallback`: nothing trends, or nobody who knows answers.

use std::time::Instant;

use schemas::{PostId, Trending, TrendingWindow, UserId};
use serde::Serialize;
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;

use super::query::{fault, number, parameters};
use super::{Api, Fault, Refusal, json};

const LIMIT: usize = 50;
const LIMIT_MAX: usize = schemas::TRENDING_MAX;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    window: TrendingWindow,
    limit: usize,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Answer {
    items: Vec<Item>,
    window: &'static str,
    /// Who had the list; null if nobody did.
    source: Option<&'static str>,
    fallback: bool,
    /// When the list was put together; null if there is none.
    as_of: Option<i64>,
    response_time_ms: u64,
}

#[derive(Debug, Serialize)]
struct Item {
    post_id: PostId,
    author_id: UserId,
    created_at: i64,
    score: u32,
    counts: Counts,
}

#[derive(Debug, Serialize)]
struct Counts {
    likes: u32,
    comments: u32,
    shares: u32,
}

/// Answers with the list.
pub async fn get(api: &Api, query: &str) -> Result<Response, Refusal> {
    let began = Instant::now();
    let Asked { window, limit } = asked(query).map_err(Refusal::invalid)?;
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
    Ok(json(StatusCode::OK, &answer, Uuid::new_v4()))
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

/// Reads the query; says everything that is wrong with it.
fn asked(query: &str) -> Result<Asked, Vec<Fault>> {
    let mut asked = Asked { window: TrendingWindow::Day, limit: LIMIT };
    let (given, mut faults) = parameters(query);
    for (name, value) in given {
        match name {
            "window" => match TrendingWindow::of_name(value) {
                Some(window) => asked.window = window,
                None => faults.push(fault(name, value, "1h, 24h or 7d")),
            },
            "limit" => match number(value).filter(|limit| (1..=LIMIT_MAX).contains(limit)) {
                Some(limit) => asked.limit = limit,
                None => faults.push(fault(name, value, "a number from 1 to 200")),
            },
            _ => faults.push(Fault::of(name, "is no parameter of this route")),
        }
    }
    if faults.is_empty() { Ok(asked) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_and_fifty_posts_are_asked_for_unless_the_query_says_otherwise() {
        let day = Asked { window: TrendingWindow::Day, limit: 50 };
        assert_eq!(asked("").ok(), Some(day));
        let week = Asked { window: TrendingWindow::Week, limit: 200 };
        assert_eq!(asked("window=7d&limit=200").ok(), Some(week));
    }

    #[test]
    fn every_fault_of_a_query_is_said_at_once() {
        let faults = asked("window=2h&limit=201&algo=ch&limit=1").unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:?}");
    }
}
