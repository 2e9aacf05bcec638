//! `GET /debug/system/state`: all of it at a glance, as this instance knows it: what it serves, what it last saw of each component,
//! and who runs which tasks.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use warp::http::StatusCode;
use warp::reply::Response;

use super::Admin;
use crate::health::{Readiness, is_ready};
use crate::http::routes::Request;
use crate::http::{Refusal, json, request_id};
use crate::stores::announcement::Announcement;

/// The answer.
#[derive(Serialize, ToSchema)]
#[schema(as = SystemState)]
pub struct State {
    /// Of what version this instance is.
    feedmill: &'static str,
    /// The application that is live.
    application: String,
    /// As `/ready` tells it.
    #[serde(flatten)]
    readiness: Readiness,
    /// The instances of the application that have said something in the last 10 s, by name.
    instances: BTreeMap<String, Announcement>,
}

/// Answers with what is known now; nobody is asked for it.
pub fn get(admin: &Admin, request: &Request<Admin>) -> Result<Response, Refusal> {
    request.given()?;
    let application = admin.live.app();
    let directory = admin.instances.of(&application);
    let there = directory.map(|directory| directory.instances(admin.clock.now()));
    let state = State {
        feedmill: env!("CARGO_PKG_VERSION"),
        readiness: Readiness::of(&admin.health, is_ready),
        instances: there.into_iter().flatten().collect(),
        application,
    };
    Ok(json(StatusCode::OK, &state, request_id()))
}
