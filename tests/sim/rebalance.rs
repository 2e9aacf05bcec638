//! Partitions that move: instances that come, go and die in mid-transaction.

use std::time::Duration;

use millstream::testing::{Driver, table};
use millstream::{Emit, FailPoint, I64, Result};

use crate::world::{history, say, word_count};

fn pair(emit: Emit) -> Result<Driver> {
    let mut driver = Driver::of(word_count(emit)?).partitions(4).instances(2).workers(2).start()?;
    driver.kill(1);
    driver.settle()?;
    Ok(driver)
}

fn counts(driver: &Driver) -> Result<millstream::testing::Table> {
    driver.output("word-counts", millstream::Utf8, I64).latest()
}

const LINE: &str = "a b c d e f g h";

#[test]
fn an_instance_that_comes_later_takes_its_share_in_mid_transaction() -> Result<()> {
    let mut driver = pair(Emit::EveryUpdate)?;
    for round in 0..20 {
        say(&driver, &round.to_string(), LINE)?;
        driver.step()?;
        if round == 5 {
            driver.restart(1)?;
        }
    }
    driver.settle()?;
    let said = history(&driver, "word-counts", I64)?;
    assert!(said.values().all(|counts| *counts == (1..=20).collect::<Vec<_>>()), "{said:?}");
    assert_eq!((driver.tasks(0), driver.tasks(1)), (4, 4));
    Ok(())
}

#[test]
fn the_tasks_of_a_dead_instance_go_on_elsewhere_when_its_session_has_passed() -> Result<()> {
    let mut driver = pair(Emit::OnCommit)?;
    driver.restart(1)?;
    say(&driver, "x", LINE)?;
    driver.settle()?;
    say(&driver, "y", LINE)?;
    driver.step()?;
    driver.kill(1);
    let before = driver.now();
    driver.settle()?;
    assert_eq!(counts(&driver)?, table("a 2 | b 2 | c 2 | d 2 | e 2 | f 2 | g 2 | h 2"));
    assert_eq!((driver.tasks(0), driver.tasks(1)), (8, 0));
    assert!(driver.now().since(before) >= Duration::from_secs(20));
    Ok(())
}

#[test]
fn an_instance_that_comes_back_in_time_has_its_tasks_again() -> Result<()> {
    let mut driver = pair(Emit::OnCommit)?;
    driver.restart(1)?;
    say(&driver, "x", LINE)?;
    driver.settle()?;
    let before = driver.now();
    driver.restart(1)?;
    say(&driver, "y", LINE)?;
    driver.settle()?;
    assert_eq!(counts(&driver)?, table("a 2 | b 2 | c 2 | d 2 | e 2 | f 2 | g 2 | h 2"));
    assert_eq!((driver.tasks(0), driver.tasks(1)), (4, 4));
    assert!(driver.now().since(before) < Duration::from_secs(20));
    Ok(())
}

#[test]
fn a_crash_while_giving_back_loses_and_doubles_nothing() -> Result<()> {
    for skip in 0..3 {
        let mut driver = pair(Emit::EveryUpdate)?;
        say(&driver, "x", LINE)?;
        driver.settle()?;
        driver.arm(FailPoint::Revoked, skip);
        driver.restart(1)?;
        for round in 0..10 {
            say(&driver, &round.to_string(), LINE)?;
            driver.step()?;
        }
        driver.settle()?;
        let said = history(&driver, "word-counts", I64)?;
        assert!(said.values().all(|counts| *counts == (1..=11).collect::<Vec<_>>()), "{said:?}");
    }
    Ok(())
}

#[test]
fn an_instance_whose_session_expired_unnoticed_cannot_commit() -> Result<()> {
    let mut driver = pair(Emit::EveryUpdate)?;
    driver.restart(1)?;
    say(&driver, "x", LINE)?;
    driver.settle()?;
    for round in 0..10 {
        say(&driver, &round.to_string(), LINE)?;
        driver.step()?;
        driver.broker().faults().expire_session("word-count", "instance-1");
        driver.step()?;
    }
    driver.settle()?;
    let said = history(&driver, "word-counts", I64)?;
    assert!(said.values().all(|counts| *counts == (1..=11).collect::<Vec<_>>()), "{said:?}");
    Ok(())
}

#[test]
fn a_task_lost_and_given_again_while_it_restores_is_opened_in_the_end() -> Result<()> {
    let mut driver = Driver::of(word_count(Emit::EveryUpdate)?).partitions(2).start()?;
    for round in 0..50 {
        say(&driver, &round.to_string(), LINE)?;
    }
    driver.settle()?;
    driver.broker().faults().limit_fetch(10);
    for steps in 1..25 {
        driver.restart(0)?;
        for _ in 0..steps {
            driver.step()?;
        }
        driver.broker().faults().expire_session("word-count", "instance-0");
        say(&driver, "x", LINE)?;
        driver.settle()?;
    }
    let said = history(&driver, "word-counts", I64)?;
    assert!(said.values().all(|counts| *counts == (1..=74).collect::<Vec<_>>()), "{said:?}");
    Ok(())
}
