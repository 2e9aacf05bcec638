//! State that turns out to be damaged while it is in use: it is built anew from the changelog, and nothing is lost.

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
