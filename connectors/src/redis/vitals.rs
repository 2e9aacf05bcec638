//! What a Redis says of itself, and how large its values are.
//!
//! Plain facts; what is wrong with them is for a judge. Values are sampled: a few hundred keys, as a scan brings them.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use ::redis::{FromRedisValue, cmd};

use super::{Connection, RedisFault, connect, fault};

/// How long an answer may take.
const WAIT: Duration = Duration::from_secs(5);
/// How many keys are looked at, and how many a scan brings at a time.
const SAMPLE: usize = 300;
const SCAN: usize = 100;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisVitals {
    /// Such as 7.2.4.
    pub version: String,
    /// Its clock.
    pub now_ms: i64,
    /// `master` or `slave`.
    pub role: String,
    /// How much it takes.
    pub used_bytes: u64,
    /// How much it may; 0: all there is.
    pub max_bytes: u64,
    /// What it does when it may not take more.
    pub policy: String,
    /// How many keys it gave up because it was full.
    pub evicted: u64,
    /// How many connections there are, and may be.
    pub clients: (u64, u64),
    /// Whether it writes to disk, and whether the last write went well.
    pub persists: Option<bool>,
    /// How many keys there are.
    pub keys: u64,
    /// The sampled value that is largest, with its key.
    pub largest: Option<(String, u64)>,
    /// The mean of the sampled values.
    pub mean_bytes: u64,
}

impl RedisVitals {
    /// Of the server at `url`. Call it inside a Tokio runtime.
    pub async fn take(url: &str) -> Result<Self, RedisFault> {
        let mut connection = connect(url, WAIT)?;
        let info: String = ask(&mut connection, &["INFO"]).await?;
        let (seconds, micros): (i64, i64) = ask(&mut connection, &["TIME"]).await?;
        let mut vitals = Self::of_info(&info);
        vitals.now_ms = seconds * 1_000 + micros / 1_000;
        vitals.keys = ask(&mut connection, &["DBSIZE"]).await?;
        let mut sizes = Vec::new();
        let mut cursor = "0".to_owned();
        while sizes.len() < SAMPLE {
            let scan = ["SCAN", &cursor, "COUNT", &SCAN.to_string()];
            let (next, keys): (String, Vec<String>) = ask(&mut connection, &scan).await?;
            for key in keys {
                let size: Option<u64> = ask(&mut connection, &["MEMORY", "USAGE", &key]).await?;
                sizes.push((key, size.unwrap_or(0)));
            }
            cursor = next;
            if cursor == "0" {
                break;
            }
        }
        let sum: u64 = sizes.iter().map(|(_, size)| size).sum();
        vitals.mean_bytes = sum.checked_div(sizes.len() as u64).unwrap_or(0);
        vitals.largest = sizes.into_iter().max_by_key(|(_, size)| *size);
        Ok(vitals)
    }

    /// What its own report says.
    fn of_info(info: &str) -> Self {
        let lines = info.lines().filter_map(|line| line.split_once(':'));
        let fields: BTreeMap<_, _> = lines.collect();
        let text = |name: &str| fields.get(name).map_or_else(String::new, |of| (*of).to_owned());
        fn number<T: FromStr + Default>(fields: &BTreeMap<&str, &str>, name: &str) -> T {
            fields.get(name).and_then(|of| of.parse().ok()).unwrap_or_default()
        }
        // It does not say whether there is a rule for snapshots; that it made one does.
        let snapshots = number::<u64>(&fields, "rdb_saves") > 0;
        let persists = text("aof_enabled") == "1" || snapshots;
        let is_well =
            text("aof_last_write_status") != "err" && text("rdb_last_bgsave_status") != "err";
        Self {
            version: text("redis_version"),
            role: text("role"),
            used_bytes: number(&fields, "used_memory"),
            max_bytes: number(&fields, "maxmemory"),
            policy: text("maxmemory_policy"),
            evicted: number(&fields, "evicted_keys"),
            clients: (number(&fields, "connected_clients"), number(&fields, "maxclients")),
            persists: persists.then_some(is_well),
            ..Self::default()
        }
    }
}

async fn ask<T: FromRedisValue>(
    connection: &mut Connection,
    words: &[&str],
) -> Result<T, RedisFault> {
    let (name, arguments) = words.split_first().unwrap_or((&"PING", &[]));
    let mut command = cmd(name);
    for argument in arguments {
        command.arg(argument);
    }
    command.query_async(connection).await.map_err(|e| fault(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_far_as_it_goes() {
        let info = "# Server\r\nredis_version:7.2.4\r\nrole:master\r\nused_memory:10\r\n\
                    maxmemory:20\r\nmaxmemory_policy:allkeys-lru\r\nevicted_keys:3\r\n\
                    connected_clients:2\r\nmaxclients:100\r\naof_enabled:1\r\n\
                    aof_last_write_status:err\r\n";
        let expected = RedisVitals {
            version: "7.2.4".into(),
            role: "master".into(),
            used_bytes: 10,
            max_bytes: 20,
            policy: "allkeys-lru".into(),
            evicted: 3,
            clients: (2, 100),
            persists: Some(false),
            ..RedisVitals::default()
        };
        assert_eq!(RedisVitals::of_info(info), expected);
        assert_eq!(RedisVitals::of_info("nonsense"), RedisVitals::default());
    }
}
