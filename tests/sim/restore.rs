//! State that was lost, and state that was found: the counting goes on either way.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::broker::{Call, Code, Failure};
use millstream::store::LoggedKey;
use millstream::testing::{Driver, table};
use millstream::{Builder, Counter, Emit, FailPoint, I64, Result, Topology, Utf8};

use crate::disk::Disk;
use crate::world::{at, clockwork, history, say, word_count};

#[test]
fn the_count_goes_on_after_the_state_in_memory_is_lost() -> Result<()> {
    let mut driver = Driver::of(word_count(Emit::OnCommit)?).partitions(3).start()?;
    say(&driver, "a", "to be or not to be")?;
    driver.settle()?;
    driver.restart(0)?;
    say(&driver, "a", "to be")?;
    driver.settle()?;
    let counts = driver.output("word-counts", Utf8, I64).latest()?;
    assert_eq!(counts, table("be 3 | not 1 | or 1 | to 3"));
    // Four counts, and of each of three tasks: its genesis record and its stream time.
    assert_eq!(driver.counted(Counter::Restored), 4 + 3 + restored_times(&driver)?);
    Ok(())
}

/// The tasks whose stream time is logged: those that had a word.
fn restored_times(driver: &Driver) -> Result<u64> {
    let topic = "word-count-counts-changelog";
    let rows = driver.output::<Vec<u8>, Vec<u8>>(topic, millstream::Bytes, millstream::Bytes);
    let mut time = Vec::new();
    LoggedKey { store: "counts-task", key: b"stream-time" }.encode(&mut time);
    Ok(rows.rows()?.iter().filter(|row| row.key.as_ref() == Some(&time)).count() as u64)
}

#[test]
fn state_that_was_flushed_is_found_again_and_nothing_is_restored() -> Result<()> {
    let disk = Disk::flushing();
    // Far more outputs than changes: the place in the changelog is another than that in the output.
    let setup = Driver::of(word_count(Emit::EveryUpdate)?).stores(move |_| disk.open());
    let mut driver = setup.start()?;
    say(&driver, "a", "to be or not to be to to to to to to to to")?;
    driver.settle()?;
    driver.restart(0)?;
    say(&driver, "a", "to be")?;
    driver.settle()?;
    let counts = driver.output("word-counts", Utf8, I64).latest()?;
    assert_eq!(counts, table("be 3 | not 1 | or 1 | to 11"));
    assert_eq!(driver.counted(Counter::Restored), 0);
    Ok(())
}

#[test]
fn a_task_of_two_sources_goes_on_where_it_stood_in_each() -> Result<()> {
    let disk = Disk::flushing();
    let builder = Builder::new("both");
    let (few, many) = (builder.stream("few", Utf8, Utf8), builder.stream("many", Utf8, Utf8));
    few.merge(&many).count("counts", Utf8).to("out", Utf8, I64);
    let mut driver = Driver::of(builder.build()?).stores(move |_| disk.open()).start()?;
    let send = |driver: &Driver, topic: &str, n| {
        let input = driver.input::<String, String>(topic, Utf8, Utf8);
        (0..n).try_for_each(|_| input.send(&"a".into(), &"x".into(), at(7)))
    };
    send(&driver, "few", 1)?;
    send(&driver, "many", 5)?;
    driver.settle()?;
    driver.restart(0)?;
    send(&driver, "few", 2)?;
    send(&driver, "many", 1)?;
    driver.settle()?;
    assert_eq!(driver.output("out", Utf8, I64).latest()?, table("a 9"));
    assert_eq!(driver.counted(Counter::Restored), 0);
    Ok(())
}

#[test]
fn stream_time_goes_on_where_it_was_before_a_restart() -> Result<()> {
    let mut driver = Driver::of(clockwork()?).start()?;
    let lines = driver.input::<String, String>("lines", Utf8, Utf8);
    lines.send(&"k".into(), &"a".into(), at(7))?;
    driver.settle()?;
    driver.restart(0)?;
    lines.send(&"k".into(), &"b".into(), at(6))?;
    driver.settle()?;
    assert_eq!(history(&driver, "said", I64)?, BTreeMap::from([("k".into(), vec![7, 7])]));
    Ok(())
}

#[test]
fn little_state_is_brought_to_disk_when_the_flush_interval_has_passed() -> Result<()> {
    let mut driver = Driver::of(word_count(Emit::OnCommit)?).start()?;
    say(&driver, "a", "to be")?;
    driver.settle()?;
    driver.arm(FailPoint::BeforeFlush, 0);
    driver.settle()?;
    assert_eq!(driver.crashes(), 0);
    driver.advance(Duration::from_secs(11))?;
    assert_eq!(driver.crashes(), 1);
    Ok(())
}

/// Counts lines, without an internal topic, whose purges would come the same way as flushes.
fn counting() -> Result<Topology> {
    let builder = Builder::new("app");
    builder.stream("lines", Utf8, Utf8).count("counts", Utf8).to("out", Utf8, I64);
    Ok(builder.build()?)
}

#[test]
fn what_lies_on_disk_is_not_brought_there_again() -> Result<()> {
    let mut driver = Driver::of(counting()?).start()?;
    say(&driver, "a", "to be")?;
    driver.settle()?;
    driver.advance(Duration::from_secs(11))?;
    driver.arm(FailPoint::BeforeFlush, 0);
    (0..3).try_for_each(|_| driver.advance(Duration::from_secs(11)))?;
    assert_eq!(driver.crashes(), 0);
    Ok(())
}

#[test]
fn an_abort_gives_a_log_no_other_name() -> Result<()> {
    let disk = Disk::flushing();
    let mut driver = Driver::of(counting()?).stores(move |_| disk.open()).start()?;
    say(&driver, "a", "x")?;
    driver.settle()?;
    let failure = Failure::new(Call::Commit, Code::InvalidTransactionState, "x").abortable();
    driver.broker().faults().refuse_next("app-instance-0-0", failure);
    say(&driver, "a", "x")?;
    driver.settle()?;
    assert_eq!(driver.counted(Counter::Aborts), 1);
    driver.restart(0)?;
    say(&driver, "a", "x")?;
    driver.settle()?;
    assert_eq!(driver.output("out", Utf8, I64).latest()?, table("a 3"));
    assert_eq!(driver.counted(Counter::Restored), 0);
    Ok(())
}

#[cfg(feature = "rocksdb")]
mod on_disk {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use millstream::store::rocks::RocksStores;

    use super::*;

    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
            let target = to.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => copy(&entry.path(), &target),
                false => drop(std::fs::copy(entry.path(), target).unwrap()),
            }
        }
    }

    fn started(dir: &Path) -> Result<Driver> {
        let dir: PathBuf = dir.into();
        Driver::of(word_count(Emit::OnCommit)?)
            .stores(move |process| {
                Arc::new(RocksStores::new(dir.join(process.to_string()), 8 << 20))
            })
            .start()
    }

    #[test]
    fn state_on_disk_is_found_again_and_nothing_is_restored() -> Result<()> {
        let dir = tempfile::tempdir().unwrap();
        let mut driver = started(dir.path())?;
        say(&driver, "a", "to be or not to be")?;
        driver.settle()?;
        driver.restart(0)?;
        say(&driver, "a", "to be")?;
        driver.settle()?;
        let counts = driver.output("word-counts", Utf8, I64).latest()?;
        assert_eq!(counts, table("be 3 | not 1 | or 1 | to 3"));
        assert_eq!(driver.counted(Counter::Restored), 0);
        Ok(())
    }

    #[test]
    fn of_old_state_on_disk_only_the_tail_is_restored() -> Result<()> {
        let dir = tempfile::tempdir().unwrap();
        let (live, old) = (dir.path().join("0"), dir.path().join("old"));
        let mut driver = started(dir.path())?;
        say(&driver, "a", "to be or not to be")?;
        driver.settle()?;
        driver.kill(0);
        copy(&live, &old);
        driver.restart(0)?;
        say(&driver, "a", "to sleep")?;
        driver.settle()?;
        driver.kill(0);
        std::fs::remove_dir_all(&live).unwrap();
        copy(&old, &live);
        driver.restart(0)?;
        say(&driver, "a", "to dream")?;
        driver.settle()?;
        let counts = driver.output("word-counts", Utf8, I64).latest()?;
        assert_eq!(counts, table("be 2 | dream 1 | not 1 | or 1 | sleep 1 | to 4"));
        assert_eq!(driver.counted(Counter::Restored), 2);
        Ok(())
    }

    #[test]
    fn state_of_a_log_that_is_longer_but_another_is_built_anew() -> Result<()> {
        let dir = tempfile::tempdir().unwrap();
        let mut first = started(dir.path())?;
        say(&first, "a", "to be or not to be")?;
        first.settle()?;
        drop(first);
        let aside = dir.path().join("aside");
        std::fs::rename(dir.path().join("0"), &aside).unwrap();
        let mut second = started(dir.path())?;
        for _ in 0..5 {
            say(&second, "a", "to sleep")?;
            second.settle()?;
        }
        second.kill(0);
        std::fs::remove_dir_all(dir.path().join("0")).unwrap();
        std::fs::rename(&aside, dir.path().join("0")).unwrap();
        // The positions of the first fit the second's topics by chance.
        second.restart(0)?;
        say(&second, "a", "to be")?;
        second.settle()?;
        let counts = second.output("word-counts", Utf8, I64).latest()?;
        assert_eq!(counts, table("be 1 | sleep 5 | to 6"));
        Ok(())
    }

    #[test]
    fn state_older_than_deletions_are_remembered_is_built_anew() -> Result<()> {
        let dir = tempfile::tempdir().unwrap();
        let mut driver = started(dir.path())?;
        say(&driver, "a", "to be or not to be")?;
        driver.settle()?;
        driver.kill(0);
        driver.advance_clock(std::time::Duration::from_secs(4 * 24 * 3600));
        driver.restart(0)?;
        say(&driver, "a", "to be")?;
        driver.settle()?;
        let counts = driver.output("word-counts", Utf8, I64).latest()?;
        assert_eq!(counts, table("be 3 | not 1 | or 1 | to 3"));
        // Four counts, the stream time, and the genesis record: all there is.
        assert_eq!(driver.counted(Counter::Restored), 6);
        Ok(())
    }

    #[test]
    fn state_of_another_log_is_built_anew() -> Result<()> {
        let dir = tempfile::tempdir().unwrap();
        let mut first = started(dir.path())?;
        for _ in 0..5 {
            say(&first, "a", "to be or not to be")?;
            first.settle()?;
        }
        drop(first);
        let mut second = started(dir.path())?;
        say(&second, "a", "to be")?;
        second.settle()?;
        let counts = second.output("word-counts", Utf8, I64).latest()?;
        assert_eq!(counts, table("be 1 | to 1"));
        Ok(())
    }
}
