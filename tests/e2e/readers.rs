//! Readers who have something to read: each follows an author, and has a feed in Redis once they were asked for it.

use std::time::Duration;

use millstream::broker::kafka::{Kafka, KafkaSettings};
use tests::poll_until;

use crate::client::Asking;
use crate::poison::produce;
use crate::world::{LONG, World};

fn author(number: usize) -> String {
    format!("a0000000-0000-4000-8000-0000000000{number:02}")
}

/// The reader of this number.
pub fn reader(number: usize) -> String {
    format!("c0000000-0000-4000-8000-000000000{number:03}")
}

/// The posts of the author whom the first reader follows.
pub const LIKED: [&str; 3] = [
    "d0000000-0000-4000-8000-000000000000",
    "d0000000-0000-4000-8000-000000000010",
    "d0000000-0000-4000-8000-000000000020",
];

/// The like of this number, of one of these posts by a user of its own, as change capture tells it.
pub fn like(number: usize, now: u64) -> String {
    let post = LIKED[number % LIKED.len()];
    format!(
        r#"{{"before":null,"after":{{"id":"e0000000-0000-4000-8000-{number:012}",
        "user_id":"f0000000-0000-4000-8000-{number:012}","post_id":"{post}",
        "created_at":{now}}},"source":{{"lsn":{number},"ts_ms":{now}}},"op":"c"}}"#
    )
}

/// Ten authors of three posts each; every reader follows one of them.
pub fn write(world: &World, readers: usize) {
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let now = world.now_ms();
    let row = |lsn: usize, fields: &str| {
        format!(
            r#"{{"before":null,"after":{{{fields},"created_at":{now}}},"source":{{"lsn":{lsn},"ts_ms":{now}}},"op":"c"}}"#
        )
    };
    let posts = (0..30).map(|number| {
        let (post, author) =
            (format!("d0000000-0000-4000-8000-0000000000{number:02}"), author(number % 10));
        row(number, &format!(r#""id":"{post}","user_id":"{author}","content":"post {number}""#))
    });
    let posts: Vec<_> = posts.collect();
    let follows = (0..readers).map(|number| {
        let (reader, author) = (reader(number), author(number % 10));
        row(number, &format!(r#""follower_id":"{reader}","followee_id":"{author}""#))
    });
    let follows: Vec<_> = follows.collect();
    for (topic, rows) in [("cdc.posts", posts), ("cdc.follows", follows)] {
        let rows: Vec<&[u8]> = rows.iter().map(String::as_bytes).collect();
        produce(&kafka, topic, &rows);
    }
}

/// A token of each.
pub fn tokens(world: &World, readers: usize) -> Vec<String> {
    (0..readers).map(|number| world.token(&reader(number))).collect()
}

/// Everybody is asked until Redis has everybody.
pub fn warm_up(world: &World, tokens: &[String]) {
    let per_second = u32::try_from(tokens.len()).unwrap();
    let found = poll_until(LONG, || {
        let span = Duration::from_secs(1);
        let asking = Asking::start(world.feed_url(), tokens.to_vec(), per_second, span);
        let asked = asking.finish();
        asked.iter().all(|one| one.source == "redis").then_some(())
    });
    found.unwrap_or_else(|late| panic!("{late}: not all are in Redis\n{}", world.logs()));
}
