//! The logical replication slots of a server: who reads its log, and how much of it is kept for them.

use serde::Deserialize;

use super::asked::ask;
use super::vitals::read;
use super::{Database, PostgresFault, fault};

/// A logical replication slot.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Whether somebody reads from it.
    pub is_active: bool,
    /// Whether what it needs of the log is there: `reserved`, `extended`, `unreserved`, `lost`.
    pub wal_status: Option<String>,
    /// How much of the log it holds.
    pub retained_bytes: Option<i64>,
}

impl Database {
    /// Those that there are: no more than `max_replication_slots`.
    pub async fn slots(&self) -> Result<Vec<Slot>, PostgresFault> {
        let told: Result<String, _> = ask(include_str!("slots.sql")).value(&self.pool).await;
        read(&told.map_err(|e| fault(&e))?)
    }
}
