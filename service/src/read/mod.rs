//! Who answers a read: the first tier that can, in one order, and the answer says which it was.
//!
//! Redis while its copy is fresh; then the state that ranks on demand; then what Redis had, stale; then ClickHouse, which
//! ranks what its tables have; then PostgreSQL's timeline. A tier that fails costs its time-out at most, and soon nothing: its breaker opens.
//! Reads of one user that are under way at once ask the tiers once. Whatever was asked, a read is told to the
//! topic `reads`, which keeps the reader ranked.

mod clickhouse;
mod flight;
mod guard;
mod items;
mod live_state;
mod local;
mod notes;
mod people;
mod remote;
pub mod suggestions;
pub mod terms;
mod tier;
pub mod why;

use std::sync::Arc;

use connectors::postgres::{Database, Timeline, TimelinePost};
use connectors::redis::{FeedCache, SuggestionCache};
use futures_util::future::ready;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use millstream::{Clock, Timestamp};
use schemas::{FeedBody, FeedItem, PostId, Read, Trending, TrendingWindow, UserId};

use crate::log::Log;
use crate::metrics::Metrics;
pub use clickhouse::RankedByClickHouse;
use flight::Flights;
pub use guard::{Guard, Guarded};
#[cfg(test)]
pub use items::ItemKnown;
pub use items::Items;
pub use live_state::{LiveState, Others};
pub use local::{LocalState, StateFault, StateFeeds, ask};
pub use notes::Notes;
pub use people::{Asked, People, PersonKnown};
pub use remote::{PUBLISHED, RemoteState, Workers};
pub use tier::{Held, RankedTier, TierFault};
pub use why::{PostKnown, Why};

/// How long beyond its `valid_until` a copy in Redis still counts as fresh: the next one is on its way.
const GRACE_MS: i64 = 30_000;
/// So far ahead of us a copy in Redis may be ranked: clocks differ. One that is further was ranked by a clock that was wrong, and
/// says that it holds for hours.
const AHEAD_MS: i64 = 300_000;
/// Posts that the timeline takes before spacing.
const TIMELINE_POSTS_MAX: u16 = 500;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algo {
    /// The ranking.
    Ranked,
    /// The ranking, made by ClickHouse.
    ClickHouse,
    /// What followees posted, newest first.
    Timeline,
}

impl Algo {
    /// Its name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ranked => "ranked",
            Self::ClickHouse => "ch",
            Self::Timeline => "timeline",
        }
    }
}

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The copy that the sink pushed.
    Redis,
    /// The state of the owning worker.
    State,
    /// What ClickHouse ranks.
    ClickHouse,
    /// The database.
    Postgres,
}

impl Source {
    /// Its name in answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::State => "state",
            Self::ClickHouse => "clickhouse",
            Self::Postgres => "postgres",
        }
    }
}

/// What the tiers had.
#[derive(Clone, Debug)]
pub enum Found {
    /// A ranked body, to be scored again as of the read.
    Ranked {
        /// Its publication; none if it was never published.
        version: Option<u64>,
        /// The body.
        body: FeedBody,
        /// Who had it.
        source: Source,
        /// Whether nobody had a fresh one.
        stale: bool,
    },
    /// The database's timeline.
    Timeline(Timeline),
}

/// No tier answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nobody;

/// The tiers, those that there are.
pub struct Tiers {
    /// Redis.
    pub redis: Option<Guarded<Box<dyn RankedTier>>>,
    /// The state of this process, or of the workers.
    pub state: Option<Guarded<Box<dyn RankedTier>>>,
    /// ClickHouse.
    pub clickhouse: Option<Guarded<Box<dyn RankedTier>>>,
    /// PostgreSQL.
    pub postgres: Option<Guarded<Database>>,
    /// Redis, asked for versions alone.
    pub versions: Option<FeedCache>,
    /// Suggestions that were worked out before.
    pub suggestions: Option<SuggestionCache>,
}

/// Answers reads.
pub struct Reads {
    tiers: Tiers,
    flights: Flights<(UserId, Algo), Result<Arc<Found>, Nobody>>,
    notes: Notes,
    /// The same of what was in answers.
    served: Notes,
    log: Log,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl Reads {
    /// Reads from `tiers`, telling `log` of them.
    pub fn new(tiers: Tiers, log: Log, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        let (notes, served) = (Notes::default(), Notes::default());
        Self { tiers, flights: Flights::default(), notes, served, log, clock, metrics }
    }

    /// The time by which answers are made.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The tiers, for readiness.
    pub fn tiers(&self) -> &Tiers {
        &self.tiers
    }

    /// The version of the copy in Redis; none if there is none, or nobody says.
    pub async fn version(&self, user: UserId) -> Option<u64> {
        let versions = self.tiers.versions.as_ref().filter(|_| self.asks_redis())?;
        let found = versions.version(user).await;
        found.ok().flatten().map(|version| version.version)
    }

    /// Whether operators let Redis be asked.
    fn asks_redis(&self) -> bool {
        !self.tiers.redis.as_ref().is_some_and(Guarded::is_off)
    }

    /// What the first tier that can answer has for `user`.
    pub async fn find(self: &Arc<Self>, user: UserId, algo: Algo) -> Result<Arc<Found>, Nobody> {
        let reads = Arc::clone(self);
        let search = move || {
            async move {
                let found = match algo {
                    Algo::Ranked => reads.ranked(user).await.map(Arc::new),
                    Algo::ClickHouse => reads.by_clickhouse(user).await.map(Arc::new),
                    Algo::Timeline => match reads.timeline(user).await {
                        Ok(found) => Ok(Arc::new(Found::Timeline(found))),
                        Err(Nobody) => reads.timeline_left_alone(user).await.map(Arc::new),
                    },
                };
                let hit = found.as_ref().is_ok_and(|found| found.is_hit());
                reads.tell(user, algo == Algo::Ranked && !hit);
                found
            }
            .boxed()
        };
        let found = self.flights.join((user, algo), search).await;
        let source = found.as_ref().map_or("none", |found| found.source().name());
        self.metrics.reads.with_label_values(&[algo.name(), source]).inc();
        found
    }

    /// What trends in `window`, and who had it: Redis, or else state, the first that has the list of this moment; a copy in
    /// Redis may be of before. `None` if neither knows of anything.
    pub async fn trending(&self, window: TrendingWindow) -> Option<(Trending, Source)> {
        let tiers = [(&self.tiers.redis, Source::Redis), (&self.tiers.state, Source::State)];
        let mut known: Option<(Trending, Source)> = None;
        for (tier, source) in tiers {
            let Some(tier) = tier else { continue };
            if let Ok(Some(found)) = tier.ask(&*self.clock, tier.tier().trending(window)).await {
                let is_current = found.list(window, self.now().0).is_some();
                if is_current || known.is_none() {
                    known = Some((found, source));
                }
                if is_current {
                    break;
                }
            }
        }
        for (tier, source) in tiers {
            let Some(tier) = tier.as_ref().filter(|_| known.is_none()) else { continue };
            let asked = tier.ask_left_alone(&*self.clock, tier.tier().trending(window)).await;
            known = asked.ok().flatten().map(|found| (found, source));
        }
        let source = known.as_ref().map_or("none", |(_, source)| source.name());
        self.metrics.reads.with_label_values(&["trending", source]).inc();
        known
    }

    /// Why a post stands in the feed of `user`, or does not: only state knows.
    pub async fn why(&self, user: UserId, post: PostId) -> Result<Why, Nobody> {
        let state = self.tiers.state.as_ref().ok_or(Nobody)?;
        let asked = state.ask(&*self.clock, state.tier().why(user, post)).await;
        let why = asked.ok().flatten().ok_or(Nobody)?;
        if !why.is_unlisted() {
            return Ok(why);
        }
        Ok(why.with_post(self.known(post).await?.as_ref()))
    }

    /// What is known of a post where it is kept: only state knows.
    pub async fn known(&self, post: PostId) -> Result<Option<PostKnown>, Nobody> {
        let state = self.tiers.state.as_ref().ok_or(Nobody)?;
        state.ask(&*self.clock, state.tier().post(post)).await.map_err(|_| Nobody)
    }

    /// What of these posts `user` may still be shown, in their order, and who says so: state; where none answers, the copy in
    /// Redis, as far as it has them.
    pub async fn still_shown(
        &self,
        user: UserId,
        posts: Vec<PostId>,
    ) -> Result<(Vec<FeedItem>, Source), Nobody> {
        // Who turns a page is there.
        self.tell(user, false);
        if let Some(state) = &self.tiers.state
            && let Ok(Some(left)) =
                state.ask(&*self.clock, state.tier().items(user, posts.clone())).await
        {
            let unlisted = left.unlisted.iter().map(|post| PostId(post.into_bytes()));
            let kept = unlisted.map(|post| self.kept(post)).collect::<FuturesUnordered<_>>();
            let kept: Vec<_> = kept.filter_map(ready).collect().await;
            let items = left.items.into_iter().map(FeedItem::from).chain(kept).collect();
            return Ok((in_order(&posts, items), Source::State));
        }
        let redis = self.tiers.redis.as_ref().ok_or(Nobody)?;
        let copy = redis.ask(&*self.clock, redis.tier().feed(user)).await;
        let copy = copy.ok().flatten().ok_or(Nobody)?;
        Ok((in_order(&posts, copy.body.items), Source::Redis))
    }

    /// A post that is too old for any ranking, as an item, if it was not deleted.
    async fn kept(&self, post: PostId) -> Option<FeedItem> {
        self.known(post).await.ok().flatten()?.item(post)
    }

    /// The posts of a timeline that are asked for, in their order.
    pub async fn still_in_timeline(
        &self,
        user: UserId,
        posts: &[PostId],
    ) -> Result<Timeline, Nobody> {
        let mut found = self.timeline(user).await?;
        found.posts.retain(|of| posts.contains(&of.post));
        let place = |of: &TimelinePost| posts.iter().position(|post| *post == of.post);
        found.posts.sort_by_key(place);
        Ok(found)
    }

    /// Tells the log of a search: those who waited for one are one read.
    fn tell(&self, user: UserId, miss: bool) {
        if let Some(read) = self.notes.note(user, self.now(), miss) {
            self.log.read(user, read);
        }
    }

    /// Tells the log what was in an answer; of several within 5 minutes of one.
    pub fn tell_served(&self, user: UserId, served: Vec<PostId>) {
        if let Some(read) = self.served.note(user, self.now(), false) {
            self.log.read(user, Read { served, ..read });
        }
    }

    async fn ranked(&self, user: UserId) -> Result<Found, Nobody> {
        let copy = match &self.tiers.redis {
            Some(redis) => redis.ask(&*self.clock, redis.tier().feed(user)).await.ok().flatten(),
            None => None,
        };
        let stale = match copy {
            Some(held) if self.is_fresh(&held) => return Ok(held.found(Source::Redis, false)),
            stale => stale,
        };
        if let Some(state) = &self.tiers.state
            && let Ok(Some(held)) = state.ask(&*self.clock, state.tier().feed(user)).await
        {
            let stale = !self.is_fresh(&held);
            return Ok(held.found(Source::State, stale));
        }
        if let Some(held) = stale {
            return Ok(held.found(Source::Redis, true));
        }
        self.by_clickhouse(user).await
    }

    /// ClickHouse, and those who come after it.
    async fn by_clickhouse(&self, user: UserId) -> Result<Found, Nobody> {
        if let Some(clickhouse) = &self.tiers.clickhouse
            && let Ok(Some(held)) = clickhouse.ask(&*self.clock, clickhouse.tier().feed(user)).await
        {
            return Ok(held.found(Source::ClickHouse, false));
        }
        match self.timeline(user).await {
            Ok(found) => Ok(Found::Timeline(found)),
            Err(Nobody) => self.left_alone(user).await,
        }
    }

    /// What a tier has that is left alone after faults: no other answers, and it may be well by now.
    async fn left_alone(&self, user: UserId) -> Result<Found, Nobody> {
        let ranked = [
            (&self.tiers.redis, Source::Redis),
            (&self.tiers.state, Source::State),
            (&self.tiers.clickhouse, Source::ClickHouse),
        ];
        for (tier, source) in ranked {
            let Some(tier) = tier else { continue };
            let asked = tier.ask_left_alone(&*self.clock, tier.tier().feed(user)).await;
            if let Ok(Some(held)) = asked {
                let stale = source != Source::ClickHouse && !self.is_fresh(&held);
                return Ok(held.found(source, stale));
            }
        }
        self.timeline_left_alone(user).await
    }

    async fn timeline_left_alone(&self, user: UserId) -> Result<Found, Nobody> {
        let postgres = self.tiers.postgres.as_ref().ok_or(Nobody)?;
        let asked = self.database_timeline(postgres, user);
        let found = postgres.ask_left_alone(&*self.clock, asked).await;
        found.map(Found::Timeline).map_err(|_| Nobody)
    }

    fn is_fresh(&self, held: &Held) -> bool {
        let (now, body) = (self.now().0, &held.body);
        let is_past = now > body.valid_until_ms.saturating_add(GRACE_MS);
        !is_past && body.as_of_ms <= now.saturating_add(AHEAD_MS)
    }

    async fn timeline(&self, user: UserId) -> Result<Timeline, Nobody> {
        let postgres = self.tiers.postgres.as_ref().ok_or(Nobody)?;
        let asked = self.database_timeline(postgres, user);
        postgres.ask(&*self.clock, asked).await.map_err(|_| Nobody)
    }

    async fn database_timeline(
        &self,
        postgres: &Guarded<Database>,
        user: UserId,
    ) -> Result<Timeline, TierFault> {
        let timeline = postgres.tier().timeline(user, self.now().0, TIMELINE_POSTS_MAX).await;
        timeline.map_err(|fault| TierFault::Failed(fault.to_string()))
    }
}

impl Found {
    /// Who had it.
    pub fn source(&self) -> Source {
        match self {
            Self::Ranked { source, .. } => *source,
            Self::Timeline(_) => Source::Postgres,
        }
    }

    /// Whether it came from Redis and is fresh.
    pub fn is_hit(&self) -> bool {
        matches!(self, Self::Ranked { source: Source::Redis, stale: false, .. })
    }
}

impl Held {
    fn found(self, source: Source, stale: bool) -> Found {
        let version = (source != Source::ClickHouse).then_some(self.version.version);
        Found::Ranked { version, body: self.body, source, stale }
    }
}

/// Those of `items` that are asked for, in the order in which they are.
fn in_order(posts: &[PostId], mut items: Vec<FeedItem>) -> Vec<FeedItem> {
    items.retain(|item| posts.contains(&item.post));
    items.sort_by_key(|item| posts.iter().position(|post| *post == item.post));
    items
}
