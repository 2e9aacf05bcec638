//! The feed against a brute-force reading of what it promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod at_rest;
mod avro;
mod catching_up;
mod comparison;
mod counters;
mod dead_letters;
mod floor;
mod named_stores;
mod on_demand;
mod on_engine;
mod past;
mod pipeline;
mod preferences;
mod records;
mod removals;
mod restored;
mod small_worlds;
mod smallest_world;
mod stage;
mod suggestions;
mod weights;
mod what_is_kept;
mod what_is_owed;
mod what_trends;
mod when_ranked;
mod who_is_touched;
mod why;

use schemas::UserId;

use avro::Format;
use comparison::assert_feed_equals;
use pipeline::Pipeline;
use worlds::history;
use worlds::oracle::{Oracle, grid_time};

const MINUTE: i64 = 60_000;

/// Compares the feeds of every reader of a world, ten minutes after its end.
fn compare(history: &[history::Input], named: &str) {
    let oracle = Oracle::of(history);
    let now = small_worlds::END + 10 * MINUTE;
    let pipeline = Pipeline::of(history, small_worlds::END);
    for reader in oracle.readers() {
        let as_of = grid_time(reader, now);
        let found = pipeline.feed(UserId(reader), as_of, now);
        let whose = format!("{named}, reader {:02x}{:02x}", reader[0], reader[1]);
        match (found, oracle.feed(reader, as_of, now)) {
            (Some(body), Some(expected)) => assert_feed_equals(&whose, &body, &expected),
            (None, None) => {}
            (found, expected) => panic!("{whose}: found {found:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn small_worlds_have_the_feeds_that_brute_force_expects() {
    for seed in 0..60 {
        compare(&small_worlds::world(seed, 5, 300), &format!("world {seed}"));
    }
}

#[test]
fn worlds_of_two_authors_have_the_feeds_that_brute_force_expects() {
    for seed in 100..140 {
        compare(&small_worlds::world(seed, 2, 200), &format!("world {seed}"));
    }
}

#[test]
fn the_delay_between_topics_changes_no_feed() {
    for seed in 0..30 {
        let history = small_worlds::world(seed, 5, 300);
        let now = small_worlds::END + 10 * MINUTE;
        let straight = Pipeline::of(&history, small_worlds::END);
        let delayed = Pipeline::late(&small_worlds::delayed(&history, seed), small_worlds::END);
        for reader in Oracle::of(&history).readers() {
            let (reader, as_of) = (UserId(reader), grid_time(reader, now));
            let feeds = [&straight, &delayed].map(|pipeline| pipeline.feed(reader, as_of, now));
            assert!(feeds[0] == feeds[1], "world {seed}, reader {reader}");
        }
    }
}

#[test]
fn a_busy_world_fills_the_caps_and_has_the_feeds_that_brute_force_expects() {
    let history = small_worlds::world(7, 16, 9_000);
    compare(&history, "the busy world");
}

/// A run by its seed: every mixture of partitions, processes, crashes and late broadcasts comes.
fn run(seed: u64) -> on_engine::Run {
    let partitions = [1, 3, 12][(seed % 3) as usize];
    let (instances, crashes) = (1 + (seed % 2) as usize, seed % 4 > 1);
    let (users, steps) = if seed % 7 == 6 { (2, 200) } else { (5, 120) };
    let (shuffled, delayed, holds) = (seed % 5 > 2, seed % 6 > 3, seed % 8 > 3);
    let format = [Format::Json, Format::Mixed, Format::Avro][(seed % 9 / 3) as usize];
    on_engine::Run {
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
        arms: false,
    }
}

/// How many worlds the engine runs: some dozens, or what `FEED_WORLDS` says.
fn worlds_to_run() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("FEED_SEED").unwrap_or(0);
    first..first + number("FEED_WORLDS").unwrap_or(36)
}

#[test]
fn worlds_on_the_engine_have_the_feeds_that_brute_force_expects() {
    let mut items = 0;
    for seed in worlds_to_run() {
        let again = format!(
            "FEED_SEED={seed} FEED_WORLDS=1 cargo test -p topologies --test feed on_the_engine"
        );
        let ran = std::panic::catch_unwind(|| on_engine::check(run(seed)));
        match ran {
            Ok(Ok(found)) => {
                items += found.values().flatten().map(|body| body.items.len()).sum::<usize>()
            }
            Ok(Err(fault)) => panic!("{fault:?}\nagain: {again}"),
            Err(panic) => {
                eprintln!("again: {again}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(items > 0, "every feed is empty");
}
