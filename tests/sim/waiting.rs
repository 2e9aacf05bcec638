//! Records that cannot be decoded yet: they wait, their partitions with them, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream::broker::partition_of;
use millstream::testing::Driver;
use millstream::{Builder, Counter, FailPoint, Fault, Result, Serde, Topology, Utf8};

use crate::world::{at, dead_letters};

/// How long a partition is passed over before its next record is tried again.
const HELD: Duration = Duration::from_millis(250);

/// Text, of which what begins with `locked` is decoded only once the key is there.
#[derive(Clone)]
struct Locked(Arc<AtomicBool>);

impl Serde<String> for Locked {
    fn encode(&self, value: &String, out: &mut Vec<u8>) {
        Utf8.encode(value, out);
    }

    fn decode(&self, bytes: &[u8], version: u8, slot: &mut Option<String>) -> Result<()> {
        if bytes.starts_with(b"locked") && !self.0.load(Ordering::SeqCst) {
            return Err(Fault::Retry("the key is away".into()));
        }
        Utf8.decode(bytes, version, slot)
    }
}

/// Hands two topics on, of which lines may be locked.
fn relay(key: &Arc<AtomicBool>) -> Result<Topology> {
    let builder = Builder::new("relay");
    let lines = builder.stream("lines", Utf8, Locked(Arc::clone(key)));
    let plain = builder.stream("plain", Utf8, Utf8);
    lines.merge(&plain).filter("all", |_| true).to("told", Utf8, Utf8);
    Ok(builder.build()?)
}

fn world(partitions: i32) -> Result<(Arc<AtomicBool>, Driver)> {
    let key = Arc::new(AtomicBool::new(false));
    let driver = Driver::of(relay(&key)?).partitions(partitions).start()?;
    Ok((key, driver))
}

fn send(driver: &Driver, topic: &str, who: &str, line: &str) -> Result<()> {
    driver.input::<String, String>(topic, Utf8, Utf8).send(&who.into(), &line.into(), at(0))
}

fn told(driver: &Driver) -> Result<Vec<String>> {
    let rows = driver.output::<String, String>("told", Utf8, Utf8).rows()?;
    Ok(rows.into_iter().filter_map(|row| row.value).collect())
}

/// Lets the partitions be tried again that wait.
fn try_again(driver: &mut Driver) -> Result<()> {
    driver.advance_clock(HELD);
    driver.settle()
}

#[test]
fn what_cannot_be_decoded_yet_waits_with_its_partition_and_the_others_go_on() -> Result<()> {
    let (key, mut driver) = world(2)?;
    send(&driver, "lines", "a", "locked first")?;
    for who in ["a", "b", "c", "d", "e"] {
        send(&driver, "lines", who, who)?;
    }
    let waits = |who: &str| partition_of(who.as_bytes(), 2) == partition_of(b"a", 2);
    let (late, early): (Vec<_>, Vec<_>) =
        ["a", "b", "c", "d", "e"].into_iter().partition(|who| waits(who));
    driver.settle()?;
    for _ in 0..3 {
        try_again(&mut driver)?;
        assert_eq!(told(&driver)?, early);
        assert_eq!(driver.waiting_partitions(), 1);
    }
    assert_eq!((driver.counted(Counter::Aborts), dead_letters(&driver)?.len()), (0, 0));
    key.store(true, Ordering::SeqCst);
    try_again(&mut driver)?;
    let whole: Vec<_> =
        told(&driver)?.into_iter().filter(|line| !early.contains(&&**line)).collect();
    assert_eq!(whole, [vec!["locked first"], late].concat());
    assert_eq!(driver.waiting_partitions(), 0);
    Ok(())
}

#[test]
fn nothing_is_settled_while_a_record_waits_though_nothing_lags_yet() -> Result<()> {
    let (key, mut driver) = world(1)?;
    for line in ["open", "locked"] {
        send(&driver, "lines", "a", line)?;
        try_again(&mut driver)?;
        assert!(!driver.lag(0).is_lagging());
        assert_eq!(driver.is_settled(), line == "open");
    }
    key.store(true, Ordering::SeqCst);
    try_again(&mut driver)?;
    assert!(driver.is_settled());
    Ok(())
}

#[test]
fn another_source_of_the_same_task_is_not_held_up() -> Result<()> {
    let (key, mut driver) = world(1)?;
    send(&driver, "lines", "a", "locked")?;
    send(&driver, "plain", "a", "one")?;
    driver.settle()?;
    send(&driver, "plain", "a", "two")?;
    driver.settle()?;
    assert_eq!(told(&driver)?, ["one", "two"]);
    key.store(true, Ordering::SeqCst);
    driver.settle()?;
    assert_eq!(told(&driver)?.len(), 2, "its time has not come");
    try_again(&mut driver)?;
    assert_eq!(told(&driver)?, ["one", "two", "locked"]);
    Ok(())
}

#[test]
fn a_record_that_waited_through_a_crash_is_processed_once() -> Result<()> {
    let (key, mut driver) = world(1)?;
    send(&driver, "plain", "a", "one")?;
    send(&driver, "lines", "a", "locked")?;
    send(&driver, "lines", "a", "after")?;
    driver.settle()?;
    driver.restart(0)?;
    driver.settle()?;
    assert_eq!(told(&driver)?, ["one"]);
    key.store(true, Ordering::SeqCst);
    driver.arm(FailPoint::BeforeCommit, 0);
    try_again(&mut driver)?;
    assert_eq!(told(&driver)?, ["one", "locked", "after"]);
    assert_eq!(driver.crashes(), 1);
    Ok(())
}
