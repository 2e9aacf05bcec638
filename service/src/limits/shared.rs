//! The levels that all processes share, in Redis, left alone for a while after it failed.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use connectors::redis::RateBuckets;
use uuid::Uuid;

use super::bucket::{Level, Rate};

/// So long after it failed Redis is asked again: until then each process counts for itself.
const AGAIN: Duration = Duration::from_secs(1);

/// See the module.
pub struct Shared {
    buckets: RateBuckets,
    failed: Mutex<Option<Instant>>,
}

impl Shared {
    /// Those in `buckets`.
    pub fn new(buckets: RateBuckets) -> Self {
        Self { buckets, failed: Mutex::new(None) }
    }

    /// Takes one request of `user`; none if Redis did not say.
    pub async fn take(&self, user: Uuid, rate: &Rate) -> Option<Level> {
        let is_left_alone = |failed: Instant| failed.elapsed() < AGAIN;
        if self.failed().is_some_and(is_left_alone) {
            return None;
        }
        let (interval, requests) = (rate.interval_us(), rate.requests);
        match self.buckets.take(user, interval, requests).await {
            Ok(ahead_us) => Some(rate.level(ahead_us)),
            Err(fault) => {
                tracing::debug!(%fault, "users are counted by this process alone");
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                None
            }
        }
    }

    fn failed(&self) -> Option<Instant> {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
