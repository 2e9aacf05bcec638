//! Whom a reader is suggested, on real servers: by a worker's state, through the API process, and by Redis where no worker is.

use serde_json::{Value, json};

use crate::world::World;
use crate::{AUTHOR, LIKER, READER};

const FRIEND: &str = AUTHOR;
const FRIENDS_FRIEND: &str = LIKER;
const FAN: &str = "f0000000-0000-4000-8000-000000000004";

fn ask(world: &World, query: &str) -> (u16, Value) {
    world.get(&format!("/api/v1/discover/suggested-users{query}"), Some(&world.token(READER)))
}

/// Waits until these are suggested, the best first; gives the answer.
fn suggested(world: &World, after: &str, expected: &[&str]) -> Value {
    let mut last = Value::Null;
    let found = tests::poll_until(crate::world::LONG, || {
        let (status, answer) = ask(world, "");
        last = answer;
        let items = last["items"].as_array()?.iter();
        let users: Vec<_> = items.map(|item| item["user_id"].as_str().unwrap()).collect();
        (status == 200 && users == expected).then_some(())
    });
    found.unwrap_or_else(|_| panic!("{after}: {last}, not {expected:?}"));
    last
}

fn follow(world: &World, follower: &str, followee: &str) {
    world.sql(&format!(
        "INSERT INTO follows (follower_id, followee_id) VALUES ('{follower}', '{followee}')"
    ));
}

#[test]
fn a_friend_s_friends_are_suggested_until_they_are_followed_dismissed_blocked_or_gone() {
    let world = World::start();
    for (id, name) in
        [(READER, "reader"), (FRIEND, "friend"), (FRIENDS_FRIEND, "other"), (FAN, "fan")]
    {
        world.sql(&format!(
            "INSERT INTO users (id, username, avatar_url, bio)
             VALUES ('{id}', '{name}', 'https://pictures/{name}', 'I am {name}')"
        ));
    }
    world.poll("state answers", || (ask(&world, "").1["source"] == "state").then_some(()));
    let empty = suggested(&world, "nobody is followed", &[]);
    assert_eq!((&empty["fallback"], &empty["source"]), (&json!(true), &json!("redis")), "{empty}");
    follow(&world, READER, FRIEND);
    follow(&world, FRIEND, FRIENDS_FRIEND);
    follow(&world, FAN, FRIEND);
    // The path through the friend, who has two followers.
    let through = json!([{"user_id": FRIEND, "username": "friend"}]);
    let reason = |source: &str| json!([{"source": source, "through": through, "more": 0}]);
    let is = |of: &Value, score: f64, source: &str| {
        (of["score"].as_f64().unwrap() - score).abs() < 1e-9 && of["reasons"] == reason(source)
    };
    let seen = json!(["other", "https://pictures/other", "I am other", 1]);
    let fields = ["username", "avatar_url", "bio", "follower_count"];
    // Follows and users come by several partitions, and who is near may be known before all of them are.
    world.poll("every follow counts, and everybody has a name", || {
        let both = suggested(&world, "two are near", &[FRIENDS_FRIEND, FAN]);
        let [other, fan] = [0, 1].map(|at| &both["items"][at]);
        let are = is(other, 1.0 / 4f64.ln(), "friends_of_friends")
            && is(fan, 0.5 / 4f64.ln(), "same_people")
            && json!(fields.map(|name| &other[name])) == seen;
        are.then_some(())
    });
    let (_, one) = ask(&world, "?limit=1");
    assert_eq!((one["items"].as_array().unwrap().len(), &one["source"]), (1, &json!("redis")));

    let dismiss = |body: &Value| world.post("/api/v1/discover/dismiss", &world.token(READER), body);
    let (status, said) = dismiss(&json!({"user_id": FAN}));
    assert_eq!((status, &said["dismissed"]), (202, &json!(FAN)), "{said}");
    suggested(&world, "a dismissal", &[FRIENDS_FRIEND]);
    bad_requests_are_told(&world, dismiss);
    without_a_worker_redis_says_what_was(&world);
    world.sql(&format!("DELETE FROM users WHERE id = '{FRIENDS_FRIEND}'"));
    world.sql(&format!("UPDATE users SET bio = 'new' WHERE id = '{FAN}'"));
    world.sql(&format!("INSERT INTO mutes (muter_id, muted_id) VALUES ('{READER}', '{FAN}')"));
    suggested(&world, "one is gone", &[]);
}

fn bad_requests_are_told(world: &World, dismiss: impl Fn(&Value) -> (u16, Value)) {
    for query in ["?limit=0", "?limit=51", "?limit=x", "?limits=3"] {
        let (status, told) = ask(world, query);
        assert_eq!((status, &told["error"]["code"]), (400, &json!("invalid")), "{told}");
    }
    for body in [json!({}), json!({"user_id": "x"}), json!({"user_id": READER}), json!([FAN])] {
        let (status, told) = dismiss(&body);
        assert_eq!(
            (status, &told["error"]["fields"][0]["field"]),
            (400, &json!("user_id")),
            "{told}"
        );
    }
    let (status, _) = world.get("/api/v1/discover/suggested-users", None);
    assert_eq!(status, 401);
}

fn without_a_worker_redis_says_what_was(world: &World) {
    world.stop_worker(0);
    world.poll("the answer is stale", || {
        let (status, answer) = ask(world, "");
        if answer["stale"] != true {
            return None;
        }
        let first = &answer["items"][0]["user_id"];
        assert_eq!(
            (status, &answer["source"], first),
            (200, &json!("redis"), &json!(FRIENDS_FRIEND))
        );
        Some(())
    });
    world.start_worker(0);
    world.poll("state answers again", || (ask(world, "").1["stale"] == false).then_some(()));
}
