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
    let (code, told, words) = world.ended(&["topology", "plan", "--json"]);
    let plan = json(&told);
    assert_eq!((code, plan["verdict"].as_str()), (Some(0), Some("safe")), "{told}{words}");

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
