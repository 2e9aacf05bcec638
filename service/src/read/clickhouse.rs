//! ClickHouse as a tier: it ranks on demand what its tables have, for any reader, and keeps no copies.

use std::sync::Arc;
use std::time::Duration;

use connectors::clickhouse::{ClickHouseFault, ClickHouseSettings, Ranking, RankingNumbers};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millstream::Clock;
use schemas::{FeedVersion, Trending, TrendingWindow, UserId};
use topologies::ranking::Weights;

use super::{Held, RankedTier, TierFault};

/// See the module.
pub struct RankedByClickHouse {
    ranking: Ranking,
    clock: Arc<dyn Clock>,
}

impl RankedByClickHouse {
    /// On a server whose queries end by themselves after `wait`.
    pub fn new(settings: &ClickHouseSettings, wait: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { ranking: Ranking::new(settings, numbers(&Weights::v1()), wait), clock }
    }
}

fn numbers(of: &Weights) -> RankingNumbers {
    let (points, limits) = (of.points, of.limits);
    let many = |posts: usize| posts as u64;
    RankingNumbers {
        weight_set: of.id,
        weights: [of.freshness, of.engagement, of.affinity],
        decay_per_hour: of.decay_per_hour,
        points: [points.like, points.comment, points.share],
        follow: (limits.follow_age_ms_max, many(limits.follow_posts_max)),
        affinity: (
            limits.affinity_age_ms_max,
            many(limits.affinity_posts_per_author_max),
            many(limits.affinity_posts_max),
        ),
        affinity_days: limits.affinity_days,
        seen_ms: limits.seen_ms,
        hidden_ms: limits.hidden_ms,
        less_days: limits.less_days,
    }
}

impl RankedTier for RankedByClickHouse {
    fn feed(&self, user: UserId) -> BoxFuture<'_, Result<Option<Held>, TierFault>> {
        async move {
            let now_ms = self.clock.now().0;
            let body = self.ranking.feed(user, now_ms - now_ms.rem_euclid(1000)).await;
            let body = body.map_err(|fault: ClickHouseFault| TierFault::Failed(fault.to_string()));
            let (version, is_published) = (FeedVersion::default(), false);
            Ok(Some(Held { version, body: body?, is_published }))
        }
        .boxed()
    }

    /// Redis and state have it; this tier is not asked.
    fn trending(
        &self,
        _window: TrendingWindow,
    ) -> BoxFuture<'_, Result<Option<Trending>, TierFault>> {
        async { Ok(None) }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        async move { self.ranking.ping().await.map_err(|fault| fault.to_string()) }.boxed()
    }
}
