//! The feed on the engine: worlds as records in topics, bodies as records in `feeds`.
//!
//! A run is made by its seed: how the input is cut, when a process crashes, how broadcasts are delayed.
//! Quiescent means that no line is unsent and no reader is due: so the clock goes on a little at the end.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use millstream::testing::Driver;
use millstream::{Bytes, FailPoint, Result, Timestamp};
use schemas::{FeedBody, UserId, Wire};
use topologies::feed::{FeedSettings, feed};

use crate::comparison::assert_feed_equals;
use crate::history::{Id, Input};
use crate::oracle::Oracle;
use crate::records::{Record, record};
use crate::worlds::{self, Random};

/// How a world is run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub seed: u64,
    pub users: usize,
    pub steps: usize,
    pub partitions: i32,
    pub instances: usize,
    pub crashes: bool,
    pub shuffled: bool,
    /// Whether the topics come with other delays between them.
    pub delayed: bool,
    /// Whether feeds hold for ever, so that nothing but what changed has a reader ranked.
    pub holds: bool,
}

/// Sends a record, at its time.
pub fn send(driver: &Driver, record: &Record, at: i64) -> Result<()> {
    let input = driver.input::<Vec<u8>, Vec<u8>>(record.topic, Bytes, Bytes);
    input.send_raw(record.key.as_deref(), Some(&record.value), Timestamp(at))
}

/// The last value of every key of `feeds`; none is a null.
pub fn feeds(driver: &Driver) -> Result<BTreeMap<Id, Option<FeedBody>>> {
    let output = driver.output::<Vec<u8>, Vec<u8>>("feeds", Bytes, Bytes);
    let mut feeds = BTreeMap::new();
    for row in output.rows()? {
        let key: Id = row.key.unwrap().try_into().unwrap();
        feeds.insert(key, row.value.map(|value| FeedBody::decode(&value).unwrap()));
    }
    Ok(feeds)
}

/// Goes on until no line is unsent and no reader is due.
pub fn quiesce(driver: &mut Driver) -> Result<()> {
    driver.settle()?;
    driver.advance(Duration::from_secs(70))?;
    driver.advance(Duration::from_secs(70))
}

/// Runs a world to quiescence and compares every reader's feed with the oracle's, then again after each of
/// its last records; says how many items there were.
pub fn check(run: Run) -> Result<usize> {
    let straight = worlds::world(run.seed, run.users, run.steps);
    let history = match run.delayed {
        true => worlds::delayed(&straight, run.seed),
        false => straight,
    };
    let (mut driver, mut random) = (start(&history, run)?, Random::of(run.seed ^ 0x5eed));
    let (mut number, mut items) = (0, 0);
    let last = history.len() - ALONE.min(history.len());
    while number < last {
        let end = last.min(number + 1 + random.below(history.len() / 4 + 1));
        play(&mut driver, &history, number..end)?;
        if run.crashes && random.below(2) == 0 {
            let point = FailPoint::ALL[random.below(FailPoint::ALL.len())];
            driver.arm(point, random.below(6));
        }
        driver.settle()?;
        number = end;
    }
    for number in last..history.len() {
        play(&mut driver, &history, number..number + 1)?;
        quiesce(&mut driver)?;
        items += compare(&driver, &history[..=number], run)?;
    }
    let ahead = Timestamp(worlds::END).since(driver.now());
    driver.advance(ahead)?;
    quiesce(&mut driver)?;
    Ok(items + compare(&driver, &history, run)?)
}

/// So many records come alone at the end, so that nothing but each of them brings about what it must.
const ALONE: usize = 8;

fn compare(driver: &Driver, history: &[Input], run: Run) -> Result<usize> {
    let (oracle, found, now) = (Oracle::of(history), feeds(driver)?, driver.now().0);
    for reader in oracle.readers() {
        let after = history.len();
        let whose = format!("{run:?}, reader {}, after {after} records", UserId(reader));
        let body = found.get(&reader).cloned().flatten();
        let as_of = body.as_ref().map_or(now, |body| body.as_of_ms);
        match (body, oracle.feed(reader, as_of, now)) {
            (Some(body), Some(expected)) => assert_feed_equals(&whose, &body, &expected),
            (None, None) => {}
            (found, expected) => panic!("{whose}: found {found:?}, expected {expected:?}"),
        }
    }
    Ok(found.values().flatten().map(|body| body.items.len()).sum())
}

fn start(history: &[Input], run: Run) -> Result<Driver> {
    let mut settings = FeedSettings::default();
    if run.holds {
        settings.valid_ms = 1 << 40;
    }
    // A record that comes late must not come before its time.
    let began = match run.delayed {
        true => worlds::END,
        false => history.first().map_or(worlds::END, |first| first.arrived),
    };
    let setup = Driver::of(feed(&settings)?.topology)
        .partitions(run.partitions)
        .instances(run.instances)
        .began(Timestamp(began));
    match run.shuffled {
        true => setup.shuffled(run.seed).start(),
        false => setup.start(),
    }
}

/// Sends some of the records, when the last of them arrives.
fn play(driver: &mut Driver, history: &[Input], numbers: Range<usize>) -> Result<()> {
    for number in numbers {
        let Some(input) = history.get(number) else { return Ok(()) };
        driver.advance_clock(Timestamp(input.arrived).since(driver.now()));
        send(driver, &record(input, number), input.arrived)?;
    }
    Ok(())
}
