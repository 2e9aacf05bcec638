//! `GET /api/v1/discover/suggested-users`: whom the caller may want to follow, and why; `POST /api/v1/discover/dismiss`: whom not
//! to suggest again.

use std::time::Instant;

use schemas::{Dismissal, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;

use super::parameter::{Number, Parameter};
use super::routes::Request;
use super::{Api, Fault, Refusal, at, body, json, request_id};
use crate::read::suggestions::{LeftOutShown, SUGGESTED_MAX, SuggestedUser};

/// How many.
pub static LIMIT: Parameter<Number> = Parameter {
    name: "limit",
    about: "How many",
    takes: Number { from: 1, to: SUGGESTED_MAX, unless_told: 20 },
};

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SuggestionsAnswer)]
pub struct Answer {
    /// The best first.
    items: Vec<SuggestedUser>,
    /// Who had them; null if nobody did.
    source: Option<&'static str>,
    /// Whether nobody who knows answers, so that they are of before.
    stale: bool,
    /// Whether nobody could be suggested.
    fallback: bool,
    /// When they were worked out, ms UTC; null if nobody did.
    as_of: Option<i64>,
    /// How much was not looked at, because there is too much of it.
    left_out: LeftOutShown,
    response_time_ms: u64,
}

/// Answers with suggestions.
pub async fn get(api: &Api, request: Request) -> Result<Response, Refusal> {
    let began = Instant::now();
    let limit = request.given()?.get(&LIMIT);
    let weights = api.suggestions.get().ok_or_else(Refusal::not_found)?;
    let user = UserId(request.caller.user.into_bytes());
    let found = api.reads.suggestions(user, &weights).await.ok();
    let as_of = found.as_ref().map(|(suggested, ..)| suggested.as_of);
    let left_out = found.as_ref().map(|(suggested, ..)| suggested.left_out).unwrap_or_default();
    let source = found.as_ref().map(|(_, source, _)| source.name());
    let stale = found.as_ref().is_some_and(|(.., stale)| *stale);
    let mut items = found.map(|(suggested, ..)| suggested.items).unwrap_or_default();
    items.truncate(limit);
    let answer = Answer {
        fallback: items.is_empty(),
        items,
        source,
        stale,
        as_of,
        left_out,
        response_time_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    Ok(json(StatusCode::OK, &answer, request_id()))
}

/// Who is not to be suggested.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Dismiss {
    user_id: Uuid,
}

/// That it is so.
#[derive(Serialize, ToSchema)]
#[schema(as = DismissAnswer)]
pub struct Dismissed {
    /// Who is not suggested to the caller any more.
    dismissed: Uuid,
}

/// Takes a dismissal; answers when Kafka has it.
pub async fn post(api: &Api, request: Request) -> Result<Response, Refusal> {
    request.given()?;
    api.suggestions.get().ok_or_else(Refusal::not_found)?;
    let Request { caller, headers, body, .. } = request;
    let body = body::of_json(body, &headers, api.body.get()).await?;
    let wrong = |e: serde_json::Error| Refusal::invalid(vec![Fault::of("user_id", e.to_string())]);
    // Of a struct serde takes an array for its fields too.
    let body: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&body).map_err(wrong)?;
    let Dismiss { user_id } = serde_json::from_value(body.into()).map_err(wrong)?;
    if user_id == caller.user {
        return Err(Refusal::invalid(vec![Fault::of("user_id", "is the caller")]));
    }
    let (user, whom) = (UserId(caller.user.into_bytes()), UserId(user_id.into_bytes()));
    let said = Dismissal { whom, at_ms: api.reads.now().0 };
    let stored = api.log.dismiss(user, said).await;
    let position = stored.map_err(|_| Refusal::unavailable("the dismissal could not be stored"))?;
    let answer = json(StatusCode::ACCEPTED, &Dismissed { dismissed: user_id }, request_id());
    Ok(at(answer, &position))
}
