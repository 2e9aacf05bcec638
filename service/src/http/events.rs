//! `POST /api/v1/events`: what happened to posts, up to a hundred at once.
//!
//! All or nothing: one bad event refuses the batch and names each fault by index and field. Repeats inside a
//! batch are appended once and counted; repeats across batches are state's to find. The answer comes after
//! Kafka has acknowledged what was accepted.

use std::collections::HashSet;

use millstream::Timestamp;
use schemas::{Event, FieldFault, UserId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use warp::http::StatusCode;
use warp::reply::Response;

use super::routes::Request;
use super::{Api, Fault, Refusal, at, body, json, request_id};
use crate::event_format::EventFormat;
use crate::identity::{Caller, Role};
use crate::log::{Entry, Unappended};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

/// The answer.
#[derive(Serialize, ToSchema)]
#[schema(as = EventsAnswer)]
pub struct Answer {
    /// How many came.
    received: usize,
    /// How many are in the topic now.
    accepted: usize,
    /// How many repeated another one of the batch.
    duplicates: usize,
}

/// What a batch comes to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Checked {
    entries: Vec<Entry>,
    duplicates: usize,
    faults: Vec<Fault>,
    foreign: Vec<Fault>,
}

/// Takes a batch of events.
pub async fn post(api: &Api, request: Request) -> Result<Response, Refusal> {
    let Request { caller, headers, body, .. } = request;
    let body = body::of_json(body, &headers, api.body.get()).await?;
    let unreadable =
        |e: serde_json::Error| Refusal::invalid(vec![Fault::of("body", e.to_string())]);
    let batch: Batch<'_> = serde_json::from_slice(&body).map_err(unreadable)?;
    if batch.events.is_empty() {
        let fault = Fault::of("events", "expected at least one event, found none");
        return Err(Refusal::invalid(vec![fault]));
    }
    let events_max = api.events_max.get();
    if batch.events.len() > events_max {
        return Err(Refusal::too_many(batch.events.len(), events_max));
    }
    let received = batch.events.len();
    // Looked at first: what cannot be written now would be a fault of no event.
    if let Err(why) = api.format.look() {
        tracing::debug!(why, "events are refused");
        return Err(Refusal::unavailable("the schema of events is not known yet"));
    }
    let checked = check(&batch.events, (&caller, &api.format), api.reads.now());
    if !checked.faults.is_empty() {
        return Err(Refusal::invalid(checked.faults));
    }
    if !checked.foreign.is_empty() {
        return Err(Refusal::forbidden(checked.foreign));
    }
    let accepted = checked.entries.len();
    let appended = api.log.events(checked.entries).await;
    let position = appended.map_err(|unappended| match unappended {
        Unappended::Full => Refusal::unavailable("too many events are waiting"),
        Unappended::Refused(_) => Refusal::unavailable("the events could not be stored"),
    })?;
    api.metrics.events.inc_by(accepted as u64);
    let answer = Answer { received, accepted, duplicates: checked.duplicates };
    Ok(at(json(StatusCode::ACCEPTED, &answer, request_id()), &position))
}

fn check(
    events: &[&RawValue],
    (caller, format): (&Caller, &EventFormat),
    now: Timestamp,
) -> Checked {
    let sender = UserId(caller.user.into_bytes());
    let mut checked = Checked::default();
    let mut known = HashSet::with_capacity(events.len());
    for (index, raw) in events.iter().enumerate() {
        let fault = |fault: FieldFault| Fault {
            index: Some(index),
            field: fault.field.to_owned(),
            message: fault.message(),
        };
        let (event, trace) = match Event::check(raw.get().as_bytes(), Some(sender)) {
            Ok(read) => read,
            Err(faults) => {
                checked.faults.extend(faults.into_iter().map(fault));
                continue;
            }
        };
        let wrong = [event.implausible(now.0), event.incomplete()];
        let before = checked.faults.len();
        checked.faults.extend(wrong.into_iter().flatten().map(fault));
        if checked.faults.len() > before {
            continue;
        }
        if event.user != sender && !caller.roles.have(Role::Ingest) {
            let message = "is not the caller".to_owned();
            let field = "user_id".to_owned();
            checked.foreign.push(Fault { index: Some(index), field, message });
        } else if known.insert((event.user, event.id)) {
            match format.write(&event, &trace) {
                Ok(value) => checked.entries.push(Entry { user: event.user, value }),
                Err(message) => {
                    let field = "event".to_owned();
                    checked.faults.push(Fault { index: Some(index), field, message });
                }
            }
        } else {
            checked.duplicates += 1;
        }
    }
    checked
}
