//! The metrics of a day, added up by the server out of `events` and kept in `daily_metrics`.
//!
//! A day may be added up again at any time, and by several at once: the last word wins. It is asked for as it was added up
//! last, however long ago.

use std::time::Duration;

use ::clickhouse::Row;
use schemas::daily_metrics::{Counts, Dimension, Quality};
use schemas::{DailyMetrics, Day};
use serde::Deserialize;
use tokio::time::timeout;

use super::client::Client;
use super::{ClickHouseFault, ClickHouseSettings};

/// How long the server may take to add a day up.
const COMPUTE_MAX: Duration = Duration::from_secs(120);
const COMPUTE_MAX_SECONDS: &str = "110";

/// See the module.
#[derive(Clone)]
pub struct DailyQuality {
    client: Client,
    wait: Duration,
}

#[derive(Debug, Row, Deserialize)]
struct PartRow {
    dimension: String,
    value: String,
    received: u64,
    repeats: u64,
    impressions: u64,
    views: u64,
    clicks: u64,
    likes: u64,
    comments: u64,
    shares: u64,
    dwells: u64,
    dwell_p50_ms: Option<u32>,
    dwell_p95_ms: Option<u32>,
    computed_at: i64,
}

impl PartRow {
    fn quality(&self) -> Quality {
        let counts = Counts {
            received: self.received,
            repeats: self.repeats,
            impressions: self.impressions,
            views: self.views,
            clicks: self.clicks,
            likes: self.likes,
            comments: self.comments,
            shares: self.shares,
            dwells: self.dwells,
        };
        Quality::of(counts, (self.dwell_p50_ms, self.dwell_p95_ms))
    }
}

impl DailyQuality {
    /// Of the database of these settings; a question waits at most `wait` for its answer.
    pub fn new(settings: &ClickHouseSettings, wait: Duration) -> Self {
        Self { client: settings.client().with_database(&settings.database), wait }
    }

    /// Adds a day up by all that came of it. Its events must still be there: see [`Self::KEPT_DAYS`]. The server holds
    /// some 100 bytes for each event of the day meanwhile.
    pub async fn compute(&self, day: Day) -> Result<(), ClickHouseFault> {
        let asked = self.client.query(include_str!("daily_metrics_compute.sql"));
        let asked = asked.param("day", day.to_string());
        let asked = asked.with_setting("max_execution_time", COMPUTE_MAX_SECONDS);
        match timeout(COMPUTE_MAX, asked.execute()).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(late(COMPUTE_MAX)),
        }
    }

    /// How many days back a day's events are all there still: 90, without the week that decides what is a repeat.
    pub const KEPT_DAYS: u16 = 82;

    /// What is known of a day.
    pub async fn of(&self, day: Day) -> Result<DailyMetrics, ClickHouseFault> {
        let asked = self.client.query(include_str!("daily_metrics.sql"));
        let rows = asked.param("day", day.to_string()).fetch_all::<PartRow>();
        let rows = timeout(self.wait, rows).await.map_err(|_| late(self.wait))??;
        let mut metrics = DailyMetrics::none(day);
        for row in rows {
            metrics.computed_at = metrics.computed_at.max(Some(row.computed_at));
            // A later version of this program may know more.
            if let Some(dimension) = Dimension::of_name(&row.dimension) {
                let quality = row.quality();
                metrics.take(dimension, row.value, quality);
            }
        }
        Ok(metrics)
    }
}

fn late(wait: Duration) -> ClickHouseFault {
    ClickHouseFault::Unavailable(format!("no answer in {} ms", wait.as_millis()))
}
