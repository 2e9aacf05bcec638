//! The feed as of a time, made from the inputs alone, against what was published at that time.

use std::time::Duration;

use millstream::testing::Driver;
use millstream::{Bytes, Result, Timestamp};
use schemas::topic::{HISTORY, INPUTS};
use schemas::{FeedBody, Preferences, Read, UserId, WeightsVersion, Wire};
use topologies::feed::{FeedSettings, feed};
use topologies::past::{Input, Past};
use topologies::ranking::Policy;
use worlds::history::{self, Id, Payload};
use worlds::oracle::Oracle;

use crate::on_engine::{ALL_ARMS, feeds, quiesce, read_weights, send};
use crate::records::{Record, record};
use crate::small_worlds::{Random, world};

const NOW: i64 = 1_780_000_000_000;

/// A worker that works live, and the log that it works on.
struct Live {
    driver: Driver,
    log: Vec<Input>,
}

impl Live {
    fn start(began: i64) -> Result<Self> {
        let topology = feed(&FeedSettings::default())?.topology;
        let driver = Driver::of(topology).partitions(3).began(Timestamp(began)).start()?;
        Ok(Self { driver, log: Vec::new() })
    }

    /// Logs a record when it arrives, or now if that is past.
    fn log(&mut self, input: &history::Input, number: usize) -> Result<()> {
        let at = input.arrived.max(self.driver.now().0);
        self.driver.advance(Timestamp(at).since(self.driver.now()))?;
        let record = record(input, number);
        send(&self.driver, &record, at)?;
        let Record { topic, key, value } = record;
        if let Some(topic) = INPUTS.iter().position(|input| input.name == topic) {
            let (key, value) = (key.map(Vec::into_boxed_slice), Some(value.into_boxed_slice()));
            self.log.push(Input { topic, at_ms: at, key, value });
        }
        Ok(())
    }

    /// Has readers miss their feeds, so that those as of the same moment are published.
    fn publish(&mut self, readers: &[Id]) -> Result<i64> {
        quiesce(&mut self.driver)?;
        let now = self.driver.now();
        let reads = self.driver.input::<Vec<u8>, Vec<u8>>("reads", Bytes, Bytes);
        for reader in readers {
            let read = Read { at_ms: now.0, miss: true, served: vec![] }.to_bytes();
            reads.send_raw(Some(reader), Some(&read), now)?;
        }
        // Who was just ranked is ranked again after a quarter second.
        self.driver.advance(Duration::from_millis(300))?;
        Ok(now.0)
    }
}

/// Something that readers did not do, logged for both.
fn say(live: &mut Live, name: &str, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
    let now = live.driver.now();
    let input = live.driver.input::<Vec<u8>, Vec<u8>>(name, Bytes, Bytes);
    input.send_raw(Some(&key), Some(&value), now)?;
    let topic = HISTORY.iter().position(|declared| declared.name == name).unwrap();
    let (key, value) = (Some(key.into_boxed_slice()), Some(value.into_boxed_slice()));
    live.log.push(Input { topic, at_ms: now.0, key, value });
    Ok(())
}

/// Has everybody ranked by every arm but those that remember what was shown, and some readers choose.
fn choose(live: &mut Live, readers: &[Id]) -> Result<()> {
    let policy = Policy { version: 1, ..read_weights(ALL_ARMS) };
    say(live, "weights", WeightsVersion(1).to_bytes(), policy.to_bytes())?;
    for reader in readers.iter().step_by(2) {
        let at_ms = live.driver.now().0;
        let chosen = Preferences { at_ms, scales: [150, 100, 50], ..Preferences::default() };
        say(live, "preferences", reader.to_vec(), chosen.to_bytes())?;
    }
    live.driver.settle()
}

/// Compares the feeds of a world at so many moments; tells how many were compared, and how many items stood in them.
fn compare(seed: u64, mut moments: usize, arms: bool) -> Result<(usize, usize)> {
    let history = world(seed, 9, 300);
    let history: Vec<_> =
        history.into_iter().filter(|of| !matches!(of.payload, Payload::Read { .. })).collect();
    let readers: Vec<Id> = Oracle::of(&history).readers().into_iter().collect();
    let began = history[0].arrived;
    let (mut live, mut random) = (Live::start(began)?, Random::of(seed));
    let mut past = Past::open(&FeedSettings::default(), (began, began))?;
    let (mut compared, mut items, mut taken) = (0, 0, 0);
    if arms {
        choose(&mut live, &readers)?;
    }
    for (number, input) in history.iter().enumerate() {
        live.log(input, number)?;
        let left = history.len() - number;
        if random.below(left) >= moments {
            continue;
        }
        moments -= 1;
        let from = live.publish(&readers)?;
        let published = feeds(&live.driver)?;
        live.log[taken..].iter().try_for_each(|input| past.take(input.clone()))?;
        taken = live.log.len();
        for reader in &readers {
            let Some(Some(body)) = published.get(reader) else { continue };
            assert!(body.as_of_ms >= from, "the read published");
            past.reach(body.as_of_ms)?;
            assert_eq!(&past.rank(UserId(*reader), body.as_of_ms)?, body, "seed {seed}");
            compared += 1;
            items += body.items.len();
        }
        live.driver.advance(Duration::from_secs(1))?;
    }
    Ok((compared, items))
}

#[test]
fn the_feed_as_of_a_time_is_made_again_from_the_inputs_200_times() -> Result<()> {
    let (mut compared, mut items) = (0, 0);
    for seed in 0..5 {
        let of = compare(seed, 7, false)?;
        (compared, items) = (compared + of.0, items + of.1);
    }
    assert!(compared >= 200 && items > 1_000, "{compared} feeds, {items} items");
    Ok(())
}

#[test]
fn so_is_one_by_the_weight_set_that_was_in_force_and_as_its_reader_chose() -> Result<()> {
    let (compared, items) = compare(5, 7, true)?;
    assert!(compared > 20 && items > 100, "{compared} feeds, {items} items");
    Ok(())
}

#[test]
fn what_cannot_be_read_is_a_dead_letter_and_a_reader_of_nothing_has_an_empty_feed() -> Result<()> {
    let mut past = Past::open(&FeedSettings::default(), (NOW - 60_000, NOW))?;
    past.take(Input { topic: 5, at_ms: NOW - 59_000, key: None, value: Some(b"?"[..].into()) })?;
    past.reach(NOW)?;
    assert_eq!(past.dead_letters(), 1);
    let empty = past.rank(UserId([9; 16]), NOW)?;
    assert_eq!(empty, FeedBody { cold_start: true, ..empty.clone() });
    assert_eq!(empty.items, []);
    Ok(())
}
