//! State that turns out to be damaged while it is in use: it is built anew from the changelog, and nothing is lost.

use std::time::Duration;

use millstream::store::Column;
use millstream::testing::{Driver, table};
use millstream::{Counter, Emit, Fault, I64, Result, Utf8};

use crate::disk::Disk;
use crate::world::{say, word_count};

/// What has counted five words, two of them twice, on a disk.
fn counted() -> Result<(Driver, Disk)> {
    let disk = Disk::flushing();
    let stores = disk.clone();
    let setup = Driver::of(word_count(Emit::OnCommit)?).partitions(3);
    let mut driver = setup.stores(move |_| stores.open()).start()?;
    say(&driver, "a", "to be or not to be")?;
    driver.settle()?;
    Ok((driver, disk))
}

#[test]
fn damage_that_a_record_meets_is_healed_and_the_count_goes_on() -> Result<()> {
    let (mut driver, disk) = counted()?;
    disk.damage();
    say(&driver, "a", "that is the question to be or not")?;
    driver.settle()?;
    let counts = driver.output("word-counts", Utf8, I64).latest()?;
    assert_eq!(counts, table("be 3 | is 1 | not 2 | or 2 | question 1 | that 1 | the 1 | to 3"));
    assert!(driver.counted(Counter::Restored) > 0);
    assert_eq!(driver.stopped_tasks(), []);
    Ok(())
}

#[test]
fn damage_that_a_query_meets_is_healed_without_any_record() -> Result<()> {
    let (mut driver, disk) = counted()?;
    disk.damage();
    let readers = driver.readers();
    let counting = readers.iter().filter(|(id, _)| &*id.sub_topology == "counts");
    for (_, reader) in counting {
        let read = reader.fetch(Column(0), b"be", &mut Vec::new());
        assert_eq!(read, Err(Fault::Retry("a block is damaged".into())));
    }
    driver.settle()?;
    let mut found = 0;
    for (id, reader) in driver.readers() {
        if &*id.sub_topology == "counts" {
            found += usize::from(reader.fetch(Column(0), b"be", &mut Vec::new())?);
        }
    }
    assert_eq!(found, 1);
    Ok(())
}

#[test]
fn a_disk_that_damages_state_again_and_again_is_left_alone() -> Result<()> {
    let (mut driver, disk) = counted()?;
    let words = ["one", "two", "three", "four", "five"];
    for word in words {
        disk.damage();
        for who in ["a", "b", "c", "d", "e", "f"] {
            say(&driver, who, &format!("{word} {word}{who}"))?;
        }
        driver.settle()?;
    }
    let stopped = driver.stopped_tasks();
    assert!(!stopped.is_empty());
    let words = "its state was damaged three times in five minutes: look at the disk";
    assert!(stopped.iter().all(|(_, why)| why == words), "{stopped:?}");
    Ok(())
}

#[test]
fn damage_long_after_damage_stops_nothing() -> Result<()> {
    let (mut driver, disk) = counted()?;
    for word in ["one", "two", "three", "four", "five"] {
        driver.advance_clock(Duration::from_secs(301));
        disk.damage();
        say(&driver, "a", word)?;
        driver.settle()?;
    }
    assert_eq!(driver.stopped_tasks(), []);
    let counts = driver.output("word-counts", Utf8, I64).latest()?;
    assert_eq!(
        counts,
        table("be 2 | five 1 | four 1 | not 1 | one 1 | or 1 | three 1 | to 2 | two 1")
    );
    Ok(())
}
