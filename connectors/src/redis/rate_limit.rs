//! Buckets of requests that all processes share: `limit:user:<user>` holds when that of a user is full again.

use std::time::Duration;

use ::redis::Script;
use uuid::Uuid;

use super::{Connection, RedisFault, connect, within};

/// See the module.
pub struct RateBuckets {
    connection: Connection,
    script: Script,
    wait: Duration,
}

impl RateBuckets {
    /// On the server at `url`, whose answers are waited for at most `wait`. Call it inside a Tokio runtime.
    pub fn open(url: &str, wait: Duration) -> Result<Self, RedisFault> {
        let script = Script::new(include_str!("rate_limit.lua"));
        Ok(Self { connection: connect(url, wait)?, script, wait })
    }

    /// Takes one request of a user, in one round trip; answers how far from full that leaves the bucket, us. If that is further
    /// than `requests` intervals, nothing was taken.
    pub async fn take(
        &self,
        user: Uuid,
        interval_us: u64,
        requests: u32,
    ) -> Result<u64, RedisFault> {
        let mut connection = self.connection.clone();
        let mut invocation = self.script.key(format!("limit:user:{user}"));
        invocation.arg(interval_us).arg(requests);
        within(self.wait, invocation.invoke_async(&mut connection)).await
    }
}
