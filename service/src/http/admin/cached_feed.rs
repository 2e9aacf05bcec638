//! `GET /debug/user/{user_id}/feed/cache`, `POST /admin/feed/invalidate`: the feed of a user as Redis has it, looked at and removed.
//!
//! What is removed is ranked again at the user's next read. Who is meant is told in no log: that is personal.

use connectors::redis::{FeedCache, RedisFault, RedisFeed};
use schemas::UserId;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::KnownFormat;
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;

use super::{Admin, object};
use crate::http::parameter::{Parameter, Text};
use crate::http::routes::Request;
use crate::http::{Fault, Refusal, json, request_id};

/// Whose feed.
pub static USER: Parameter<Text<UserId>> = Parameter {
    name: "user_id",
    about: "Whose feed",
    takes: Text {
        is_required: true,
        expected: "a UUID",
        format: Some(KnownFormat::Uuid),
        read: |text| text.parse().ok(),
    },
};

/// Whose feed is to be removed.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedInvalidate)]
pub struct Whose {
    user_id: Uuid,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedInvalidated)]
pub struct Removed {
    /// Whether there was one.
    removed: bool,
}

/// A feed as Redis has it.
#[derive(Serialize, ToSchema)]
#[schema(as = CachedFeed)]
pub struct Cached {
    /// Under which epoch it was published.
    epoch: u32,
    /// Its publication.
    version: u64,
    /// The rest; none of a feed that is gone.
    feed: Option<Body>,
}

/// What was published.
#[derive(Serialize, ToSchema)]
#[schema(as = CachedFeedBody)]
struct Body {
    /// As of when it was ranked, ms UTC.
    as_of: i64,
    /// Until when it holds if nothing happens, ms UTC.
    valid_until: i64,
    /// The number of the weight set.
    weight_set: u16,
    /// Whether the user follows nobody and did nothing.
    cold_start: bool,
    /// The posts, the best first.
    posts: Vec<Uuid>,
}

impl From<RedisFeed> for Cached {
    fn from(of: RedisFeed) -> Self {
        let feed = of.body.map(|body| Body {
            as_of: body.as_of_ms,
            valid_until: body.valid_until_ms,
            weight_set: body.weight_set,
            cold_start: body.cold_start,
            posts: body.items.iter().map(|item| Uuid::from_bytes(item.post.0)).collect(),
        });
        Self { epoch: of.version.feeds_epoch, version: of.version.version, feed }
    }
}

/// What Redis has.
pub async fn get(admin: &Admin, request: Request<Admin>) -> Result<Response, Refusal> {
    request.given()?;
    let user = request.named(&USER)?;
    let found = cache(admin)?.feed(user).await.map_err(unanswered)?;
    let cached = Cached::from(found.ok_or_else(Refusal::not_found)?);
    Ok(json(StatusCode::OK, &cached, request_id()))
}

/// Has Redis have it no more.
pub async fn invalidate(admin: &Admin, request: Request<Admin>) -> Result<Response, Refusal> {
    request.given()?;
    let (who, body) = (request.caller, object(admin, request).await?);
    let others = body.keys().filter(|field| *field != "user_id");
    let mut faults: Vec<_> =
        others.map(|field| Fault::of(field, "is not known; expected user_id")).collect();
    let user = body.get("user_id").and_then(Value::as_str).and_then(|text| text.parse().ok());
    if user.is_none() {
        faults.push(Fault::of("user_id", "expected a UUID"));
    }
    let (Some(user), true) = (user, faults.is_empty()) else {
        return Err(Refusal::invalid(faults));
    };
    let removed = cache(admin)?.remove(user).await.map_err(unanswered)?;
    tracing::info!(removed, %who, "a feed was removed from Redis");
    Ok(json(StatusCode::OK, &Removed { removed }, request_id()))
}

fn cache(admin: &Admin) -> Result<&FeedCache, Refusal> {
    admin.feeds.as_ref().ok_or_else(|| Refusal::unavailable("no Redis is configured"))
}

fn unanswered(fault: RedisFault) -> Refusal {
    match fault {
        RedisFault::Unavailable(_) => Refusal::unavailable("Redis does not answer"),
        RedisFault::Refused(words) => Refusal::failed(words),
    }
}
