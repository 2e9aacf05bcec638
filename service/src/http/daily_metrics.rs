//! `GET /api/v1/feed/metrics?date=`: the quality of a day's feeds, the same for every caller.
//!
//! What the numbers mean is said in [`schemas::daily_metrics`]. A day of which no event is known has zeros, and null where a
//! number would be a ratio of nothing; `computed_at` says how current the answer is.

use std::time::Instant;

use schemas::{DailyMetrics, Day};
use serde::Serialize;
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;

use super::query::{fault, parameters};
use super::{Api, Fault, Refusal, json};

const A_DAY: &str = "a day up to today in UTC, such as 2026-11-20";

#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    metrics: DailyMetrics,
    /// Who had them.
    source: &'static str,
    response_time_ms: u64,
}

/// Answers with the metrics of the day.
pub async fn get(api: &Api, query: &str) -> Result<Response, Refusal> {
    let began = Instant::now();
    let day = asked(query, Day::of(api.reads.now().0)).map_err(Refusal::invalid)?;
    let found = api.daily.find(day).await;
    let (metrics, source) = found.map_err(|_| Refusal::unavailable("no tier answers"))?;
    let response_time_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let answer = Answer { metrics, source, response_time_ms };
    Ok(json(StatusCode::OK, &answer, Uuid::new_v4()))
}

/// Reads the query; says everything that is wrong with it.
fn asked(query: &str, today: Day) -> Result<Day, Vec<Fault>> {
    let (given, mut faults) = parameters(query);
    let mut date = None;
    for (name, value) in given {
        match name {
            "date" => match value.parse().ok().filter(|day| *day <= today) {
                Some(day) => date = Some(day),
                None => faults.push(fault(name, value, A_DAY)),
            },
            _ => faults.push(Fault::of(name, "is no parameter of this route")),
        }
    }
    match date {
        Some(date) if faults.is_empty() => Ok(date),
        None if faults.is_empty() => {
            Err(vec![Fault::of("date", format!("expected {A_DAY}, found nothing"))])
        }
        Some(_) | None => Err(faults),
    }
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
        for query in ["", "date=", "date=2026-11-21", "date=today", "date=2026-02-30"] {
            assert_eq!(named(query), ["date"], "{query}");
        }
    }

    #[test]
    fn every_fault_of_a_query_is_said_at_once() {
        assert_eq!(named("date=soon&limit=5"), ["date", "limit"]);
    }
}
