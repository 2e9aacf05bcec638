//! What is answered of a store, to whoever asks and between instances: rows by partition, each with who says so.

use millstream::{Found, Role, Row, Standing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was found in the partitions that were looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The store.
    pub store: String,
    /// A partition each; a key is in one of them, unless each has it.
    pub parts: Vec<Part>,
    /// Where a scan goes on, if there may be more.
    pub next: Option<String>,
}

/// What was found in one partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Which one.
    pub partition: i32,
    /// Who shows it.
    pub instance: String,
    /// In what right: `active`, or `last_committed` of who has given it up.
    pub role: String,
    /// What of its inputs it holds, at least.
    pub position: String,
    /// How far that is behind.
    pub lag: Lag,
    /// The rows.
    pub rows: Vec<Row>,
}

/// How far a task is behind, as its worker knows it; nothing where that is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TaskLag)]
pub struct Lag {
    /// How many offsets of its inputs it has not committed.
    pub records: Option<u64>,
    /// So long ago it knew everything there was, ms.
    pub ms: Option<u64>,
}

impl Lag {
    /// How far a task is behind that stands so.
    pub fn of(standing: &Standing) -> Self {
        let ms = standing.behind.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        Self { records: standing.behind_records, ms }
    }
}

impl Part {
    /// What `instance` found.
    pub fn of<T>(instance: &str, found: Found<T>, rows: impl FnOnce(T) -> Vec<Row>) -> Self {
        Self {
            partition: found.partition,
            instance: instance.to_owned(),
            role: found.role.name().to_owned(),
            position: found.standing.position.to_string(),
            lag: Lag::of(&found.standing),
            rows: rows(found.what),
        }
    }

    /// Whether whoever shows it runs its task.
    pub fn is_active(&self) -> bool {
        self.role == Role::Active.name()
    }
}
