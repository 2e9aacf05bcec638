//! How the tables come to be: files of statements, in the order of their numbers, each once.
//!
//! The database itself remembers what was done, with a checksum, so that a file that was changed afterwards is noticed. Every
//! statement may be repeated: a migration that was cut off is done again from its start. One process migrates at a time,
//! by a table that can be made only once; it says who made it, for whoever finds it left over.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

use ::clickhouse::sql::Identifier;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use super::client::Client;
use super::{ClickHouseFault, ClickHouseSettings, within};

/// How long another migration is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a statement may take.
const STATEMENT_MAX: Duration = Duration::from_secs(60);
/// What a server says of a table that is there already, and of a database or a table that is not.
const EXISTS: &str = "Code: 57.";
const MISSING: [&str; 2] = ["Code: 81.", "Code: 60."];

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS migrations (
    number UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = MergeTree ORDER BY number";

/// One file of statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its number.
    pub number: u32,
    /// What it is about.
    pub name: &'static str,
    sql: &'static str,
}

macro_rules! migrations {
    ($($number:literal $name:literal),* $(,)?) => {
        [$(Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../../../schemas/sql/clickhouse/", $number, "-", $name, ".sql")),
        }),*]
    };
}

impl Migration {
    /// Every one, in order.
    pub const ALL: [Self; 6] = migrations![
        1 "rows", 2 "events", 3 "feeds", 4 "metrics", 5 "ranking", 6 "silences",
    ];

    /// A statement ends with a semicolon at the end of its line.
    pub fn statements(&self) -> impl Iterator<Item = &'static str> {
        self.sql.split(";\n").filter(|statement| !statement.trim().is_empty())
    }

    /// The tables and views that it makes.
    fn makes(&self) -> impl Iterator<Item = &'static str> {
        let of = |kind: &str, statement: &'static str| {
            let (_, rest) = statement.split_once(kind)?;
            rest.split_whitespace().next()
        };
        self.statements().filter_map(move |statement| {
            let view = of("CREATE MATERIALIZED VIEW IF NOT EXISTS ", statement);
            view.or_else(|| of("CREATE TABLE IF NOT EXISTS ", statement))
        })
    }

    fn checksum(&self) -> String {
        let mut hex = String::new();
        for byte in Sha256::digest(self.sql) {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.number, self.name)
    }
}

/// Why the tables are not as they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrationFault {
    /// The server does not do it.
    Server(ClickHouseFault),
    /// What was done differs from what is here; which, and how.
    Mismatch(String),
    /// Another process migrates, or left its lock behind; who, and since when.
    Locked(String),
}

impl fmt::Display for MigrationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(fault) => fault.fmt(f),
            Self::Mismatch(words) => f.write_str(words),
            Self::Locked(by) => write!(
                f,
                "another migration is under way: {by}; if there is none any more, \
                 `feedmill clickhouse migrate --unlock`"
            ),
        }
    }
}

impl std::error::Error for MigrationFault {}

impl From<ClickHouseFault> for MigrationFault {
    fn from(fault: ClickHouseFault) -> Self {
        Self::Server(fault)
    }
}

/// Migrates one database.
pub struct Migrator {
    /// With no database: it may not exist yet.
    server: Client,
    client: Client,
    database: String,
}

impl Migrator {
    /// Of the database of these settings.
    pub fn new(settings: &ClickHouseSettings) -> Self {
        let (server, database) = (settings.client(), settings.database.clone());
        Self { client: server.clone().with_database(&database), server, database }
    }

    /// What is to be done; nothing is changed.
    pub async fn pending(&self) -> Result<Vec<Migration>, MigrationFault> {
        self.left(&self.done().await?).await
    }

    /// What was done, by number, with its checksum.
    async fn done(&self) -> Result<BTreeMap<u32, String>, MigrationFault> {
        let done = self.client.query("SELECT number, checksum FROM migrations").fetch_all();
        match within(STATEMENT_MAX, done).await {
            Ok(done) => Ok(done.into_iter().collect::<BTreeMap<u32, String>>()),
            Err(ClickHouseFault::Refused(words)) if MISSING.iter().any(|of| words.contains(of)) => {
                Ok(BTreeMap::new())
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// What is left to do after what was done; of that too what made a table that is not there any more, and what came after it,
    /// which may have changed the table: statements are repeated without harm.
    async fn left(&self, done: &BTreeMap<u32, String>) -> Result<Vec<Migration>, MigrationFault> {
        let pending = pending(done)?;
        if done.is_empty() {
            return Ok(pending);
        }
        let asked =
            self.client.query("SELECT name FROM system.tables WHERE database = currentDatabase()");
        let there: Vec<String> = within(STATEMENT_MAX, asked.fetch_all()).await?;
        let is_lost = |of: &Migration| of.makes().any(|name| !there.iter().any(|of| of == name));
        let first_lost = Migration::ALL.iter().find(|of| is_lost(of)).map(|of| of.number);
        let is_left = |of: &Migration| {
            pending.contains(of) || first_lost.is_some_and(|first| of.number >= first)
        };
        Ok(Migration::ALL.into_iter().filter(is_left).collect())
    }

    /// Does what is to be done, and tells what it was; `by` is who does it.
    pub async fn migrate(&self, by: &str) -> Result<Vec<Migration>, MigrationFault> {
        let create = self.server.query("CREATE DATABASE IF NOT EXISTS ?");
        let create = create.bind(Identifier(&self.database)).execute();
        within(STATEMENT_MAX, create).await?;
        within(STATEMENT_MAX, self.client.query(LEDGER).execute()).await?;
        self.lock(by).await?;
        let migrated = self.migrate_locked().await;
        self.unlock().await?;
        migrated
    }

    async fn migrate_locked(&self) -> Result<Vec<Migration>, MigrationFault> {
        let done = self.done().await?;
        let left = self.left(&done).await?;
        for migration in &left {
            for statement in migration.statements() {
                within(STATEMENT_MAX, self.client.query_raw(statement).execute()).await?;
            }
            if done.contains_key(&migration.number) {
                continue;
            }
            let note = self
                .client
                .query("INSERT INTO migrations (number, name, checksum) VALUES (?, ?, ?)")
                .bind(migration.number)
                .bind(migration.name)
                .bind(migration.checksum())
                .execute();
            within(STATEMENT_MAX, note).await?;
        }
        Ok(left)
    }

    /// Waits a while for whoever has the lock.
    async fn lock(&self, by: &str) -> Result<(), MigrationFault> {
        let deadline = Instant::now() + LOCK_WAIT;
        let mut is_told = false;
        loop {
            let create =
                self.client.query("CREATE TABLE migrating (by String) ENGINE = Null COMMENT ?");
            match within(STATEMENT_MAX, create.bind(by).execute()).await {
                Ok(()) => return Ok(()),
                Err(fault) if fault.to_string().contains(EXISTS) => {}
                Err(fault) => return Err(fault.into()),
            }
            if Instant::now() >= deadline {
                return Err(MigrationFault::Locked(self.locked_by().await?));
            }
            if !std::mem::replace(&mut is_told, true) {
                let by = self.locked_by().await?;
                tracing::info!(by, wait = ?LOCK_WAIT, "another migration is under way; waiting for it");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn locked_by(&self) -> Result<String, MigrationFault> {
        let asked = self.client.query(
            "SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = 'migrating'",
        );
        let by = within(STATEMENT_MAX, asked.fetch_optional()).await?;
        Ok(by.unwrap_or_default())
    }

    /// Gives the lock up, whoever has it.
    pub async fn unlock(&self) -> Result<(), MigrationFault> {
        let drop = self.client.query("DROP TABLE IF EXISTS migrating").execute();
        Ok(within(STATEMENT_MAX, drop).await?)
    }
}

/// What is left to do after what was done: number and checksum.
fn pending(done: &BTreeMap<u32, String>) -> Result<Vec<Migration>, MigrationFault> {
    let mut pending = Vec::new();
    for migration in Migration::ALL {
        match done.get(&migration.number) {
            None => pending.push(migration),
            Some(checksum) if *checksum == migration.checksum() => {}
            Some(_) => {
                let words = format!("migration {migration} was done with other statements");
                return Err(MigrationFault::Mismatch(words));
            }
        }
    }
    let known = |number: &&u32| Migration::ALL.iter().any(|of| of.number == **number);
    match done.keys().find(|number| !known(number)) {
        Some(newer) => {
            let words = format!("migration {newer} was done by a later version of this program");
            Err(MigrationFault::Mismatch(words))
        }
        None => Ok(pending),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(of: impl IntoIterator<Item = Migration>) -> BTreeMap<u32, String> {
        of.into_iter().map(|of| (of.number, of.checksum())).collect()
    }

    #[test]
    fn what_was_done_is_not_done_again() {
        assert_eq!(pending(&BTreeMap::new()), Ok(Migration::ALL.to_vec()));
        assert_eq!(pending(&done(Migration::ALL)), Ok(vec![]));
        let [first, second, rest @ ..] = Migration::ALL;
        assert_eq!(pending(&done([first, second])), Ok(rest.to_vec()));
    }

    #[test]
    fn a_file_that_was_changed_and_a_later_one_are_told_by_number() {
        let mut changed = done(Migration::ALL);
        changed.insert(2, "another".to_owned());
        let words = |done| match pending(&done) {
            Err(MigrationFault::Mismatch(words)) => words,
            other => panic!("{other:?}"),
        };
        assert_eq!(words(changed), "migration 2-events was done with other statements");
        let mut later = done(Migration::ALL);
        later.insert(99, String::new());
        assert_eq!(words(later), "migration 99 was done by a later version of this program");
    }

    #[test]
    fn what_a_migration_makes_is_known_by_name() {
        let made: Vec<_> = Migration::ALL.iter().flat_map(Migration::makes).collect();
        for name in ["users", "events", "feeds", "post_metrics_1h", "lines_by_author_of_lines"] {
            assert!(made.contains(&name), "{name}: {made:?}");
        }
        let statements = Migration::ALL.iter().flat_map(Migration::statements);
        let makes = statements.filter(|of| of.contains("CREATE "));
        assert_eq!(made.len(), makes.count());
    }

    #[test]
    fn every_statement_may_be_repeated() {
        let statements = Migration::ALL.iter().flat_map(Migration::statements);
        let bare = |statement: &str| {
            let lines = statement.lines().filter(|line| !line.starts_with("--"));
            lines.collect::<Vec<_>>().join(" ").trim().to_owned()
        };
        let once: Vec<_> =
            statements.map(bare).filter(|of| !of.contains(" IF NOT EXISTS ")).collect();
        // A column that is what it is to be stays so.
        assert!(once.iter().all(|of| of.contains(" MODIFY COLUMN ")), "{once:?}");
    }
}
