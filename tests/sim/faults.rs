//! Calls to the cluster that fail: what was committed counts, what was not is done again.

use std::time::Duration;

use millstream::broker::{Call, Code, Failure};
use millstream::testing::Driver;
use millstream::{Bytes, Counter, Emit, I64, Result, Utf8};

use crate::world::{history, say, word_count};

const ID: &str = "word-count-instance-0-0";
const LINE: &str = "a b c d";

/// Where the line was said once, and counted.
fn once_said() -> Result<Driver> {
    let mut driver = Driver::of(word_count(Emit::EveryUpdate)?).partitions(3).start()?;
    say(&driver, "x", LINE)?;
    driver.settle()?;
    Ok(driver)
}

fn said_after(fault: impl Fn(&Driver)) -> Result<Driver> {
    let mut driver = once_said()?;
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

/// A commit that must be aborted, and an abort that the broker answers and does not write.
fn abort_without_markers(driver: &Driver) {
    let failure = Failure::new(Call::Commit, Code::InvalidTransactionState, "x").abortable();
    driver.broker().faults().refuse_next(ID, failure);
    driver.broker().faults().skip_next_markers(ID);
}

#[test]
fn records_that_hang_after_an_abort_are_not_committed_by_the_next_transaction() -> Result<()> {
    let mut driver = once_said()?;
    abort_without_markers(&driver);
    say(&driver, "y", LINE)?;
    for _ in 0..1_000 {
        driver.step()?;
        driver.advance_clock(Duration::from_millis(10));
    }
    let words: Vec<_> = driver.output("word-count-words-repartition", Utf8, Bytes).rows()?;
    assert_eq!(words.len(), 4, "committed beside what hangs: {words:?}");
    driver.broker().faults().abort_hanging(ID);
    driver.settle()?;
    say(&driver, "z", LINE)?;
    driver.settle()?;
    let said = history(&driver, "word-counts", I64)?;
    assert!(said.values().all(|counts| *counts == [1, 2, 3]), "{said:?}");
    Ok(())
}

#[test]
fn what_hangs_after_an_abort_is_ended_by_the_worker_itself() -> Result<()> {
    let mut driver = once_said()?;
    abort_without_markers(&driver);
    say(&driver, "y", LINE)?;
    hang_and_heal(&mut driver)
}

#[test]
fn what_hangs_of_a_commit_that_nobody_has_seen_is_aborted_and_done_again() -> Result<()> {
    let mut driver = once_said()?;
    // The broker has decided to commit, and no marker is written anywhere.
    driver.broker().faults().skip_all_next_markers(ID);
    driver.broker().faults().lose_next_commit_answer(ID);
    say(&driver, "y", LINE)?;
    hang_and_heal(&mut driver)
}

#[test]
fn what_hangs_of_a_commit_that_was_seen_elsewhere_is_left_to_an_operator() -> Result<()> {
    let mut driver = once_said()?;
    // Positions are committed, and the logs hang: to abort these would lose what the positions have passed.
    driver.broker().faults().skip_next_markers(ID);
    driver.broker().faults().lose_next_commit_answer(ID);
    say(&driver, "y", LINE)?;
    go_on(&mut driver)?;
    let said = history(&driver, "word-counts", I64)?;
    assert!(said.values().all(|counts| *counts == [1]) && !driver.is_settled(), "{said:?}");
    let held_up = driver.held_up_workers();
    assert!(held_up.iter().all(|why| why.starts_with("a transaction hangs in ")), "{held_up:?}");
    assert_eq!(held_up.len(), 1);
    Ok(())
}

/// Goes on for longer than anything may hang.
fn go_on(driver: &mut Driver) -> Result<()> {
    for _ in 0..6_000 {
        driver.step()?;
        driver.advance_clock(Duration::from_millis(10));
    }
    Ok(())
}

/// After longer than anything may hang each line is counted once.
fn hang_and_heal(driver: &mut Driver) -> Result<()> {
    go_on(driver)?;
    driver.settle()?;
    say(driver, "z", LINE)?;
    driver.settle()?;
    let said = history(driver, "word-counts", I64)?;
    assert!(said.values().all(|counts| *counts == [1, 2, 3]), "{said:?}");
    let words: Vec<_> = driver.output("word-count-words-repartition", Utf8, Bytes).rows()?;
    assert!(words.iter().all(|word| word.value.is_some()), "nobody sees what ended it: {words:?}");
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

/// Fenced three times, so far apart: how the process ends, if it does.
fn fenced_thrice(apart: Duration) -> Result<Option<String>> {
    let mut driver = Driver::of(word_count(Emit::EveryUpdate)?).start()?;
    driver.settle()?;
    for who in ["x", "y", "z"] {
        let fenced = Failure::new(Call::Commit, Code::Fenced, "x").fatal();
        driver.broker().faults().refuse_next(ID, fenced);
        say(&driver, who, LINE)?;
        if let Err(ended) = driver.settle() {
            return Ok(Some(ended.message().into()));
        }
        driver.advance(apart)?;
    }
    Ok(None)
}

#[test]
fn the_third_fencing_in_a_minute_ends_the_process_as_another_has_its_identity() -> Result<()> {
    let ended = fenced_thrice(Duration::from_secs(20))?;
    let words = "Duplicate (4): fenced three times in a minute, another process has this identity";
    assert!(ended.as_ref().is_some_and(|ended| ended.starts_with(words)), "{ended:?}");
    assert_eq!(fenced_thrice(Duration::from_secs(40))?, None);
    Ok(())
}

#[test]
fn markers_that_come_late_hide_nothing_from_the_next_owner() -> Result<()> {
    let mut driver = Driver::of(word_count(Emit::EveryUpdate)?).partitions(3).start()?;
    driver.broker().faults().delay_markers(Duration::from_millis(300));
    for who in ["x", "y", "z", "x"] {
        say(&driver, who, LINE)?;
        driver.settle()?;
        driver.restart(0)?;
    }
    driver.settle()?;
    driver.advance(Duration::from_secs(1))?;
    let said = history(&driver, "word-counts", I64)?;
    assert!(said.values().all(|counts| *counts == [1, 2, 3, 4]), "{said:?}");
    Ok(())
}
