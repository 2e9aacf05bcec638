//! `GET /admin/flags`, `PUT /admin/flags`, `GET /admin/flags/changes`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use warp::http::StatusCode;
use warp::reply::Response;

use super::{Admin, object, waiting};
use crate::flags::told::{Flags, Told};
use crate::flags::{self, Flag, FlagValue, Flagging, Outcome};
use crate::http::parameter::{Number, Parameter};
use crate::http::routes::Request;
use crate::http::{Fault, Refusal, json, request_id};

/// The longest reason.
const WHY_CHARS_MAX: usize = 500;

/// How many changes.
pub static LIMIT: Parameter<Number> = Parameter {
    name: "limit",
    about: "How many changes",
    takes: Number { from: 1, to: 1_000, unless_told: 100 },
};

/// What somebody wants.
#[derive(Serialize, ToSchema)]
#[schema(as = FlagsWanted)]
pub struct Wanted {
    /// Values by names: `{"tier.redis": false, "ranked_percent": 10}`.
    #[schema(value_type = Object)]
    flags: BTreeMap<String, FlagValue>,
    /// For what reason: it is kept.
    #[schema(min_length = 1, max_length = 500)]
    why: String,
    /// The version that was looked at: 409 if another one is in force.
    #[schema(required = false)]
    version: Option<u32>,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = FlagsChanged)]
pub struct Changed {
    /// What was otherwise before.
    changes: Vec<Told>,
    /// What holds now.
    now: Flags,
}

/// The newest changes.
#[derive(Serialize, ToSchema)]
#[schema(as = FlagChanges)]
pub struct Changes {
    /// The last first.
    changes: Vec<Told>,
}

/// The flags as this instance knows them.
pub fn get(admin: &Admin, request: &Request<Admin>) -> Result<Response, Refusal> {
    request.given()?;
    Ok(json(StatusCode::OK, &Flags::from(&*admin.flags.known()), request_id()))
}

/// Sets flags.
pub async fn put(admin: Arc<Admin>, request: Request<Admin>) -> Result<Response, Refusal> {
    request.given()?;
    let who = request.caller.to_string();
    let body = object(&admin, request).await?;
    let wanted = wanted(&body, who).map_err(Refusal::invalid)?;
    let put = move || Flagging { broker: &*admin.broker, app: admin.live.first() }.put(&wanted);
    match waiting(put).await? {
        Outcome::Changed(changes, set) => {
            let changes = changes.into_iter().map(Told::from).collect();
            let changed = Changed { changes, now: Flags::from(&set) };
            Ok(json(StatusCode::OK, &changed, request_id()))
        }
        Outcome::Outdated(set) => {
            let words = format!("is {} by now", set.version());
            Err(Refusal::conflict(vec![Fault::of("version", words)]))
        }
    }
}

/// Who changed what.
pub async fn changes(admin: Arc<Admin>, request: Request<Admin>) -> Result<Response, Refusal> {
    let limit = request.given()?.get(&LIMIT);
    let read = move || Flagging { broker: &*admin.broker, app: admin.live.first() }.changes();
    let changes = waiting(read).await?;
    let changes = changes.into_iter().rev().take(limit).map(Told::from).collect();
    Ok(json(StatusCode::OK, &Changes { changes }, request_id()))
}

/// Reads a body, field by field, so that each fault has the name of its field.
fn wanted(body: &serde_json::Map<String, Value>, who: String) -> Result<flags::Wanted, Vec<Fault>> {
    let mut faults = Vec::new();
    for field in body.keys().filter(|field| !["flags", "why", "version"].contains(&&***field)) {
        faults.push(Fault::of(field, "is not known; expected flags, why and version"));
    }
    let flags = match body.get("flags").and_then(Value::as_object).filter(|of| !of.is_empty()) {
        Some(of) => of.iter().filter_map(|of| flag(of, &mut faults)).collect(),
        None => {
            faults.push(Fault::of("flags", "expected an object with at least one flag"));
            Vec::new()
        }
    };
    let why = body.get("why").and_then(Value::as_str).map_or("", str::trim);
    if !(1..=WHY_CHARS_MAX).contains(&why.chars().count()) {
        let words = format!("expected a reason of 1 to {WHY_CHARS_MAX} characters");
        faults.push(Fault::of("why", words));
    }
    let version = body.get("version").filter(|version| !version.is_null());
    let seen = version.map(|version| version.as_u64().and_then(|of| u32::try_from(of).ok()));
    if seen == Some(None) {
        faults.push(Fault::of("version", "expected a version such as 3"));
    }
    match faults.is_empty() {
        true => Ok(flags::Wanted { flags, who, why: why.to_owned(), seen: seen.flatten() }),
        false => Err(faults),
    }
}

fn flag((name, value): (&String, &Value), faults: &mut Vec<Fault>) -> Option<(Flag, FlagValue)> {
    let field = format!("flags.{name}");
    let Some(flag) = Flag::named(name) else {
        let names: Vec<_> = Flag::ALL.into_iter().map(Flag::name).collect();
        faults.push(Fault::of(field, format!("is not known; there are {}", names.join(", "))));
        return None;
    };
    let found = serde_json::from_value(value.clone()).ok().and_then(|of| flag.value(of));
    if found.is_none() {
        let expected = match flag.at_first() {
            FlagValue::Switch(_) => "true or false",
            FlagValue::Percent(_) => flag.takes(),
        };
        faults.push(Fault::of(field, format!("expected {expected}, found {value}")));
    }
    found.map(|value| (flag, value))
}
