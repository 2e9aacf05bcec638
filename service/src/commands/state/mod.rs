//! The stores of a running application, asked of its workers, in a terminal.
//!
//! Any of them answers, so the next is asked where one does not; what one refuses the others would refuse too.

mod diff;
mod workers;

use std::collections::BTreeMap;
use std::fmt::Write;

use form_urlencoded::Serializer;
use millstream::Row;
use serde::Deserialize;
use serde_json::Value;

use self::workers::Workers;
use crate::cli::{Asked, State};
use crate::commands::json::pretty;
use crate::config::Config;
use crate::failed::Failed;
use crate::stores::answer::{Answer, Lag, Part};
use crate::stores::question::{ROWS_MAX, escaped};

/// Answers what is asked; rows of a scan as they come.
pub async fn run(
    config: &Config,
    asked: &State,
    say: impl Fn(&str) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let workers = Workers::of(config)?;
    match asked {
        State::Ls { json } => {
            let listed = workers.ask("/state/v1/stores").await?;
            say(&if *json { pretty(&listed)? } else { list(listed)? })
        }
        State::Get { store, key, asked } => {
            let query = fresh(asked).finish();
            let path = format!("/state/v1/stores/{}/{}?{query}", escaped(store), escaped(key));
            let answer = workers.ask(&path).await?;
            if asked.json {
                return say(&pretty(&answer)?);
            }
            let answer: Answer = read(answer)?;
            for part in &answer.parts {
                say(&head(part))?;
                part.rows.iter().try_for_each(|row| say(&line(row)))?;
            }
            Ok(())
        }
        State::Scan { store, prefix, from, to, limit, asked } => {
            let mut query = fresh(asked);
            for (name, value) in [("prefix", prefix), ("from", from), ("to", to)] {
                if let Some(value) = value {
                    query.append_pair(name, value);
                }
            }
            scan(&workers, (store, &query.finish()), (*limit, asked.json), say).await
        }
        State::Diff { store, with, json } => {
            let other = workers.at(with.clone());
            diff::compare((&workers, &other), store, *json, say).await
        }
    }
}

/// Goes from answer to answer until there are enough rows.
async fn scan(
    workers: &Workers,
    (store, query): (&str, &str),
    (mut left, is_json): (usize, bool),
    say: impl Fn(&str) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let mut next: Option<String> = None;
    while left > 0 {
        let mut more = Serializer::new(query.to_owned());
        more.append_pair("limit", &left.min(ROWS_MAX).to_string());
        if let Some(next) = &next {
            more.append_pair("next", next);
        }
        let path = format!("/state/v1/stores/{}?{}", escaped(store), more.finish());
        let answer: Answer = read(workers.ask(&path).await?)?;
        for part in answer.parts.iter().filter(|part| !part.rows.is_empty()) {
            if !is_json {
                say(&head(part))?;
            }
            for row in &part.rows {
                let json = serde_json::to_string(row).map_err(|e| e.to_string())?;
                say(&if is_json { format!("{json}\n") } else { line(row) })?;
            }
            left = left.saturating_sub(part.rows.len());
        }
        if answer.next.is_none() {
            break;
        }
        next = answer.next;
    }
    Ok(())
}

fn fresh(asked: &Asked) -> Serializer<'static, String> {
    let mut query = Serializer::new(String::new());
    if let Some(partition) = asked.partition {
        query.append_pair("partition", &partition.to_string());
    }
    if let Some(most) = asked.max_lag {
        query.append_pair("max_lag", &most.to_string());
    }
    if let Some(position) = &asked.min_position {
        query.append_pair("min_position", &position.to_string());
    }
    query
}

fn read<T: for<'a> Deserialize<'a>>(answer: Value) -> Result<T, Failed> {
    serde_json::from_value(answer).map_err(|e| e.to_string().into())
}

fn head(part: &Part) -> String {
    let Part { partition, instance, role, position, lag, .. } = part;
    format!("# partition {partition}: {role} at {instance}, {}, {position}\n", behind(*lag))
}

fn behind(lag: Lag) -> String {
    match lag {
        Lag { ms: Some(ms), records: Some(records) } => {
            format!("{records} records, {ms} ms behind")
        }
        Lag { ms: Some(ms), records: None } => format!("{ms} ms behind"),
        Lag { ms: None, .. } => "how far behind is not known".to_owned(),
    }
}

fn line(row: &Row) -> String {
    format!("{}  {}\n", row.key, row.value)
}

#[derive(Deserialize)]
struct Listed {
    stores: Vec<Store>,
    /// Those that announced themselves.
    instances: Vec<Instance>,
}

#[derive(Deserialize)]
struct Instance {
    name: String,
    url: String,
}

#[derive(Deserialize)]
struct Store {
    name: String,
    sub_topology: String,
    kind: String,
    partitions: i32,
    shown: Vec<Shown>,
}

#[derive(Deserialize)]
struct Shown {
    instance: String,
    role: String,
    lag: Lag,
}

fn list(listed: Value) -> Result<String, Failed> {
    let Listed { stores, instances } = read(listed)?;
    let mut out = String::new();
    let at = |name: String| match instances.iter().find(|of| of.name == name) {
        Some(Instance { url, .. }) => format!("{url} ({name})"),
        None => name,
    };
    for of in stores {
        let Store { name, sub_topology, kind, partitions, shown } = of;
        let _ = writeln!(out, "{name:<20} {kind:<10} {sub_topology}, {partitions} partitions");
        let mut by_who: BTreeMap<(String, String), (usize, Lag)> = BTreeMap::new();
        let active = shown.iter().filter(|shown| shown.role == "active").count();
        for shown in shown {
            let (count, worst) =
                by_who.entry((shown.instance, shown.role)).or_insert((0, shown.lag));
            *count += 1;
            *worst = worse(*worst, shown.lag);
        }
        for ((instance, role), (count, lag)) in by_who {
            let (at, behind) = (at(instance), behind(lag));
            let _ = writeln!(out, "    {count} {role} at {at}, {behind} at most");
        }
        let nobody = usize::try_from(partitions).unwrap_or(0).saturating_sub(active);
        if nobody > 0 {
            let _ = writeln!(out, "    {nobody} run by nobody");
        }
    }
    Ok(out)
}

fn worse(one: Lag, other: Lag) -> Lag {
    // What is unknown is worse than any number.
    let of =
        |one: Option<u64>, other: Option<u64>| one.zip(other).map(|(one, other)| one.max(other));
    Lag { records: of(one.records, other.records), ms: of(one.ms, other.ms) }
}
