//! Every store of the feed, asked by its name: what is shown as text is found by that text.

use std::time::Duration;

use millstream::testing::Driver;
use millstream::{Bytes, Query, Result, Scan, StoreFacts, Timestamp};
use schemas::{Dismissal, Preferences, UserId, Wire};
use topologies::feed::{FeedSettings, feed};

use crate::on_engine::send;
use crate::records::record;
use crate::small_worlds::world;
use worlds::oracle::Oracle;

const PARTITIONS: i32 = 3;

/// A small world on the engine, in which some chose something and some were dismissed.
fn lived() -> Result<Driver> {
    let history = world(3, 9, 300);
    let settings = FeedSettings { remembers_shown: true, ..FeedSettings::default() };
    let began = Timestamp(history[0].arrived);
    let topology = feed(&settings)?.topology;
    let mut driver = Driver::of(topology).partitions(PARTITIONS).began(began).start()?;
    for (number, input) in history.iter().enumerate() {
        driver.advance_clock(Timestamp(input.arrived).since(driver.now()));
        send(&driver, &record(input, number), input.arrived)?;
    }
    driver.settle()?;
    let readers: Vec<_> = Oracle::of(&history).readers().into_iter().collect();
    for pair in readers.windows(2) {
        let at_ms = driver.now().0;
        let said = Dismissal { whom: UserId(pair[1]), at_ms }.to_bytes();
        let chosen = Preferences { at_ms, ..Preferences::default() }.to_bytes();
        for (topic, value) in [("dismissals", said), ("preferences", chosen)] {
            let input = driver.input::<Vec<u8>, Vec<u8>>(topic, Bytes, Bytes);
            input.send_raw(Some(&pair[0]), Some(&value), driver.now())?;
        }
    }
    driver.settle()?;
    driver.advance(Duration::from_secs(1))?;
    Ok(driver)
}

fn scan(prefix: Option<&str>) -> Scan {
    let prefix = prefix.map(str::to_owned);
    Scan { prefix, rows_max: 1_000, bytes_max: 1 << 20, ..Scan::default() }
}

/// Finds every row of a store again, by its key, by the beginning of its key, and where its key says that it is; tells how many
/// there are.
fn found_again(query: &Query, of: &StoreFacts) -> usize {
    let mut rows = 0;
    for partition in 0..PARTITIONS {
        let all = query.rows(&of.name, &scan(None), partition).unwrap().what;
        assert_eq!(all.next, None, "{}", of.name);
        for row in all.rows {
            let again = query.row(&of.name, &row.key, partition).unwrap().what;
            assert_eq!(again.as_ref(), Some(&row), "{}", of.name);
            let place = query.partition_of_key(&of.name, &row.key).unwrap();
            assert!(place.is_none_or(|place| place == partition), "{} of {}", row.key, of.name);
            if let Ok(begun) = query.rows(&of.name, &scan(row.key.get(..11)), partition) {
                assert!(begun.what.rows.contains(&row), "{} of {}", row.key, of.name);
            }
            rows += 1;
        }
    }
    rows
}

#[test]
fn every_store_has_readable_keys_and_values_and_every_key_is_found_by_its_text() -> Result<()> {
    let driver = lived()?;
    let query = driver.query(0)?;
    let stores = query.stores();
    let opaque: Vec<_> = stores.iter().filter(|of| !of.is_readable).collect();
    assert!(opaque.is_empty(), "{opaque:?}");
    let empty = stores.iter().filter(|of| found_again(&query, of) == 0).map(|of| of.name.as_str());
    assert_eq!(
        empty.collect::<Vec<_>>(),
        ["everybody-due"],
        "nothing is owed to everybody at rest"
    );
    Ok(())
}

#[test]
fn what_records_of_a_user_or_a_post_change_is_placed_by_their_id() -> Result<()> {
    let driver = lived()?;
    let query = driver.query(0)?;
    let key = |name: &str| {
        let all = (0..PARTITIONS).filter_map(|at| query.rows(name, &scan(None), at).ok());
        all.flat_map(|found| found.what.rows).next().map(|row| row.key)
    };
    let names = query.stores().into_iter().map(|of| of.name);
    let is_placed = |name: &String| {
        key(name).is_some_and(|key| query.partition_of_key(name, &key).unwrap().is_some())
    };
    let (mut placed, mut others): (Vec<_>, Vec<_>) = names.partition(is_placed);
    placed.sort_unstable();
    others.sort_unstable();
    let expected = "acts affinity audience dismissed followers follows hidden people posts posts-due preferences readers \
                    readers-due seen shown silences trending-points";
    assert_eq!(placed.join(" "), expected);
    let rows = "block-rows comment-rows event-ids event-ids-due everybody-due follow-rows like-rows mute-rows \
                trending-due trending-lists trending-parts-due user-rows word-rows word-rows-end";
    assert_eq!(others.join(" "), rows);
    Ok(())
}
