//! What whoever operates it asks before and after a change: on real servers, by the commands.

use serde_json::Value;

use crate::world::World;

fn json(told: &str) -> Value {
    serde_json::from_str(told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

/// Suggestions bring a sub-topology of their own, so that they are another topology.
const WITH_PEOPLE: &[(&str, &str)] = &[("SUGGESTIONS__ENABLED", "true")];

#[test]
fn a_plan_of_a_change_says_what_the_start_then_does() {
    let world = World::with(&[("SUGGESTIONS__ENABLED", "false")]);
    world.poll("the worker runs as it is configured", || {
        let (code, told, words) = world.ended(&["topology", "plan", "--json"]);
        let plan = json(&told);
        assert_eq!((code, plan["verdict"].as_str()), (Some(0), Some("safe")), "{told}{words}");
        told.contains("has the topology that it had").then_some(())
    });

    let (code, told, words) = world.ended_with(WITH_PEOPLE, &["topology", "plan"]);
    assert_eq!(code, Some(1), "{told}{words}");
    let row = "rebuilds  store people-kept/people";
    assert!(told.contains(row) && words.contains("worker.rebuild_stores"), "{told}{words}");
    world.stop_worker(0);
    let elsewhere = [WITH_PEOPLE[0], ("HTTP__INTERNAL_LISTEN", "127.0.0.1:0")];
    let (code, _, words) = world.ended_with(&elsewhere, &["worker"]);
    assert_eq!(code, Some(5), "{words}");
    assert!(words.contains("would know nothing of what was read before"), "{words}");

    let allowed = [WITH_PEOPLE[0], ("WORKER__REBUILD_STORES", "true")];
    let (code, told, words) = world.ended_with(&allowed, &["topology", "plan", "--json"]);
    let plan = json(&told);
    let said = (code, plan["verdict"].as_str(), plan["starts"].as_bool());
    assert_eq!(said, (Some(0), Some("rebuilds"), Some(true)), "{told}{words}");
}

const WITHOUT_PEOPLE: &[(&str, &str)] = &[("SUGGESTIONS__ENABLED", "false")];

#[test]
fn topics_that_a_version_gave_up_are_found_once_it_runs_and_deleted_when_that_is_asked_for() {
    let world = World::without_change_capture();
    let orphans = |words: &[&str]| {
        let (code, told, complained) = world.ended_with(WITHOUT_PEOPLE, words);
        assert_eq!(code, Some(0), "{told}{complained}");
        let orphans = json(&told)["orphans"].clone();
        let names =
            orphans.as_array().unwrap().iter().map(|of| of["topic"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    world.poll("the worker has started", || {
        let (_, told, _) = world.ended(&["topology", "plan"]);
        told.contains("has the topology that it had").then_some(())
    });
    let look = ["topics", "gc", "--json"];
    assert_eq!(orphans(&look), [""; 0], "whoever runs names it");
    world.stop_worker(0);
    world.start_worker_with(0, WITHOUT_PEOPLE);
    world.poll("the new version runs", || {
        (orphans(&look) == ["feedmill-people-kept-changelog"]).then_some(())
    });
    let (code, told, words) = world.ended(&["topology", "plan"]);
    assert_eq!(code, Some(5), "{told}{words}");
    let row = "blocked   store people-kept/people";
    assert!(told.contains(row) && told.contains("was there once"), "{told}");
    assert_eq!(orphans(&["topics", "gc", "--yes", "--json"]).len(), 1);
    assert_eq!(orphans(&look), [""; 0]);
    let (code, told, words) = world.ended(&["topology", "plan"]);
    assert_eq!(code, Some(1), "its rows are gone: {told}{words}");
    let (code, _, words) = world.ended(&["topics", "gc", "--left-by", "feedmill"]);
    assert_eq!(code, Some(2), "{words}");
}

#[test]
fn topics_are_found_as_they_must_be_and_each_fault_with_the_command_that_mends_it() {
    let world = World::without_change_capture();
    let (code, told, words) = world.ended(&["topics", "check", "--json"]);
    let checked = json(&told);
    assert_eq!(code, Some(0), "{told}{words}");
    let findings = checked["findings"].as_array().unwrap();
    assert!(findings.iter().all(|of| of["severity"] != "error"), "{told}");
    assert!(
        findings.iter().any(|of| of["words"].as_str().unwrap().starts_with("one copy")),
        "{told}"
    );

    let another = [("APP", "app2"), ("KAFKA__CREATE_TOPICS", "false")];
    let (code, told, words) = world.ended_with(&another, &["topics", "check"]);
    assert_eq!(code, Some(1), "{told}{words}");
    assert!(
        told.contains("app2-ingest-users-changelog") && told.contains("feedmill topics create"),
        "{told}"
    );
    let (_, told, _) = world.ended(&["topics", "check", "--acls", "--principal", "User:feed"]);
    let line = "--allow-principal User:feed --operation Read --operation Describe \
                --operation DescribeConfigs --topic cdc.users";
    assert!(told.contains(line), "{told}");
}
