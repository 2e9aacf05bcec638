//! Deadlines: in order, once, kept over crashes, undone with their transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream::testing::Driver;
use millstream::{
    Builder, Context, Counter, Due, FailPoint, Fault, Processor, Rec, Result, Timers, Topology,
    Utf8,
};

use crate::world::at;

/// `set 500` sets the key's deadline half a second from now, `cancel` removes it; a deadline says so.
struct Alarm {
    due: Timers<String>,
    failures: Arc<AtomicUsize>,
}

impl Processor for Alarm {
    type KeyIn = String;
    type ValueIn = String;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &mut self,
        line: Rec<'_, String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<()> {
        let now = cx.wall_time();
        match line.value.split_once(' ') {
            Some(("set", millis)) => {
                let span = Duration::from_millis(millis.parse().unwrap());
                cx.timers(self.due)?.set(line.key, now.plus(span))
            }
            Some((verb, _)) => Err(Fault::Reject(format!("cannot {verb}"))),
            None => cx.timers(self.due)?.cancel(line.key),
        }
    }

    fn on_timer(&mut self, due: Due<'_>, cx: &mut Context<'_, String, String>) -> Result<()> {
        let Some(key) = due.of(self.due) else { return Ok(()) };
        cx.forward(key, &format!("{}", due.at.0))?;
        if key == "bad" && self.failures.load(Ordering::SeqCst) > 0 {
            self.failures.fetch_sub(1, Ordering::SeqCst);
            panic!("a bad deadline");
        }
        Ok(())
    }
}

fn alarm(failures: usize) -> Result<Topology> {
    let builder = Builder::new("alarm");
    let due = builder.timers("due", Utf8);
    let failures = Arc::new(AtomicUsize::new(failures));
    builder
        .stream("lines", Utf8, Utf8)
        .process("alarm", &[due.into()], move || Alarm { due, failures: failures.clone() })
        .to("rang", Utf8, Utf8);
    Ok(builder.build()?)
}

fn tell(driver: &mut Driver, lines: &[(&str, &str)]) -> Result<()> {
    let input = driver.input::<String, String>("lines", Utf8, Utf8);
    lines.iter().try_for_each(|(key, line)| input.send(&(*key).into(), &(*line).into(), at(0)))
}

/// Who rang, at which deadline after `from`, in order.
fn rang(driver: &Driver, from: i64) -> Result<String> {
    let rows = driver.output::<String, String>("rang", Utf8, Utf8).rows()?;
    let told = rows.into_iter().map(|row| {
        let millis: i64 = row.value.unwrap_or_default().parse().unwrap();
        format!("{} {}", row.key.unwrap_or_default(), millis - from)
    });
    Ok(told.collect::<Vec<_>>().join(", "))
}

const SPAN: Duration = Duration::from_secs(60);

/// Tells the lines in one batch and answers the time at which they were processed.
fn told(driver: &mut Driver, lines: &[(&str, &str)]) -> Result<i64> {
    driver.settle()?;
    tell(driver, lines)?;
    let now = driver.now().0;
    driver.settle()?;
    Ok(now)
}

#[test]
fn deadlines_ring_in_the_order_of_time_and_key_and_once() -> Result<()> {
    let mut driver = Driver::of(alarm(0)?).start()?;
    let lines = [("c", "set 500"), ("a", "set 900"), ("b", "set 500"), ("d", "set 90000")];
    let from = told(&mut driver, &lines)?;
    assert_eq!(rang(&driver, from)?, "");
    driver.advance(SPAN)?;
    driver.advance(SPAN / 60)?;
    assert_eq!(rang(&driver, from)?, "b 500, c 500, a 900");
    driver.advance(SPAN)?;
    assert_eq!(rang(&driver, from)?, "b 500, c 500, a 900, d 90000");
    Ok(())
}

#[test]
fn a_deadline_set_again_replaces_the_first_and_a_cancelled_one_is_silent() -> Result<()> {
    let mut driver = Driver::of(alarm(0)?).start()?;
    let lines = [("a", "set 500"), ("b", "set 500"), ("a", "set 700"), ("b", "cancel")];
    let from = told(&mut driver, &lines)?;
    driver.advance(SPAN)?;
    assert_eq!(rang(&driver, from)?, "a 700");
    Ok(())
}

#[test]
fn deadlines_are_there_after_the_state_in_memory_is_lost() -> Result<()> {
    let mut driver = Driver::of(alarm(0)?).start()?;
    let from = told(&mut driver, &[("a", "set 30000"), ("b", "set 500")])?;
    driver.advance(Duration::from_secs(1))?;
    driver.restart(0)?;
    driver.advance(SPAN)?;
    assert_eq!(rang(&driver, from)?, "b 500, a 30000");
    Ok(())
}

#[test]
fn a_deadline_rings_once_wherever_the_process_crashes() -> Result<()> {
    let points = [
        FailPoint::Processed,
        FailPoint::BeforeProduce,
        FailPoint::AfterProduce,
        FailPoint::AfterOffsets,
        FailPoint::BeforeCommit,
        FailPoint::AfterCommit,
        FailPoint::AfterApply,
    ];
    for point in points {
        let mut driver = Driver::of(alarm(0)?).start()?;
        let from = told(&mut driver, &[("a", "set 500"), ("b", "set 600")])?;
        driver.advance_clock(SPAN);
        driver.crash_at(point)?;
        driver.advance(SPAN)?;
        assert_eq!(rang(&driver, from)?, "a 500, b 600", "{point:?}");
    }
    Ok(())
}

#[test]
fn a_deadline_set_by_a_record_whose_transaction_was_aborted_is_set_once() -> Result<()> {
    let mut driver = Driver::of(alarm(0)?).start()?;
    let from = told(&mut driver, &[("a", "set 500"), ("b", "jump 1"), ("c", "set 500")])?;
    driver.advance(SPAN)?;
    assert_eq!(rang(&driver, from)?, "a 500, c 500");
    Ok(())
}

#[test]
fn a_deadline_that_fails_twice_rings_the_third_time() -> Result<()> {
    let mut driver = Driver::of(alarm(2)?).start()?;
    let from = told(&mut driver, &[("bad", "set 500"), ("good", "set 600")])?;
    driver.advance(SPAN)?;
    assert_eq!(rang(&driver, from)?, "bad 500, good 600");
    let counted = (driver.counted(Counter::StoppedTasks), driver.counted(Counter::Aborts));
    assert_eq!(counted, (0, 2));
    Ok(())
}

#[test]
fn a_deadline_that_fails_three_times_stops_only_its_task() -> Result<()> {
    let mut driver = Driver::of(alarm(100)?).partitions(4).start()?;
    let keys = ["bad", "a", "b", "c", "d", "e", "f", "g"];
    let lines: Vec<_> = keys.map(|key| (key, "set 500")).into();
    let from = told(&mut driver, &lines)?;
    driver.advance(SPAN)?;
    let rang = rang(&driver, from)?;
    assert!(!rang.contains("bad") && rang.contains(" 500"), "{rang}");
    assert_eq!(driver.counted(Counter::StoppedTasks), 1);
    Ok(())
}
