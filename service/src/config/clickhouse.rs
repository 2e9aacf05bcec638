//! ClickHouse: where it is, who asks it, and how long rows are gathered for it.

use std::time::Duration;

use connectors::clickhouse::ClickHouseSettings;

use super::registry::fault_of;
use super::values::ConfigValues;

/// ClickHouse, if there is one.
#[derive(Clone)]
pub struct ClickHouse {
    /// The server, the database, and who asks.
    pub server: ClickHouseSettings,
    /// How long rows are gathered before they are inserted.
    pub linger: Duration,
    /// How many records of a partition are inserted at once.
    pub records_max: usize,
    /// How long a read waits for its answer.
    pub wait: Duration,
    /// How many reads it ranks at once.
    pub reads_max: usize,
}

impl ClickHouse {
    /// What is set of it; none without a URL.
    pub(super) fn read(from: &mut ConfigValues) -> Option<Self> {
        let url = from.text("clickhouse.url", "");
        let database = from.name("clickhouse.database", "feedmill");
        let user = from.text("clickhouse.user", "");
        let password = from.secret("clickhouse.password");
        let linger = from.millis("clickhouse.linger_ms", 10_000);
        let records_max = from.within("clickhouse.records_max", 100_000, 1..=1_000_000);
        let wait = from.millis("clickhouse.wait_ms", 2_000);
        let reads_max = from.within("clickhouse.reads_max", 16, 1..=10_000);
        if user.is_empty() && password.is_some() {
            from.fault("clickhouse.user", "is needed with clickhouse.password");
        }
        if url.is_empty() {
            return None;
        }
        let fault = fault_of(&url, "is a URL such as http://clickhouse:8123", "clickhouse");
        if let Some(words) = fault {
            from.fault("clickhouse.url", &words);
        }
        let login = (!user.is_empty()).then(|| (user, password.unwrap_or_default()));
        let server = ClickHouseSettings { url, database, login };
        Some(Self { server, linger, records_max, wait, reads_max })
    }
}
