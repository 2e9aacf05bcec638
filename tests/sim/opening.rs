//! Tasks that cannot be opened: which of them stop, and what goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::store::memory::MemoryStores;
use millstream::store::{Checkpoint, Committed, StateChanges, StateReader, Stores, TaskStore};
use millstream::testing::Driver;
use millstream::{Builder, Counter, Fault, I64, Lag, Result, TaskId, Utf8};

use crate::world::{at, history, say};

/// Stores of which that of partition 0 cannot be opened, as long as there is a fault.
struct Damaged {
    stores: MemoryStores,
    fault: Arc<Mutex<Option<Fault>>>,
}

impl Stores for Damaged {
    fn open(&self, task: &TaskId, columns: &[Arc<str>]) -> Result<Box<dyn TaskStore>> {
        match (task.partition, self.fault.lock().unwrap().clone()) {
            (0, Some(fault)) => Err(fault),
            _ => self.stores.open(task, columns),
        }
    }

    fn wipe(&self, task: &TaskId) -> Result<()> {
        self.stores.wipe(task)
    }
}

/// Two tasks that count, of which one has damaged state.
fn counting_on_damaged_state(fault: Fault) -> Result<Driver> {
    counting_while(&Arc::new(Mutex::new(Some(fault))))
}

fn counting_while(fault: &Arc<Mutex<Option<Fault>>>) -> Result<Driver> {
    let fault = Arc::clone(fault);
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
fn a_task_that_cannot_be_opened_for_fifteen_seconds_is_told_with_the_reason() -> Result<()> {
    let fault = Arc::new(Mutex::new(Some(Fault::Retry("the disk is busy".into()))));
    let mut driver = counting_while(&fault)?;
    let mut seconds = 0;
    while driver.delayed_tasks().is_empty() {
        driver.step()?;
        driver.advance_clock(Duration::from_secs(1));
        seconds += 1;
        assert!(seconds < 60, "it is never told");
    }
    assert!(seconds >= 15, "told after {seconds} s");
    assert_eq!(driver.delayed_tasks(), [("counts_0".to_owned(), "the disk is busy".to_owned())]);
    *fault.lock().unwrap() = None;
    driver.settle()?;
    assert_eq!((driver.tasks(0), driver.delayed_tasks()), (2, vec![]));
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

#[test]
fn a_task_reads_of_each_merged_topic_only_the_partitions_that_it_has() -> Result<()> {
    let builder = Builder::new("app");
    let [narrow, wide] = ["narrow", "wide"].map(|topic| {
        builder.stream(topic, Utf8, Utf8).flat_map(&format!("of-{topic}"), move |line, out| {
            out.emit(line.key, &format!("{} of {topic}", line.value))
        })
    });
    narrow.merge(&wide).filter("all", |_| true).to("out", Utf8, Utf8);
    let topics = [("narrow", 1), ("wide", 3)];
    let mut driver = Driver::of(builder.build()?).topics(&topics).start()?;
    for topic in ["narrow", "wide"] {
        let input = driver.input::<String, String>(topic, Utf8, Utf8);
        (0..10).try_for_each(|n| input.send(&format!("{topic} {n}"), &"x".into(), at(0)))?;
    }
    driver.settle()?;
    let told = history(&driver, "out", Utf8)?;
    let is_right = |(key, told): (&String, &Vec<String>)| {
        let topic = key.split(' ').next();
        told.len() == 1 && told[0].split(' ').next_back() == topic
    };
    assert!(told.len() == 20 && told.iter().all(is_right), "{told:?}");
    Ok(())
}

/// Stores that count how many of them were closed.
#[derive(Default)]
struct Counted {
    stores: MemoryStores,
    closed: Arc<AtomicUsize>,
}

struct CountedStore {
    store: Box<dyn TaskStore>,
    closed: Arc<AtomicUsize>,
}

impl Stores for Counted {
    fn open(&self, task: &TaskId, columns: &[Arc<str>]) -> Result<Box<dyn TaskStore>> {
        let store = self.stores.open(task, columns)?;
        Ok(Box::new(CountedStore { store, closed: self.closed.clone() }))
    }

    fn wipe(&self, task: &TaskId) -> Result<()> {
        self.stores.wipe(task)
    }
}

impl TaskStore for CountedStore {
    fn reader(&self) -> Arc<dyn StateReader> {
        self.store.reader()
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        self.store.checkpoint()
    }

    fn apply(&mut self, of: &StateChanges, at: &Checkpoint, permit: &Committed) -> Result<()> {
        self.store.apply(of, at, permit)
    }

    fn restore(&mut self, changes: &StateChanges, checkpoint: &Checkpoint) -> Result<()> {
        self.store.restore(changes, checkpoint)
    }

    fn flusher(&self) -> Box<dyn FnOnce() -> Result<()> + Send> {
        self.store.flusher()
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.closed.fetch_add(1, Ordering::SeqCst);
        self.store.close()
    }
}

#[test]
fn the_store_of_a_task_that_goes_elsewhere_is_closed_when_its_last_state_was_shown_for_long_enough()
-> Result<()> {
    let builder = Builder::new("app");
    builder.stream("lines", Utf8, Utf8).count("counts", Utf8).to("out", Utf8, I64);
    let closed: Arc<AtomicUsize> = Arc::default();
    let of_process = closed.clone();
    let setup = Driver::of(builder.build()?).partitions(2).instances(2);
    let stores = move |_| {
        let stores = Counted { closed: of_process.clone(), ..Counted::default() };
        Arc::new(stores) as Arc<dyn Stores>
    };
    let mut driver = setup.stores(stores).start()?;
    driver.kill(1);
    driver.settle()?;
    let before = closed.load(Ordering::SeqCst);
    driver.restart(1)?;
    driver.settle()?;
    assert_eq!((driver.tasks(0), driver.tasks(1)), (1, 1));
    assert_eq!(closed.load(Ordering::SeqCst) - before, 0);
    driver.advance(Duration::from_secs(61))?;
    assert_eq!(closed.load(Ordering::SeqCst) - before, 1);
    Ok(())
}
