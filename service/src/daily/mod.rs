//! The metrics of days, for whoever asks: the copy in Redis first, then what ClickHouse has added up.
//!
//! Nothing is added up for a reader: [`DailyJob`] does that, in every worker, and `feedmill metrics`.

mod job;

use std::time::Duration;

use connectors::clickhouse::DailyQuality;
use connectors::redis::DailyCache;
use schemas::{DailyMetrics, Day};

use crate::config::Config;
pub use job::DailyJob;

/// How long a question to ClickHouse may take.
const CLICKHOUSE_WAIT: Duration = Duration::from_secs(2);

/// Knows the metrics of days, as far as there are servers that do.
#[derive(Clone, Default)]
pub struct Daily {
    /// Copies of what was added up lately.
    pub redis: Option<DailyCache>,
    /// All that was ever added up.
    pub clickhouse: Option<DailyQuality>,
}

/// Neither answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nobody;

impl Daily {
    /// On the servers of this configuration. Call it inside a Tokio runtime.
    pub fn of(config: &Config) -> Result<Self, String> {
        let redis = config.redis.as_ref().map(|of| DailyCache::open(&of.url, of.wait));
        let redis = redis.transpose().map_err(|fault| fault.to_string())?;
        Ok(Self { redis, clickhouse: quality(config) })
    }

    /// The metrics of a day, and who had them.
    pub async fn find(&self, day: Day) -> Result<(DailyMetrics, &'static str), Nobody> {
        if let Some(redis) = &self.redis {
            match redis.of(day).await {
                Ok(Some(found)) => return Ok((found, "redis")),
                Ok(None) => {}
                Err(fault) => tracing::debug!(%fault, %day, "no metrics of the day"),
            }
        }
        let clickhouse = self.clickhouse.as_ref().ok_or(Nobody)?;
        match clickhouse.of(day).await {
            Ok(found) => Ok((found, "clickhouse")),
            Err(fault) => {
                tracing::warn!(%fault, %day, "the metrics of a day cannot be read");
                Err(Nobody)
            }
        }
    }
}

fn quality(config: &Config) -> Option<DailyQuality> {
    config.clickhouse.as_ref().map(|of| DailyQuality::new(&of.server, CLICKHOUSE_WAIT))
}
