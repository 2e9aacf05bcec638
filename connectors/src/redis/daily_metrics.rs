//! The metrics of a day as Redis holds them: JSON under `metrics:daily:<day>`, for a while.

use std::time::Duration;

use ::redis::AsyncCommands;
use schemas::daily_metrics::redis_key;
use schemas::{DailyMetrics, Day};

use super::{Connection, RedisFault, connect, fault};

/// How long a copy is believed: three times as long as it takes until there is a newer one.
const TTL_SECONDS: u64 = 15 * 60;

/// See the module.
#[derive(Clone)]
pub struct DailyCache(Connection);

impl DailyCache {
    /// On the server at `url`, whose answers are waited for at most `wait`. Call it inside a Tokio runtime.
    pub fn open(url: &str, wait: Duration) -> Result<Self, RedisFault> {
        connect(url, wait).map(Self)
    }

    /// What is held of a day; none if nothing is.
    pub async fn of(&self, day: Day) -> Result<Option<DailyMetrics>, RedisFault> {
        let (mut connection, key) = (self.0.clone(), redis_key(day));
        let json: Option<Vec<u8>> = connection.get(&key).await.map_err(|e| fault(&e))?;
        let read = json.map(|json| serde_json::from_slice(&json)).transpose();
        read.map_err(|error| RedisFault::Refused(format!("{key}: {error}")))
    }

    /// Holds what is known of a day.
    pub async fn hold(&self, metrics: &DailyMetrics) -> Result<(), RedisFault> {
        let (mut connection, key) = (self.0.clone(), redis_key(metrics.date));
        let json =
            serde_json::to_string(metrics).map_err(|e| RedisFault::Refused(e.to_string()))?;
        connection.set_ex(key, json, TTL_SECONDS).await.map_err(|e| fault(&e))
    }
}
