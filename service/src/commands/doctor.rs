//! How every server is, on one screen: a line for each, then what is not as it should be, the worst first.

use std::fmt::Write;

use millstream::Exit;
use millstream::broker::Broker;
use serde_json::{Map, Value, json};

use super::workers;
use crate::Failed;
use crate::config::Config;
use crate::doctor::examination::{Chart, examine};
use crate::doctor::finding::{self, Finding};

/// What is told, and how the command ends if there is an error among it.
pub async fn tell(broker: &dyn Broker, config: &Config, as_json: bool) -> (String, Option<Failed>) {
    // Where Kafka does not say which is live, that is found there.
    let live = workers::of_live(broker, config);
    let charts = examine(broker, live.as_ref().unwrap_or(config)).await;
    let findings: Vec<_> = charts.iter().flat_map(|chart| chart.findings.clone()).collect();
    let told = if as_json { json_of(&charts, &findings) } else { screen(&charts, &findings) };
    let failed = finding::errors(&findings).map(|words| Failed(Exit::Failed, words));
    (told, failed)
}

fn screen(charts: &[Chart], findings: &[Finding]) -> String {
    let mut out = String::new();
    for Chart { server, summary, .. } in charts {
        let summary = summary.as_deref().unwrap_or("does not answer");
        let _ = writeln!(out, "{server:<10} {summary}");
    }
    let found =
        if findings.is_empty() { "nothing is wrong\n".into() } else { finding::told(findings) };
    out + "\n" + &found
}

fn json_of(charts: &[Chart], findings: &[Finding]) -> String {
    let servers: Map<String, Value> =
        charts.iter().map(|chart| (chart.server.to_owned(), json!(chart.summary))).collect();
    format!("{:#}\n", json!({"servers": servers, "findings": finding::json_of(findings)}))
}
