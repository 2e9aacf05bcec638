//! Settled: a process says when it has done all that it owes, also what it owes later.

use std::time::Duration;

use millstream::testing::Driver;
use millstream::{Builder, Context, Due, Emit, Fault, I64, Processor, Rec, Result, Timers, Utf8};

use crate::broadcasts::{price, priced};
use crate::disk::Disk;
use crate::world::{at, history, say, word_count};

const LATER: Duration = Duration::from_secs(5);

/// Answers some seconds later that a key came; by `owes` it owes the answer, else the clock alone brings it.
struct Later {
    timers: Timers<String>,
    owes: bool,
}

impl Processor for Later {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &mut self,
        record: Rec<'_, String, i64>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<()> {
        let at = cx.wall_time().plus(LATER);
        let timers = cx.timers(self.timers)?;
        if self.owes { timers.owe(record.key, at) } else { timers.set(record.key, at) }
    }

    fn on_timer(&mut self, due: Due<'_>, cx: &mut Context<'_, String, String>) -> Result<()> {
        let Some(key) = due.of(self.timers) else { return Ok(()) };
        cx.forward(key, &"came".into())
    }
}

fn answering_later(owes: bool) -> Result<Driver> {
    let builder = Builder::new("later");
    let timers = builder.timers("due", Utf8);
    builder
        .stream("numbers", Utf8, I64)
        .process("later", &[timers.into()], move || Later { timers, owes })
        .to("told", Utf8, Utf8);
    Driver::of(builder.build()?).partitions(1).start()
}

/// Works off what there is, and looks at the ends once more.
fn work(driver: &mut Driver) -> Result<()> {
    for _ in 0..4 {
        driver.settle()?;
        driver.advance_clock(Duration::from_millis(150));
        driver.step()?;
    }
    Ok(())
}

#[test]
fn a_process_that_owes_an_answer_is_not_settled_until_it_has_given_it() -> Result<()> {
    let mut driver = answering_later(true)?;
    assert!(!driver.is_settled(), "it is no member yet");
    work(&mut driver)?;
    assert!(driver.is_settled());
    // Late enough that a time near the beginning would be over.
    driver.advance_clock(LATER * 2);
    driver.input("numbers", Utf8, I64).send(&"a".into(), &1, at(0))?;
    work(&mut driver)?;
    assert!(!driver.is_settled());
    driver.restart(0)?;
    work(&mut driver)?;
    assert!(!driver.is_settled(), "it is owed after a restart as well");
    driver.advance_clock(LATER);
    work(&mut driver)?;
    assert_eq!(history(&driver, "told", Utf8)?.len(), 1);
    assert!(driver.is_settled());
    Ok(())
}

#[test]
fn what_the_clock_alone_brings_is_not_owed_before_it_is_due() -> Result<()> {
    let mut driver = answering_later(false)?;
    driver.input("numbers", Utf8, I64).send(&"a".into(), &1, at(0))?;
    work(&mut driver)?;
    assert_eq!((driver.is_settled(), history(&driver, "told", Utf8)?.len()), (true, 0));
    driver.advance_clock(LATER);
    work(&mut driver)?;
    assert_eq!((driver.is_settled(), history(&driver, "told", Utf8)?.len()), (true, 1));
    Ok(())
}

#[test]
fn a_process_is_not_settled_while_its_broadcasts_have_more_to_say() -> Result<()> {
    // The loader has a turn now and then, and gets one price in each.
    let mut driver = Driver::of(priced()?).partitions(1).shuffled(7).start()?;
    driver.settle()?;
    driver.broker().faults().limit_fetch(1);
    (0..40).try_for_each(|n| price(&driver, &format!("item {n}"), Some(n)))?;
    let told = |driver: &Driver| -> Result<usize> {
        Ok(history(driver, "told", Utf8)?.values().map(Vec::len).sum())
    };
    // What was said within the last second a process need not know of.
    driver.advance_clock(Duration::from_secs(1));
    let mut heard = 0;
    while heard < 40 {
        driver.advance_clock(Duration::from_millis(150));
        driver.step()?;
        heard = told(&driver)?;
        assert!(!driver.is_settled() || heard == 40, "{heard} of 40");
    }
    for _ in 0..20 {
        driver.advance_clock(Duration::from_millis(150));
        driver.step()?;
    }
    assert!(driver.is_settled());
    Ok(())
}

#[test]
fn a_process_with_a_task_that_a_fault_has_stopped_owes_what_that_left() -> Result<()> {
    let builder = Builder::new("stopping");
    builder
        .stream("numbers", Utf8, I64)
        .flat_map("stopping", |_, _| Err(Fault::Fatal("broken".into())))
        .to("out", Utf8, I64);
    let mut driver = Driver::of(builder.build()?).partitions(1).start()?;
    work(&mut driver)?;
    assert!(driver.is_settled());
    driver.input("numbers", Utf8, I64).send(&"a".into(), &1, at(0))?;
    work(&mut driver)?;
    assert_eq!((driver.stopped_tasks().len(), driver.is_settled()), (1, false));
    Ok(())
}

#[test]
fn a_process_whose_disk_refuses_what_is_committed_is_not_settled() -> Result<()> {
    let disk = Disk::default();
    let stores = disk.clone();
    let setup = Driver::of(word_count(Emit::OnCommit)?).stores(move |_| stores.open());
    let mut driver = setup.start()?;
    work(&mut driver)?;
    assert!(driver.is_settled());
    disk.refuse(Fault::Retry("no space left on the device".into()));
    say(&driver, "x", "to be or not to be")?;
    let mut told = Vec::new();
    for _ in 0..100 {
        let refused = disk.refused();
        driver.step()?;
        driver.advance_clock(Duration::from_millis(100));
        // What was refused once is tried again in the next round, and waits from there on.
        told.extend((refused > 1).then(|| driver.is_settled()));
    }
    assert!(told.len() > 10 && !told.contains(&true), "{told:?}");
    disk.accept();
    work(&mut driver)?;
    assert!(driver.is_settled());
    Ok(())
}
