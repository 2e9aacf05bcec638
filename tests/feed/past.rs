//! The feed as of a time, made from the inputs alone, against what was published at that time.

use std::time::Duration;

use millstream::testing::Driver;
use millstream::{Bytes, Result, Timestamp};
use schemas::topic::INPUTS;
use schemas::{FeedBody, Read, UserId, Wire};
use topologies::feed::{FeedSettings, feed};
use topologies::past::{Input, Past};
use worlds::history::{self, Id, Payload};
use worlds::oracle::Oracle;

use crate::on_engine::{feeds, quiesce, send};
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

/// Compares the feeds of a world at so many moments; tells how many were compared, and how many items stood in them.
fn compare(seed: u64, mut moments: usize) -> Result<(usize, usize)> {
    let history = world(seed, 9, 300);
    let history: Vec<_> =
        history.into_iter().filter(|of| !matches!(of.payload, Payload::Read { .. })).collect();
    let readers: Vec<Id> = Oracle::of(&history).readers().into_iter().collect();
    let began = history[0].arrived;
    let (mut live, mut random) = (Live::start(began)?, Random::of(seed));
    let mut past = Past::open(&FeedSettings::default(), (began, began))?;
    let (mut compared, mut items, mut taken) = (0, 0, 0);
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
        let of = compare(seed, 7)?;
        (compared, items) = (compared + of.0, items + of.1);
    }
    assert!(compared >= 200 && items > 1_000, "{compared} feeds, {items} items");
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
