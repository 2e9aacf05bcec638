//! Lag: a process knows that it is behind, and its processors hear when it is not any more.

use std::time::Duration;

use millstream::testing::Driver;
use millstream::{Builder, Context, I64, Processor, Rec, Result, Topology, Utf8};

use crate::world::{at, history};

/// Answers each record with whether the process lags, and says when it has caught up.
struct Witness;

impl Processor for Witness {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &mut self,
        record: Rec<'_, String, i64>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<()> {
        let how = if cx.is_lagging() { "late" } else { "live" };
        cx.forward(&"all".into(), &format!("{} {how}", record.value))
    }

    fn on_caught_up(&mut self, cx: &mut Context<'_, String, String>) -> Result<()> {
        cx.forward(&"all".into(), &"caught up".into())
    }
}

/// The witness stands behind a repartition: transactions' markers are the last thing in what it reads.
fn witnessed() -> Result<Topology> {
    let builder = Builder::new("witnessed");
    builder
        .stream("numbers", Utf8, I64)
        .flat_map("same", |record, out| out.emit(record.key, record.value))
        .repartition("between", Utf8, I64)
        .process("witness", &[], || Witness)
        .to("told", Utf8, Utf8);
    Ok(builder.build()?)
}

fn send(driver: &Driver, numbers: std::ops::Range<i64>) -> Result<()> {
    let input = driver.input("numbers", Utf8, I64);
    numbers.into_iter().try_for_each(|number| input.send(&"one".into(), &number, at(0)))
}

fn told(driver: &Driver) -> Result<Vec<String>> {
    Ok(history(driver, "told", Utf8)?.remove("all").unwrap_or_default())
}

/// Goes on, half a second a round, until the last of `numbers` was told.
fn work_slowly(driver: &mut Driver, last: i64) -> Result<()> {
    for _ in 0..10_000 {
        if told(driver)?.iter().any(|line| line.starts_with(&format!("{last} "))) {
            return driver.settle();
        }
        driver.step()?;
        driver.advance_clock(Duration::from_millis(500));
    }
    panic!("{last} is not told: {:?}", told(driver)?)
}

#[test]
fn a_backlog_at_the_start_is_late_until_its_end_and_what_comes_then_is_live() -> Result<()> {
    let mut driver = Driver::of(witnessed()?).partitions(1).start()?;
    driver.broker().faults().limit_fetch(2);
    send(&driver, 0..10)?;
    work_slowly(&mut driver, 9)?;
    send(&driver, 10..12)?;
    driver.settle()?;
    let told = told(&driver)?;
    let end = told.iter().position(|line| line == "caught up").unwrap();
    assert!(end > 0, "{told:?}");
    assert!(told[..end].iter().all(|line| line.ends_with("late")), "{told:?}");
    assert_eq!(told[told.len() - 2..], ["10 live", "11 live"]);
    Ok(())
}

#[test]
fn a_process_that_falls_behind_later_lags_once_that_is_more_than_two_seconds() -> Result<()> {
    let mut driver = Driver::of(witnessed()?).partitions(1).start()?;
    driver.settle()?;
    driver.broker().faults().limit_fetch(1);
    send(&driver, 0..20)?;
    work_slowly(&mut driver, 19)?;
    let told = told(&driver)?;
    let late = told.iter().filter(|line| line.ends_with("late")).count();
    assert_eq!(
        (told[1].as_str(), told.iter().filter(|line| *line == "caught up").count()),
        ("0 live", 2)
    );
    assert!(late > 5 && told.last().unwrap() == "caught up", "{told:?}");
    Ok(())
}

#[test]
fn who_starts_anew_hears_anew_that_there_is_nothing_to_catch_up_with() -> Result<()> {
    let mut driver = Driver::of(witnessed()?).partitions(1).start()?;
    driver.settle()?;
    driver.restart(0)?;
    driver.settle()?;
    assert_eq!(told(&driver)?, ["caught up", "caught up"]);
    Ok(())
}
