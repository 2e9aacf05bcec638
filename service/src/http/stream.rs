//! `GET /api/v1/feed/stream`: the caller's feed, followed live, as server-sent events.
//!
//! First comes a `snapshot`, the feed as a document; then, for each publication that changed it, a `patch` over what was sent
//! last (RFC 6902). The id of an event is the version and the second of its document. A client that comes back with it gets a
//! patch if that version still is the newest, since the document can be made again from it, else a snapshot.
//!
//! Nothing is buffered for a client: what it is sent next is worked out when it takes it. So who is slow misses what was
//! between, and who is very slow is sent a snapshot anew. Comments keep the connection alive meanwhile.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use schemas::{Facts, FeedBody, UserId};
use serde::Serialize;
use sync_wrapper::SyncStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use topologies::ranking::rerank::rerank;
use topologies::ranking::weights::{Arms, Points};
use topologies::ranking::{Scorer, Weights};
use utoipa::ToSchema;
use warp::Reply;
use warp::reply::Response;
use warp::sse::{self, Event};

use super::patch::{LiveItem, Operation, between};
use super::routes::{Request, header};
use super::{Api, Refusal, feed};
use crate::edge::stopped;
use crate::flags::Flag;
use crate::metrics::Metrics;
use crate::read::{Algo, Found};

/// How often it is looked whether there is a new version.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a reader who follows the feed is told of, so that it is kept ranked.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// How often a comment is sent if nothing else is.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Who has taken nothing for so long is sent a snapshot.
const SLOW: Duration = Duration::from_secs(60);

/// A feed as a document that patches are applied to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = FeedSnapshot)]
pub struct Snapshot {
    /// The best first.
    items: Vec<LiveItem>,
    /// The version of the feed; null where it has none.
    version: Option<u64>,
    weight_set: u16,
    weights: LiveWeights,
    cold_start: bool,
    /// The time of its order, ms UTC.
    as_of: i64,
}

/// What the terms weigh, and what they are made of: a score is the sum of weight x term.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
struct LiveWeights {
    freshness: f64,
    engagement: f64,
    affinity: f64,
    /// Freshness is exp(-this x age in hours).
    decay_per_hour: f64,
    /// What a like, a comment and a share add to engagement.
    points: [u32; 3],
    /// Whether the weight set computes terms from more than an item has: a read with `explain` tells them.
    arms: bool,
}

impl LiveWeights {
    fn of(weights: &Weights, facts: Option<Facts>) -> Self {
        let [freshness, engagement, affinity] = Scorer::new(weights, facts, 0).weights();
        let Points { like, comment, share } = weights.points;
        Self {
            freshness,
            engagement,
            affinity,
            decay_per_hour: weights.decay_per_hour,
            points: [like, comment, share],
            arms: weights.arms != Arms::default(),
        }
    }
}

impl Snapshot {
    /// The feed as it is served as of a second.
    fn of(
        body: &FeedBody,
        version: Option<u64>,
        (weights, as_of, limit): (&Weights, i64, usize),
    ) -> Self {
        let items = rerank(body, weights, as_of).iter().take(limit).map(Into::into).collect();
        Self {
            items,
            version,
            weight_set: body.weight_set,
            weights: LiveWeights::of(weights, body.facts),
            cold_start: body.cold_start,
            as_of,
        }
    }

    fn is_weighed_as(&self, other: &Self) -> bool {
        (self.weight_set, self.weights) == (other.weight_set, other.weights)
    }

    fn id(&self) -> String {
        format!("{}-{}", self.version.unwrap_or(0), self.as_of)
    }

    /// What makes this one of another.
    fn since(&self, before: &Self) -> Vec<Operation> {
        let mut operations = between(&before.items, &self.items);
        if !operations.is_empty() {
            let head = [
                ("version", serde_json::json!(self.version)),
                ("as_of", serde_json::json!(self.as_of)),
                ("cold_start", serde_json::json!(self.cold_start)),
            ];
            operations.extend(
                head.map(|(name, value)| Operation::Replace { path: format!("/{name}"), value }),
            );
        }
        operations
    }
}

/// The version and the second of a document, as an id names them.
fn read_id(id: &str) -> Option<(u64, i64)> {
    let (version, as_of) = id.split_once('-')?;
    Some((version.parse().ok()?, as_of.parse().ok()?))
}

/// Follows the caller's feed.
pub async fn get(api: &Arc<Api>, request: Request) -> Result<Response, Refusal> {
    let limit = request.given()?.get(&feed::LIMIT);
    let last = header(&request.headers, "last-event-id")?.and_then(read_id);
    let user = UserId(request.caller.user.into_bytes());
    if !is_shown(api, &user) {
        return Err(Refusal::turned_off("feeds cannot be followed live now"));
    }
    let following = Following {
        api: Arc::clone(api),
        user,
        limit,
        last,
        sent: None,
        taken: Instant::now(),
        told: None,
        _open: Open::of(&api.metrics),
    };
    let alive = sse::keep_alive().interval(HEARTBEAT).text("alive");
    // A body is polled by one at a time; warp wants to hear it from the type.
    let events = SyncStream::new(following.events(api.stopped.clone()));
    let mut answer = sse::reply(alive.stream(events)).into_response();
    // A proxy that gathers an answer before it passes it on would hold everything back.
    answer.headers_mut().insert("x-accel-buffering", warp::http::HeaderValue::from_static("no"));
    Ok(answer)
}

/// Whether operators let this reader follow the ranking.
fn is_shown(api: &Api, user: &UserId) -> bool {
    let flags = api.flags.known();
    flags.is_on(Flag::Streams) && flags.ranks(user)
}

/// A client that follows a feed.
struct Following {
    api: Arc<Api>,
    user: UserId,
    limit: usize,
    /// What the client says it has.
    last: Option<(u64, i64)>,
    /// What it was sent.
    sent: Option<Snapshot>,
    /// When it took something last.
    taken: Instant,
    /// When the reader was told of last.
    told: Option<Instant>,
    _open: Open,
}

/// Counts the streams that are open.
struct Open(Arc<Metrics>);

impl Open {
    fn of(metrics: &Arc<Metrics>) -> Self {
        metrics.streams.inc();
        Self(Arc::clone(metrics))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.streams.dec();
    }
}

impl Following {
    /// Its events, until the process stops or operators turn it off.
    fn events(
        self,
        stop: watch::Receiver<bool>,
    ) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
        unfold((self, stop), |(mut following, stop)| async move {
            tokio::select! {
                event = following.next() => Some((Ok(event?), (following, stop))),
                () = stopped(stop.clone()) => None,
            }
        })
    }

    /// The next event, once there is one; none if there are no more.
    async fn next(&mut self) -> Option<Event> {
        // From here on it has taken what it was sent.
        if self.taken.elapsed() > SLOW {
            (self.sent, self.last) = (None, None);
        }
        while is_shown(&self.api, &self.user) {
            // A client waits most of the time, and then takes no memory for what it asks.
            let event = Box::pin(self.look()).await;
            self.taken = Instant::now();
            if event.is_some() {
                return event;
            }
            sleep(LOOK_EVERY).await;
        }
        None
    }

    async fn look(&mut self) -> Option<Event> {
        let is_told = self.told.is_some_and(|told| told.elapsed() < TELL_EVERY);
        if is_told && let Some(sent) = &self.sent {
            let version = self.api.reads.version(self.user).await;
            if version.is_some() && version == sent.version {
                return None;
            }
        }
        self.told = Some(Instant::now());
        let found = self.api.reads.find(self.user, Algo::Ranked).await.ok()?;
        let Found::Ranked { version, body, .. } = &*found else { return None };
        let now_ms = self.api.reads.now().0;
        let weights = self.api.weights.known();
        let of = |as_of| {
            Snapshot::of(body, *version, (weights.of_set(body.weight_set), as_of, self.limit))
        };
        let now = of(now_ms - now_ms.rem_euclid(1_000));
        let last = self.last.take().filter(|(had, _)| Some(*had) == *version);
        let before = self.sent.take().or_else(|| last.map(|(_, as_of)| of(as_of)));
        // What every item's score is made of is no patch of items.
        let same = before.as_ref().filter(|before| now.is_weighed_as(before));
        let operations = same.map(|before| now.since(before));
        // More operations than items say no more than the items themselves.
        let event = match operations {
            // Who comes back goes on from there.
            Some(operations) if operations.is_empty() => Some(Ok(Event::default())),
            Some(operations) if operations.len() <= now.items.len().max(8) => {
                Some(Event::default().event("patch").json_data(operations))
            }
            Some(_) | None => Some(Event::default().event("snapshot").json_data(&now)),
        };
        let event = event.and_then(Result::ok).map(|event| event.id(now.id()));
        let says_nothing = before.is_some_and(|before| {
            before.version == now.version && before.items == now.items && now.is_weighed_as(&before)
        });
        self.sent = Some(now);
        event.filter(|_| !says_nothing)
    }
}

#[cfg(test)]
mod tests {
    use schemas::{FeedItem, PostId};

    use super::*;

    fn body(posts: &[(u8, u32)]) -> FeedBody {
        let item = |(post, likes): &(u8, u32)| FeedItem {
            post: PostId([*post; 16]),
            author: UserId([*post; 16]),
            likes: *likes,
            exposures: 10,
            ..FeedItem::default()
        };
        FeedBody { items: posts.iter().map(item).collect(), ..FeedBody::default() }
    }

    #[test]
    fn an_id_names_the_version_and_the_second_and_nothing_else_is_one() {
        let snapshot = Snapshot::of(&body(&[(1, 0)]), Some(7), (&Weights::v1(), 5_000, 10));
        assert_eq!(read_id(&snapshot.id()), Some((7, 5_000)));
        assert_eq!(["", "7", "x-5", "7-", "-5000"].map(read_id), [None; 5]);
    }

    #[test]
    fn what_is_weighed_otherwise_is_no_patch_of_what_was() {
        let of = |weights: &Weights, facts| {
            let body = FeedBody { facts, weight_set: weights.id, ..body(&[(1, 0)]) };
            Snapshot::of(&body, Some(7), (weights, 5_000, 10))
        };
        let (v1, other) = (Weights::v1(), Weights { id: 2, ..Weights::v1() });
        let scaled = Facts { scales: [50, 100, 100], ..Facts::default() };
        let before = of(&v1, None);
        assert!(of(&v1, None).is_weighed_as(&before));
        assert!(!of(&other, None).is_weighed_as(&before));
        assert!(!of(&v1, Some(scaled)).is_weighed_as(&before));
    }

    #[test]
    fn a_publication_that_changes_nothing_is_no_patch_and_another_one_carries_its_version() {
        let snapshot = |version, likes| {
            Snapshot::of(&body(&[(1, likes), (2, 0)]), Some(version), (&Weights::v1(), 5_000, 10))
        };
        assert_eq!(snapshot(8, 0).since(&snapshot(7, 0)), []);
        let operations = snapshot(8, 3).since(&snapshot(7, 0));
        let version = Operation::Replace { path: "/version".into(), value: 8.into() };
        assert!(operations.contains(&version), "{operations:?}");
    }
}
