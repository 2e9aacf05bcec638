//! Poison: one record in ten cannot be read, and each of these is buried once, while all others count.

use std::time::Duration;

use millstream::broker::kafka::{Kafka, KafkaSettings};
use serde_json::json;
use tests::poll_until;

use super::{sized, tell};
use crate::poison::{dead_letters, produce};
use crate::readers::{self, LIKED, like, reader, tokens};
use crate::world::World;

const LETTERS: &str = "millstream_dead_letters_total{";
/// So many records at a time.
const BATCH: usize = 10_000;
const VERY_LONG: Duration = Duration::from_secs(3_600);

/// The like of this number, of a user of its own; every tenth is poison, in one of five ways.
fn record(number: usize, now: u64) -> Vec<u8> {
    let row = like(number, now);
    if number % 10 != 7 {
        return row.into_bytes();
    }
    match number / 10 % 5 {
        0 => row[..row.len() / 2].into(),
        1 => row.replace(&format!("\"created_at\":{now}"), "\"created_at\":\"soon\"").into(),
        2 => row.replace("post_id", "of").into(),
        3 => vec![0xff; 40],
        // Avro of a schema that nobody knows.
        _ => [&[0, 0, 0, 0, 9], row.as_bytes()].concat(),
    }
}

#[test]
fn each_record_that_cannot_be_read_is_buried_once_and_all_others_count() {
    let many = sized(10_000, 1_000_000);
    let poisoned: Vec<_> = (0..many).filter(|number| number % 10 == 7).collect();
    let world = World::without_change_capture();
    readers::write(&world, 1);
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let now = world.now_ms();
    for first in (0..many).step_by(BATCH) {
        let records: Vec<_> =
            (first..many.min(first + BATCH)).map(|number| record(number, now)).collect();
        let values: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        produce(&kafka, "cdc.likes", &values);
    }
    let good = many - poisoned.len();
    readers::warm_up(&world, &tokens(&world, 1));
    let mut counted = 0;
    let all_count = poll_until(VERY_LONG, || {
        let feed = world.feed(&reader(0));
        counted = LIKED.map(|post| feed.likes(post)).iter().sum::<u64>();
        (counted >= good as u64 && world.worker_metric(0, "millstream_settled") == 1.0)
            .then_some(())
    });
    all_count.unwrap_or_else(|late| panic!("{late}: {counted} of {good}\n{}", world.logs()));

    let letters = world.worker_sum(0, LETTERS);
    let mut buried: Vec<usize> = dead_letters(&kafka, "feedmill-dead-letters", poisoned.len())
        .iter()
        .map(|letter| letter.offset.parse().unwrap())
        .collect();
    buried.sort_unstable();
    let passes = buried == poisoned && letters == poisoned.len() as f64 && counted == good as u64;
    let words = format!(
        "{} of {many} records poisoned: {} buried, {letters} counted as such; {counted} of {good} others count",
        poisoned.len(),
        buried.len()
    );
    let figures = json!({
        "records": many, "poisoned": poisoned.len(), "buried": buried.len(), "good": good, "counted": counted,
    });
    tell("poison", passes, &words, figures);
    assert!(passes, "{words}");
}
