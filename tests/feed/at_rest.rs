//! Exact at rest: what stands in `feeds` when nothing happens any more is the same, byte for byte, however it came there.
//!
//! The input stops, everything is quiet, the clock goes on by more than ten minutes, everything is quiet. Then for 1, 3
//! and 12 partitions, after crashes, for broadcasts that come late and in another order, and for input in JSON, in Avro
//! and in both, every value is equal, and equals brute force as of its time.

use schemas::{FeedBody, Rule, Sources, Wire};

use crate::avro::Format;
use crate::on_engine::{Run, at_rest};

/// How many worlds each of the tests runs; `FEED_AT_REST` says another number.
fn worlds(part: u64) -> impl Iterator<Item = u64> {
    let number = std::env::var("FEED_AT_REST").ok().and_then(|text| text.parse().ok());
    (0..number.unwrap_or(50)).map(move |world| 4 * world + part)
}

/// The run of a world on so many partitions; crashes, late broadcasts and several processes come with all mixtures.
fn run(seed: u64, partitions: i32, crashes: bool) -> Run {
    let (users, steps) = if seed % 7 == 6 { (2, 200) } else { (5, 150) };
    let instances = if partitions == 3 { 2 } else { 1 };
    let (shuffled, delayed, holds) = (crashes, seed % 3 == 1, false);
    let format = match partitions {
        1 => Format::Json,
        3 => Format::Avro,
        _ => Format::Mixed,
    };
    let arms = false;
    Run {
        seed,
        users,
        steps,
        partitions,
        instances,
        crashes,
        shuffled,
        delayed,
        holds,
        format,
        arms,
    }
}

fn check(part: u64) {
    for seed in worlds(part) {
        let [quiet, three, twelve] =
            [(1, false), (3, true), (12, true)].map(|(partitions, crashes)| {
                at_rest(run(seed, partitions, crashes))
                    .unwrap_or_else(|fault| panic!("world {seed}: {fault:?}"))
            });
        assert!(quiet == three, "world {seed}: 1 and 3 partitions differ");
        assert!(quiet == twelve, "world {seed}: 1 and 12 partitions differ");
    }
}

#[test]
fn by_every_arm_at_once_feeds_at_rest_are_equal_byte_for_byte_too() {
    let (mut explored, mut reserved, mut ignored) = (0, 0, 0);
    for seed in 0..30 {
        let [one, three] = [(1, false), (3, true)].map(|(partitions, crashes)| {
            let run = Run { arms: true, ..run(seed, partitions, crashes) };
            at_rest(run).unwrap_or_else(|fault| panic!("world {seed}: {fault:?}"))
        });
        assert!(one == three, "world {seed}: 1 and 3 partitions differ");
        let bodies = one.values().map(|bytes| FeedBody::decode(bytes).unwrap());
        for item in bodies.flat_map(|body| body.items) {
            explored += usize::from(item.sources == Sources::EXPLORE);
            reserved += usize::from(item.rule == Rule::Reserved);
            ignored += usize::from(item.ignored > 0);
        }
    }
    assert!(explored > 10 && reserved > 10 && ignored > 10, "{explored} {reserved} {ignored}");
}

#[test]
fn feeds_at_rest_are_equal_byte_for_byte_in_the_first_quarter_of_worlds() {
    check(0);
}

#[test]
fn feeds_at_rest_are_equal_byte_for_byte_in_the_second_quarter_of_worlds() {
    check(1);
}

#[test]
fn feeds_at_rest_are_equal_byte_for_byte_in_the_third_quarter_of_worlds() {
    check(2);
}

#[test]
fn feeds_at_rest_are_equal_byte_for_byte_in_the_fourth_quarter_of_worlds() {
    check(3);
}
