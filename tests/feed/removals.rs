//! Whom the end of a post's line concerns.

use std::time::Duration;

use millstream::testing::Driver;
use millstream::{Bytes, Result, Timestamp};
use topologies::feed::{FeedSettings, feed};

use crate::on_engine::{feeds, quiesce, send};
use crate::smallest_world::{self, NOW};
use worlds::history::Id;

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
    let mut settings = FeedSettings::default();
    settings.weights.limits.grid_ms = 1 << 40;
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
fn the_end_of_a_line_leaves_the_feeds_of_its_author_s_audience() -> Result<()> {
    let mut driver = driver()?;
    let before = publications(&driver)?.len();
    remove_line(&mut driver, smallest_world::POST)?;
    let after = publications(&driver)?.split_off(before);
    // Who liked it has seen it, and who wrote it is not shown it: their feeds were empty, and say nothing new.
    assert_eq!(after, [smallest_world::READER.to_vec()]);
    let body = feeds(&driver)?[&smallest_world::READER].clone().unwrap();
    assert_eq!(body.items, []);
    Ok(())
}
