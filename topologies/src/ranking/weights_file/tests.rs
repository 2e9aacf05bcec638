//! What a file of weight sets may say, and every fault that is named.

use schemas::V1;

use super::*;
use crate::ranking::weights::{DAY_MS, Explore, Smoothing};

const FILE: &str = r#"
default = "calm"

[sets.calm]
id = 2
affinity = 0.2
arms.smoothing = {}
arms.explore = { every = 10 }

[sets.bold]
id = 3
base = "calm"
limits.seen_ms = 3600000
arms.smoothing.exposures = 7
arms.explore = false
arms.normalised_affinity = true

[[experiments]]
name = "calm or bold"
share = 0.1
arms = { calm = 1, bold = 3 }

[shadow]
set = "v1"
one_in = 10
"#;

fn faults(text: &str) -> Vec<String> {
    read(text, &Policies::default()).unwrap_err()
}

#[test]
fn a_set_says_what_is_other_than_in_its_base() {
    let policy = read(FILE, &Policies::default()).unwrap();
    let [bold, calm] = &policy.sets[..] else { panic!("{policy:?}") };
    assert_eq!((policy.default, calm.id, calm.affinity, calm.freshness), (2, 2, 0.2, 0.3));
    assert_eq!(calm.arms.smoothing, Some(Smoothing { exposures: 50.0 }));
    let explore = Explore { every: 10, age_ms_max: DAY_MS, exposures_max: 50 };
    assert_eq!(calm.arms.explore, Some(explore));
    assert_eq!((bold.name.as_str(), bold.affinity, bold.limits.seen_ms), ("bold", 0.2, 3_600_000));
    assert_eq!(bold.arms.smoothing, Some(Smoothing { exposures: 7.0 }));
    assert_eq!((bold.arms.explore, bold.arms.normalised_affinity), (None, true));
    assert_eq!(policy.experiments[0].share_ppm, 100_000);
    assert_eq!(policy.shadow, Some(Shadow { set: V1, one_in: 10 }));
}

#[test]
fn an_empty_file_is_v1_for_everybody() {
    assert_eq!(read("", &Policies::default()), Ok(Policy::default()));
}

#[test]
fn every_fault_is_named_at_once() {
    let found = faults(
        r#"
        default = "loud"
        colour = 1
        [sets.calm]
        freshness = 11
        decay_per_hour = "fast"
        limits.kept_max = 101
        limits.grid_ms = 5
        arms.smoothing.exposures = 0
        arms.explode = true
        spacing = 3
        [sets.bold]
        id = 2
        base = "nobody"
        [[experiments]]
        share = 2
        arms = { calm = 0, quiet = 1 }
        [shadow]
        one_in = 0
        "#,
    );
    let named = [
        "colour: ",
        "sets.calm.freshness: is 0 to 10, found 11",
        "sets.calm.decay_per_hour: ",
        "sets.calm.limits.kept_max: is a whole number from 1 to 100, found 101",
        "sets.calm.limits.grid_ms: is not known; there are follow_age_ms_max",
        "sets.calm.arms.smoothing.exposures: ",
        "sets.calm.arms.explode: ",
        "sets.calm.spacing: is a table of numbers",
        "sets.calm.id: ",
        "sets.bold.base: ",
        "default: is one of",
        "experiment number 1.name: ",
        "experiment number 1.share: ",
        "experiment number 1.arms.calm: ",
        "experiment number 1.arms.quiet: ",
        "shadow.set: is missing",
        "shadow.one_in: ",
    ];
    let missing = named.iter().filter(|name| !found.iter().any(|fault| fault.starts_with(*name)));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&&str>::new(), "{found:#?}");
}

#[test]
fn a_circle_of_bases_is_a_fault() {
    let found = faults("[sets.a]\nid = 2\nbase = \"b\"\n[sets.b]\nid = 3\nbase = \"a\"");
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn two_sets_of_one_number_are_a_fault_and_v1_is_nobody_s_to_change() {
    let found = faults("[sets.a]\nid = 2\n[sets.b]\nid = 2\n[sets.v1]\nid = 5");
    assert!(found.iter().any(|fault| fault.starts_with("sets.b.id: 2 is that of sets.a")));
    assert!(found.iter().any(|fault| fault.starts_with("sets.v1: ")), "{found:?}");
}

#[test]
fn a_number_that_was_put_keeps_its_meaning() {
    let mut known = Policies::default();
    known.put(Policy { version: 1, ..read(FILE, &known).unwrap() });
    assert!(read(FILE, &known).is_ok(), "the same again");
    let changed = FILE.replace("affinity = 0.2", "affinity = 0.1");
    let found = read(&changed, &known).unwrap_err();
    assert!(found.iter().all(|fault| fault.contains("was put before")), "{found:?}");
    assert_eq!(found.len(), 2, "also that which rests on it: {found:?}");
}

#[test]
fn what_is_no_toml_is_one_fault_with_its_line() {
    assert!(faults("default = ").concat().contains("line 1"));
}

#[test]
fn every_number_of_a_set_is_in_the_list_and_every_one_in_the_list_is_of_a_set() {
    let mut full = serde_json::to_value(Weights::v1()).unwrap();
    ARMS.iter().for_each(|arm| place(&mut full, arm, numbers::defaults(arm)));
    assert!(serde_json::from_value::<Weights>(full.clone()).is_ok());
    let mut leaves = Vec::new();
    collect(&full, String::new(), &mut leaves);
    let not_for_files = ["id", "name", "limits.grid_ms"];
    leaves.retain(|leaf| !not_for_files.contains(&leaf.as_str()));
    let mut listed: Vec<_> = NUMBERS.iter().map(|number| number.path.to_owned()).collect();
    leaves.sort();
    listed.sort();
    assert_eq!(leaves, listed);
}

fn collect(tree: &Value, path: String, leaves: &mut Vec<String>) {
    match tree.as_object() {
        Some(table) => table.iter().for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            collect(value, path, leaves);
        }),
        None => leaves.push(path),
    }
}

#[test]
fn the_example_that_comes_with_the_project_is_right_and_has_every_arm() {
    let text = include_str!("../../../../examples/weights.toml");
    let policy = read(text, &Policies::default()).unwrap();
    let set = |name: &str| policy.sets.iter().find(|set| set.name == name).unwrap();
    let arms = serde_json::to_value(set("curious").arms).unwrap();
    let off = arms.as_object().unwrap().iter().filter(|(_, arm)| arm.is_null() || **arm == false);
    assert_eq!(off.collect::<Vec<_>>(), Vec::<(&String, &Value)>::new());
    assert_eq!((policy.experiments.len(), policy.shadow.is_some()), (1, true));
}

#[test]
fn what_is_of_another_type_is_a_fault_and_not_nothing() {
    let texts = [
        ("sets = 5", "sets: "),
        ("sets = []", "sets: "),
        ("[[sets]]\nid = 2", "sets: "),
        ("[sets.a]\nid = 2\nbase = 5", "sets.a.base: "),
        ("[sets.a]\nid = 2\nbase = [\"v1\"]", "sets.a.base: "),
        ("[sets.\"\"]\nid = 2", "sets.\"\": "),
        ("[sets.\"a\\nb\"]\nid = 2", "sets.\"a\\nb\": "),
        ("[sets.a]\nid = 2\nfreshness = inf", "sets.a.freshness: "),
        ("shadow = 3", "shadow: "),
        ("experiments = 3", "experiments: "),
    ];
    for (text, fault) in texts {
        let found = faults(text);
        assert!(found.iter().any(|found| found.starts_with(fault)), "{text}: {found:?}");
        assert!(!found.iter().any(|found| found.contains('\n')), "{text}: {found:?}");
    }
}

#[test]
fn a_file_says_no_more_than_a_topic_takes() {
    let sets = (2..103).map(|id| format!("[sets.s{id}]\nid = {id}\n")).collect::<String>();
    assert_eq!(faults(&sets), ["sets: are at most 100, found 101"]);
}
