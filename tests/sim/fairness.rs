//! Rounds that end early: who did not run is first in the next.

use std::time::Duration;

use millstream::broker::partition_of;
use millstream::testing::Driver;
use millstream::{Builder, Result, Utf8};

use crate::world::{at, history};

const TASKS: i32 = 7;
/// How many records wait for each task.
const RECORDS: usize = 1_000;

#[test]
fn tasks_with_much_to_do_go_on_beside_each_other_however_short_the_rounds() -> Result<()> {
    let builder = Builder::new("fair");
    builder.stream("lines", Utf8, Utf8).filter("all", |_| true).to("told", Utf8, Utf8);
    let driver = Driver::of(builder.build()?).partitions(TASKS);
    // A round that is over at once: one task works.
    let mut driver = driver.config(|config| config.commit_interval = Duration::ZERO).start()?;
    driver.settle()?;
    let lines = driver.input::<String, String>("lines", Utf8, Utf8);
    let of = |partition| {
        let mut names = (0..100).map(|name| format!("k{name}"));
        names.find(|name| partition_of(name.as_bytes(), TASKS) == partition)
    };
    let who: Vec<_> = (0..TASKS).filter_map(of).collect();
    for _ in 0..RECORDS {
        who.iter().try_for_each(|who| lines.send(who, &"".into(), at(0)))?;
    }
    let told = |driver: &Driver| -> Result<Vec<usize>> {
        Ok(history(driver, "told", Utf8)?.values().map(Vec::len).collect())
    };
    while told(&driver)?.iter().all(|told| *told < RECORDS) {
        driver.step()?;
        driver.advance_clock(Duration::from_millis(20));
    }
    let told = told(&driver)?;
    assert!(
        told.len() == TASKS as usize && told.iter().all(|told| *told > RECORDS / 2),
        "{told:?}"
    );
    Ok(())
}
