//! What a ClickHouse says of itself.
//!
//! Plain facts; what is wrong with them is for a judge. Where its user may not look at the system's tables, these facts
//! are not known.

use std::time::Duration;

use super::{ClickHouseFault, ClickHouseSettings, within};

const WAIT: Duration = Duration::from_secs(5);
/// The partition of a table with the most active parts.
const PARTS: &str = "SELECT table, count() AS parts FROM system.parts WHERE active AND database = ? \
                     GROUP BY table, partition_id ORDER BY parts DESC LIMIT 1";
const DISK: &str = "SELECT name, free_space, total_space FROM system.disks \
                    ORDER BY free_space / total_space LIMIT 1";

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClickHouseVitals {
    /// Such as 25.8.1.1.
    pub version: String,
    /// Its clock.
    pub now_ms: i64,
    /// The table with the most parts in one partition, and how many these are, if it says so.
    pub parts: Option<(String, u64)>,
    /// The fullest disk: its name, the free bytes, and all of them, if it says so.
    pub disk: Option<(String, u64, u64)>,
}

impl ClickHouseVitals {
    /// Of the server of these settings.
    pub async fn take(settings: &ClickHouseSettings) -> Result<Self, ClickHouseFault> {
        let client = settings.client();
        let said = client.query("SELECT version(), toUnixTimestamp64Milli(now64(3))");
        let (version, now_ms) = within(WAIT, said.fetch_one::<(String, i64)>()).await?;
        let parts = client.query(PARTS).bind(&settings.database);
        let parts = within(WAIT, parts.fetch_optional::<(String, u64)>()).await;
        let disk = client.query(DISK).fetch_optional::<(String, u64, u64)>();
        let disk = within(WAIT, disk).await;
        Ok(Self { version, now_ms, parts: known(parts)?, disk: known(disk)? })
    }
}

/// What may not be asked is not known.
fn known<T>(answer: Result<Option<T>, ClickHouseFault>) -> Result<Option<T>, ClickHouseFault> {
    match answer {
        Ok(known) => Ok(known),
        Err(ClickHouseFault::Refused(_)) => Ok(None),
        Err(fault @ (ClickHouseFault::Unavailable(_) | ClickHouseFault::Rows(_))) => Err(fault),
    }
}
