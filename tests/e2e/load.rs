//! A generated world on a real stack: its feeds are those of brute force, and one event too many or too few is noticed.

use std::time::Duration;

use schemas::{FeedBody, RedisValue, Wire};
use serde_json::{Value, json};
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

/// Has a reader miss the feed in Redis, and gives the one that is published for it.
fn published_again(world: &World, reader: &str) -> FeedBody {
    let (key, asked_at) = (format!("feed:v1:{reader}"), world.now_ms() as i64);
    world.delete_in_redis(&key);
    world.feed(reader);
    let found = || {
        let value = world.redis_value(&key);
        let body = RedisValue::decode(&value).ok()?.body.map(FeedBody::decode)?.unwrap();
        (body.as_of_ms >= asked_at).then_some(body)
    };
    poll_until(Duration::from_secs(60), found).expect("nobody was ranked for the miss")
}

/// What is told of the feed as of the time of a published one, made from the log alone, and what was published.
///
/// Of each item the post and its shares.
fn made_and_published(world: &World, reader: &str, body: &FeedBody) -> [Vec<(String, u64)>; 2] {
    let at = body.as_of_ms.to_string();
    let asked = ["feed", "replay", reader, "--at", &at, "--limit", "100", "--json"];
    let (code, told, complained) = world.ended(&asked);
    assert_eq!(code, Some(0), "{complained}");
    let made: Value = serde_json::from_str(&told).unwrap();
    let items = made["items"].as_array().unwrap().iter();
    let made = items.map(|item| {
        let shares = item["placed"]["terms"]["engagement"]["shares"].as_u64().unwrap();
        (item["post_id"].as_str().unwrap().to_owned(), shares)
    });
    let published = body.items.iter().map(|item| (item.post.to_string(), u64::from(item.shares)));
    [made.collect(), published.collect()]
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
    let readers = generated.readers(20).into_iter();
    let readers: Vec<_> = readers.map(|reader| Uuid::from_bytes(reader).to_string()).collect();
    // Who is gone has no feed.
    let feeds = readers.into_iter().map(|reader| (world.feed(&reader), reader));
    let mut feeds = feeds.filter(|(feed, _)| !feed.is_empty());
    let (feed, reader) = feeds.next().unwrap();
    let published = published_again(&world, &reader);
    let first = feed.first();
    let post = first.id();
    let share = json!({"post_id": post, "action": "share", "event_time": world.now_ms()});
    world.post_event(STRANGER, &share);
    world.feed_when(&reader, |now| now.shares(post) > feed.shares(post));
    // What happened since is not in what was published before.
    let [made, expected] = made_and_published(&world, &reader, &published);
    assert_eq!(made, expected, "of {reader}");
    let (_, other) = feeds.next().unwrap();
    // What one reader is shown already may be on its way to another yet; to the log it is known at once.
    let same = || {
        let [made, published] =
            made_and_published(&world, &other, &published_again(&world, &other));
        (made == published).then_some(())
    };
    poll_until(Duration::from_secs(120), same).expect("the log makes another feed for ever");
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
