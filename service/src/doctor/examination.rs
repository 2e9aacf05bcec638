//! Asks every server that is configured, and has what it says judged.
//!
//! A server that does not answer is a finding as well, and the others are asked all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use bytesize::ByteSize;
use connectors::clickhouse::{ClickHouseSettings, ClickHouseVitals, MigrationFault, Migrator};
use connectors::postgres::PostgresVitals;
use connectors::redis::RedisVitals;
use connectors::registry::{SubjectFault, Subjects};
use millstream::broker::Broker;
use millstream::{Clock, SystemClock, Topic};
use schemas::EVENTS_SCHEMA;

use super::finding::Finding;
use super::{clickhouse, clock, instances, kafka, postgres, redis, registry};
use crate::commands::topics::check;
use crate::config::Config;
use crate::{Failed, needs, worker};

/// What was found of a server.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The server.
    pub server: &'static str,
    /// How it is, in a line; none if it does not answer.
    pub summary: Option<String>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

/// A statement that takes longer on average is slow.
const SLOW: Duration = Duration::from_millis(500);

/// Where a server is named, and what shows whether it runs.
const KAFKA: (&str, &str) =
    ("kafka.bootstrap", "kafka-broker-api-versions.sh --bootstrap-server <kafka.bootstrap>");
const POSTGRES: (&str, &str) = ("postgres.url", "psql <postgres.url> -c 'SELECT 1'");
const REDIS: (&str, &str) = ("redis.url", "redis-cli -u <redis.url> PING");
const CLICKHOUSE: (&str, &str) = ("clickhouse.url", "curl <clickhouse.url>/ping");
const REGISTRY: (&str, &str) = ("registry.urls", "curl <registry.urls>/subjects");

/// Of every server that is configured.
pub async fn examine(broker: &dyn Broker, config: &Config) -> Vec<Chart> {
    let mut charts = vec![chart("kafka", KAFKA, of_kafka(broker, config))];
    if let Some(of) = &config.postgres {
        charts.push(chart("postgres", POSTGRES, of_postgres(&of.url).await));
    }
    if let Some(of) = &config.redis {
        charts.push(chart("redis", REDIS, of_redis(&of.url).await));
    }
    if let Some(of) = &config.clickhouse {
        charts.push(chart("clickhouse", CLICKHOUSE, of_clickhouse(&of.server).await));
    }
    if config.registry.is_some() {
        // Its client blocks, and may not do so where others are waited for.
        let asked = config.clone();
        let found = tokio::task::spawn_blocking(move || of_registry(&asked)).await;
        let found = found.unwrap_or_else(|error| Err(error.to_string()));
        charts.push(chart("registry", REGISTRY, found));
    }
    charts
}

type Examined = Result<(String, Vec<Finding>), String>;

fn chart(server: &'static str, (setting, ask): (&str, &str), examined: Examined) -> Chart {
    match examined {
        Ok((summary, findings)) => Chart { server, summary: Some(summary), findings },
        Err(words) => {
            let look = format!("{ask}; if that answers, {setting} is wrong or not let in here");
            let finding = Finding::error(server, words).mended_by(look);
            Chart { server, summary: None, findings: vec![finding] }
        }
    }
}

fn of_kafka(broker: &dyn Broker, config: &Config) -> Examined {
    let words = |Failed(_, words): Failed| words;
    let (wanted, found) = check::look(broker, config).map_err(words)?;
    let mut findings = check::findings(broker, config, (&wanted, &found)).map_err(words)?;
    let topology = worker::topology(config)?;
    let partitions: BTreeMap<Topic, i32> =
        found.iter().map(|(name, of)| (name.clone(), of.partitions)).collect();
    let vitals = kafka::look(broker, config, &topology, &partitions);
    let vitals = vitals.map_err(|failure| failure.to_string())?;
    findings.extend(kafka::judge(&vitals, &found, worker::sent_bytes_max(config)));
    findings.extend(instances::look(broker, config).map_err(words)?);
    let groups = vitals.groups.iter().map(|group| {
        let age = group.worst().and_then(|worst| worst.age_ms).unwrap_or(0);
        format!("{} +{} ({} s)", group.group, group.records(), age / 1_000)
    });
    let row = vitals.rows.values().max().copied().unwrap_or(0);
    let summary = format!(
        "{} topics; behind: {}; largest row of state {}",
        found.len(),
        groups.collect::<Vec<_>>().join(", "),
        ByteSize::b(row as u64)
    );
    Ok((summary, findings))
}

async fn of_postgres(url: &str) -> Examined {
    let asked = SystemClock.now().0;
    let vitals = PostgresVitals::take(url, SLOW).await.map_err(|fault| fault.to_string())?;
    let mut findings = postgres::judge(&vitals);
    findings.extend(clock::judge("postgres", vitals.now_ms, (asked, SystemClock.now().0)));
    let held = vitals.slots.iter().filter_map(|slot| slot.retained_bytes).max().unwrap_or(0);
    let summary = format!(
        "version {}.{}; {} of {} connections; {} slots, up to {} of log held",
        vitals.version / 10_000,
        vitals.version % 10_000,
        vitals.connections,
        vitals.connections_max,
        vitals.slots.len(),
        ByteSize::b(u64::try_from(held).unwrap_or(0))
    );
    Ok((summary, findings))
}

async fn of_redis(url: &str) -> Examined {
    let asked = SystemClock.now().0;
    let vitals = RedisVitals::take(url).await.map_err(|fault| fault.to_string())?;
    let mut findings = redis::judge(&vitals);
    findings.extend(clock::judge("redis", vitals.now_ms, (asked, SystemClock.now().0)));
    let largest = vitals.largest.as_ref().map_or(0, |(_, bytes)| *bytes);
    let summary = format!(
        "version {}; {} keys, {} each, up to {} of those looked at; {} used",
        vitals.version,
        vitals.keys,
        ByteSize::b(vitals.mean_bytes),
        ByteSize::b(largest),
        ByteSize::b(vitals.used_bytes)
    );
    Ok((summary, findings))
}

async fn of_clickhouse(settings: &ClickHouseSettings) -> Examined {
    let asked = SystemClock.now().0;
    let vitals = ClickHouseVitals::take(settings).await.map_err(|fault| fault.to_string())?;
    let answered = SystemClock.now().0;
    let tables = match Migrator::new(settings).pending().await {
        Ok(pending) if pending.is_empty() => clickhouse::Tables::Made,
        Ok(pending) => {
            clickhouse::Tables::Pending(pending.iter().map(ToString::to_string).collect())
        }
        Err(MigrationFault::Mismatch(words)) => clickhouse::Tables::Differ(words),
        Err(fault @ (MigrationFault::Server(_) | MigrationFault::Locked(_))) => {
            return Err(fault.to_string());
        }
    };
    let mut findings = clickhouse::judge(&vitals, &tables);
    findings.extend(clock::judge("clickhouse", vitals.now_ms, (asked, answered)));
    let parts = vitals.parts.as_ref().map_or(0, |(_, parts)| *parts);
    let free = vitals.disk.as_ref().map_or(0, |(_, free, _)| *free);
    let summary = format!(
        "version {}; up to {parts} parts in a partition; {} of disk left",
        vitals.version,
        ByteSize::b(free)
    );
    Ok((summary, findings))
}

fn of_registry(config: &Config) -> Examined {
    let settings = needs::registry(config)?.unwrap_or_default();
    let subjects = Subjects::open(settings)?;
    let name = EVENTS_SCHEMA.subject();
    let words = |fault: SubjectFault| fault.to_string();
    let latest = subjects.latest(&name).map_err(words)?;
    let has_ours = match latest {
        Some(_) => {
            let ours = subjects.find(&name, EVENTS_SCHEMA.schema).map_err(words)?;
            Some(ours.is_some())
        }
        None => None,
    };
    let level = subjects.level(&name).map_err(words)?;
    let version = latest.map_or_else(|| "none".to_owned(), |of| of.version.to_string());
    let held = level.clone().unwrap_or_else(|| "nothing".into());
    let summary = format!("{name} version {version}, held to {held}");
    let is_written = config.events_in_avro;
    let subject = registry::Subject { name, has_ours, level, is_written };
    Ok((summary, registry::judge(&subject)))
}
