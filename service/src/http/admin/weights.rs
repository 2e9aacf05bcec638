//! `GET /admin/weights`, `PUT /admin/weights`: what `feedmill weights list` and `put` do, over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use topologies::ranking::{Policies, Policy, weights_file};
use utoipa::ToSchema;
use warp::http::StatusCode;
use warp::reply::Response;

use super::{Admin, object, waiting};
use crate::followed_topic::read;
use crate::http::routes::Request;
use crate::http::{Fault, Refusal, json, request_id};
use crate::weights::Writer;

/// What somebody wants: what a file of weights says, as JSON.
#[derive(Serialize, ToSchema)]
#[schema(as = WeightsWanted)]
pub struct Wanted {
    /// The set by which readers of no experiment are ranked; `v1` unless told.
    #[schema(required = false)]
    default: String,
    /// Sets by their names, each with its number and what is other than in its base.
    #[schema(required = false, value_type = Object)]
    sets: BTreeMap<String, Value>,
    /// Experiments by their names.
    #[schema(required = false, value_type = Object)]
    experiments: BTreeMap<String, Value>,
    /// Which set is compared with what readers are shown.
    #[schema(required = false, value_type = Object)]
    shadow: Value,
}

/// All that was put.
#[derive(Serialize, ToSchema)]
#[schema(as = WeightsVersions)]
pub struct Versions {
    /// Which one is in force; 0 is v1 alone.
    in_force: u32,
    /// The first first.
    #[schema(value_type = Vec<Object>)]
    versions: Vec<Policy>,
}

impl From<&Policies> for Versions {
    fn from(known: &Policies) -> Self {
        Self { in_force: known.current().version, versions: known.versions().cloned().collect() }
    }
}

/// What was put.
#[derive(Serialize, ToSchema)]
#[schema(as = WeightsPut)]
pub struct Put {
    /// The version that is in force now.
    #[schema(value_type = Object)]
    version: Policy,
}

/// All versions.
pub async fn get(admin: Arc<Admin>, request: Request<Admin>) -> Result<Response, Refusal> {
    request.given()?;
    let known = waiting(move || read::<Policies>(&*admin.broker, admin.live.first())).await?;
    Ok(json(StatusCode::OK, &Versions::from(&known), request_id()))
}

/// Puts a version into force.
pub async fn put(admin: Arc<Admin>, request: Request<Admin>) -> Result<Response, Refusal> {
    request.given()?;
    let who = request.caller;
    let table = Value::Object(object(&admin, request).await?);
    let put = move || {
        let mut writer = Writer::open(&*admin.broker, admin.live.first())?;
        Ok(match weights_file::read_table(&table, writer.known()) {
            Ok(policy) => Ok(writer.put(policy)?),
            Err(faults) => Err(faults),
        })
    };
    let version = waiting(put).await?.map_err(refusal)?;
    tracing::info!(version = version.version, %who, "weight sets were put");
    Ok(json(StatusCode::OK, &Put { version }, request_id()))
}

/// Each fault says where it is before it says what.
fn refusal(faults: Vec<String>) -> Refusal {
    let fault = |words: String| match words.split_once(": ") {
        Some((field, message)) => Fault::of(field, message),
        None => Fault::of("body", words),
    };
    Refusal::invalid(faults.into_iter().map(fault).collect())
}
