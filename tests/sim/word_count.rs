//! Word count through every way to fail: each word is counted once, whatever happens.

use std::time::Duration;

use millstream::testing::{Driver, Setup, table};
use millstream::{Builder, I64, Point, Result, Timestamp, Topology, Unit, Utf8};

fn word_count() -> Result<Topology> {
    let builder = Builder::new("word-count");
    builder
        .stream("lines", Utf8, Utf8)
        .flat_map("split", |line, out| {
            line.value.split_whitespace().try_for_each(|word| out.emit(&word.to_lowercase(), &()))
        })
        .repartition("words", Utf8, Unit)
        .count("counts", Utf8)
        .to("word-counts", Utf8, I64);
    builder.build()
}

fn at(millis: i64) -> Timestamp {
    Timestamp(millis)
}

fn setup() -> Result<Setup> {
    Ok(Driver::of(word_count()?).partitions(3))
}

fn say(driver: &Driver, line: &str) -> Result<()> {
    driver.input("lines", Utf8, Utf8).send(&"a".into(), &line.into(), at(0))
}

#[test]
fn words_are_counted() -> Result<()> {
    let mut driver = setup()?.start()?;
    say(&driver, "to be or not to be")?;
    driver.settle()?;
    let counts = driver.output("word-counts", Utf8, I64);
    assert_eq!(counts.latest()?, table("be 2 | not 1 | or 1 | to 2"));
    Ok(())
}

#[test]
fn a_crash_before_commit_counts_each_word_once() -> Result<()> {
    let mut driver = setup()?.start()?;
    let (lines, counts) =
        (driver.input("lines", Utf8, Utf8), driver.output("word-counts", Utf8, I64));
    lines.send(&"a".into(), &"to be or not to be".into(), at(0))?;
    driver.crash_before_commit()?;
    driver.settle()?;
    driver.advance(Duration::from_secs(60))?;
    assert_eq!(counts.latest()?, table("be 2 | not 1 | or 1 | to 2"));
    Ok(())
}

#[test]
fn a_crash_at_any_place_counts_each_word_once() -> Result<()> {
    for point in Point::ALL {
        for skip in 0..4 {
            let mut driver = setup()?.workers(2).start()?;
            driver.arm(point, skip);
            for line in ["to be or not to be", "that is the question", "to die to sleep"] {
                say(&driver, line)?;
                driver.settle()?;
            }
            let expected =
                "be 2 | die 1 | is 1 | not 1 | or 1 | question 1 | sleep 1 | that 1 | the 1 | to 4";
            let counts = driver.output("word-counts", Utf8, I64).latest()?;
            assert_eq!(counts, table(expected), "crash at {point:?}, passing {skip}");
        }
    }
    Ok(())
}
