//! Whom the end of a post's line concerns.

use std::time::Duration;

use millstream::testing::Driver;
use millstream::{Bytes, Result, Timestamp};
use topologies::feed::{FeedSettings, feed};

use crate::history::Id;
use crate::on_engine::{feeds, quiesce, send};
use crate::smallest_world::{self, NOW};

/// How often each reader's feed was published.
fn publications(driver: &Driver) -> Result<Vec<Vec<u8>>> {
    let output = driver.output::<Vec<u8>, Vec<u8>>("feeds", Bytes, Bytes);
    Ok(output.rows()?.into_iter().filter_map(|row| row.key).collect())
}

fn remove_line(driver: &mut Driver, post: Id) -> Result<()> {
    let lines = driver.input::<Vec<u8>, Vec<u8>>("posts-live", Bytes, Bytes);
    lines.send_raw(Some(&post), None, driver.now())?;
    driver.settle()?;
    driver.advance(Duration::from_secs(5))
}

fn driver() -> Result<Driver> {
    let settings = FeedSettings { valid_ms: 1 << 40, ..FeedSettings::default() };
    let mut driver = Driver::of(feed(&settings)?.topology).began(Timestamp(NOW)).start()?;
    for record in smallest_world::history() {
        send(&driver, &record, NOW)?;
    }
    quiesce(&mut driver)?;
    Ok(driver)
}

#[test]
fn the_end_of_a_line_that_was_never_here_ranks_nobody() -> Result<()> {
    let mut driver = driver()?;
    let before = publications(&driver)?;
    remove_line(&mut driver, [77; 16])?;
    assert_eq!(publications(&driver)?, before);
    Ok(())
}

#[test]
fn the_end_of_a_line_ranks_its_author_s_audience_alone() -> Result<()> {
    let mut driver = driver()?;
    let before = publications(&driver)?.len();
    remove_line(&mut driver, smallest_world::POST)?;
    let mut after = publications(&driver)?.split_off(before);
    after.sort();
    // Who liked it has affinity with its author; its author has neither follow nor affinity.
    assert_eq!(after, [smallest_world::READER, smallest_world::OTHER].map(|id| id.to_vec()));
    let body = feeds(&driver)?[&smallest_world::READER].clone().unwrap();
    assert_eq!(body.items, []);
    Ok(())
}
