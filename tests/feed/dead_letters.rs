//! What cannot be decoded goes to the dead letters with where it came from and why, and stops nothing.

use std::time::Duration;

use millstream::testing::{Driver, Row};
use millstream::{Bytes, Result, Timestamp};
use schemas::UserId;
use topologies::feed::{FeedSettings, feed};

use crate::on_engine::{feeds, rest, send};
use crate::records::Record;
use crate::smallest_world::{self, NOW};

/// A letter: from which topic and offset, why, and how many bytes of the value it kept.
type Letter = (String, String, String, usize);

fn letters(driver: &Driver) -> Result<Vec<Letter>> {
    let output = driver.output::<Vec<u8>, Vec<u8>>(&driver.dead_letters(), Bytes, Bytes);
    let mut letters: Vec<_> = output
        .rows()?
        .into_iter()
        .map(|row| {
            let header = |name: &str| row.headers[name].clone();
            let kept = row.value.map_or(0, |value| value.len());
            (header("__dlq.topic"), header("__dlq.offset"), header("__dlq.error"), kept)
        })
        .collect();
    letters.sort();
    Ok(letters)
}

fn bad(topic: &'static str, value: impl Into<Vec<u8>>) -> Record {
    Record { topic, key: None, value: value.into() }
}

#[test]
fn poison_is_dead_lettered_with_its_reason_and_what_follows_is_processed() -> Result<()> {
    let topology = feed(&FeedSettings::default())?.topology;
    let mut driver = Driver::of(topology).began(Timestamp(NOW)).start()?;
    driver.broker().take_records_up_to(16 << 20);
    let like = r#""id":"0190a6c2-0000-7000-a000-000000000001""#;
    let poison = [
        bad("cdc.posts", r#"{"op":"c","after":{"id":"#),
        bad("cdc.likes", format!(r#"{{"op":"c","after":{{{like},"post_id":7}}}}"#)),
        bad("cdc.comments", r#"{"op":"c","after":{"user_id":null}}"#),
        bad("cdc.users", r#"{"op":"t","source":{"lsn":1}}"#),
        bad("events", vec![b' '; 10 << 20]),
        bad("reads", "short"),
    ];
    for record in &poison {
        send(&driver, record, NOW)?;
    }
    driver.settle()?;
    for record in smallest_world::history() {
        send(&driver, &record, NOW)?;
    }
    rest(&mut driver)?;
    let found = letters(&driver)?;
    let reasons: Vec<_> = found
        .iter()
        .map(|(topic, offset, error, kept)| {
            let error = error.split(" at line ").next().unwrap_or_default();
            format!("{topic} {offset} {kept}: {error}")
        })
        .collect();
    let expected = [
        "cdc.comments 0 35: decode comment: id: expected a UUID, found nothing",
        "cdc.likes 0 76: decode like: post_id: expected a UUID, found 7",
        "cdc.posts 0 24: decode post: value: expected a Debezium envelope in JSON, \
         found EOF while parsing a value",
        "cdc.users 0 29: decode user: op: expected r, c, u, d or m, \
         found \"t\": the table was truncated, state is unchanged; \
         its rows are deleted by: feedmill cdc truncate users --lsn 1",
        "events 0 262144: record of 10485760 bytes, at most 1048576 are taken",
        "reads 0 5: decode key: null where a value is required",
    ];
    assert_eq!(reasons, expected);
    let body = feeds(&driver)?[&smallest_world::READER].clone().unwrap();
    assert_eq!(body.items.len(), 1);
    Ok(())
}

#[test]
fn a_row_whose_time_cannot_be_meant_is_dead_lettered_where_it_counts() -> Result<()> {
    let topology = feed(&FeedSettings::default())?.topology;
    let mut driver = Driver::of(topology).began(Timestamp(NOW)).start()?;
    let (a, b) = ("0190a6c2-0000-7000-9000-000000000001", "0190a6c2-0000-7000-8000-000000000002");
    let row = |at: i64| {
        let row = format!(r#""id":"{a}","user_id":"{b}","post_id":"{a}","created_at":{at}"#);
        format!(r#"{{"op":"c","source":{{"lsn":1}},"after":{{{row}}}}}"#)
    };
    // Seconds, read as January 1970, in every table; microseconds, nanoseconds and a day ahead are taken.
    for topic in ["cdc.posts", "cdc.likes", "cdc.comments", "cdc.users"] {
        for at in [NOW / 1_000, NOW * 1_000, NOW * 1_000_000, NOW + 86_400_000] {
            send(&driver, &bad(topic, row(at)), NOW)?;
        }
    }
    send(&driver, &bad("cdc.users", row(NOW + 86_400_001)), NOW)?;
    driver.settle()?;
    let found = letters(&driver)?;
    let found: Vec<_> =
        found.iter().map(|(topic, offset, ..)| format!("{topic} {offset}")).collect();
    assert_eq!(found, ["cdc.comments 0", "cdc.likes 0", "cdc.posts 0", "cdc.users 4"]);
    Ok(())
}

#[test]
fn a_post_a_follow_and_a_like_make_a_feed_that_lapses_after_seven_days() -> Result<()> {
    let settings = FeedSettings { feeds_epoch: 3, ..FeedSettings::default() };
    let mut driver =
        Driver::of(feed(&settings)?.topology).partitions(3).began(Timestamp(NOW)).start()?;
    for record in smallest_world::history() {
        send(&driver, &record, NOW)?;
    }
    rest(&mut driver)?;
    let body = feeds(&driver)?[&smallest_world::READER].clone().unwrap();
    let item = body.items[0];
    assert_eq!((item.post.0, item.author.0), (smallest_world::POST, smallest_world::AUTHOR));
    assert_eq!((item.likes, item.affinity, item.sources.bits()), (1, 0, 3));
    assert_eq!(body.valid_until_ms, body.as_of_ms + 600_000);
    let output = driver.output::<Vec<u8>, Vec<u8>>("feeds", Bytes, Bytes);
    let of_reader =
        |row: &Row<Vec<u8>, Vec<u8>>| row.key.as_deref() == Some(&smallest_world::READER[..]);
    let rows: Vec<_> = output.rows()?.into_iter().filter(of_reader).collect();
    let header = |row: usize, name: &str| rows[row].headers[name].clone();
    assert_eq!(header(0, "version"), "\u{1}\0\0\0\0\0\0\0");
    assert_eq!(header(0, "feeds_epoch"), "\u{3}\0\0\0\0\0\0\0");
    driver.advance(Duration::from_secs(8 * 86_400))?;
    assert_eq!(
        feeds(&driver)?[&smallest_world::READER],
        None,
        "of {}",
        UserId(smallest_world::READER)
    );
    Ok(())
}
