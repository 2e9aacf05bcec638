//! The tables: PostgreSQL's rows against ClickHouse's.
//!
//! 1. One snapshot of PostgreSQL counts and digests every table by day, and samples rows. Its position is that of the report.
//! 2. The ends of the tables' topics are noted, and it is waited until ClickHouse's sink has passed them.
//! 3. ClickHouse counts, digests and samples the same, without rows that are newer than the position. Of days that
//!    differ both tell all rows; the rows that differ, and sampled ones that only one has, are suspect.
//! 4. Suspects are looked at, again and again, until they are equal or [proven](super::suspects) to differ.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use connectors::clickhouse::{LiveRows, Version};
use connectors::postgres::{Database, Snapshot, Standing};
use connectors::table::{LiveRow, RowKey, Table};
use millstream::{Clock, SystemClock};
use tokio::time::sleep;

use super::days::{self, Days};
use super::difference::{Difference, Found};
use super::report::{Position, Report, TableReport, UnequalDay, shown_lsn};
use super::sight::Sight;
use super::suspects::{Moment, Passed, Suspects};
use schemas::iso_date;

use crate::Failed;
use crate::backlog::Backlog;

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How many rows are asked for by their keys at once.
const KEYS_MAX: usize = 1_000;
/// How many rows of a table are told that are newer than the log.
const BEYOND_MAX: u32 = 1_000;
/// How many rows of a table are looked at again.
const SUSPECTS_MAX: usize = 10_000;
/// Beyond what a difference has to last, for looking.
const LOOKING_MAX: Duration = Duration::from_secs(5);

/// What is compared, and who is asked.
pub struct Rows {
    /// PostgreSQL.
    pub database: Database,
    /// ClickHouse.
    pub live: LiveRows,
    /// That of ClickHouse's sink, in the topics of the tables.
    pub backlog: Backlog,
    /// The configured `cdc.epoch`.
    pub cdc_epoch: u32,
    /// Which tables.
    pub tables: Vec<Table>,
    /// How many rows of each table are sampled, on each side.
    pub sampled: u32,
    /// Which.
    pub seed: u64,
    /// How long ClickHouse is waited for, and a row has to differ.
    pub wait: Duration,
}

/// A table, as one side has it.
struct Side {
    days: Days,
    sample: Vec<LiveRow>,
}

/// How far ClickHouse's sink is behind the ends of a moment.
struct Reached {
    /// When the ends were noted, ms UTC.
    noted_ms: i64,
    records: u64,
    behind: Option<u64>,
    waited: Duration,
}

impl Rows {
    /// Compares, and notes in `report` what came of it. Where more was late than is looked at one by one, and all of that
    /// came, it begins anew as long as may be waited.
    pub async fn compare(&mut self, report: &mut Report) -> Result<(), Failed> {
        let began = Instant::now();
        loop {
            self.compare_once(report).await?;
            if !report.is_late() || began.elapsed() >= self.wait {
                return Ok(());
            }
            let skipped = std::mem::take(&mut report.skipped);
            *report = Report { skipped, ..Report::default() };
        }
    }

    async fn compare_once(&mut self, report: &mut Report) -> Result<(), Failed> {
        let at_ms = SystemClock.now().0;
        let mut snapshot = self.database.snapshot().await?;
        let standing = snapshot.standing();
        let mut sides = Vec::new();
        for table in &self.tables {
            let days = snapshot.days(*table).await?;
            let sample = snapshot.sample(*table, self.seed, self.sampled).await?;
            sides.push(Side { days, sample });
        }
        let reached = self.wait_for_sink().await?;
        report.position = Some(position(at_ms, standing, &reached));
        let as_of = Version::at(self.cdc_epoch, standing.lsn);
        let mut suspects = Vec::new();
        for (table, side) in self.tables.iter().zip(&sides) {
            let (told, of) = self.look(*table, side, &mut snapshot, as_of).await?;
            report.tables.push(told);
            suspects.push((*table, of));
        }
        // While it is open PostgreSQL keeps what it would clean away.
        drop(snapshot);
        self.settle(suspects, report).await?;
        self.look_beyond_the_log(as_of, report).await
    }

    /// Images in ClickHouse that are newer than anything that PostgreSQL has written: no log explains them, and nothing
    /// that it writes in a long time will replace them.
    async fn look_beyond_the_log(&self, as_of: Version, report: &mut Report) -> Result<(), Failed> {
        let mut newer = Vec::new();
        for table in &self.tables {
            newer.push((*table, self.live.newer_than(*table, as_of, BEYOND_MAX).await?));
        }
        let end = self.database.snapshot().await?.standing().lsn;
        for (at, (table, images)) in newer.into_iter().enumerate() {
            let beyond =
                |(_, version): &(RowKey, Version)| *version > Version::at(self.cdc_epoch, end);
            for (key, version) in images.into_iter().filter(beyond) {
                let of_epoch = |epoch: u128| match epoch == u128::from(self.cdc_epoch) {
                    true => String::new(),
                    false => format!(" of cdc.epoch {epoch}"),
                };
                let has = shown_lsn(version.lsn()) + &of_epoch(version.0 >> 64);
                let found = [Found::at("postgresql", shown_lsn(end)), Found::at("clickhouse", has)];
                let (part, key, column) = (table.name(), key.to_string(), "position".to_owned());
                report.note(vec![Difference { part, key, column, found }]);
                if let Some(told) = report.tables.get_mut(at) {
                    told.differ += 1;
                }
            }
        }
        Ok(())
    }

    /// Waits until ClickHouse's sink has passed what is in the topics now.
    async fn wait_for_sink(&mut self) -> Result<Reached, Failed> {
        let (began, noted_ms) = (Instant::now(), SystemClock.now().0);
        let ends = self.backlog.bounds()?;
        let records = ends.iter().map(|bounds| bounds.end.0 - bounds.start.0).sum::<i64>();
        let records = u64::try_from(records).unwrap_or(0);
        loop {
            let (behind, waited) = (self.backlog.before(&ends)?, began.elapsed());
            if behind == Some(0) || waited >= self.wait {
                return Ok(Reached { noted_ms, records, behind, waited });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// The first look at a table: what is to be told, and which rows are suspect.
    async fn look(
        &self,
        table: Table,
        postgres: &Side,
        snapshot: &mut Snapshot,
        as_of: Version,
    ) -> Result<(TableReport, Suspects), Failed> {
        let days = self.live.days(table, as_of).await?;
        let sample = self.live.sample(table, as_of, (self.seed, self.sampled)).await?;
        let mut suspects = days::suspects(table, &postgres.sample, &sample);
        let sampled: BTreeSet<_> =
            postgres.sample.iter().chain(&sample).map(|row| table.key(row.ids)).collect();
        let mut unequal_days = Vec::new();
        for day in days::differing(&postgres.days, &days) {
            let of_day = snapshot.of_day(table, day).await?;
            let there = self.live.of_day((table, day), as_of).await?;
            suspects.extend(days::suspects(table, &of_day, &there));
            let rows = |days: &Days| days.get(&day).map_or(0, |day| day.rows);
            let (postgresql, clickhouse) = (rows(&postgres.days), rows(&days));
            let day = iso_date(day.into());
            unequal_days.push(UnequalDay { day, postgresql, clickhouse });
        }
        let told = TableReport {
            table: table.name(),
            rows: postgres.days.values().map(|day| day.rows).sum(),
            days: postgres.days.len(),
            sampled: sampled.len(),
            unseen: suspects.len().saturating_sub(SUSPECTS_MAX),
            unequal_days,
            ..TableReport::default()
        };
        Ok((told, suspects.into_iter().take(SUSPECTS_MAX).collect()))
    }

    /// Looks at suspects until something can be said of each, or for as long as that may take.
    async fn settle(
        &mut self,
        mut suspects: Vec<(Table, Suspects)>,
        report: &mut Report,
    ) -> Result<(), Failed> {
        let began = Instant::now();
        while suspects.iter().any(|(_, of)| !of.keys().is_empty())
            && began.elapsed() < self.wait * 2 + LOOKING_MAX
        {
            self.look_again(&mut suspects, report).await?;
            sleep(LOOK_EVERY).await;
        }
        for (told, (_, of)) in report.tables.iter_mut().zip(&suspects) {
            told.undecided = of.keys().len();
            if told.differ + told.unseen == 0 {
                told.unequal_days.clear();
            }
        }
        Ok(())
    }

    /// PostgreSQL first, then ClickHouse once it has passed what was written until then.
    async fn look_again(
        &mut self,
        suspects: &mut [(Table, Suspects)],
        report: &mut Report,
    ) -> Result<(), Failed> {
        let at_ms = SystemClock.now().0;
        let mut snapshot = self.database.snapshot().await?;
        let standing = snapshot.standing();
        let moment = Moment { lsn: standing.lsn, at_ms };
        let mut postgres = Vec::new();
        for (table, of) in suspects.iter() {
            let mut rows = BTreeMap::new();
            for keys in of.keys().chunks(KEYS_MAX) {
                let found = snapshot.of_keys(*table, keys).await?;
                rows.extend(found.into_iter().map(|row| (table.key(row.ids), row)));
            }
            postgres.push(rows);
        }
        drop(snapshot);
        let reached = self.wait_for_sink().await?;
        let passed = passed(standing, &reached, self.wait);
        for (at, ((table, of), rows)) in suspects.iter_mut().zip(postgres).enumerate() {
            let sights = self.sights(*table, &of.keys(), &rows).await?;
            for (key, sight) in of.look(&sights, moment, &passed) {
                report.note(sight.differences(*table, key));
                if let Some(told) = report.tables.get_mut(at) {
                    told.differ += 1;
                }
            }
        }
        Ok(())
    }

    async fn sights(
        &self,
        table: Table,
        keys: &[RowKey],
        postgres: &BTreeMap<RowKey, LiveRow>,
    ) -> Result<BTreeMap<RowKey, Sight>, Failed> {
        let mut sights = BTreeMap::new();
        for keys in keys.chunks(KEYS_MAX) {
            let images = self.live.of_keys(table, keys).await?;
            sights.extend(keys.iter().map(|key| {
                let (postgres, clickhouse) = (postgres.get(key), images.get(key));
                (*key, Sight { postgres: postgres.copied(), clickhouse: clickhouse.copied() })
            }));
        }
        Ok(sights)
    }
}

/// What ClickHouse has had once it has passed what the topics had after a look at PostgreSQL.
fn passed(standing: Standing, reached: &Reached, wait: Duration) -> Passed {
    if reached.behind != Some(0) {
        return Passed { lsn: None, before_ms: i64::MIN };
    }
    let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    Passed { lsn: standing.captured, before_ms: reached.noted_ms.saturating_sub(wait_ms) }
}

fn position(at_ms: i64, standing: Standing, reached: &Reached) -> Position {
    Position {
        lsn: shown_lsn(standing.lsn),
        at_ms,
        captured: standing.captured.map(shown_lsn),
        records: reached.records,
        behind: reached.behind,
        waited_ms: i64::try_from(reached.waited.as_millis()).unwrap_or(i64::MAX),
    }
}
