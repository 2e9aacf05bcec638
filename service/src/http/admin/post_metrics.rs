//! `GET /debug/post/{post_id}/metrics`: what state knows of a post, asked where it is kept.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;

use super::Admin;
use crate::http::explain::POST;
use crate::http::routes::Request;
use crate::http::{Refusal, json, request_id};

/// The answer.
#[derive(Serialize, ToSchema)]
#[schema(as = PostMetrics)]
pub struct Answer {
    post_id: Uuid,
    /// Whose it is; null as long as its row is not known.
    author_id: Option<Uuid>,
    created_at: Option<i64>,
    age_ms: Option<i64>,
    /// Whether it is there: false as long as its row is not known, and once that was deleted.
    live: bool,
    counts: Counts,
}

/// What was done to it, ever.
#[derive(Serialize, ToSchema)]
#[schema(as = PostCounts)]
struct Counts {
    likes: u32,
    comments: u32,
    shares: u32,
    exposures: u32,
}

/// Answers with what is known, by whoever keeps it.
pub async fn get(admin: &Admin, request: Request<Admin>) -> Result<Response, Refusal> {
    request.given()?;
    let post = request.named(&POST)?;
    let known = admin.reads.known(post).await;
    let known =
        known.map_err(|_| Refusal::unavailable("no worker answers, and only state knows"))?;
    let known = known.ok_or_else(Refusal::not_found)?;
    let [likes, comments, shares, exposures] = known.counts;
    let now = admin.clock.now().0;
    let answer = Answer {
        post_id: Uuid::from_bytes(post.0),
        author_id: known.author.map(Uuid::from_bytes),
        created_at: known.created_at,
        age_ms: known.created_at.map(|created_at| now.saturating_sub(created_at)),
        live: known.live,
        counts: Counts { likes, comments, shares, exposures },
    };
    Ok(json(StatusCode::OK, &answer, request_id()))
}
