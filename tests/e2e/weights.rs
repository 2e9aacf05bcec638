//! Weight sets put at run time: checked, in force everywhere within seconds, listed, and taken back.

use std::fs;

use serde_json::Value;

use crate::world::World;
use crate::{AUTHOR, POST, READER};

const CALM: &str = r#"
default = "calm"

[sets.calm]
id = 2
freshness = 0.9
engagement = 0
affinity = 0
arms.smoothing = {}
arms.normalised_affinity = true
"#;

const FAULTY: &str = r#"
[sets.calm]
id = 1
freshness = -1
colour = "red"
"#;

/// Whether the feed is made by this set wherever it is read from: Redis, or the state of a worker.
fn is_by(world: &World, set: u64) -> Option<()> {
    ["redis", "state"].into_iter().try_for_each(|tier| {
        if tier == "state" {
            world.flush_redis();
        }
        let (status, feed) = world.get("/api/v1/feed?explain=true", Some(&world.token(READER)));
        let item = &feed["items"][0];
        let weight = &item["explain"]["terms"]["freshness"]["weight"];
        let expected = if set == 1 { 0.3 } else { 0.9 };
        let sets = [&feed["weight_set"], &item["ctx"]["weight_set"]];
        (status == 200
            && feed["source"] == tier
            && sets == [set, set]
            && weight.as_f64() == Some(expected))
        .then_some(())
    })
}

#[test]
fn weight_sets_are_checked_put_listed_and_taken_back_while_feeds_are_served() {
    let world = World::start();
    world.sql(&format!(
        "INSERT INTO users (id, username) VALUES ('{READER}', 'reader'), ('{AUTHOR}', 'author');
         INSERT INTO posts (id, user_id, content) VALUES ('{POST}', '{AUTHOR}', 'a post');
         INSERT INTO follows (follower_id, followee_id) VALUES ('{READER}', '{AUTHOR}')"
    ));
    world.feed_when(READER, |feed| !feed.is_empty());
    world.poll("v1 before anything was put", || is_by(&world, 1));
    let (_, none) = world.run(&["weights", "list"]);
    assert!(none.contains("no version was put"), "{none}");

    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (code, _, faults) = world.ended(&["weights", "check", &file("faulty.toml", FAULTY)]);
    assert_eq!(code, Some(5), "{faults}");
    for fault in ["sets.calm.id: ", "sets.calm.freshness: is 0 to 10", "sets.calm.colour: "] {
        assert!(faults.contains(fault), "{fault} in {faults}");
    }
    let calm = file("calm.toml", CALM);
    let (is_right, told) = world.run(&["weights", "check", &calm]);
    assert!(is_right && told.contains("normalised_affinity, smoothing"), "{told}");
    let (is_put, told) = world.run(&["weights", "put", &calm]);
    assert!(is_put && told.starts_with("version 1 is in force"), "{told}");
    world.poll("the new set", || is_by(&world, 2));
    world.poll("its numbers in a terminal, once Redis has it again", || {
        let (_, shown) = world.run(&["feed", "show", READER]);
        (shown.contains("0.9 freshness") && shown.contains("weight set 2")).then_some(())
    });
    let (_, explained) = world.run(&["feed", "explain", READER, POST, "--json"]);
    let why: Value = serde_json::from_str(&explained).unwrap();
    assert_eq!(why["weight_set"], 2, "{why}");

    let (code, _, faults) = world.ended(&[
        "weights",
        "put",
        &file("other.toml", &CALM.replace("affinity = 0", "affinity = 1")),
    ]);
    assert_eq!(code, Some(5), "{faults}");
    assert!(faults.contains("was put before with other numbers"), "{faults}");

    let (is_back, told) = world.run(&["weights", "rollback"]);
    assert!(is_back && told.starts_with("version 2 is in force"), "{told}");
    world.poll("v1 again", || is_by(&world, 1));
    let (_, listed) = world.run(&["weights", "list"]);
    assert!(listed.contains("version 1 of ") && listed.contains("version 2 of "), "{listed}");
    let (_, all) = world.run(&["weights", "list", "--json"]);
    let all: Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all[0]["sets"][0]["arms"]["smoothing"]["exposures"], 50.0, "{all}");
}
