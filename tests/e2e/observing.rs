//! What whoever watches it sees: metrics as the field wants them, dashboards that have data, alerts that are silent while all is well.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::prometheus::Prometheus;
use crate::world::{World, repository};
use crate::{AUTHOR, LIKER, POST, READER, write_the_first_rows};

/// What tells series of a family apart: places of the code, names of the topology, parts of the deployment.
const LABELS: &str = "algo component flag le listener node part reason route server slot source status store tier topic";
/// Another ranking beside the one that is served, so that both are compared.
const SHADOW: &str =
    "[sets.old]\nid = 4\nfreshness = 0\ndecay_per_hour = 0\n[shadow]\nset = \"old\"\none_in = 1\n";

/// What happens all the time: posts, likes, reads.
fn traffic(world: &World) {
    let post = Uuid::new_v4();
    world.sql(&format!(
        "INSERT INTO posts (id, user_id, content) VALUES ('{post}', '{AUTHOR}', 'one more')"
    ));
    world.post_event(
        LIKER,
        &json!({"post_id": POST, "action": "share", "event_time": world.now_ms()}),
    );
    for user in [READER, LIKER, &Uuid::new_v4().to_string()] {
        world.feed(user);
    }
}

#[test]
fn metrics_are_as_the_field_wants_them_and_no_label_is_a_user_or_a_post() {
    let world = World::whole();
    write_the_first_rows(&world);
    world.feed_when(READER, |feed| feed.source() == "redis" && feed.has(POST));
    traffic(&world);
    world.poll("heartbeats and slots are told", || {
        let slot = r#"feedmill_replication_slot_retained_bytes{slot="feedmill"}"#;
        let told =
            [world.worker_metric(0, "feedmill_capture_age_seconds "), world.worker_metric(0, slot)];
        (told[0] > 0.0 && told[0] < 60.0 && told[1] > 0.0).then_some(())
    });
    for text in world.metrics_texts() {
        let mut check = Command::new("promtool");
        check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut check = check.stderr(Stdio::piped()).spawn().unwrap();
        check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let checked = check.wait_with_output().unwrap();
        let said = [checked.stdout, checked.stderr].concat();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&said));
        let known: BTreeSet<_> = LABELS.split(' ').collect();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((_, labels)) = line.split_once('{') else { continue };
            for (name, value) in labels.split("\",").filter_map(|label| label.split_once("=\"")) {
                assert!(known.contains(name), "{line}");
                let value = value.split('"').next().unwrap();
                assert!(Uuid::parse_str(value).is_err() && value.len() < 64, "{line}");
            }
        }
    }
}

/// The queries of all panels, each with its dashboard and title; of all instances, at the rate of the test's scrapes.
fn queries() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for board in ["edges", "feed", "streams"] {
        let path =
            repository().join("deploy/grafana/dashboards").join(board).with_extension("json");
        let document: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        for panel in document["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            for target in panel["targets"].as_array().into_iter().flatten() {
                let query = target["expr"].as_str().unwrap();
                let query = query.replace("$instance", ".*").replace("$__rate_interval", "15s");
                queries.push((format!("{board}: {title}"), query));
            }
        }
    }
    queries
}

/// Whether an answer can be drawn.
fn has_data(series: &[Value]) -> bool {
    series.iter().any(|one| one["value"][1].as_str().is_some_and(|value| value != "NaN"))
}

#[test]
fn every_query_of_every_panel_has_data_and_no_alert_is_called_while_all_is_well() {
    let world = World::whole();
    let prometheus = Prometheus::start(&world);
    write_the_first_rows(&world);
    world.feed_when(READER, |feed| feed.source() == "redis" && feed.has(POST));
    let shadow = world.dir().join("shadow.toml");
    fs::write(&shadow, SHADOW).unwrap();
    let (is_put, said) = world.run(&["weights", "put", shadow.to_str().unwrap()]);
    assert!(is_put, "{said}");

    let mut without = queries();
    let asked = without.len();
    assert!(asked >= 70, "{asked}");
    let mut last = String::new();
    world.poll("every panel has data", || {
        traffic(&world);
        without.retain(|(_, query)| !has_data(&prometheus.ask(query)));
        let rest = format!("{} of {asked} queries without data: {without:#?}", without.len());
        if rest != last {
            eprintln!("{rest}");
            last = rest;
        }
        without.is_empty().then_some(())
    });
    assert_eq!(prometheus.faulty_rules(), [""; 0]);
    assert_eq!(prometheus.called(), [""; 0]);
}
