//! Calls to servers that take long are told with what was asked, and not with whom or what it was about.

use std::fs;

use serde_json::json;
use tests::Part;

use crate::world::World;
use crate::{LIKER, POST, READER, write_the_first_rows};

/// The lines of a process of calls to this server that were slow.
fn slow_calls(world: &World, process: &str, server: &str) -> Vec<String> {
    let log = fs::read_to_string(world.dir().join(process).with_extension("log")).unwrap();
    let is_it = |line: &&str| {
        line.contains("a slow call") && line.contains(&format!("server=\"{server}\""))
    };
    log.lines().filter(is_it).map(str::to_owned).collect()
}

/// The first line that tells of a slow call in these words; once there is one, it is counted.
fn told(world: &World, (process, server): (&str, &str), words: &[&str], again: impl Fn()) {
    let mut found = String::new();
    world.poll(&format!("a call to {server} is slow"), || {
        again();
        let lines = slow_calls(world, process, server);
        found = lines.into_iter().find(|line| words.iter().all(|of| line.contains(of)))?;
        Some(())
    });
    for secret in [READER, LIKER, POST] {
        assert!(!found.contains(secret), "{found}");
    }
}

#[test]
fn a_slow_call_is_told_with_its_statement_and_the_shapes_of_its_parameters_and_counted() {
    let world = World::with_clickhouse(&[("BREAKER__FAILURES", "1000")]);
    write_the_first_rows(&world);
    let (token, counted) = (world.token(READER), "feedmill_slow_calls_total{server=");
    assert_eq!(world.metric(&format!("{counted}\"postgres\"}}")), 0.0);

    let lock = "DO $$ BEGIN LOCK TABLE posts; PERFORM pg_sleep(1); END $$";
    let locking = world.sql_again("lock", lock);
    let words =
        ["end=\"given up\"", "WITH hidden AS MATERIALIZED", "UUID 16 B, INT8 8 B, INT8 8 B"];
    told(&world, ("serve", "postgres"), &words, || {
        drop(world.get("/api/v1/feed?algo=timeline", Some(&token)));
    });
    assert!(world.metric(&format!("{counted}\"postgres\"}}")) > 0.0);
    drop(locking);

    world.pause_server(Part::Redis);
    let words = ["end=\"given up\"", "statement=\"GET\"", "1 of 44 B, the longest of 44 B"];
    told(&world, ("serve", "redis"), &words, || {
        drop(world.get("/api/v1/feed", Some(&token)));
    });
    world.resume_server(Part::Redis);

    world.pause_server(Part::ClickHouse);
    let event = json!({"post_id": POST, "action": "view", "event_time": world.now_ms()});
    world.post_event(LIKER, &event);
    world.poll("the insert waits", || {
        (world.worker_metric(0, "feedmill_clickhouse_sink_waiting_seconds ") > 3.0).then_some(())
    });
    world.resume_server(Part::ClickHouse);
    let words = ["statement=\"INSERT INTO", "rows\""];
    told(&world, ("worker", "clickhouse"), &words, || {});
    assert!(world.worker_metric(0, &format!("{counted}\"clickhouse\"}}")) > 0.0);
}
