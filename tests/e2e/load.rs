//! A generated world on a real stack: its feeds are those of brute force, and one event too many or too few is noticed.

use std::time::Duration;

use serde_json::json;
use tests::poll_until;
use uuid::Uuid;
use worlds::world::{Size, World as Generated};

use crate::world::World;

const SIZE: Size = Size { users: 200, follows: 3_000, posts: 600, events: 6_000 };
const STRANGER: &str = "c0000000-0000-4000-8000-00000000000c";

/// Loads, or verifies, the world that ended at `until`.
fn load(world: &World, until: u64, more: &[&str]) -> (bool, String) {
    let Size { users, follows, posts, events } = SIZE;
    let until = until.to_string();
    let numbers = [users, follows, posts, events].map(|number| number.to_string());
    let names = ["--users", "--follows", "--posts", "--events"];
    let size = names.into_iter().zip(&numbers).flat_map(|(name, number)| [name, number]);
    let asked = ["load", "--verify", "20", "--until", &until].into_iter();
    let words: Vec<&str> = asked.chain(size).chain(more.iter().copied()).collect();
    world.run(&words)
}

#[test]
fn readers_of_a_loaded_world_have_the_feeds_of_brute_force_until_an_event_is_not_of_it() {
    let (world, seed, days) = (World::without_change_capture(), 7, 7);
    let until = world.now_ms();
    let (equal, said) = load(&world, until, &["--rate", "20000/s"]);
    assert!(equal, "{said}");
    assert!(said.contains("20 readers have the feeds that brute force expects"), "{said}");

    let settled = || (world.worker_metric(0, "millstream_settled") == 1.0).then_some(());
    poll_until(Duration::from_secs(120), settled).expect("the worker owes something for ever");

    let (loaded_twice, said) = load(&world, until, &[]);
    assert!(!loaded_twice && said.contains("holds records"), "{said}");

    let generated = Generated { seed, size: SIZE, days, until: until as i64 };
    let reader = *generated.readers(20).first().unwrap();
    let reader = Uuid::from_bytes(reader).to_string();
    let feed = world.feed(&reader);
    let first = feed.first();
    let post = first.id();
    let share = json!({"post_id": post, "action": "share", "event_time": world.now_ms()});
    world.post_event(STRANGER, &share);
    world.feed_when(&reader, |now| now.shares(post) > feed.shares(post));
    let (equal, said) = load(&world, until, &["--verify-only", "--patience", "3"]);
    assert!(!equal && said.contains(&format!("{reader}: position ")), "{said}");
    assert!(said.contains("of 20 readers differ"), "{said}");
}

#[test]
fn a_world_that_goes_into_postgresql_comes_through_its_connector_and_equals_brute_force() {
    let world = World::start();
    world.wait_for_change_capture();
    let (equal, said) = load(&world, world.now_ms(), &["--to", "postgres"]);
    assert!(equal, "{said}");
    assert!(said.contains("20 readers have the feeds that brute force expects"), "{said}");
}
