//! What operators turn on and off while everything runs: two API processes agree, and a restart remembers.

use std::fs;
use std::net::TcpListener;

use serde_json::{Value, json};
use tests::Process;

use crate::curl::{curl, metric};
use crate::world::World;
use crate::{READER, write_the_first_rows};

/// A second API process, with a listener of operators.
struct Second {
    process: Process,
    ports: [u16; 3],
}

impl Second {
    fn start(world: &World) -> Self {
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.each_ref().map(|of| of.local_addr().unwrap().port());
        drop(listeners);
        let at = ports.map(|port| format!("127.0.0.1:{port}"));
        let settings = [
            ("HTTP__LISTEN", &*at[0]),
            ("HTTP__INTERNAL_LISTEN", &*at[1]),
            ("ADMIN__LISTEN", &*at[2]),
        ];
        let second = Self { process: world.spawn_with("second", &settings, &["serve"]), ports };
        world.poll("the second API process is ready", || (second.ready() == 200).then_some(()));
        second
    }

    fn ready(&self) -> u16 {
        curl(&[&format!("http://127.0.0.1:{}/ready", self.ports[1])], None, None).0
    }

    fn feed(&self, token: &str) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/feed", self.ports[0]);
        curl(&[&url], Some(token), None).1
    }

    fn put(&self, token: &str, flags: &Value) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}/admin/flags", self.ports[2]);
        let body = json!({"flags": flags, "why": "to try it"});
        curl(&["-X", "PUT", &url], Some(token), Some(&body))
    }
}

/// A set in which everybody takes part.
const EVERYBODY: &str = "[sets.calm]\nid = 2\nfreshness = 0.9\n
[[experiments]]\nname = \"calm\"\nshare = 1.0\narms = { calm = 1 }\n";

#[test]
fn flags_hold_for_every_process_at_once_and_after_a_restart_with_who_set_them_and_why() {
    let world = World::start();
    write_the_first_rows(&world);
    world.feed_when(READER, |feed| !feed.is_empty());
    let mut second = Second::start(&world);
    let token = world.token(READER);
    let both = |what: &str, is_so: &dyn Fn(&Value) -> bool| {
        world.poll(what, || {
            let (_, first) = world.get("/api/v1/feed", Some(&token));
            (is_so(&first) && is_so(&second.feed(&token))).then_some(())
        });
    };
    let of = |name: &'static str, value: &'static str| move |feed: &Value| feed[name] == value;
    both("Redis has the feed", &of("source", "redis"));

    let (is_set, told) = world.run(&["flags", "set", "tier.redis=off", "--why", "it is slow"]);
    assert!(is_set && told.contains("tier.redis on -> off: it is slow"), "{told}");
    both("Redis is asked no more", &of("source", "state"));
    let admin = ("ADMIN__LISTEN", "127.0.0.1:1");
    let (_, operator, _) = world.ended_with(&[admin], &["token", READER, "--admin"]);
    let operator = operator.trim();
    let (status, _) = second.put(&token, &json!({"ranked_percent": 0}));
    assert_eq!(status, 401, "a reader's token is none of an operator");
    let (status, told) = second.put(operator, &json!({"ranked_percent": 0}));
    assert_eq!(status, 200, "{told}");
    both("nobody is given the ranking", &of("algo", "timeline"));
    let (status, _) = world.get("/api/v1/feed/stream", Some(&token));
    assert_eq!(status, 503, "nor can they follow it");

    second.process.kill().unwrap();
    let second = Second::start(&world);
    world.poll("a restart remembers", || {
        let percent = metric(second.ports[1], "feedmill_flag{flag=\"ranked_percent\"}");
        (percent == 0.0 && second.feed(&token)["algo"] == "timeline").then_some(())
    });
    let both_on = json!({"ranked_percent": 100, "tier.redis": true});
    assert_eq!(second.put(operator, &both_on).0, 200);
    let (_, history) = world.run(&["flags", "history"]);
    let lines: Vec<_> = history.lines().collect();
    assert_eq!(lines.len(), 4, "{history}");
    assert!(
        lines[1].contains(&format!("by user {READER}: ranked_percent 100% -> 0%")),
        "{history}"
    );
    experiments_pause_and_go_on(&world, &token);
}

fn experiments_pause_and_go_on(world: &World, token: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("everybody.toml");
    fs::write(&file, EVERYBODY).unwrap();
    let (is_put, told) = world.run(&["weights", "put", file.to_str().unwrap()]);
    assert!(is_put, "{told}");
    let ranked_by = |set: u64| {
        world.poll(&format!("ranked by set {set}"), || {
            let (_, feed) = world.get("/api/v1/feed", Some(token));
            (feed["weight_set"] == set).then_some(())
        });
    };
    ranked_by(2);
    for (value, set) in [("arms=off", 1), ("arms=on", 2)] {
        let (is_set, told) = world.run(&["flags", "set", value, "--why", "to look"]);
        assert!(is_set, "{told}");
        ranked_by(set);
    }
    let (_, listed) = world.run(&["flags", "list", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (&listed["version"], &listed["flags"]["arms"]["why"]),
        (&json!(5), &json!("to look"))
    );
}
