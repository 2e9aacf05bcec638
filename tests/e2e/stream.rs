//! A feed that is followed live, as a browser does: what the patches make of the snapshot is what a read gives.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Process, poll_until};

use crate::world::{LONG, World};
use crate::{AUTHOR, OTHER_POST, POST, READER, write_the_first_rows};

/// An event as it came.
struct Event {
    name: String,
    id: String,
    data: Value,
}

/// A client that follows the reader's feed.
struct Client {
    process: Process,
}

impl Client {
    fn start(world: &World, name: &str, last: Option<&str>) -> Self {
        Self { process: world.follow(name, &world.token(READER), last) }
    }

    fn events(&self) -> Vec<Event> {
        let text = self.process.output().unwrap();
        let whole = text.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
        let event = |block: &str| {
            let field = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            };
            let (name, id) = (field("event")?.to_owned(), field("id")?.to_owned());
            Some(Event { name, id, data: serde_json::from_str(field("data")?).unwrap() })
        };
        whole.split("\n\n").filter_map(event).collect()
    }

    /// The document that the events make, and the id of the last.
    fn document(&self) -> Option<(Value, String)> {
        let mut document = None;
        for Event { name, id, data } in self.events() {
            match &*name {
                "snapshot" => document = Some((data, id)),
                _ => {
                    let (of, last) = document.as_mut().unwrap();
                    let patch: json_patch::Patch = serde_json::from_value(data).unwrap();
                    json_patch::patch(of, &patch).unwrap();
                    *last = id;
                }
            }
        }
        document
    }

    fn names(&self) -> Vec<String> {
        self.events().into_iter().map(|event| event.name).collect()
    }
}

/// Post, likes.
fn items(of: &Value, counts: impl Fn(&Value) -> &Value) -> Vec<(String, u64)> {
    let item = |item: &Value| {
        (item["post_id"].as_str().unwrap().to_owned(), counts(item)["likes"].as_u64().unwrap())
    };
    of["items"].as_array().unwrap().iter().map(item).collect()
}

/// Waits until the document that a client has is the feed that a read gives, and it is so.
fn is_current(
    world: &World,
    client: &Client,
    what: &str,
    is_so: impl Fn(&[(String, u64)]) -> bool,
) {
    let mut last = None;
    let found = poll_until(LONG, || {
        let read = world.get("/api/v1/feed", Some(&world.token(READER))).1;
        let followed = client.document()?.0;
        let both = [&followed, &read].map(|of| items(of, |item| &item["counts"]));
        last = Some((followed.clone(), read.clone()));
        (both[0] == both[1] && is_so(&both[0]) && followed["version"] == read["version"])
            .then_some(())
    });
    found.unwrap_or_else(|_| panic!("{what}: {last:?}\n{}", world.logs()));
}

#[test]
fn a_followed_feed_is_patched_as_it_changes_and_goes_on_where_a_client_left() {
    let world = World::start();
    write_the_first_rows(&world);
    world.feed_when(READER, |feed| feed.has(POST) && feed.has(OTHER_POST));
    let client = Client::start(&world, "first", None);
    is_current(&world, &client, "a snapshot", |items| items.len() == 2);
    world.sql(&format!(
        "INSERT INTO likes (id, post_id, user_id) VALUES (gen_random_uuid(), '{OTHER_POST}', '{AUTHOR}')"
    ));
    is_current(&world, &client, "a like", |items| items[0] == (OTHER_POST.to_owned(), 1));
    let hide = json!({"post_id": OTHER_POST, "action": "hide", "event_time": world.now_ms()});
    world.post_event(READER, &hide);
    is_current(&world, &client, "hidden", |items| items.len() == 1 && items[0].0 == POST);
    let names = client.names();
    assert!(names[0] == "snapshot" && names[1..].iter().all(|name| name == "patch"), "{names:?}");
    assert_eq!(world.metric("feedmill_streams"), 1.0);

    let (_, last) = client.document().unwrap();
    drop(client);
    world.poll("the stream has ended", || (world.metric("feedmill_streams") == 0.0).then_some(()));
    let again = Client::start(&world, "again", Some(&last));
    world.poll("it follows", || (world.metric("feedmill_streams") == 1.0).then_some(()));
    let undo = json!({"post_id": OTHER_POST, "action": "undo", "event_time": world.now_ms()});
    world.post_event(READER, &undo);
    world.poll("something came", || (!again.names().is_empty()).then_some(()));
    // Nothing was published between: it goes on with a patch over what the client has.
    assert_eq!(again.names()[0], "patch");
    let stale = Client::start(&world, "stale", Some("1-5"));
    let first = poll_until(Duration::from_secs(30), || stale.names().first().cloned());
    assert_eq!(first.unwrap(), "snapshot");
    let (status, told) = world.get("/api/v1/feed/stream?limit=0", Some(&world.token(READER)));
    assert_eq!((status, &told["error"]["fields"][0]["field"]), (400, &json!("limit")), "{told}");
    assert_eq!(world.get("/api/v1/feed/stream", None).0, 401);
    drop((again, stale));
    a_stream_takes_little_memory(&world);
}

/// 10,000 are to fit in 300 MB: 30 kB each. What the first ones have the process take for good is not theirs.
fn a_stream_takes_little_memory(world: &World) {
    let token = world.token(READER);
    let connect = |number| (0..number).map(|_| world.connect_stream(&token)).collect::<Vec<_>>();
    let first = connect(200);
    let before = world.api_memory_kib();
    let more = connect(1_000);
    let each = world.api_memory_kib().saturating_sub(before) / 1_000;
    assert!(each < 30, "{each} KiB each");
    assert_eq!(world.metric("feedmill_streams"), 1_200.0);
    drop((first, more));
}
