//! The tables of the application's database, as they were inserted: what is live in them now, and as of a position.
//!
//! As of a position means without the rows whose newest image is newer: what they were before may be merged away, so nothing
//! is said of them. A row that was deleted since is missing for the same reason.

use std::collections::BTreeMap;

use ::clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

use super::client::{Client, Question};
use super::{ClickHouseFault, ClickHouseSettings, while_it_answers};
use crate::table::{DayOfRows, LiveRow, RowKey, Table};

/// A question: the rows in one form, and what is asked of them.
macro_rules! question {
    ($($part:literal)*) => {
        concat!(include_str!("live_rows/rows.sql"), $(include_str!(concat!("live_rows/", $part))),*)
    };
}

/// A question: images in one form, and what is asked of them.
macro_rules! images {
    ($part:literal) => {
        concat!(
            include_str!("live_rows/every_image.sql"),
            include_str!(concat!("live_rows/", $part))
        )
    };
}

/// How new an image is: `cdc.epoch`, and the position in the database's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u128);

impl Version {
    /// The newest that can be.
    pub const MAX: Self = Self(u128::MAX);

    /// That of an image written at `lsn`.
    pub fn at(epoch: u32, lsn: u64) -> Self {
        Self(u128::from(epoch) << 64 | u128::from(lsn))
    }

    /// The position in the database's log.
    pub fn lsn(self) -> u64 {
        self.0 as u64
    }
}

/// What is known of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// How new that is.
    pub version: Version,
    /// The row; none if it is deleted.
    pub row: Option<LiveRow>,
}

/// Asks for rows.
#[derive(Clone)]
pub struct LiveRows {
    client: Client,
}

impl LiveRows {
    /// Those of the database of these settings; nobody is asked yet.
    pub fn new(settings: &ClickHouseSettings) -> Self {
        Self { client: settings.client().with_database(&settings.database) }
    }

    /// Asks about a table as of a position.
    fn ask<'q>(&self, question: &'q str, table: Table, as_of: Version) -> Question<'q> {
        let asked = self.client.query_raw(question);
        asked.param("table", table.name()).param("cut", as_of.0)
    }

    /// The live rows of a table by the day of their creation, counted from 1970.
    pub async fn days(
        &self,
        table: Table,
        as_of: Version,
    ) -> Result<BTreeMap<i32, DayOfRows>, ClickHouseFault> {
        let asked = self.ask(question!("days.sql"), table, as_of);
        let asked = async { Ok(asked.fetch_all::<(i32, u64, i128, u64)>().await?) };
        let days = while_it_answers(&self.client, asked).await?;
        let day = |(day, rows, digest, contents)| (day, DayOfRows { rows, digest, contents });
        Ok(days.into_iter().map(day).collect())
    }

    /// The live rows of one day.
    pub async fn of_day(
        &self,
        (table, day): (Table, i32),
        as_of: Version,
    ) -> Result<Vec<LiveRow>, ClickHouseFault> {
        let asked = self.ask(question!("row.sql" "of_day.sql"), table, as_of).param("day", day);
        while_it_answers(&self.client, rows(asked)).await
    }

    /// Live rows, by chance that the seed decides.
    pub async fn sample(
        &self,
        table: Table,
        as_of: Version,
        (seed, count): (u64, u32),
    ) -> Result<Vec<LiveRow>, ClickHouseFault> {
        let asked = self.ask(question!("row.sql" "sample.sql"), table, as_of);
        let asked = asked.param("seed", seed.to_string()).param("count", count);
        while_it_answers(&self.client, rows(asked)).await
    }

    /// The newest images after a position, deletions too, the newest first; at most so many.
    pub async fn newer_than(
        &self,
        table: Table,
        as_of: Version,
        count: u32,
    ) -> Result<Vec<(RowKey, Version)>, ClickHouseFault> {
        let asked = self.ask(images!("newer.sql"), table, as_of);
        let asked = asked.param("count", count);
        let asked = async { Ok(asked.fetch_all::<ImageRow>().await?) };
        let images = while_it_answers(&self.client, asked).await?;
        let key = |of: &ImageRow| table.key([of.first, of.second, Uuid::nil()]);
        Ok(images.iter().map(|of| (key(of), Version(of.newest))).collect())
    }

    /// What is known of these rows, whatever it is as of.
    pub async fn of_keys(
        &self,
        table: Table,
        keys: &[RowKey],
    ) -> Result<BTreeMap<RowKey, Image>, ClickHouseFault> {
        let (first, second): (Vec<_>, Vec<_>) = keys
            .iter()
            .map(|RowKey(first, second)| {
                (first.to_string(), second.unwrap_or_default().to_string())
            })
            .unzip();
        let ask = |question| {
            let asked = self.ask(question, table, Version::MAX);
            asked.param("first", &first).param("second", &second)
        };
        let images = ask(images!("images.sql"));
        let images = async { Ok(images.fetch_all::<ImageRow>().await?) };
        let images = while_it_answers(&self.client, images).await?;
        let image = |of: ImageRow| {
            let key = table.key([of.first, of.second, Uuid::nil()]);
            (key, Image { version: Version(of.newest), row: None })
        };
        let mut images: BTreeMap<_, _> = images.into_iter().map(image).collect();
        let live = rows(ask(question!("row.sql" "of_keys.sql")));
        for row in while_it_answers(&self.client, live).await? {
            if let Some(image) = images.get_mut(&table.key(row.ids)) {
                image.row = Some(row);
            }
        }
        Ok(images)
    }
}

async fn rows(asked: Question<'_>) -> Result<Vec<LiveRow>, ClickHouseFault> {
    let mut cursor = asked.fetch::<FlatRow>()?;
    let mut rows = Vec::new();
    while let Some(row) = cursor.next().await? {
        let ids = [row.first, row.second, row.third];
        rows.push(LiveRow { ids, created_at_ms: row.at, content_hash: row.content_hash });
    }
    Ok(rows)
}

/// Columns of `row.sql`.
#[derive(Debug, Row, Deserialize)]
struct FlatRow {
    #[serde(with = "::clickhouse::serde::uuid")]
    first: Uuid,
    #[serde(with = "::clickhouse::serde::uuid")]
    second: Uuid,
    #[serde(with = "::clickhouse::serde::uuid")]
    third: Uuid,
    at: i64,
    content_hash: Option<u64>,
}

/// Columns of `images.sql` and `newer.sql`.
#[derive(Debug, Row, Deserialize)]
struct ImageRow {
    #[serde(with = "::clickhouse::serde::uuid")]
    first: Uuid,
    #[serde(with = "::clickhouse::serde::uuid")]
    second: Uuid,
    newest: u128,
}
