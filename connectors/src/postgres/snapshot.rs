//! One moment of the database: what its tables had in it, read by as many questions as it takes.
//!
//! A transaction that reads and sees nothing of what happens after its first statement, which also asks for the position in
//! the log. So whatever is seen was written before that position; what was written before it may still be unseen, if it
//! was not committed. Leave it soon: while it is open the database keeps every old row.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use schemas::content_hash;
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row, Transaction};
use uuid::Uuid;

use super::asked::ask;
use super::{Database, PostgresFault, fault};
use crate::table::{DayOfRows, LiveRow, RowKey, Table, content_part};

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A question: the rows in one form, and what is asked of them.
macro_rules! question {
    ($($part:literal)*) => {
        concat!(include_str!("snapshot/rows.sql"), $(include_str!(concat!("snapshot/", $part))),*)
    };
}

/// The hash of a post that has no content.
const NO_CONTENT: u64 = 0;

/// Where the log of a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its position.
    pub lsn: u64,
    /// The position up to which every connector at work has acknowledged it; none if there is none.
    pub captured: Option<u64>,
}

/// See the module.
pub struct Snapshot {
    transaction: Transaction<'static, Postgres>,
    standing: Standing,
}

impl Database {
    /// The database as it is now.
    pub async fn snapshot(&self) -> Result<Snapshot, PostgresFault> {
        let mut transaction = self.pool.begin_with(BEGIN).await.map_err(|e| fault(&e))?;
        let asked = ask(include_str!("snapshot/standing.sql"));
        let row = asked.row(&mut *transaction).await.map_err(|e| fault(&e))?;
        let standing = standing(&row).map_err(|e| fault(&e))?;
        Ok(Snapshot { transaction, standing })
    }

    /// Users, by chance that the seed decides.
    pub async fn some_users(&self, seed: u64, count: u32) -> Result<Vec<Uuid>, PostgresFault> {
        let mut snapshot = self.snapshot().await?;
        let users = snapshot.sample(Table::Users, seed, count).await?;
        Ok(users.into_iter().map(|row| row.ids[0]).collect())
    }
}

fn standing(row: &PgRow) -> Result<Standing, sqlx::Error> {
    let captured: Option<i64> = row.try_get("captured")?;
    let lsn = row.try_get::<i64, _>("at")?.cast_unsigned();
    Ok(Standing { lsn, captured: captured.map(i64::cast_unsigned) })
}

impl Snapshot {
    /// Where the log was when it was taken.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The live rows of a table by the day of their creation, counted from 1970.
    pub async fn days(&mut self, table: Table) -> Result<BTreeMap<i32, DayOfRows>, PostgresFault> {
        let asked = ask(question!("days.sql")).bind(table.name());
        let found = asked.rows(&mut *self.transaction).await.map_err(|e| fault(&e))?;
        let days = found.iter().map(day).collect::<Result<BTreeMap<_, _>, _>>();
        let mut days = days.map_err(|e| fault(&e))?;
        if table == Table::Posts {
            self.add_contents(&mut days).await.map_err(|e| fault(&e))?;
        }
        Ok(days)
    }

    /// The database has no function for the hash of a content: each passes by here once.
    async fn add_contents(
        &mut self,
        days: &mut BTreeMap<i32, DayOfRows>,
    ) -> Result<(), sqlx::Error> {
        let asked = sqlx::query(question!("contents.sql")).bind(Table::Posts.name());
        let mut found = asked.fetch(&mut *self.transaction);
        while let Some(row) = found.try_next().await? {
            let part = content_part(row.try_get("first")?, hash_of(&row)?);
            let day = days.entry(row.try_get("day")?).or_default();
            day.contents = day.contents.wrapping_add(part);
        }
        Ok(())
    }

    /// The live rows of one day.
    pub async fn of_day(&mut self, table: Table, day: i32) -> Result<Vec<LiveRow>, PostgresFault> {
        let asked = ask(question!("row.sql" "of_day.sql")).bind(table.name()).bind(day);
        let found = asked.rows(&mut *self.transaction).await;
        rows(table, found)
    }

    /// The live ones of these rows.
    pub async fn of_keys(
        &mut self,
        table: Table,
        keys: &[RowKey],
    ) -> Result<Vec<LiveRow>, PostgresFault> {
        let (first, second): (Vec<_>, Vec<_>) =
            keys.iter().map(|RowKey(first, second)| (*first, second.unwrap_or_default())).unzip();
        let asked = ask(question!("row.sql" "of_keys.sql"));
        let asked = asked.bind(table.name()).bind(first).bind(second);
        let found = asked.rows(&mut *self.transaction).await;
        rows(table, found)
    }

    /// Live rows, by chance that the seed decides.
    pub async fn sample(
        &mut self,
        table: Table,
        seed: u64,
        count: u32,
    ) -> Result<Vec<LiveRow>, PostgresFault> {
        let asked = ask(question!("row.sql" "sample.sql"));
        let asked = asked.bind(table.name()).bind(seed.to_string()).bind(i64::from(count));
        let found = asked.rows(&mut *self.transaction).await;
        rows(table, found)
    }
}

fn day(row: &PgRow) -> Result<(i32, DayOfRows), sqlx::Error> {
    let digest = row.try_get::<String, _>("digest")?.parse();
    let digest = digest.map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
    let rows = row.try_get::<i64, _>("live")?.cast_unsigned();
    Ok((row.try_get("day")?, DayOfRows { rows, digest, contents: 0 }))
}

fn rows(
    table: Table,
    found: Result<Vec<PgRow>, sqlx::Error>,
) -> Result<Vec<LiveRow>, PostgresFault> {
    let row = |row: &PgRow| {
        Ok(LiveRow {
            ids: [row.try_get("first")?, row.try_get("second")?, row.try_get("third")?],
            created_at_ms: row.try_get("created_at")?,
            content_hash: (table == Table::Posts).then(|| hash_of(row)).transpose()?,
        })
    };
    let rows = found.and_then(|found| found.iter().map(row).collect());
    rows.map_err(|e| fault(&e))
}

fn hash_of(row: &PgRow) -> Result<u64, sqlx::Error> {
    let content: Option<&str> = row.try_get("content")?;
    Ok(content.map_or(NO_CONTENT, content_hash))
}
