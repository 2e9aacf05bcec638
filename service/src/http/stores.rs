//! `/state/v1/stores`: the stores of the application, asked by name.
//!
//! Any worker answers, of what others show too; a question that another instance has passed on is answered by this one alone.

use std::sync::Arc;

use millstream::{Position, Role, Scan, StoreFacts, StoreKind};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use warp::http::StatusCode;
use warp::reply::Response;

use super::parameter::{Described, Given, Number, Parameter, Text, number};
use super::{Fault, Refusal, json, request_id};
use crate::stores::answer::Lag;
use crate::stores::question::{BYTES_MAX, Fresh, Next, Question, ROWS_MAX, What};
use crate::stores::unanswered::Unanswered;
use crate::stores::{Reach, Stores};

const fn told<T>(expected: &'static str, read: fn(&str) -> Option<T>) -> Text<T> {
    Text { is_required: false, expected, format: None, read }
}

/// Which partition alone.
static PARTITION: Parameter<Text<i32>> = Parameter {
    name: "partition",
    about: "Only this partition",
    takes: told("the number of a partition", number),
};

/// How far behind an answer may be.
static MAX_LAG: Parameter<Text<u64>> = Parameter {
    name: "max_lag",
    about: "How many ms an answer may be behind",
    takes: told("a time in ms", number),
};

/// What an answer must hold.
static MIN_POSITION: Parameter<Text<Position>> = Parameter {
    name: "min_position",
    about: "What an answer must hold, as a write or an answer said it",
    takes: told("a position as a write or an answer said it", |text| text.parse().ok()),
};

static PREFIX: Parameter<Text<String>> = Parameter {
    name: "prefix",
    about: "Keys that begin so",
    takes: told("the beginning of a key", |text| Some(text.to_owned())),
};

static FROM: Parameter<Text<String>> = Parameter {
    name: "from",
    about: "Keys from this one on",
    takes: told("a key", |text| Some(text.to_owned())),
};

static TO: Parameter<Text<String>> = Parameter {
    name: "to",
    about: "Keys up to, not including, this one",
    takes: told("a key", |text| Some(text.to_owned())),
};

static NEXT: Parameter<Text<Next>> = Parameter {
    name: "next",
    about: "Where an earlier answer ended",
    takes: told("what an earlier answer said", Next::read),
};

static LIMIT: Parameter<Number> = Parameter {
    name: "limit",
    about: "How many rows at most",
    takes: Number { from: 1, to: ROWS_MAX, unless_told: 100 },
};

/// Every store, and who shows what of it.
#[derive(Serialize)]
struct Listed {
    stores: Vec<ListedStore>,
    instances: Vec<Instance>,
}

#[derive(Serialize)]
struct ListedStore {
    name: String,
    sub_topology: String,
    kind: &'static str,
    inputs: Vec<String>,
    partitions: i32,
    readable: bool,
    shown: Vec<ListedPart>,
}

#[derive(Serialize)]
struct ListedPart {
    partition: i32,
    instance: String,
    role: String,
    position: String,
    lag: Lag,
}

#[derive(Serialize)]
struct Instance {
    name: String,
    url: String,
    said_ms_ago: i64,
}

/// Answers what is asked at `path`, under `stores`.
pub async fn answer(
    stores: &Arc<Stores>,
    (path, query): (&[&str], &str),
    reach: Reach,
) -> Result<Response, Refusal> {
    match *path {
        [] => {
            Given::read(query, &[]).map_err(Refusal::invalid)?;
            list(stores).map_err(refusal)
        }
        [store] => {
            let parameters: [&dyn Described; 8] =
                [&PARTITION, &MAX_LAG, &MIN_POSITION, &PREFIX, &FROM, &TO, &NEXT, &LIMIT];
            let given = Given::read(query, &parameters).map_err(Refusal::invalid)?;
            let scan = Scan {
                prefix: given.told(&PREFIX),
                from: given.told(&FROM),
                to: given.told(&TO),
                rows_max: given.get(&LIMIT),
                bytes_max: BYTES_MAX,
            };
            let what = What::Rows(scan, given.told(&NEXT));
            let question = question(store, what, &given)?;
            let answer = stores.ask(question, reach).await.map_err(refusal)?;
            Ok(json(StatusCode::OK, &answer, request_id()))
        }
        [store, key] => {
            let parameters: [&dyn Described; 3] = [&PARTITION, &MAX_LAG, &MIN_POSITION];
            let given = Given::read(query, &parameters).map_err(Refusal::invalid)?;
            let question = question(store, What::Row(segment("key", key)?), &given)?;
            let mut answer = stores.ask(question, reach).await.map_err(refusal)?;
            if reach == Reach::Anybody {
                answer.parts.retain(|part| !part.rows.is_empty());
            }
            // Between instances it is an answer that there is none.
            if answer.parts.is_empty() {
                return Err(Refusal::not_found());
            }
            Ok(json(StatusCode::OK, &answer, request_id()))
        }
        _ => Err(Refusal::not_found()),
    }
}

fn question(store: &str, what: What, given: &Given<'_>) -> Result<Question, Refusal> {
    let fresh = Fresh { lag_ms_max: given.told(&MAX_LAG), position_min: given.told(&MIN_POSITION) };
    let store = segment("store", store)?;
    Ok(Question { store, what, partition: given.told(&PARTITION), fresh })
}

/// A segment of a path, as it was before it was written into one.
fn segment(name: &str, text: &str) -> Result<String, Refusal> {
    let decoded = percent_decode_str(text).decode_utf8();
    let fault = |_| Refusal::invalid(vec![Fault::of(name, "is no text in UTF-8")]);
    decoded.map(|text| text.into_owned()).map_err(fault)
}

fn refusal(why: Unanswered) -> Refusal {
    match why {
        Unanswered::NoStore => Refusal::no_store(),
        Unanswered::Unreadable(name, words) => Refusal::invalid(vec![Fault::of(name, words)]),
        Unanswered::NotOwner => Refusal::not_shown(),
        Unanswered::NotReady(words) => {
            tracing::debug!(words, "a store is not read");
            Refusal::unavailable("the state is not ready")
        }
        Unanswered::Behind(words) => Refusal::not_fresh("behind", words),
        Unanswered::Lagging(words) => Refusal::not_fresh("lagging", words),
    }
}

fn list(stores: &Arc<Stores>) -> Result<Response, Unanswered> {
    let (facts, own) = stores.facts()?;
    let now = stores.clock.now();
    let there = stores.directory.instances(now);
    let shown_elsewhere = |sub: &str| -> Vec<ListedPart> {
        let others = there.iter().filter(|(name, _)| *name != own);
        let shown = others.flat_map(|(name, said)| {
            said.shows.get(sub).into_iter().flatten().map(move |shown| (name, shown))
        });
        shown
            .map(|(name, shown)| ListedPart {
                partition: shown.partition,
                instance: name.clone(),
                role: shown.role.clone(),
                position: shown.position.clone(),
                lag: shown.lag,
            })
            .collect()
    };
    let listed = facts.into_iter().map(|of| {
        let mut shown = shown_elsewhere(&of.sub_topology);
        shown.extend(shown_here(&of, &own));
        shown.sort_by_key(|shown| (shown.partition, shown.role != Role::Active.name()));
        ListedStore {
            kind: match of.kind {
                StoreKind::KeyValue => "key-value",
                StoreKind::Timers => "timers",
            },
            name: of.name,
            sub_topology: of.sub_topology,
            inputs: of.inputs.iter().map(ToString::to_string).collect(),
            partitions: of.partitions,
            readable: of.is_readable,
            shown,
        }
    });
    let stores = listed.collect();
    let instance = |(name, said): &(String, crate::stores::announcement::Announcement)| Instance {
        name: name.clone(),
        url: said.url.clone(),
        said_ms_ago: now.0.saturating_sub(said.at_ms),
    };
    let instances = there.iter().map(instance).collect();
    Ok(json(StatusCode::OK, &Listed { stores, instances }, request_id()))
}

fn shown_here(of: &StoreFacts, own: &str) -> Vec<ListedPart> {
    let shown = of.here.iter().map(|(partition, role, standing)| ListedPart {
        partition: *partition,
        instance: own.to_owned(),
        role: role.name().to_owned(),
        position: standing.position.to_string(),
        lag: Lag::of(standing),
    });
    shown.collect()
}
