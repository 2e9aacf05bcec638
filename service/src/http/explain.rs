//! `GET /api/v1/feed/explain/{post_id}`: why a post stands in the caller's feed, or does not.
//!
//! State says it, ranked as of now; a feed that was served before may have been another one.

use std::time::Instant;

use schemas::PostId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::KnownFormat;
use warp::http::StatusCode;
use warp::reply::Response;

use super::parameter::{Parameter, Text};
use super::routes::Request;
use super::{Api, Refusal, json, request_id};
use crate::read::{Source, Why};

/// Which post.
pub static POST: Parameter<Text<PostId>> = Parameter {
    name: "post_id",
    about: "Which post",
    takes: Text {
        is_required: true,
        expected: "a UUID",
        format: Some(KnownFormat::Uuid),
        read: |text| text.parse().ok(),
    },
};

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WhyAnswer)]
pub struct Answer {
    #[serde(flatten)]
    why: Why,
    /// Who said it.
    source: &'static str,
    response_time_ms: u64,
}

/// Answers with the reason.
pub async fn get(api: &Api, request: Request) -> Result<Response, Refusal> {
    let began = Instant::now();
    let user = request.reader(&request.given()?)?;
    let post = request.named(&POST)?;
    let why = api.reads.why(user, post).await;
    let why = why.map_err(|_| Refusal::unavailable("no worker answers, and only state knows"))?;
    let response_time_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let answer = Answer { why, source: Source::State.name(), response_time_ms };
    Ok(json(StatusCode::OK, &answer, request_id()))
}
