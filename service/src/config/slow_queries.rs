//! From when on a call to a server is slow, and is told of.

use std::time::Duration;

use connectors::slow::Server;

use super::values::ConfigValues;

/// See the module; zero: never.
#[derive(Clone, Copy, Debug)]
pub struct SlowQueries {
    postgres: Duration,
    clickhouse: Duration,
    redis: Duration,
}

impl SlowQueries {
    /// By default less than a read waits for each, so that what is told of was not given up yet.
    pub(super) fn read(from: &mut ConfigValues) -> Self {
        let mut millis =
            |name, default| Duration::from_millis(from.within(name, default, 0..=86_400_000));
        Self {
            postgres: millis("log.slow_query_ms.postgres", 200),
            clickhouse: millis("log.slow_query_ms.clickhouse", 1_000),
            redis: millis("log.slow_query_ms.redis", 20),
        }
    }

    /// Holds from now on, in the whole process.
    pub fn apply(self) {
        Server::Postgres.watch(self.postgres);
        Server::ClickHouse.watch(self.clickhouse);
        Server::Redis.watch(self.redis);
    }
}
