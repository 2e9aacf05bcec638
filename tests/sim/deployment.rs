//! Another version of an application takes over what one has left: the plan says what a start does.

use millstream::testing::{Driver, table};
use millstream::{
    Builder, Bytes, Config, Due, I64, Processor, Rec, Result, Store, Streams, Timestamp, Topology,
    Utf8, Verdict,
};

/// How a version of the application is made.
#[derive(Clone, Copy)]
struct Version {
    /// The name of the operator that counts.
    counting: &'static str,
    /// The topic that its words come by.
    between: &'static str,
    /// Whether lines are trimmed before.
    trims: bool,
    /// Whether it keeps the last word of each key, too.
    keeps_last: bool,
    /// Whether it counts visits, an input that nothing else reads.
    counts_visits: bool,
}

const FIRST: Version = Version {
    counting: "counts",
    between: "words",
    trims: false,
    keeps_last: false,
    counts_visits: false,
};

struct Last(Store<String, String>);

impl Processor for Last {
    type KeyIn = String;
    type ValueIn = String;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &mut self,
        word: Rec<'_, String, String>,
        cx: &mut millstream::Context<'_, String, String>,
    ) -> Result<()> {
        cx.store(self.0)?.put(word.key, word.value.clone())
    }

    fn on_timer(
        &mut self,
        _: Due<'_>,
        _: &mut millstream::Context<'_, String, String>,
    ) -> Result<()> {
        Ok(())
    }
}

fn topology(of: Version) -> Result<Topology> {
    let builder = Builder::new("app");
    let mut lines = builder.stream::<String, String>("lines", Utf8, Utf8).filter("all", |_| true);
    if of.trims {
        lines =
            lines.flat_map("trim", |line, out| out.emit(line.key, &line.value.trim().to_owned()));
    }
    let words = lines.repartition(of.between, Utf8, Utf8);
    words.count(of.counting, Utf8).to("counted", Utf8, I64);
    if of.keeps_last {
        let last = builder.store("last", Utf8, Utf8);
        words.process("last-words", &[last.into()], move || Last(last));
    }
    if of.counts_visits {
        builder.stream::<String, String>("visits", Utf8, Utf8).count("visits-seen", Utf8);
    }
    Ok(builder.build()?)
}

fn running(of: Version) -> Result<Driver> {
    let topics = [("lines", 2), ("visits", 2)];
    let mut driver = Driver::of(topology(of)?).partitions(2).topics(&topics).start()?;
    let input = driver.input::<String, String>("lines", Utf8, Utf8);
    input.send(&"k".into(), &"a".into(), Timestamp(0))?;
    driver.settle()?;
    Ok(driver)
}

/// What the plan says of a version, and how it is started; both must say the same.
fn deployed(driver: &mut Driver, of: Version) -> Result<(Verdict, Option<String>)> {
    let next = topology(of)?;
    let config = Config { partitions: 2, ..Config::default() };
    let plan = Streams::plan(&next, &config, driver.broker());
    let plan = plan.map_err(|ended| millstream::Fault::Fatal(ended.to_string()))?;
    let refused = driver.restart_with(0, next).err();
    let refused =
        refused.map(|fault| fault.message().trim_start_matches("Mismatch (5): ").to_owned());
    assert_eq!(plan.refusal(), refused, "the plan and the start disagree");
    Ok((plan.verdict(), refused))
}

#[test]
fn a_start_does_what_the_plan_says() -> Result<()> {
    let rows = [
        ("the same", FIRST, Verdict::Safe),
        ("another operator without state", Version { trims: true, ..FIRST }, Verdict::Safe),
        (
            "a new part on an input of its own",
            Version { counts_visits: true, ..FIRST },
            Verdict::Safe,
        ),
        ("one more store", Version { keeps_last: true, ..FIRST }, Verdict::Rebuilds),
        ("another name", Version { counting: "tally", ..FIRST }, Verdict::Blocked),
        ("another topic between", Version { between: "terms", ..FIRST }, Verdict::Safe),
    ];
    for (what, version, verdict) in rows {
        let (planned, refused) = deployed(&mut running(FIRST)?, version)?;
        assert_eq!((planned, refused.is_none()), (verdict, verdict == Verdict::Safe), "{what}");
    }
    Ok(())
}

#[test]
fn what_was_counted_goes_on_under_another_operator_and_back_again() -> Result<()> {
    let mut driver = running(FIRST)?;
    for version in [Version { trims: true, ..FIRST }, FIRST] {
        deployed(&mut driver, version)?;
        let input = driver.input::<String, String>("lines", Utf8, Utf8);
        input.send(&"k".into(), &"b".into(), Timestamp(1))?;
        driver.settle()?;
    }
    assert_eq!(driver.output("counted", Utf8, I64).latest()?, table("k 3"));
    Ok(())
}

#[test]
fn a_store_that_was_given_up_does_not_come_back_over_its_old_rows() -> Result<()> {
    let mut driver = running(Version { keeps_last: true, ..FIRST })?;
    assert_eq!(deployed(&mut driver, FIRST)?, (Verdict::Safe, None));
    let (verdict, refused) = deployed(&mut driver, Version { keeps_last: true, ..FIRST })?;
    let words = refused.unwrap_or_default();
    assert_eq!(verdict, Verdict::Blocked);
    assert!(
        words.starts_with("store counts/last was there once, and its changelog still has rows"),
        "{words}"
    );
    Ok(())
}

#[test]
fn records_between_two_operators_are_not_left_behind() -> Result<()> {
    let mut driver = running(FIRST)?;
    driver.kill(0);
    // As one operator would have left it for the other.
    let between = driver.input::<Vec<u8>, Vec<u8>>("app-words-repartition", Bytes, Bytes);
    let word = [&[1][..], &[0; 8], b"b"].concat();
    between.send(&b"k".to_vec(), &word, Timestamp(1))?;
    let elsewhere = Version { between: "terms", ..FIRST };
    let (verdict, refused) = deployed(&mut driver, elsewhere)?;
    let words = refused.unwrap_or_default();
    assert_eq!(verdict, Verdict::Blocked);
    let lost = "has records that were not worked off, and would be lost";
    assert!(
        words.starts_with("topic app-words-repartition is not read any more; ")
            && words.contains(lost),
        "{words}"
    );
    assert_eq!(deployed(&mut driver, FIRST)?, (Verdict::Safe, None));
    driver.settle()?;
    assert_eq!(driver.output("counted", Utf8, I64).latest()?, table("k 2"));
    assert_eq!(
        deployed(&mut driver, elsewhere)?,
        (Verdict::Safe, None),
        "once they are worked off"
    );
    Ok(())
}

#[test]
fn a_plan_tells_how_changelogs_begin_and_changes_nothing() -> Result<()> {
    let driver = running(FIRST)?;
    let config = Config { partitions: 2, ..Config::default() };
    let told = || {
        let plan = Streams::plan(&topology(FIRST)?, &config, driver.broker());
        let plan = plan.map_err(|ended| millstream::Fault::Fatal(ended.to_string()))?;
        let changes = plan.changes().iter();
        let told = changes.map(|of| format!("{} {}", of.subject, of.why)).collect::<Vec<_>>();
        Ok::<_, millstream::Fault>(told)
    };
    let first = told()?;
    let begun = "topic app-counts-changelog has state in 2 partitions, none yet in 0";
    assert!(first.iter().any(|line| line == begun), "{first:?}");
    assert_eq!(told()?, first);
    Ok(())
}
