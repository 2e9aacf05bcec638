//! `GET /api/v1/feed/metrics?date=`: the quality of a day's feeds, the same for every caller.
//!
//! What the numbers mean is said in [`schemas::daily_metrics`]. A day of which no event is known has zeros, and null where a
//! number would be a ratio of nothing; `computed_at` says how current the answer is.

use std::time::Instant;

use schemas::{DailyMetrics, Day};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::KnownFormat;
use warp::http::StatusCode;
use warp::reply::Response;

use super::parameter::{Given, Parameter, Text, fault};
use super::routes::Request;
use super::{Api, Fault, Refusal, json, request_id};

/// Which day.
pub static DATE: Parameter<Text<Day>> = Parameter {
    name: "date",
    about: "The day in UTC, today at the latest",
    takes: Text {
        is_required: true,
        expected: "a day up to today in UTC, such as 2026-11-20",
        format: Some(KnownFormat::Date),
        read: |text| text.parse().ok(),
    },
};

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DailyAnswer)]
pub struct Answer {
    #[serde(flatten)]
    metrics: DailyMetrics,
    /// Who had them.
    source: &'static str,
    response_time_ms: u64,
}

/// Answers with the metrics of the day.
pub async fn get(api: &Api, request: Request) -> Result<Response, Refusal> {
    let began = Instant::now();
    let today = Day::of(api.reads.now().0);
    let day = asked(&request.query, today).map_err(Refusal::invalid)?;
    let found = api.daily.find(day).await;
    let (metrics, source) = found.map_err(|_| Refusal::unavailable("no tier answers"))?;
    let response_time_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let answer = Answer { metrics, source, response_time_ms };
    Ok(json(StatusCode::OK, &answer, request_id()))
}

/// Reads the query; says everything that is wrong with it.
fn asked(query: &str, today: Day) -> Result<Day, Vec<Fault>> {
    let given = Given::read(query, &[&DATE])?;
    let day = given.told(&DATE).filter(|day| *day <= today);
    day.ok_or_else(|| vec![fault(&DATE, given.text(DATE.name))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(query: &str) -> Vec<String> {
        let faults = asked(query, "2026-11-20".parse().unwrap()).unwrap_err();
        faults.into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn a_day_is_one_up_to_today() {
        let today = "2026-11-20".parse().unwrap();
        assert_eq!(asked("date=2026-11-20", today).ok(), Some(today));
        assert_eq!(asked("date=2026-11-19", today).ok(), Some(today.before(1)));
        assert_eq!(asked("date=2026%2D11-20", today).ok(), Some(today));
        for query in ["", "date=", "date=2026-11-21", "date=today", "date=2026-02-30"] {
            assert_eq!(named(query), ["date"], "{query}");
        }
    }

    #[test]
    fn every_fault_of_a_query_is_said_at_once() {
        assert_eq!(named("date=soon&limit=5"), ["date", "limit"]);
    }
}
