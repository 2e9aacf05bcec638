//! Broadcasts: whole before the first record, heard by every task, heard again after a crash.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream::broker::{Broker, Call, Code, Failure, OutRecord, Outgoing, TopicIndex};
use millstream::testing::{Driver, table};
use millstream::{
    Broadcast, BroadcastChange, Builder, Bytes, ChangedKey, Context, Counter, FailPoint, Fault,
    Headers, I64, Nullable, Processor, Rec, Result, Serde, Store, Timestamp, Topic, Topology, Utf8,
};

use crate::world::{at, history};

/// Says for each change which task heard it with which value; answers a line with the price of its key.
struct Priced {
    prices: Broadcast<String, i64>,
}

impl Processor for Priced {
    type KeyIn = String;
    type ValueIn = String;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &mut self,
        line: Rec<'_, String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<()> {
        let price = cx.view(self.prices)?.get(line.value).copied();
        cx.forward(line.key, &format!("{price:?}"))
    }

    fn on_change(
        &mut self,
        change: BroadcastChange<'_>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<()> {
        let Some(ChangedKey::Key(key)) = change.of(self.prices) else { return Ok(()) };
        let price = cx.view(self.prices)?.get(key).copied();
        let task = cx.task().partition;
        cx.forward(&format!("task {task}"), &format!("{key} {price:?}"))
    }
}

pub fn priced() -> Result<Topology> {
    let builder = Builder::new("priced");
    let prices = builder.broadcast("prices", Utf8, I64);
    builder
        .stream("lines", Utf8, Utf8)
        .process("priced", &[prices.into()], move || Priced { prices })
        .to("told", Utf8, Utf8);
    Ok(builder.build()?)
}

pub fn price(driver: &Driver, key: &str, price: Option<i64>) -> Result<()> {
    let prices = driver.input::<String, Option<i64>>("prices", Utf8, Nullable(I64));
    prices.send(&key.into(), &price, at(0))
}

fn told(driver: &Driver) -> Result<BTreeMap<String, Vec<String>>> {
    history(driver, "told", Utf8)
}

fn each_task(heard: &[&str]) -> BTreeMap<String, Vec<String>> {
    let heard: Vec<_> = heard.iter().map(|text| (*text).to_owned()).collect();
    (0..3).map(|task| (format!("task {task}"), heard.clone())).collect()
}

#[test]
fn every_task_hears_of_every_change() -> Result<()> {
    let mut driver = Driver::of(priced()?).partitions(3).instances(2).start()?;
    driver.settle()?;
    price(&driver, "tea", Some(3))?;
    driver.settle()?;
    price(&driver, "tea", Some(4))?;
    driver.settle()?;
    price(&driver, "tea", None)?;
    driver.settle()?;
    assert_eq!(told(&driver)?, each_task(&["tea Some(3)", "tea Some(4)", "tea None"]));
    Ok(())
}

#[test]
fn a_clean_restart_hears_nothing_again() -> Result<()> {
    let mut driver = Driver::of(priced()?).partitions(3).start()?;
    driver.settle()?;
    price(&driver, "tea", Some(3))?;
    driver.settle()?;
    driver.restart(0)?;
    driver.settle()?;
    driver.restart(0)?;
    driver.settle()?;
    price(&driver, "tea", Some(4))?;
    driver.settle()?;
    assert_eq!(told(&driver)?, each_task(&["tea Some(3)", "tea Some(4)"]));
    Ok(())
}

#[test]
fn a_restart_goes_on_where_it_stood_in_each_partition() -> Result<()> {
    let mut driver = Driver::of(priced()?).partitions(3).start()?;
    let items: Vec<_> = (0..10).map(|number| format!("item {number}")).collect();
    for now in [1, 2] {
        items.iter().try_for_each(|item| price(&driver, item, Some(now)))?;
        driver.settle()?;
        driver.restart(0)?;
        driver.settle()?;
    }
    let mut expected: Vec<_> =
        items.iter().flat_map(|item| [1, 2].map(|now| format!("{item} Some({now})"))).collect();
    expected.sort();
    for (task, mut heard) in told(&driver)? {
        heard.sort();
        assert_eq!(heard, expected, "{task}");
    }
    Ok(())
}

#[test]
fn a_change_whose_transaction_crashed_is_heard_again() -> Result<()> {
    for point in [
        FailPoint::Processed,
        FailPoint::AfterProduce,
        FailPoint::BeforeCommit,
        FailPoint::AfterCommit,
    ] {
        let mut driver = Driver::of(priced()?).partitions(3).start()?;
        driver.settle()?;
        price(&driver, "tea", Some(3))?;
        driver.crash_at(point)?;
        driver.settle()?;
        assert_eq!(told(&driver)?, each_task(&["tea Some(3)"]), "{point:?}");
    }
    Ok(())
}

#[test]
fn a_change_whose_transaction_is_aborted_in_place_is_heard_again() -> Result<()> {
    let mut driver = Driver::of(priced()?).partitions(3).start()?;
    driver.settle()?;
    let failure = Failure::new(Call::Commit, Code::InvalidTransactionState, "x").abortable();
    driver.broker().faults().refuse_next("priced-instance-0-0", failure);
    price(&driver, "tea", Some(3))?;
    driver.settle()?;
    assert_eq!(told(&driver)?, each_task(&["tea Some(3)"]));
    assert_eq!((driver.counted(Counter::Aborts), driver.counted(Counter::Rebuilds)), (1, 0));
    Ok(())
}

#[test]
fn the_first_record_finds_what_was_said_before_the_start() -> Result<()> {
    let mut driver = Driver::of(priced()?).partitions(3).start()?;
    for number in 0..100 {
        price(&driver, &format!("item {number}"), Some(number))?;
    }
    driver.input::<String, String>("lines", Utf8, Utf8).send(
        &"k".into(),
        &"item 99".into(),
        at(0),
    )?;
    driver.broker().faults().limit_fetch(5);
    driver.restart(0)?;
    driver.settle()?;
    assert_eq!(told(&driver)?.get("k"), Some(&vec!["Some(99)".to_owned()]));
    Ok(())
}

/// Keeps the sum of the lines of each key, and says it times the rate, at once and when the rate changes.
struct Rated {
    sums: Store<String, i64>,
    rate: Broadcast<String, i64>,
}

impl Rated {
    fn say(&self, key: &String, cx: &mut Context<'_, String, i64>) -> Result<()> {
        let rate = cx.view(self.rate)?.get(&"rate".into()).copied().unwrap_or(1);
        let sum = cx.store(self.sums)?.get(key)?.copied().unwrap_or(0);
        cx.forward(key, &(sum * rate))
    }
}

impl Processor for Rated {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = i64;

    fn process(
        &mut self,
        number: Rec<'_, String, i64>,
        cx: &mut Context<'_, String, i64>,
    ) -> Result<()> {
        cx.store(self.sums)?.update(number.key, |sum| *sum += number.value)?;
        self.say(number.key, cx)
    }

    fn on_change(
        &mut self,
        _change: BroadcastChange<'_>,
        cx: &mut Context<'_, String, i64>,
    ) -> Result<()> {
        let mut keys: Vec<String> = Vec::new();
        cx.store(self.sums)?.scan_bytes(&[], None, |key, _| {
            keys.push(key.clone());
            true
        })?;
        keys.iter().try_for_each(|key| self.say(key, cx))
    }
}

#[test]
fn broadcasts_that_come_at_any_time_give_the_same_in_the_end() -> Result<()> {
    for seed in 0..30 {
        let builder = Builder::new("rated");
        let sums = builder.store("sums", Utf8, I64);
        let rate = builder.broadcast("rates", Utf8, I64);
        builder
            .stream("numbers", Utf8, I64)
            .process("rated", &[sums.into(), rate.into()], move || Rated { sums, rate })
            .to("out", Utf8, I64);
        let mut driver =
            Driver::of(builder.build()?).partitions(3).instances(2).shuffled(seed).start()?;
        let numbers = driver.input::<String, i64>("numbers", Utf8, I64);
        let rates = driver.input::<String, i64>("rates", Utf8, I64);
        driver.arm(FailPoint::BeforeCommit, seed as usize % 7);
        for round in 1..=10 {
            numbers.send(&format!("k{}", round % 3), &round, Timestamp(0))?;
            rates.send(&"rate".into(), &(round * 10), Timestamp(0))?;
            driver.step()?;
        }
        driver.settle()?;
        let out = driver.output("out", Utf8, I64).latest()?;
        assert_eq!(out, table("k0 1800 | k1 2200 | k2 1500"), "seed {seed}");
    }
    Ok(())
}

#[test]
fn however_short_the_rounds_every_task_hears_every_change_once_and_takes_its_records() -> Result<()>
{
    let driver = Driver::of(priced()?).partitions(3);
    // A round that is over at once: one task works, and one change or a few records is all it does.
    let mut driver = driver.config(|config| config.commit_interval = Duration::ZERO).start()?;
    let keys: Vec<_> = (0..20).map(|key| format!("key {key:02}")).collect();
    keys.iter().try_for_each(|key| price(&driver, key, Some(1)))?;
    driver.settle()?;
    for who in ["x", "y", "z"] {
        for key in &keys {
            driver.input("lines", Utf8, Utf8).send(&who.into(), key, at(0))?;
        }
    }
    driver.settle()?;
    let heard = |(who, mut told): (String, Vec<String>)| {
        told.sort();
        (who, told)
    };
    let told: BTreeMap<_, _> = told(&driver)?.into_iter().map(heard).collect();
    let changes: Vec<_> = keys.iter().map(|key| format!("{key} Some(1)")).collect();
    let tasks = (0..3).map(|task| (format!("task {task}"), changes.clone()));
    let answers = ["x", "y", "z"].map(|who| (who.to_owned(), vec!["Some(1)".to_owned(); 20]));
    assert_eq!(told, tasks.chain(answers).collect());
    Ok(())
}

#[test]
fn records_go_on_between_thousands_of_changes() -> Result<()> {
    let mut driver = Driver::of(priced()?).start()?;
    driver.settle()?;
    (0..1_500).try_for_each(|number| price(&driver, &format!("item {number}"), Some(1)))?;
    driver.input("lines", Utf8, Utf8).send(&"k".into(), &"item 0".to_owned(), at(0))?;
    driver.settle()?;
    let rows = driver.output::<String, String>("told", Utf8, Utf8).rows()?;
    let answer = rows.iter().position(|row| row.key.as_deref() == Some("k"));
    assert!(answer.is_some_and(|place| place <= 1_000), "{answer:?} of {}", rows.len());
    assert_eq!(rows.len(), 1_501);
    Ok(())
}

/// Says of each change of a price what it heard, but not while it is told to wait.
struct Late {
    prices: Broadcast<String, i64>,
    waits: Arc<AtomicBool>,
}

impl Processor for Late {
    type KeyIn = String;
    type ValueIn = String;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &mut self,
        _line: Rec<'_, String, String>,
        _cx: &mut Context<'_, String, String>,
    ) -> Result<()> {
        Ok(())
    }

    fn on_change(
        &mut self,
        change: BroadcastChange<'_>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<()> {
        if self.waits.load(Ordering::SeqCst) {
            return Err(Fault::Retry("told to wait".into()));
        }
        match change.of(self.prices) {
            Some(ChangedKey::Key(key)) => cx.forward(&"heard".into(), key),
            Some(ChangedKey::Resync) => cx.forward(&"heard".into(), &"everything".into()),
            None => Ok(()),
        }
    }
}

/// What waits as long as it is told to.
fn late(waits: &Arc<AtomicBool>) -> Result<Driver> {
    let builder = Builder::new("late");
    let prices = builder.broadcast("prices", Utf8, I64);
    let told = waits.clone();
    builder
        .stream("lines", Utf8, Utf8)
        .process("late", &[prices.into()], move || Late { prices, waits: told.clone() })
        .to("told", Utf8, Utf8);
    Driver::of(builder.build()?).start()
}

#[test]
fn a_task_that_lags_hears_which_key_was_removed_as_long_as_that_is_remembered() -> Result<()> {
    let waits: Arc<AtomicBool> = Arc::default();
    let mut driver = late(&waits)?;
    price(&driver, "a", Some(1))?;
    driver.settle()?;
    waits.store(true, Ordering::SeqCst);
    price(&driver, "a", None)?;
    (0..50).try_for_each(|_| driver.step().map(drop))?;
    waits.store(false, Ordering::SeqCst);
    driver.settle()?;
    assert_eq!(heard_in_order(&driver)?, ["a", "a"]);
    Ok(())
}

#[test]
fn a_task_that_lags_behind_what_is_remembered_is_told_to_look_at_everything() -> Result<()> {
    let waits: Arc<AtomicBool> = Arc::default();
    let mut driver = late(&waits)?;
    ["a", "b"].iter().try_for_each(|key| price(&driver, key, Some(1)))?;
    driver.settle()?;
    // Who has heard of a removal is told nothing when it is forgotten.
    price(&driver, "a", None)?;
    driver.settle()?;
    (0..2).for_each(|_| driver.forget_removed());
    driver.settle()?;
    waits.store(true, Ordering::SeqCst);
    price(&driver, "b", None)?;
    (0..50).try_for_each(|_| driver.step().map(drop))?;
    (0..2).for_each(|_| driver.forget_removed());
    waits.store(false, Ordering::SeqCst);
    driver.settle()?;
    assert_eq!(heard_in_order(&driver)?, ["a", "b", "a", "everything"]);
    Ok(())
}

fn heard_in_order(driver: &Driver) -> Result<Vec<String>> {
    Ok(told(driver)?.remove("heard").unwrap_or_default())
}

#[test]
fn a_round_that_is_over_ends_with_the_change_in_hand() -> Result<()> {
    let driver = Driver::of(priced()?).config(|config| config.commit_interval = Duration::ZERO);
    let mut driver = driver.start()?;
    driver.settle()?;
    (0..20).try_for_each(|number| price(&driver, &format!("item {number}"), Some(1)))?;
    let mut heard = vec![0];
    for _ in 0..60 {
        driver.step()?;
        heard.push(told(&driver)?.values().map(Vec::len).sum());
    }
    let in_a_round = heard.windows(2).map(|of| of[1] - of[0]).max();
    assert_eq!((in_a_round, heard.last()), (Some(1), Some(&20)), "{heard:?}");
    Ok(())
}

#[test]
fn a_task_that_has_heard_nothing_logs_nothing_but_the_name_of_its_log() -> Result<()> {
    let mut driver = Driver::of(priced()?).partitions(3).start()?;
    driver.settle()?;
    let log = driver.output::<Vec<u8>, Vec<u8>>("priced-priced-changelog", Bytes, Bytes);
    assert_eq!(log.rows()?.len(), 3);
    price(&driver, "tea", Some(3))?;
    driver.settle()?;
    assert_eq!(log.rows()?.len(), 6, "each has a cursor");
    Ok(())
}

#[test]
fn a_broadcast_that_ends_with_the_marker_of_a_transaction_is_known_whole() -> Result<()> {
    let mut driver = Driver::of(priced()?).start()?;
    let (mut out, mut value) = (Outgoing::default(), Vec::new());
    I64.encode(&3, &mut value);
    out.push(OutRecord {
        topic: TopicIndex(0),
        partition: 0,
        logged: false,
        timestamp: at(0),
        key: Some(b"tea"),
        value: Some(&value),
        headers: Headers::default(),
    });
    let topics = Arc::from([Topic::from("prices")]);
    let mut elsewhere = driver.broker().producer(Some("elsewhere"), topics).unwrap();
    elsewhere.init(Duration::ZERO).unwrap();
    elsewhere.begin().unwrap();
    elsewhere.send(&out).unwrap();
    elsewhere.commit().unwrap();
    driver.restart(0)?;
    driver.input("lines", Utf8, Utf8).send(&"k".to_owned(), &"tea".to_owned(), at(0))?;
    driver.settle()?;
    assert_eq!(told(&driver)?.get("k"), Some(&vec!["Some(3)".to_owned()]));
    Ok(())
}
