//! Dead letters on a real cluster, as whoever looks after them works with them: counted, shown, re-driven, dropped.

use std::collections::BTreeMap;

use millstream::broker::kafka::{Kafka, KafkaSettings};
use serde_json::{Value, json};

use crate::log::entries;
use crate::poison::{dead_letters, produce};
use crate::world::World;

const LETTERS: &str = "millstream_dead_letters_total{";

/// What a command of dead letters printed, as JSON, and the code it ended with.
fn dlq(world: &World, words: &[&str]) -> (Option<i32>, Value) {
    let (code, told, complained) = world.ended(&[&["dlq"], words, &["--json"]].concat());
    let told = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}{complained}"));
    (code, told)
}

/// The letters that are listed: of which topic, for which reason, how many; and how often each was re-driven before.
fn listed(world: &World) -> BTreeMap<(String, String, u64), usize> {
    let (_, letters) = dlq(world, &["ls", "--limit", "10000"]);
    let mut counts = BTreeMap::new();
    for letter in letters.as_array().unwrap() {
        let text = |name: &str| letter[name].as_str().unwrap().to_owned();
        let times = letter["redriven"].as_array().unwrap().len() as u64;
        *counts.entry((text("topic"), text("reason"), times)).or_default() += 1;
    }
    counts
}

fn wait_for_letters(world: &World, count: f64) {
    world.poll("the letters are written", || (world.worker_sum(0, LETTERS) >= count).then_some(()));
}

fn key(topic: &str, reason: &str, times: u64) -> (String, String, u64) {
    (topic.to_owned(), reason.to_owned(), times)
}

#[test]
fn letters_are_counted_by_reason_come_back_with_their_history_and_are_refused_the_fourth_time() {
    let world = World::without_change_capture();
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let (now, id) = (world.now_ms(), "a0000000-0000-4000-8000-00000000000a");
    let seconds = now / 1_000;
    let long_ago = format!(
        r#"{{"op":"c","source":{{"lsn":1}},"after":{{"id":"{id}","user_id":"{id}","post_id":"{id}","created_at":{seconds}}}}}"#
    );
    let huge = vec![b' '; 2 << 20];
    produce(&kafka, "cdc.follows", &[b"{", b"{}", &huge]);
    produce(&kafka, "cdc.likes", &[long_ago.as_bytes()]);
    produce(&kafka, "trending-parts", &[b"short"]);
    wait_for_letters(&world, 5.0);
    let all = BTreeMap::from([
        (key("cdc.follows", "decode", 0), 2),
        (key("cdc.follows", "too_large", 0), 1),
        (key("cdc.likes", "timestamp", 0), 1),
        (key("trending-parts", "decode", 0), 1),
    ]);
    assert_eq!(listed(&world), all);
    let (_, groups) = dlq(&world, &["ls", "--summary", "--topic", "cdc.likes"]);
    assert_eq!(
        (groups[0]["letters"].as_u64(), groups[0]["reason"].as_str()),
        (Some(1), Some("timestamp"))
    );
    let node = groups[0]["node"].as_str().unwrap();
    let counted = format!("{LETTERS}topic=\"cdc.likes\",node=\"{node}\",reason=\"timestamp\"}}");
    assert_eq!(world.worker_sum(0, &counted), 1.0, "{counted}");

    let (code, _, complained) = world.ended(&["dlq", "redrive", "--yes"]);
    assert_eq!(code, Some(2), "{complained}");
    let (_, planned) = dlq(&world, &["redrive", "--all-letters"]);
    let refused = json!({"cut": 1, "last_counts": 1});
    assert_eq!(planned, json!({"planned": 3, "done": null, "refused": refused, "absent": []}));
    assert_eq!(listed(&world), all, "nothing was changed");

    for times in 1..=3 {
        let (code, done) =
            dlq(&world, &["redrive", "--topic", "cdc.follows", "--topic", "cdc.likes", "--yes"]);
        assert_eq!((code, &done["done"]), (Some(0), &json!(3)), "{done}");
        wait_for_letters(&world, 5.0 + 3.0 * times as f64);
        let back = BTreeMap::from([
            (key("cdc.follows", "decode", times), 2),
            (key("cdc.follows", "too_large", 0), 1),
            (key("cdc.likes", "timestamp", times), 1),
            (key("trending-parts", "decode", 0), 1),
        ]);
        assert_eq!(listed(&world), back);
    }
    let (_, refused) = dlq(&world, &["redrive", "--all-letters", "--yes"]);
    let expected = json!({"cut": 1, "last_counts": 1, "too_often": 3});
    assert_eq!((&refused["done"], &refused["refused"]), (&json!(0), &expected));

    let (_, letters) = dlq(&world, &["ls", "--topic", "cdc.likes"]);
    let place = letters[0]["place"].as_str().unwrap();
    let (_, letter) = dlq(&world, &["show", place]);
    assert_eq!(letter["value"]["text"].as_str(), Some(long_ago.as_str()));
    assert_eq!(letter["redriven"].as_array().map(Vec::len), Some(3), "{letter}");
    let (_, told) = world.run(&["dlq", "show", place]);
    assert!(told.contains("\"created_at\"") && told.contains("re-driven"), "{told}");
    assert_eq!(dlq(&world, &["drop", place, "--yes"]).1["done"], json!(1));
    let (code, again) = dlq(&world, &["drop", place, "--yes"]);
    assert_eq!((code, &again["absent"]), (Some(1), &json!([place])));
    assert_eq!(dlq(&world, &["ls", "--topic", "cdc.likes"]).1, json!([]));
    let (_, hidden) = dlq(&world, &["ls", "--topic", "cdc.likes", "--all"]);
    let done: Vec<_> = hidden.as_array().unwrap().iter().map(|of| &of["done"]["done"]).collect();
    assert_eq!(done, ["redriven", "redriven", "redriven", "dropped"]);
    assert_eq!(dead_letters(&kafka, "feedmill-dead-letters", 14).len(), 14, "nothing is deleted");
}

#[test]
fn a_redrive_that_is_killed_and_begun_again_appends_every_record_exactly_once() {
    let world = World::without_change_capture();
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let poison: Vec<_> = (0..2_000).map(|number| format!("poison {number}")).collect();
    let bytes: Vec<_> = poison.iter().map(|value| value.as_bytes()).collect();
    produce(&kafka, "cdc.likes", &bytes);
    wait_for_letters(&world, 2_000.0);
    let times_killed = 3;
    for number in 0..times_killed {
        let before = world.worker_sum(0, LETTERS);
        let words =
            ["dlq", "redrive", "--times-max", "1", "--all-letters", "--yes", "--rate", "400/s"];
        let mut redrive = world.spawn(&format!("redrive-{number}"), &words);
        wait_for_letters(&world, before + 100.0);
        redrive.kill().unwrap();
    }
    let (_, last) = dlq(&world, &["redrive", "--times-max", "1", "--all-letters", "--yes"]);
    assert!(last["done"].as_u64().unwrap() < 1_700, "some were done before: {last}");
    wait_for_letters(&world, 4_000.0);
    let mut found = BTreeMap::new();
    for record in entries(&world, "cdc.likes") {
        *found.entry(String::from_utf8(record.value).unwrap()).or_default() += 1;
    }
    let expected: BTreeMap<_, _> = poison.into_iter().map(|value| (value, 2)).collect();
    assert_eq!(found, expected);
    assert_eq!(listed(&world), BTreeMap::from([(key("cdc.likes", "decode", 1), 2_000)]));
    assert_eq!(world.worker_sum(0, LETTERS), 4_000.0);
}
