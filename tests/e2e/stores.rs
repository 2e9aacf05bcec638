//! The stores of two workers: any of them answers for both, and goes on doing so when one is killed.

use serde_json::{Value, json};

use crate::world::World;
use crate::{AUTHOR, READER, write_the_first_rows};

const WORKERS: [usize; 2] = [0, 1];

fn rows(answer: &Value) -> Vec<&Value> {
    let parts = answer["parts"].as_array().into_iter().flatten();
    parts.flat_map(|part| part["rows"].as_array().into_iter().flatten()).collect()
}

/// How many partitions of readers a worker runs, as both know it of each other.
fn active(world: &World, of: usize) -> Vec<String> {
    let (status, listed) = world.ask_store(of, "");
    assert!(status == 200 || status == 503, "{listed}");
    let stores = listed["stores"].as_array().into_iter().flatten();
    let shown = stores.filter(|store| store["name"] == "readers").flat_map(|store| {
        store["shown"].as_array().unwrap().iter().filter(|shown| shown["role"] == "active")
    });
    shown.map(|shown| shown["instance"].as_str().unwrap().to_owned()).collect()
}

/// Waits until both run some of three partitions, and each knows of all.
fn wait_for_both(world: &World) {
    world.poll("each of two workers knows what the other shows", || {
        let is_shared = |of: usize| {
            let mut owners = active(world, of);
            owners.sort_unstable();
            let count = owners.len();
            owners.dedup();
            count == 3 && owners.len() == 2
        };
        WORKERS.iter().all(|of| is_shared(*of)).then_some(())
    });
}

#[test]
fn a_row_is_read_at_any_worker_and_at_the_one_that_is_left_when_its_owner_was_killed() {
    let world = World::start();
    world.start_worker(1);
    write_the_first_rows(&world);
    wait_for_both(&world);
    let follow = format!("follows/{READER}:{AUTHOR}");
    let count = json!(1);
    let is_found = |of: usize, path: &str| {
        let (status, answer) = world.ask_store(of, path);
        let found = status == 200 && rows(&answer).first().is_some_and(|row| row["value"] == count);
        found.then(|| answer["parts"][0].clone())
    };
    world.poll("the follow is known", || is_found(0, &follow).map(drop));
    let parts = WORKERS.map(|of| is_found(of, &follow).expect("both answer"));
    assert_eq!(parts[0]["instance"], parts[1]["instance"], "whoever is asked, its owner answers");
    assert_eq!(parts[0]["role"], "active");
    let (status, answer) = world.ask_store_of_api(&follow);
    assert_eq!((status, &answer["parts"][0]["instance"]), (200, &parts[0]["instance"]));
    assert_eq!(rows(&answer).len(), 1, "an API server asks a worker");

    // A question that has gone on goes no further: who is not the owner shows at most what it has given up.
    let shown = WORKERS.map(|of| {
        let (status, answer) = world.ask_store_passed_on(of, &follow);
        let role = answer["parts"][0]["role"].as_str().map(str::to_owned);
        role.unwrap_or_else(|| status.to_string())
    });
    let owner = shown.iter().position(|shown| shown == "active").expect("one runs it");
    assert!(["421", "last_committed"].contains(&shown[1 - owner].as_str()), "{shown:?}");

    // A scan goes through the partitions of both.
    let (status, all) = world.ask_store(0, "user-rows?limit=1000");
    assert_eq!((status, rows(&all).len(), all["parts"].as_array().unwrap().len()), (200, 3, 3));
    let (_, begun) = world.ask_store(1, &format!("user-rows?prefix={}", &READER[..6]));
    assert_eq!(rows(&begun).len(), 1, "{begun}");

    world.kill_worker(owner);
    let left = 1 - owner;
    world.poll("the other has taken it over", || {
        let part = is_found(left, &format!("{follow}?max_lag=2000"))?;
        (part["role"] == "active" && part["instance"] != parts[0]["instance"]).then_some(())
    });
    let (is_done, said) = world.run(&["state", "get", "follows", &format!("{READER}:{AUTHOR}")]);
    assert!(is_done && said.contains(&format!("{READER}:{AUTHOR}  1")), "{said}");
    let (is_done, said) = world.run(&["state", "ls"]);
    assert!(is_done && said.contains("follows") && said.contains("3 active"), "{said}");
    let (is_done, said) = world.run(&["state", "scan", "user-rows", "--limit", "2", "--json"]);
    assert_eq!(
        (is_done, said.lines().filter(|line| line.starts_with('{')).count()),
        (true, 2),
        "{said}"
    );
    let with = world.worker_url(left);
    let (is_equal, said) = world.run(&["state", "diff", "user-rows", "--with", &with]);
    assert!(is_equal && said.trim().ends_with("none differs"), "{said}");
    let (code, _, said) = world.ended(&["state", "get", "user-rows", "c0"]);
    assert!(code == Some(1) && said.contains("key: is no key of this store"), "{said}");
}

#[test]
fn what_was_written_through_the_api_is_read_where_its_position_is_asked_for() {
    // Who announces itself need not be named.
    let world = World::with(&[("STATE__WORKERS", "")]);
    world.start_worker(1);
    wait_for_both(&world);
    world.poll("the API asks the workers", || world.component_is_up("state").then_some(()));
    let (is_done, said) = world.run(&["state", "ls"]);
    assert!(is_done && said.contains("preferences"), "{said}");
    let token = world.token(READER);
    let path = format!("preferences/{READER}");
    for following_only in [true, false, true] {
        let chosen = json!({ "following_only": following_only });
        let position = world.position_of("PUT", "/api/v1/feed/preferences", &token, &chosen);
        for of in WORKERS {
            let (status, answer) = world.ask_store(of, &format!("{path}?min_position={position}"));
            let said = rows(&answer).first().map(|row| row["value"]["following_only"].clone());
            assert_eq!((status, said), (200, Some(json!(following_only))), "{answer}");
        }
    }
    let (status, refused) = world.ask_store(0, &format!("{path}?min_position=events-0@1"));
    let fault = &refused["error"]["fields"][0];
    assert_eq!((status, &fault["field"]), (400, &json!("min_position")), "{refused}");
    let (status, refused) = world.ask_store(
        0,
        &format!(
            "{path}?min_position=preferences-0@999999,preferences-1@999999,preferences-2@999999"
        ),
    );
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("behind")), "{refused}");
}
