//! The same facts wherever they are kept: PostgreSQL, ClickHouse, the state of workers, Redis.

use std::time::{Duration, Instant};

use connectors::clickhouse::{LastFeeds, LiveRows};
use connectors::postgres::{Database, Limits};
use connectors::redis::FeedCache;
use connectors::table::Table;
use millstream::Exit;
use millstream::broker::Broker;
use schemas::application;
use schemas::topic::{
    CDC_COMMENTS, CDC_FOLLOWS, CDC_LIKES, CDC_POSTS, CDC_USERS, Topic as Declared,
};
use tokio::time::sleep;

use super::workers;
use crate::Failed;
use crate::backlog::Backlog;
use crate::cli::Verify;
use crate::config::Config;
use crate::read::{RankedTier, RemoteState};
use crate::verify::{Feeds, Report, Rows};

const TABLES: [Declared; 5] = [CDC_USERS, CDC_POSTS, CDC_FOLLOWS, CDC_COMMENTS, CDC_LIKES];
/// A question about a whole table takes long.
const DATABASE: Limits = Limits {
    connections_max: 2,
    acquire: Duration::from_secs(10),
    statement: Duration::from_secs(3_600),
};
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long Redis, and the workers, may take for one reader.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Compares, and tells what came of it, and why that is not that all is equal. Call it inside a Tokio runtime.
pub async fn verify(
    asked: &Verify,
    config: &Config,
    broker: &dyn Broker,
) -> Result<(String, Option<String>), Failed> {
    let config = &workers::of_live(broker, config)?;
    let mut report = Report::default();
    let database = config.postgres.as_ref().map(|remote| Database::open(&remote.url, DATABASE));
    let database = database.transpose()?;
    if let Some(mut rows) = rows(asked, config, broker, database.clone(), &mut report)? {
        rows.compare(&mut report).await?;
    }
    if let Some(feeds) = feeds(asked, config, database, &mut report).await? {
        feeds.compare(&mut report).await?;
    }
    if report.tables.is_empty() && report.feeds.is_none() {
        let words = format!("nothing can be compared: {}", report.skipped.join("; "));
        return Err(Failed(Exit::Usage, words));
    }
    let told = if asked.json { report.json() } else { report.to_string() };
    Ok((told, report.fault()))
}

fn rows(
    asked: &Verify,
    config: &Config,
    broker: &dyn Broker,
    database: Option<Database>,
    report: &mut Report,
) -> Result<Option<Rows>, Failed> {
    let (Some(database), Some(clickhouse)) = (database, &config.clickhouse) else {
        let is_set = [("postgres.url", config.postgres.is_some())];
        let is_set = is_set.into_iter().chain([("clickhouse.url", config.clickhouse.is_some())]);
        let lacks: Vec<_> = is_set.filter(|(_, is_set)| !is_set).map(|(name, _)| name).collect();
        report.skipped.push(format!("tables: {} is not set", lacks.join(" and ")));
        return Ok(None);
    };
    let tables = if asked.tables.is_empty() {
        Table::ALL.to_vec()
    } else {
        asked.tables.iter().map(|table| (*table).into()).collect()
    };
    Ok(Some(Rows {
        database,
        live: LiveRows::new(&clickhouse.server),
        backlog: Backlog::of(
            broker,
            &format!("{}-clickhouse", application::first(&config.app)),
            &TABLES,
        )?,
        cdc_epoch: config.worker.cdc_epoch,
        tables,
        sampled: asked.rows,
        seed: asked.seed,
        wait: Duration::from_secs(asked.wait),
    }))
}

async fn feeds(
    asked: &Verify,
    config: &Config,
    database: Option<Database>,
    report: &mut Report,
) -> Result<Option<Feeds>, Failed> {
    if asked.readers == 0 {
        report.skipped.push("feeds: of no reader".to_owned());
        return Ok(None);
    }
    let redis = config.redis.as_ref().map(|remote| FeedCache::open(&remote.url, ANSWER_WAIT));
    let redis = redis.transpose()?;
    if redis.is_none() {
        report.skipped.push("feeds in redis: redis.url is not set".to_owned());
    }
    let clickhouse = config.clickhouse.as_ref().map(|of| LastFeeds::new(&of.server));
    if clickhouse.is_none() {
        report.skipped.push("feeds in clickhouse: clickhouse.url is not set".to_owned());
    }
    let wait = Duration::from_secs(asked.wait);
    let state = state(config, wait, report).await?;
    let copies = [redis.is_some(), clickhouse.is_some(), state.is_some()];
    if copies.into_iter().filter(|is_there| *is_there).count() < 2 {
        report.skipped.push("feeds: fewer than two servers have them".to_owned());
        return Ok(None);
    }
    if database.is_none() && clickhouse.is_none() {
        report.skipped.push("feeds: neither postgresql nor clickhouse names readers".to_owned());
        return Ok(None);
    }
    let (readers, seed) = (asked.readers, asked.seed);
    Ok(Some(Feeds { database, redis, clickhouse, state, readers, seed, wait }))
}

/// The workers that are named; else a process that runs on this machine as it is configured, if there is one.
async fn state(
    config: &Config,
    wait: Duration,
    report: &mut Report,
) -> Result<Option<RemoteState>, Failed> {
    let named = &config.state.workers;
    let state = workers::state(config, ANSWER_WAIT)?;
    let began = Instant::now();
    let mut found = state.probe().await;
    // Workers that are named may have been started a moment ago.
    while found.is_err() && !named.is_empty() && began.elapsed() < wait {
        sleep(LOOK_EVERY).await;
        found = state.probe().await;
    }
    match found {
        Ok(()) => Ok(Some(state)),
        Err(words) if named.is_empty() => {
            report.skipped.push(format!("feeds in state: state.workers is not set, and {words}"));
            Ok(None)
        }
        Err(words) => Err(Failed(Exit::Unavailable, format!("state: {words}"))),
    }
}
