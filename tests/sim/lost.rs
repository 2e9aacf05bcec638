//! What was there and is not: a disk that takes nothing any more, and records deleted before they were read.

use std::time::Duration;

use millstream::broker::{Broker, Isolation, partition_of};
use millstream::testing::{Driver, table};
use millstream::{Builder, Counter, Emit, Fault, I64, Offset, Result, TopicPartition, Utf8};

use crate::disk::Disk;
use crate::world::{history, say, word_count};

fn on_a_disk() -> Result<(Driver, Disk)> {
    let disk = Disk::default();
    let of_process = disk.clone();
    let setup = Driver::of(word_count(Emit::OnCommit)?).stores(move |_| of_process.open());
    Ok((setup.start()?, disk))
}

/// Words counted on a store that refuses with `fault` until it is opened anew.
fn counted_on_a_store_that_breaks(fault: Fault) -> Result<()> {
    let (mut driver, disk) = on_a_disk()?;
    say(&driver, "x", "to be or not to be")?;
    driver.settle()?;
    disk.refuse(fault);
    say(&driver, "x", "to be is to do")?;
    driver.settle()?;
    say(&driver, "x", "do be do")?;
    driver.settle()?;
    let counts = driver.output("word-counts", Utf8, I64).latest()?;
    assert_eq!(counts, table("be 4 | do 3 | is 1 | not 1 | or 1 | to 4"));
    assert!(driver.counted(Counter::Restored) > 0);
    assert!(disk.refused() > 0, "nothing was refused");
    Ok(())
}

#[test]
fn a_store_that_breaks_is_opened_anew_and_restored_from_its_changelog() -> Result<()> {
    counted_on_a_store_that_breaks(Fault::Fatal("corruption".into()))
}

#[test]
fn a_store_that_refuses_for_long_is_opened_anew_too() -> Result<()> {
    counted_on_a_store_that_breaks(Fault::Retry("an I/O error that stays".into()))
}

#[test]
fn what_is_said_while_the_disk_refuses_is_counted_once_when_it_takes_again() -> Result<()> {
    let (mut driver, disk) = on_a_disk()?;
    say(&driver, "x", "to be or not to be")?;
    driver.settle()?;
    disk.refuse(Fault::Retry("no space left on the device".into()));
    say(&driver, "x", "to be")?;
    for _ in 0..100 {
        say(&driver, "x", "to do")?;
        driver.step()?;
        driver.advance_clock(Duration::from_millis(100));
    }
    let refused = disk.refused();
    disk.accept();
    driver.settle()?;
    say(&driver, "x", "to be")?;
    driver.settle()?;
    let counted = || driver.output("word-counts", Utf8, I64).latest();
    assert_eq!(counted()?, table("be 4 | do 100 | not 1 | or 1 | to 104"));
    // Ten seconds, and it is tried again every second: not with every line.
    assert!((5..=30).contains(&refused), "{refused} refused");
    assert_eq!(driver.counted(Counter::Restored), 0, "a task was opened anew");
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

#[test]
fn records_deleted_up_to_the_committed_position_are_not_missed() -> Result<()> {
    let mut driver = Driver::of(word_count(Emit::OnCommit)?).start()?;
    ["a", "b"].iter().try_for_each(|line| say(&driver, "x", line))?;
    driver.settle()?;
    driver.kill(0);
    ["c", "d"].iter().try_for_each(|line| say(&driver, "x", line))?;
    let mut admin = driver.broker().admin().unwrap();
    admin.delete_before(&[(TopicPartition::new("lines", 0), Offset(2))]).unwrap();
    driver.restart(0)?;
    driver.settle()?;
    let counts = driver.output("word-counts", Utf8, I64).latest()?;
    assert_eq!(counts, table("a 1 | b 1 | c 1 | d 1"));
    Ok(())
}

#[test]
fn what_a_poll_brings_beside_a_lost_position_is_not_taken_before_what_it_follows() -> Result<()> {
    let builder = Builder::new("app");
    builder.stream("lines", Utf8, Utf8).count("counts", Utf8).to("counts-out", Utf8, I64);
    let mut driver = Driver::of(builder.build()?).partitions(2).start()?;
    let of = |partition| {
        (0..).map(|n| format!("key {n}")).find(|key| partition_of(key.as_bytes(), 2) == partition)
    };
    let (Some(cut), Some(whole)) = (of(0), of(1)) else { return Ok(()) };
    say(&driver, &cut, "read")?;
    say(&driver, &whole, "read")?;
    driver.settle()?;
    for line in ["committed at once", "worked off, and not committed at the same time"] {
        say(&driver, &whole, line)?;
        driver.step()?;
    }
    (0..3).try_for_each(|_| say(&driver, &cut, "deleted"))?;
    say(&driver, &whole, "comes with the news of the other one")?;
    let mut admin = driver.broker().admin().unwrap();
    admin.delete_before(&[(TopicPartition::new("lines", 0), Offset(3))]).unwrap();
    // A commit is due in the very step that hears of it.
    driver.advance_clock(Duration::from_secs(1));
    assert!(driver.settle().is_err(), "the position is lost");
    let told = history(&driver, "counts-out", I64)?.remove(&whole).unwrap_or_default();
    let group = driver.broker().consumer("app", Isolation::ReadCommitted);
    let committed = group.unwrap().committed(&[TopicPartition::new("lines", 1)]).unwrap();
    let counted = told.last().copied();
    assert_eq!(committed, [counted.map(Offset)], "as many as were counted: {told:?}");
    Ok(())
}
