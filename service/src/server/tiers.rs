//! The tiers of a process, each behind its guard.

use std::sync::Arc;

use connectors::postgres::{Database, Limits};
use connectors::redis::{FeedCache, SuggestionCache};

use super::parts::Parts;
use crate::config::{self, Remote};
use crate::read::{
    Guard, Guarded, LiveState, LocalState, Others, RankedByClickHouse, RankedTier, RemoteState,
    Source, StateFeeds, Tiers, Workers,
};

impl Parts {
    /// Those that are configured.
    pub fn tiers(&self, own: Option<Arc<dyn StateFeeds>>) -> Result<Tiers, String> {
        let guard = |source, wait, calls_max| Guard {
            source,
            wait,
            calls_max,
            breaker: self.in_force.live(|of| of.breaker),
            flags: self.flags.clone(),
            metrics: Arc::clone(&self.metrics),
        };
        let redis = self.feeds()?.map(|cache| {
            let wait = cache.wait();
            let tier: Box<dyn RankedTier> = Box::new(cache);
            Guarded::new(tier, guard(Source::Redis, wait, 1024))
        });
        let suggestions = self.config.redis.as_ref().map(|Remote { url, wait }| {
            SuggestionCache::open(url, *wait).map_err(|e| e.to_string())
        });
        let postgres = self.config.postgres.as_ref().map(|Remote { url, wait }| {
            let limits = Limits { statement: *wait, ..Limits::default() };
            let calls_max = limits.connections_max as usize * 4;
            let database = Database::open(url, limits).map_err(|e| e.to_string())?;
            Ok::<_, String>(Guarded::new(database, guard(Source::Postgres, *wait, calls_max)))
        });
        let clickhouse = self.config.clickhouse.as_ref().map(|of| {
            let tier = RankedByClickHouse::new(&of.server, of.wait, Arc::clone(&self.clock));
            let tier: Box<dyn RankedTier> = Box::new(tier);
            let guard = guard(Source::ClickHouse, of.wait, of.reads_max);
            // Late calls come one after the other: so many of them take longer than the window.
            let wait = of.wait;
            let breaker = self.in_force.live(move |of| {
                let late = wait * u32::try_from(of.breaker.failures).unwrap_or(u32::MAX);
                let window = of.breaker.window.saturating_add(late);
                config::Breaker { window, ..of.breaker }
            });
            Guarded::new(tier, Guard { breaker, ..guard })
        });
        let state = self.state(own)?;
        let wait = self.config.state.wait;
        Ok(Tiers {
            redis,
            state: Some(Guarded::new(state, guard(Source::State, wait, 256))),
            clickhouse,
            postgres: postgres.transpose()?,
            versions: self.feeds()?,
            suggestions: suggestions.transpose()?,
        })
    }

    /// The feeds in Redis, over a connection of its own.
    pub fn feeds(&self) -> Result<Option<FeedCache>, String> {
        let open = |Remote { url, wait }: &Remote| FeedCache::open(url, *wait);
        self.config.redis.as_ref().map(open).transpose().map_err(|e| e.to_string())
    }

    /// The state of the live application.
    fn state(&self, own: Option<Arc<dyn StateFeeds>>) -> Result<Box<dyn RankedTier>, String> {
        let of = &self.config.state;
        let (credentials, clock) = (self.credentials()?, Arc::clone(&self.clock));
        let (partitions, wait) = (self.config.kafka.partitions, of.wait);
        let breaker = self.in_force.live(|of| of.breaker);
        let at = move |urls| {
            let (credentials, breaker) = (credentials.clone(), breaker.clone());
            let workers = Workers { urls, credentials, partitions, wait, breaker };
            RemoteState::new(workers, Arc::clone(&clock))
        };
        let named = of.workers.clone();
        let own = own.map(|feeds| {
            let elsewhere = (!named.is_empty()).then(|| at(named.clone()));
            let clock = Arc::clone(&self.clock);
            Arc::new(LocalState { feeds, clock, elsewhere }) as Arc<dyn RankedTier>
        });
        let others = Others::new(self.instances.clone(), at);
        let (live, app) = (self.live.clone(), self.config.app.clone());
        Ok(Box::new(LiveState { live, app, own, named, others }))
    }
}
