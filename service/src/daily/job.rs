//! Adds up today and yesterday, again and again: events come late.
//!
//! Every worker does it; a day that another has added up lately is only copied to Redis. Two that do it at once write the
//! same.

use std::sync::Arc;
use std::time::Duration;

use connectors::clickhouse::{ClickHouseFault, DailyQuality};
use connectors::redis::DailyCache;
use millstream::Clock;
use schemas::{DailyMetrics, Day};
use tokio::time::sleep;

use super::{Daily, quality};
use crate::config::Config;

/// How old the sums of a day may be.
const EVERY_MS: i64 = 5 * 60 * 1000;
/// How often it is looked whether they are older.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// See the module.
pub struct DailyJob {
    clickhouse: DailyQuality,
    redis: Option<DailyCache>,
}

impl DailyJob {
    /// On the servers of this configuration; none without ClickHouse. Call it inside a Tokio runtime.
    pub fn of(config: &Config) -> Result<Option<Self>, String> {
        let Some(clickhouse) = quality(config) else { return Ok(None) };
        let Daily { redis, .. } = Daily::of(config)?;
        Ok(Some(Self { clickhouse, redis }))
    }

    /// Goes on for ever.
    pub async fn run(self, clock: Arc<dyn Clock>) {
        let mut is_told = false;
        loop {
            let now_ms = clock.now().0;
            let done = self.days(now_ms).await;
            // An outage is told once, in whatever words; the sink tells of it in readiness.
            match &done {
                Err(words) if !is_told => {
                    tracing::warn!(words, "the metrics of a day are not added up; trying again");
                }
                Err(words) => tracing::debug!(words, "the metrics of a day are not added up"),
                Ok(()) if is_told => tracing::info!("the metrics of a day are added up again"),
                Ok(()) => {}
            }
            is_told = done.is_err();
            sleep(LOOK_EVERY).await;
        }
    }

    async fn days(&self, now_ms: i64) -> Result<(), String> {
        let today = Day::of(now_ms);
        for day in [today.before(1), today] {
            let known = self.clickhouse.of(day).await.map_err(|fault| fault.to_string())?;
            let current = match is_due(known.computed_at, now_ms) {
                true => self.add_up(day).await.map_err(|fault| fault.to_string())?,
                false => known,
            };
            self.hold(&current).await?;
        }
        Ok(())
    }

    /// Adds a day up by all that came of it by now, and tells what came out.
    pub async fn add_up(&self, day: Day) -> Result<DailyMetrics, ClickHouseFault> {
        self.clickhouse.compute(day).await?;
        self.clickhouse.of(day).await
    }

    /// Has Redis hold what is known of a day, if there is a Redis; else why not.
    pub async fn hold(&self, metrics: &DailyMetrics) -> Result<(), String> {
        let Some(redis) = &self.redis else { return Ok(()) };
        redis.hold(metrics).await.map_err(|fault| fault.to_string())
    }
}

/// Whether a day is to be added up again; a clock that was set back does not put it off.
fn is_due(computed_at_ms: Option<i64>, now_ms: i64) -> bool {
    computed_at_ms.is_none_or(|at| now_ms.saturating_sub(at).saturating_abs() >= EVERY_MS)
}

#[cfg(test)]
mod tests {
    use ::tests::{Part, Stack};
    use connectors::clickhouse::{ClickHouseSettings, Migrator};

    use super::*;

    const NOW: i64 = 1_795_216_628_500;
    const WAIT: Duration = Duration::from_secs(5);

    #[test]
    fn a_day_is_added_up_again_after_five_minutes_whoever_did_it_last() {
        let due = [None, Some(0), Some(1), Some(2 * EVERY_MS)].map(|at| is_due(at, EVERY_MS));
        assert_eq!(due, [true, true, false, true]);
    }

    #[tokio::test]
    async fn redis_holds_today_and_yesterday_and_an_outage_of_clickhouse_is_told() {
        let stack = Stack::of(&[Part::Redis, Part::ClickHouse]).start().unwrap();
        let (url, database) = (stack.clickhouse().to_owned(), "feedmill".to_owned());
        let settings = ClickHouseSettings { url, database, login: None };
        let redis = DailyCache::open(stack.redis(), WAIT).unwrap();
        let clickhouse = DailyQuality::new(&settings, WAIT);
        let job = DailyJob { clickhouse, redis: Some(redis.clone()) };
        let missing = job.days(NOW).await.unwrap_err();
        assert!(missing.ends_with("`feedmill clickhouse migrate` makes the tables"), "{missing}");
        Migrator::new(&settings).migrate("a test").await.unwrap();
        job.days(NOW).await.unwrap();
        let today = Day::of(NOW);
        let days = [today, today.before(1), today.before(2)];
        let mut held = Vec::new();
        for day in days {
            held.push(redis.of(day).await.unwrap());
        }
        let [first, second, _] = days.map(|day| Some(DailyMetrics::none(day)));
        assert_eq!(held, [first, second, None]);
        stack.kill(Part::ClickHouse).unwrap();
        assert!(job.days(NOW).await.unwrap_err().starts_with("clickhouse is unavailable"));
    }
}
