//! PostgreSQL: where the facts come from, and the last resort of a read.
//!
//! A session of [`Database::open`] is read-only and its statements end by themselves: nothing here writes to
//! the tables whose changes feed the topology. The pool is small and a caller waits for it only briefly, so that
//! a slow database costs a failed read and not a pile of them. [`Rows`] is the exception, for generated worlds.
//! [`FeedbackTable`] is a table of our own, which the loop of [`run`] fills.

mod asked;
mod feedback;
mod rows;
mod run;
mod slots;
mod snapshot;
mod timeline;
mod vitals;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Error, PgPool};

use crate::outage;
use asked::ask;

pub use feedback::{FeedbackRows, FeedbackTable};
pub use rows::{Rows, Write};
pub use run::{Progress, Sinking, run};
pub use slots::Slot;
pub use snapshot::{Snapshot, Standing};
pub use timeline::{Timeline, TimelinePost};
pub use vitals::{PostgresVitals, SlowStatement, TableVitals};

/// Why PostgreSQL did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresFault {
    /// Not reached, not in time, or nothing free: the same may be asked again.
    Unavailable(String),
    /// An answer that no retry changes: a missing table, a refused login, a wrong URL.
    Refused(String),
}

impl fmt::Display for PostgresFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(words) => write!(f, "postgresql is unavailable: {words}"),
            Self::Refused(words) => write!(f, "postgresql refuses: {words}"),
        }
    }
}

impl std::error::Error for PostgresFault {}

impl PostgresFault {
    fn kind(&self) -> outage::Kind {
        match self {
            Self::Unavailable(_) => outage::Kind::Unavailable,
            Self::Refused(_) => outage::Kind::Refused,
        }
    }
}

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// What a database may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most connections.
    pub connections_max: u32,
    /// How long a read waits for a free connection.
    pub acquire: Duration,
    /// How long a statement may run.
    pub statement: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 8,
            acquire: Duration::from_millis(250),
            statement: Duration::from_millis(500),
        }
    }
}

/// A database that is only read.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    limits: Limits,
    /// Whether a table that may not be read was told of.
    told: Arc<AtomicBool>,
}

impl Database {
    /// A pool on the database at `url`; it connects when it is first asked.
    pub fn open(url: &str, limits: Limits) -> Result<Self, PostgresFault> {
        let options = options(url)?.options([
            ("default_transaction_read_only", "on".to_owned()),
            ("statement_timeout", format!("{}ms", limits.statement.as_millis())),
        ]);
        // Who asks says how long that may take; a statement that takes a second is none to warn of by itself.
        let options = options.disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(limits.connections_max)
            .acquire_timeout(limits.acquire)
            .connect_lazy_with(options);
        Ok(Self { pool, limits, told: Arc::default() })
    }

    /// Whether the database answers, for readiness.
    pub async fn ping(&self) -> Result<(), PostgresFault> {
        ask("SELECT 1").done(&self.pool).await.map_err(|e| fault(&e))
    }
}

/// Whether `url` can name a database; nobody is asked. The words of the fault do not repeat the URL.
pub fn check_url(url: &str) -> Result<(), String> {
    parsed(url).map(drop)
}

fn options(url: &str) -> Result<PgConnectOptions, PostgresFault> {
    let options = parsed(url).map_err(|words| PostgresFault::Refused(format!("the URL {words}")));
    Ok(options?.application_name("feedmill"))
}

/// The URL may carry a password: no words repeat it.
fn parsed(url: &str) -> Result<PgConnectOptions, String> {
    // The parser takes any scheme for its own.
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(format!("does not begin with {}", SCHEMES.join(" or ")));
    }
    PgConnectOptions::from_str(url).map_err(|e| format!("is not understood: {e}"))
}

fn fault(error: &Error) -> PostgresFault {
    let words = error.to_string();
    let passing = match error {
        Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => true,
        // 57: statement timeout, shutdown, starting up; 53: resources; 08: connection; 40: conflict.
        Error::Database(said) => said.code().is_some_and(|code| {
            ["57", "53", "08", "40"].iter().any(|class| code.starts_with(class))
        }),
        other => matches!(other, Error::Protocol(_) | Error::Tls(_)),
    };
    if passing { PostgresFault::Unavailable(words) } else { PostgresFault::Refused(words) }
}
