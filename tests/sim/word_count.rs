//! Word count through every way to crash: each word is counted once, whatever happens.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::testing::{Driver, Setup, table};
use millstream::{Bytes, Config, Counter, Emit, FailPoint, I64, Result, Utf8};

use crate::world::{history, say, word_count};

const LINES: [&str; 3] = ["to be or not to be", "that is the question", "to die to sleep"];
const COUNTS: &str =
    "be 2 | die 1 | is 1 | not 1 | or 1 | question 1 | sleep 1 | that 1 | the 1 | to 4";

fn setup() -> Result<Setup> {
    Ok(Driver::of(word_count(Emit::OnCommit)?).partitions(3))
}

fn say_all(driver: &mut Driver) -> Result<()> {
    for (who, line) in ["a", "b", "c"].into_iter().zip(LINES) {
        say(driver, who, line)?;
        driver.settle()?;
    }
    Ok(())
}

/// One, two, three: as often as each word was said.
fn without_gap() -> BTreeMap<String, Vec<i64>> {
    let words = LINES.iter().flat_map(|line| line.split_whitespace());
    let mut counts: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for word in words {
        let of = counts.entry(word.to_owned()).or_default();
        of.push(of.len() as i64 + 1);
    }
    counts
}

#[test]
fn words_are_counted() -> Result<()> {
    let mut driver = setup()?.start()?;
    say(&driver, "a", "to be or not to be")?;
    driver.settle()?;
    let counts = driver.output("word-counts", Utf8, I64);
    assert_eq!(counts.latest()?, table("be 2 | not 1 | or 1 | to 2"));
    Ok(())
}

#[test]
fn what_is_worked_off_of_an_internal_topic_is_deleted_after_half_a_minute() -> Result<()> {
    let mut driver = setup()?.instances(2).start()?;
    say_all(&mut driver)?;
    let between = driver.output::<Vec<u8>, Vec<u8>>("word-count-words-repartition", Bytes, Bytes);
    assert_eq!(between.rows()?.len(), 14);
    driver.advance(Duration::from_secs(31))?;
    assert_eq!(between.rows()?, []);
    driver.restart(0)?;
    driver.restart(1)?;
    driver.settle()?;
    assert_eq!(driver.output("word-counts", Utf8, I64).latest()?, table(COUNTS));
    Ok(())
}

#[test]
fn an_idle_task_commits_its_positions_every_hour() -> Result<()> {
    let mut driver = setup()?.start()?;
    say_all(&mut driver)?;
    let before = driver.counted(Counter::Commits);
    for _ in 0..3 {
        driver.advance(Duration::from_secs(3601))?;
    }
    assert_eq!(driver.counted(Counter::Commits), before + 3);
    Ok(())
}

#[test]
fn a_transaction_that_holds_much_is_committed_whatever_the_time() -> Result<()> {
    let committed = |limit: fn(&mut Config)| -> Result<u64> {
        let mut driver = setup()?.config(limit).start()?;
        say_all(&mut driver)?;
        let before = driver.counted(Counter::Commits);
        for _ in 0..20 {
            say(&driver, "a", "to be or not to be")?;
            driver.step()?;
        }
        Ok(driver.counted(Counter::Commits) - before)
    };
    assert_eq!(committed(|_| {})?, 0);
    assert!(committed(|config| config.transaction_records_max = 10)? > 1);
    assert!(committed(|config| config.transaction_bytes_max = 500)? > 1);
    Ok(())
}

#[test]
fn a_crash_before_commit_counts_each_word_once() -> Result<()> {
    let mut driver = setup()?.start()?;
    say(&driver, "a", "to be or not to be")?;
    driver.crash_before_commit()?;
    driver.settle()?;
    driver.advance(Duration::from_secs(60))?;
    let counts = driver.output("word-counts", Utf8, I64);
    assert_eq!(counts.latest()?, table("be 2 | not 1 | or 1 | to 2"));
    Ok(())
}

#[test]
fn a_poll_that_brings_nothing_passes_no_place_to_crash_at() -> Result<()> {
    let mut driver = setup()?.start()?;
    driver.settle()?;
    driver.arm(FailPoint::Polled, 0);
    driver.settle()?;
    assert_eq!(driver.crashes(), 0);
    say(&driver, "a", "to be")?;
    driver.settle()?;
    assert_eq!(driver.crashes(), 1);
    Ok(())
}

#[test]
fn a_crash_at_any_place_counts_each_word_once() -> Result<()> {
    for point in FailPoint::ALL {
        for skip in 0..4 {
            let mut driver = setup()?.workers(2).start()?;
            driver.arm(point, skip);
            say_all(&mut driver)?;
            let counts = driver.output("word-counts", Utf8, I64).latest()?;
            assert_eq!(counts, table(COUNTS), "crash at {point:?}, passing {skip}");
        }
    }
    Ok(())
}

#[test]
fn a_crash_of_one_of_two_instances_leaves_no_gap_and_no_double_in_what_is_said() -> Result<()> {
    for point in FailPoint::ALL {
        for skip in 0..6 {
            let topology = word_count(Emit::EveryUpdate)?;
            let mut driver = Driver::of(topology).partitions(3).instances(2).start()?;
            driver.arm(point, skip);
            say_all(&mut driver)?;
            let said = history(&driver, "word-counts", I64)?;
            assert_eq!(said, without_gap(), "crash at {point:?}, passing {skip}");
        }
    }
    Ok(())
}

#[test]
fn a_commit_says_each_word_at_most_once_and_always_more() -> Result<()> {
    for point in FailPoint::ALL {
        let mut driver = setup()?.instances(2).start()?;
        driver.arm(point, 1);
        say_all(&mut driver)?;
        let said = history(&driver, "word-counts", I64)?;
        assert!(said.values().all(|counts| counts.is_sorted_by(|a, b| a < b)), "{said:?}");
        assert_eq!(said.get("be"), Some(&vec![2]), "crash at {point:?}: {said:?}");
    }
    Ok(())
}

#[test]
fn every_crash_place_but_flush_and_revoke_is_passed_by_a_lone_instance() -> Result<()> {
    let mut passed = Vec::new();
    for point in FailPoint::ALL {
        let mut driver = setup()?.start()?;
        driver.settle()?;
        driver.restart(0)?;
        driver.arm(point, 0);
        say_all(&mut driver)?;
        passed.extend((driver.crashes() == 1).then_some(point));
    }
    let unreached = [FailPoint::BeforeFlush, FailPoint::Revoked];
    let expected: Vec<_> =
        FailPoint::ALL.into_iter().filter(|point| !unreached.contains(point)).collect();
    assert_eq!(passed, expected);
    Ok(())
}
