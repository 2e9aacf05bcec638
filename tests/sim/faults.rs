//! Calls to the cluster that fail: what was committed counts, what was not is done again.

use millstream::broker::{Call, Code, Failure};
use millstream::testing::Driver;
use millstream::{Counter, Emit, I64, Result};

use crate::world::{history, say, word_count};

const ID: &str = "word-count-instance-0-0";
const LINE: &str = "a b c d";

fn said_after(fault: impl Fn(&Driver)) -> Result<Driver> {
    let mut driver = Driver::of(word_count(Emit::EveryUpdate)?).partitions(3).start()?;
    say(&driver, "x", LINE)?;
    driver.settle()?;
    for who in ["y", "z"] {
        fault(&driver);
        say(&driver, who, LINE)?;
        driver.settle()?;
    }
    say(&driver, "x", LINE)?;
    driver.settle()?;
    let said = history(&driver, "word-counts", I64)?;
    assert!(said.values().all(|counts| *counts == [1, 2, 3, 4]), "{said:?}");
    Ok(driver)
}

#[test]
fn a_commit_whose_answer_is_lost_is_found_committed_and_not_done_again() -> Result<()> {
    let driver = said_after(|driver| driver.broker().faults().lose_next_commit_answer(ID))?;
    assert_eq!(driver.counted(Counter::Rebuilds), 2);
    Ok(())
}

#[test]
fn a_commit_that_never_arrived_is_done_again() -> Result<()> {
    let driver = said_after(|driver| driver.broker().faults().lose_next_commit_request(ID))?;
    assert_eq!(driver.counted(Counter::Rebuilds), 2);
    Ok(())
}

#[test]
fn a_commit_that_must_be_aborted_is_done_again_in_place() -> Result<()> {
    let abortable = || Failure::new(Call::Commit, Code::InvalidTransactionState, "x").abortable();
    let driver = said_after(|driver| driver.broker().faults().refuse_next(ID, abortable()))?;
    let counted = (driver.counted(Counter::Rebuilds), driver.counted(Counter::Aborts));
    assert_eq!(counted, (0, 2));
    Ok(())
}

#[test]
fn positions_that_another_generation_refuses_are_sent_again_in_the_next() -> Result<()> {
    let stale = || Failure::new(Call::SendOffsets, Code::IllegalGeneration, "x").abortable();
    let driver = said_after(|driver| driver.broker().faults().refuse_next(ID, stale()))?;
    assert_eq!(driver.counted(Counter::Aborts), 2);
    Ok(())
}

#[test]
fn a_fatal_send_builds_a_new_producer() -> Result<()> {
    let fenced = || Failure::new(Call::Commit, Code::Fenced, "x").fatal();
    let driver = said_after(|driver| driver.broker().faults().refuse_next(ID, fenced()))?;
    assert_eq!(driver.counted(Counter::Rebuilds), 2);
    Ok(())
}

#[test]
fn markers_that_come_late_hide_nothing_from_the_next_owner() -> Result<()> {
    let mut driver = Driver::of(word_count(Emit::EveryUpdate)?).partitions(3).start()?;
    driver.broker().faults().delay_markers(std::time::Duration::from_millis(300));
    for who in ["x", "y", "z", "x"] {
        say(&driver, who, LINE)?;
        driver.settle()?;
        driver.restart(0)?;
    }
    driver.settle()?;
    driver.advance(std::time::Duration::from_secs(1))?;
    let said = history(&driver, "word-counts", I64)?;
    assert!(said.values().all(|counts| *counts == [1, 2, 3, 4]), "{said:?}");
    Ok(())
}
