//! What a database says of itself: settings, slots, who may do what, how long statements take.
//!
//! Plain facts; what is wrong with them is for a judge. One session, which reads only.

use std::time::Duration;

use serde::Deserialize;

use super::asked::ask;
use super::{Database, Limits, PostgresFault, Slot, fault};

/// The publication of which the connector reads.
const PUBLICATION: &str = "feedmill";
/// The tables that matter, the last two if an application has them.
const TABLES: [&str; 7] = ["users", "posts", "follows", "comments", "likes", "mutes", "blocks"];
/// How long a question may take: some count.
const WAIT: Duration = Duration::from_secs(5);

/// The statements that take longest on the whole, of those that take long each.
const SLOW: &str = "SELECT coalesce(json_agg(slow), '[]')::text FROM (
    SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 120) AS query, calls,
           mean_exec_time::float8 AS mean_ms
    FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND mean_exec_time >= $1 AND calls >= 5
    ORDER BY total_exec_time DESC LIMIT 3) AS slow";

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PostgresVitals {
    /// Such as 170002.
    pub version: u32,
    /// Its clock.
    pub now_ms: i64,
    /// The role that asks.
    pub user: String,
    /// What its log can be read for.
    pub wal_level: String,
    /// How much of its log a slot may hold; -1: all of it.
    pub slot_wal_mb_max: i64,
    /// How many slots there may be.
    pub slots_max: u32,
    /// How many may read its log at once.
    pub senders_max: u32,
    /// How many connections there may be, but for superusers'.
    pub connections_max: i64,
    /// How many there are.
    pub connections: i64,
    /// The logical slots.
    #[serde(default)]
    pub slots: Vec<Slot>,
    /// Whether there is the publication.
    pub has_publication: bool,
    /// The tables in it.
    pub published: Vec<String>,
    /// The roles that may replicate and log in, but for superusers.
    pub replicators: Vec<String>,
    /// The tables that matter.
    pub tables: Vec<TableVitals>,
    /// Whether statements are counted.
    pub has_statements: bool,
    /// Those that are slow, if they are counted and may be looked at.
    #[serde(default)]
    pub slow: Vec<SlowStatement>,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct TableVitals {
    /// Its name.
    pub name: String,
    /// Its replica identity: `d`efault, `f`ull, `n`othing, `i`ndex; none if there is no such table.
    pub identity: Option<String>,
    /// Whether whoever asks may read it.
    pub is_readable: bool,
}

/// A statement that takes long.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SlowStatement {
    /// Its shape, without values.
    pub query: String,
    /// How often it ran.
    pub calls: i64,
    /// How long it took on average.
    pub mean_ms: f64,
}

impl PostgresVitals {
    /// Of the database at `url`; statements that take `slow` on average are told.
    pub async fn take(url: &str, slow: Duration) -> Result<Self, PostgresFault> {
        let limits = Limits { connections_max: 1, acquire: WAIT, statement: WAIT };
        let database = Database::open(url, limits)?;
        let asked = ask(include_str!("vitals.sql"));
        let asked = asked.bind(PUBLICATION).bind(&TABLES[..]);
        let told: Result<String, _> = asked.value(&database.pool).await;
        let mut vitals: Self = read(&told.map_err(|e| fault(&e))?)?;
        vitals.slots = database.slots().await?;
        if vitals.has_statements {
            let asked = ask(SLOW).bind(slow.as_secs_f64() * 1e3);
            // Whoever may not look at statements knows of none.
            if let Ok(told) = asked.value::<String>(&database.pool).await {
                vitals.slow = read(&told)?;
            }
        }
        Ok(vitals)
    }
}

pub(super) fn read<T: for<'de> Deserialize<'de>>(told: &str) -> Result<T, PostgresFault> {
    serde_json::from_str(told)
        .map_err(|error| PostgresFault::Refused(format!("{error}, in {told}")))
}
