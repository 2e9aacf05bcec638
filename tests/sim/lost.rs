//! What was there and is not: a disk that takes nothing any more, and records deleted before they were read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use millstream::broker::Broker;
use millstream::store::memory::MemoryStores;
use millstream::store::{Changes, Committed, Marks, Reader, Stores, TaskStore};
use millstream::testing::{Driver, table};
use millstream::{Counter, Emit, Fault, I64, Offset, Result, TaskId, TopicPartition, Utf8};

use crate::world::{say, word_count};

/// Stores that work until one of them breaks; whatever is opened anew works.
struct Fragile {
    stores: MemoryStores,
    breaks: Arc<AtomicBool>,
}

struct Broken {
    store: Box<dyn TaskStore>,
    breaks: Arc<AtomicBool>,
    is_broken: bool,
}

impl Stores for Fragile {
    fn open(&self, task: &TaskId, columns: &[Arc<str>]) -> Result<Box<dyn TaskStore>> {
        let store = self.stores.open(task, columns)?;
        Ok(Box::new(Broken { store, breaks: self.breaks.clone(), is_broken: false }))
    }

    fn wipe(&self, task: &TaskId) -> Result<()> {
        self.stores.wipe(task)
    }
}

impl TaskStore for Broken {
    fn reader(&self) -> Arc<dyn Reader> {
        self.store.reader()
    }

    fn marks(&self) -> Result<Marks> {
        self.store.marks()
    }

    fn apply(&mut self, changes: &Changes, marks: &Marks, permit: &Committed) -> Result<()> {
        self.is_broken |= self.breaks.swap(false, Ordering::SeqCst);
        match self.is_broken {
            true => Err(Fault::Fatal("an I/O error".into())),
            false => self.store.apply(changes, marks, permit),
        }
    }

    fn restore(&mut self, changes: &Changes, marks: &Marks) -> Result<()> {
        self.store.restore(changes, marks)
    }

    fn flusher(&self) -> Box<dyn FnOnce() -> Result<()> + Send> {
        self.store.flusher()
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.store.close()
    }
}

#[test]
fn a_store_that_breaks_is_opened_anew_and_restored_from_its_changelog() -> Result<()> {
    let breaks = Arc::new(AtomicBool::new(false));
    let given = breaks.clone();
    let driver = Driver::of(word_count(Emit::OnCommit)?);
    let mut driver = driver
        .stores(move |_| {
            Arc::new(Fragile { stores: MemoryStores::default(), breaks: given.clone() })
        })
        .start()?;
    say(&driver, "x", "to be or not to be")?;
    driver.settle()?;
    breaks.store(true, Ordering::SeqCst);
    say(&driver, "x", "to be is to do")?;
    driver.settle()?;
    say(&driver, "x", "do be do")?;
    driver.settle()?;
    let counts = driver.output("word-counts", Utf8, I64).latest()?;
    assert_eq!(counts, table("be 4 | do 3 | is 1 | not 1 | or 1 | to 4"));
    assert!(driver.counted(Counter::Restored) > 0);
    assert!(!breaks.load(Ordering::SeqCst), "nothing broke");
    Ok(())
}

#[test]
fn records_deleted_before_they_were_read_end_the_process_with_both_positions() -> Result<()> {
    let mut driver = Driver::of(word_count(Emit::OnCommit)?).start()?;
    say(&driver, "x", "read")?;
    driver.settle()?;
    ["a", "b", "c"].iter().try_for_each(|line| say(&driver, "x", line))?;
    let lines = TopicPartition::new("lines", 0);
    let mut admin = driver.broker().admin().unwrap();
    admin.delete_before(&[(lines, Offset(3))]).unwrap();
    let ended = driver.settle().unwrap_err();
    let words = "Mismatch (5): the committed position of lines-0 is 1, its log has 3 to 4";
    assert_eq!(ended.message(), words);
    Ok(())
}
