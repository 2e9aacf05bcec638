//! What Prometheus is told has help, and what alerts and dashboards ask for is told.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millstream::{Histogram, MemoryUse, Timestamp, TraceContext};
use prometheus::proto::{MetricFamily, MetricType};
use serde_json::Value;
use yaml_rust2::YamlLoader;

use super::{Metrics, WorkerReport, openmetrics, slow_calls};
use crate::worker::{ClickHouseSunk, PostgresSunk, RedisSunk, Sunk};

/// Where the files of Prometheus and Grafana are.
fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path)
}

/// Every family that a process may tell.
fn declared() -> Vec<MetricFamily> {
    let of = Metrics::new().unwrap();
    // A family that tells things apart by labels shows with its first series.
    of.requests.with_label_values(&["feed", "200"]);
    of.seconds.with_label_values(&["feed"]);
    of.connections.with_label_values(&["public"]);
    of.cut_off.with_label_values(&["public", "head"]);
    of.refused.with_label_values(&["public", "rate"]);
    of.reads.with_label_values(&["ranked", "redis"]);
    of.tier_passed.with_label_values(&["redis", "late"]);
    of.up.with_label_values(&["kafka"]);
    of.breaker_open.with_label_values(&["redis"]);
    of.slot_retained.with_label_values(&["feedmill"]);
    let all = of.registry.gather().into_iter().chain(report().declared());
    all.chain([slow_calls()]).collect()
}

/// What a worker tells that has all sinks, and has done nothing.
pub fn report() -> WorkerReport {
    let (redis, clickhouse) = (RedisSunk::default(), ClickHouseSunk::default());
    let postgres = PostgresSunk::default();
    let sinks: [&dyn Sunk; 3] = [&redis, &clickhouse, &postgres];
    WorkerReport {
        engine: Arc::default(),
        memory: vec![MemoryUse { part: "rows", bytes: Some(1), bytes_max: Some(2) }],
        is_settled: false,
        waiting_partitions: 0,
        lag_records: [("events".into(), 7)].into(),
        store_bytes: vec![("follows".to_owned(), 9)],
        sunk: sinks.iter().flat_map(|sunk| sunk.counts()).collect(),
        sinks_waiting: sinks.iter().map(|sunk| sunk.waiting(Timestamp(0))).collect(),
        redis_took: Some(Histogram::default().durations()),
    }
}

#[test]
fn every_family_has_help_and_a_name_that_ends_in_its_unit_or_says_that_it_is_a_total() {
    for of in declared() {
        let (name, is_counter) = (of.name(), of.get_field_type() == MetricType::COUNTER);
        assert!(of.help().ends_with('.'), "{name}: {:?}", of.help());
        assert_eq!(name.ends_with("_total"), is_counter, "{name}");
        let has = |unit: &str| name.split('_').any(|word| word == unit);
        assert!(
            !["ms", "millis", "milliseconds", "microseconds"].iter().any(|of| has(of)),
            "{name}"
        );
    }
}

/// The names by which samples of a family are asked for.
fn samples(of: &MetricFamily) -> Vec<String> {
    match of.get_field_type() {
        MetricType::HISTOGRAM => {
            ["bucket", "sum", "count"].map(|part| format!("{}_{part}", of.name())).into()
        }
        MetricType::COUNTER | MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => {
            vec![of.name().to_owned()]
        }
    }
}

/// The expressions of all alerts, each with who asks.
fn of_alerts() -> Vec<(String, String)> {
    let mut asked = Vec::new();
    for group in ["edges", "feed", "streams"] {
        let path = deploy("prometheus/alerts").join(group).with_extension("yml");
        let text = fs::read_to_string(path).unwrap();
        let document = YamlLoader::load_from_str(&text).unwrap().remove(0);
        for rule in document["groups"][0]["rules"].as_vec().unwrap() {
            let text = |of: &str| rule[of].as_str().unwrap().to_owned();
            asked.push((text("alert"), text("expr")));
        }
    }
    asked
}

/// The expressions of all panels, each with its title.
fn of_panels() -> Vec<(String, String)> {
    let mut asked = Vec::new();
    for board in ["edges", "feed", "streams"] {
        let path = deploy("grafana/dashboards").join(board).with_extension("json");
        let document: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        for panel in document["panels"].as_array().unwrap() {
            let title = format!("{board}: {}", panel["title"].as_str().unwrap());
            let targets = panel["targets"].as_array().cloned().unwrap_or_default();
            let expressions = targets.iter().map(|of| of["expr"].as_str().unwrap().to_owned());
            asked.extend(expressions.map(|of| (title.clone(), of)));
        }
    }
    asked
}

/// The metrics that an expression names: its words, but for those of the language and of labels.
fn named(expression: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    // What stands in quotes, matchers and ranges names none.
    let (mut bare, mut depth, mut is_quoted) = (String::new(), 0, false);
    for letter in expression.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            '{' | '[' if !is_quoted => depth += 1,
            '}' | ']' if !is_quoted => depth -= 1,
            _ if !is_quoted && depth == 0 => bare.push(letter),
            _ => {}
        }
    }
    let mut rest = bare.as_str();
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_alphabetic()) {
        let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let word = &rest[start..];
        let end = word.find(|letter| !is_of_word(letter)).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        rest = after;
        let is_called = after.trim_start().starts_with('(');
        match word {
            // The names of labels follow.
            "by" | "on" | "without" | "ignoring" => {
                rest = after.split_once(')').map_or("", |(_, after)| after);
            }
            "and" | "or" | "unless" | "sum" | "min" | "max" | "count" => {}
            _ if is_called => {}
            _ => drop(named.insert(word.to_owned())),
        }
    }
    named
}

#[test]
fn an_alert_and_a_panel_ask_only_for_metrics_that_there_are() {
    let mut there: BTreeSet<_> = declared().iter().flat_map(samples).collect();
    // Prometheus makes it by itself.
    there.insert("up".to_owned());
    let asked: Vec<_> = of_alerts().into_iter().chain(of_panels()).collect();
    assert!(asked.len() > 80, "{}", asked.len());
    for (who, expression) in asked {
        let named = named(&expression);
        assert!(!named.is_empty(), "{who}: {expression}");
        let missing: Vec<_> = named.difference(&there).collect();
        assert!(missing.is_empty(), "{who} asks for {missing:?}: {expression}");
    }
}

#[test]
fn the_metrics_of_an_expression_are_its_words_but_for_those_of_the_language() {
    let expression = "histogram_quantile(0.99, sum by (instance, le) (rate(a_seconds_bucket{route=\"feed\"}[5m]))) > 1 \
                      and b_bytes / on (instance) c_bytes{x=~\"d}\"} or vector(0)";
    let expected = ["a_seconds_bucket", "b_bytes", "c_bytes"].map(str::to_owned);
    assert_eq!(named(expression), expected.into());
}

#[test]
fn openmetrics_bear_the_trace_of_the_last_request_in_a_bucket() {
    let of = Metrics::new().unwrap();
    let place = |number| TraceContext { trace: [number; 16], span: [0xab; 8] };
    for (number, millis) in [(1, 2), (2, 3), (3, 20_000)] {
        of.answered(("feed", "200"), Duration::from_millis(millis), Some(place(number)));
    }
    of.answered(("events", "202"), Duration::from_millis(2), None);
    let text = of.open_text();
    let lines = |start: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
    };
    assert_eq!(lines("# TYPE feedmill_http_requests"), ["# TYPE feedmill_http_requests counter"]);
    let requests = r#"feedmill_http_requests_total{route="feed",status="200"} 3.0"#;
    assert_eq!(lines("feedmill_http_requests_total{route=\"feed\""), [requests]);
    let buckets = lines("feedmill_http_request_seconds_bucket{route=\"feed\"");
    let traced: Vec<_> = buckets.iter().filter_map(|line| line.split_once(" # ")).collect();
    let trace = |number: &str| {
        format!("{{trace_id=\"{}\",span_id=\"{}\"}}", number.repeat(16), "ab".repeat(8))
    };
    assert_eq!(traced.len(), 3, "{text}");
    let expected = [
        (r#"le="0.0025"} 1"#, trace("01"), " 0.002 "),
        (r#"le="0.005"} 2"#, trace("02"), " 0.003 "),
        (r#"le="+Inf"} 3"#, trace("03"), " 20 "),
    ];
    for ((bucket, exemplar), (end, trace, value)) in traced.into_iter().zip(expected) {
        assert!(bucket.ends_with(end), "{bucket}");
        assert!(exemplar.starts_with(&(trace + value)), "{exemplar}");
    }
    assert!(
        !lines("feedmill_http_request_seconds_bucket{route=\"events\"")
            .iter()
            .any(|line| line.contains('#'))
    );
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn openmetrics_are_told_to_whoever_accepts_them() {
    let prometheus =
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert!(openmetrics::is_accepted(Some(prometheus)));
    assert!(!openmetrics::is_accepted(Some("text/plain;version=0.0.4, */*")));
    assert!(!openmetrics::is_accepted(None));
}
