//! Tasks that cannot be opened: which of them stop, and what goes on.

use std::sync::Arc;
use std::time::Duration;

use millstream::store::memory::MemoryStores;
use millstream::store::{Stores, TaskStore};
use millstream::testing::Driver;
use millstream::{Builder, Counter, Fault, I64, Lag, Result, TaskId, Utf8};

use crate::world::{history, say};

/// Stores of which that of partition 0 cannot be opened.
struct Damaged {
    stores: MemoryStores,
    fault: Fault,
}

impl Stores for Damaged {
    fn open(&self, task: &TaskId, columns: &[Arc<str>]) -> Result<Box<dyn TaskStore>> {
        match task.partition {
            0 => Err(self.fault.clone()),
            _ => self.stores.open(task, columns),
        }
    }

    fn wipe(&self, task: &TaskId) -> Result<()> {
        self.stores.wipe(task)
    }
}

/// Two tasks that count, of which one has damaged state.
fn counting_on_damaged_state(fault: Fault) -> Result<Driver> {
    let builder = Builder::new("app");
    builder.stream("lines", Utf8, Utf8).count("counts", Utf8).to("out", Utf8, I64);
    let damaged = move |_| {
        let damaged = Damaged { stores: MemoryStores::default(), fault: fault.clone() };
        Arc::new(damaged) as Arc<dyn Stores>
    };
    let driver = Driver::of(builder.build()?).partitions(2).stores(damaged).start()?;
    ["a", "b", "c", "d"].iter().try_for_each(|who| say(&driver, who, "line"))?;
    Ok(driver)
}

#[test]
fn a_fatal_fault_while_a_task_opens_stops_it_and_no_other() -> Result<()> {
    let mut driver = counting_on_damaged_state(Fault::Fatal("the state is damaged".into()))?;
    driver.settle()?;
    let counted = history(&driver, "out", I64)?;
    assert!((1..4).contains(&counted.len()), "{counted:?}");
    let stopped = [("counts_0".to_owned(), "the state is damaged".to_owned())];
    assert_eq!(driver.stopped_tasks(), stopped);
    assert_eq!((driver.tasks(0), driver.counted(Counter::StoppedTasks)), (1, 1));
    assert_ne!(driver.lag(0), Lag::Unknown, "nobody waits for the stopped one");
    Ok(())
}

#[test]
fn how_far_a_process_is_behind_is_unknown_while_one_of_its_tasks_cannot_be_opened() -> Result<()> {
    let mut driver = counting_on_damaged_state(Fault::Retry("the disk is busy".into()))?;
    assert_eq!(driver.lag(0), Lag::Unknown, "it is no member yet");
    while history(&driver, "out", I64)?.is_empty() {
        driver.step()?;
        driver.advance_clock(Duration::from_millis(100));
    }
    assert_eq!((driver.tasks(0), driver.lag(0)), (1, Lag::Unknown));
    Ok(())
}

#[test]
fn a_task_that_was_stopped_is_opened_anew_by_the_next_start() -> Result<()> {
    let mut driver = counting_on_damaged_state(Fault::Fatal("the state is damaged".into()))?;
    driver.settle()?;
    driver.restart(0)?;
    assert_eq!(driver.stopped_tasks(), []);
    driver.settle()?;
    assert_eq!(driver.stopped_tasks().len(), 1);
    Ok(())
}

#[test]
fn a_sub_topology_has_a_task_for_each_partition_of_its_own_sources() -> Result<()> {
    let builder = Builder::new("app");
    for (input, counts) in [("narrow", "few"), ("wide", "many")] {
        builder.stream(input, Utf8, Utf8).count(counts, Utf8).to("out", Utf8, I64);
    }
    let topics = [("narrow", 2), ("wide", 3)];
    let mut driver = Driver::of(builder.build()?).topics(&topics).start()?;
    driver.settle()?;
    assert_eq!((driver.tasks(0), driver.stopped_tasks()), (5, vec![]));
    Ok(())
}
