//! The feed on the engine: worlds as records in topics, bodies as records in `feeds`.
//!
//! A run is made by its seed: how the input is cut, when a process crashes, how broadcasts are delayed.
//! At rest, ten minutes after the last record, every reader had a time of the refresh grid. In runs that hold there
//! is no grid: what changed alone must bring about the feeds, at once for readers who are online, and at their next
//! read for the others. So everybody reads before the feeds are judged.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use millstream::testing::Driver;
use millstream::{Bytes, FailPoint, Result, Timestamp};
use schemas::{FeedBody, UserId, WeightsVersion, Wire};
use topologies::feed::{FeedSettings, feed};
use topologies::ranking::{Policies, Policy, weights_file};

use crate::avro::{Format, Schemas, in_format};
use crate::comparison::assert_feed_equals;
use crate::records::{Record, record};
use crate::small_worlds::{self, Random};
use worlds::history::{Id, Input, Payload};
use worlds::oracle::{Oracle, grid_time};

/// How a world is run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub seed: u64,
    pub users: usize,
    pub steps: usize,
    pub partitions: i32,
    pub instances: usize,
    pub crashes: bool,
    pub shuffled: bool,
    /// Whether the topics come with other delays between them.
    pub delayed: bool,
    /// Whether there is no refresh grid, so that nothing but what changed has a reader ranked.
    pub holds: bool,
    pub format: Format,
    /// Whether everybody is ranked by all arms at once, which brute force knows nothing of.
    pub arms: bool,
}

/// Sends a record, at its time.
pub fn send(driver: &Driver, record: &Record, at: i64) -> Result<()> {
    let input = driver.input::<Vec<u8>, Vec<u8>>(record.topic, Bytes, Bytes);
    input.send_raw(record.key.as_deref(), Some(&record.value), Timestamp(at))
}

/// The last value of every key of `feeds`; none is a null.
pub fn feeds(driver: &Driver) -> Result<BTreeMap<Id, Option<FeedBody>>> {
    let output = driver.output::<Vec<u8>, Vec<u8>>("feeds", Bytes, Bytes);
    let mut feeds = BTreeMap::new();
    for row in output.rows()? {
        let key: Id = row.key.unwrap().try_into().unwrap();
        feeds.insert(key, row.value.map(|value| FeedBody::decode(&value).unwrap()));
    }
    Ok(feeds)
}

/// Goes on until every active reader was ranked at a time of the grid after everything was quiet.
pub fn rest(driver: &mut Driver) -> Result<()> {
    quiesce(driver)?;
    driver.advance(Duration::from_secs(600))
}

/// Goes on until no line is unsent and no part of what trends is on its way: a minute for the line, two seconds for
/// the part that it moves, two for the lists.
pub fn quiesce(driver: &mut Driver) -> Result<()> {
    driver.settle()?;
    [70, 2, 2].into_iter().try_for_each(|secs| driver.advance(Duration::from_secs(secs)))
}

/// Goes on until no line is unsent, has everybody read, and adds what they did to the history. Another list of what
/// trends touches everybody ten seconds after the one before, and ranks them within a second.
fn read(driver: &mut Driver, history: &mut Vec<Input>, run: Run) -> Result<()> {
    quiesce(driver)?;
    for user in Oracle::of(history).readers() {
        let input = Input { arrived: driver.now().0, payload: Payload::Read { user } };
        let number = history.len();
        let record = in_format(record(&input, number), run.format, number);
        send(driver, &record, input.arrived)?;
        history.push(input);
    }
    driver.settle()?;
    driver.advance(Duration::from_secs(20))?;
    driver.advance(Duration::from_secs(2))
}

/// Runs a world to rest and compares every reader's feed with the oracle's, then again after each of its last
/// records; gives the feeds.
pub fn check(run: Run) -> Result<BTreeMap<Id, Option<FeedBody>>> {
    let history = world(run);
    let last = history.len() - ALONE.min(history.len());
    let mut driver = played(&history, last, run)?;
    let mut known = history[..last].to_vec();
    for number in last..history.len() {
        play(&mut driver, &history, number..number + 1, run.format)?;
        known.push(history[number].clone());
        judge(&mut driver, &mut known, run)?;
    }
    let ahead = Timestamp(small_worlds::END).since(driver.now());
    driver.advance(ahead)?;
    judge(&mut driver, &mut known, run)?;
    feeds(&driver)
}

/// Runs a world to rest, compares every reader's feed with the oracle's, and gives the values of `feeds` as they are. A
/// null is no value: compaction takes it away, and a reader who came and went unseen never had one.
pub fn at_rest(run: Run) -> Result<BTreeMap<Id, Vec<u8>>> {
    let history = world(run);
    let mut driver = played(&history, history.len(), run)?;
    driver.advance(Timestamp(small_worlds::END).since(driver.now()))?;
    quiesce(&mut driver)?;
    driver.advance(Timestamp(quiet_moment(&history)).since(driver.now()))?;
    await_settled(&mut driver)?;
    if !run.arms {
        compare(&driver, &history, run)?;
    }
    let output = driver.output::<Vec<u8>, Vec<u8>>("feeds", Bytes, Bytes);
    let rows = output.rows()?.into_iter();
    let last: BTreeMap<Id, _> =
        rows.map(|row| (row.key.unwrap().try_into().unwrap(), row.value)).collect();
    Ok(last.into_iter().filter_map(|(reader, value)| Some((reader, value?))).collect())
}

/// Goes on until every process says that it has done all that it owes: at rest it must, soon.
fn await_settled(driver: &mut Driver) -> Result<()> {
    for _ in 0..20 {
        if driver.is_settled() {
            return Ok(());
        }
        driver.advance(Duration::from_millis(150))?;
        driver.step()?;
    }
    panic!("a process owes something at rest")
}

/// The input of a run, in the order in which it arrives.
fn world(run: Run) -> Vec<Input> {
    let straight = small_worlds::world(run.seed, run.users, run.steps);
    match run.delayed {
        true => small_worlds::delayed(&straight, run.seed),
        false => straight,
    }
}

/// Plays the records before `last`, some at a time, and has a process crash in the midst of most parts if the run asks for it.
fn played(history: &[Input], last: usize, run: Run) -> Result<Driver> {
    let (mut driver, mut random) = (start(history, run)?, Random::of(run.seed ^ 0x5eed));
    let mut number = 0;
    while number < last {
        let end = last.min(number + 1 + random.below(history.len() / 4 + 1));
        play(&mut driver, history, number..end, run.format)?;
        if run.crashes && random.below(3) > 0 {
            let point = FailPoint::ALL[random.below(FailPoint::ALL.len())];
            driver.arm(point, random.below(6));
        }
        driver.settle()?;
        number = end;
    }
    Ok(driver)
}

/// A time after every reader's next grid time, and a while before any other: runs take unlike times to settle, by the
/// rounds they need, and must not differ by that.
fn quiet_moment(history: &[Input]) -> i64 {
    const ROUNDS_MS: i64 = 10_000;
    let readers = Oracle::of(history).readers();
    let mut moment = small_worlds::END + 12 * 60_000;
    while readers.iter().any(|reader| grid_time(*reader, moment + ROUNDS_MS) > moment) {
        moment += 1_000;
    }
    moment
}

fn judge(driver: &mut Driver, history: &mut Vec<Input>, run: Run) -> Result<()> {
    match run.holds {
        true => read(driver, history, run)?,
        false => rest(driver)?,
    }
    compare(driver, history, run)
}

/// So many records come alone at the end, so that nothing but each of them brings about what it must.
const ALONE: usize = 8;

fn compare(driver: &Driver, history: &[Input], run: Run) -> Result<()> {
    let (found, now) = (feeds(driver)?, driver.now().0);
    let oracle = match run.holds {
        true => Oracle::of(history).with_list_at(now),
        false => Oracle::of(history),
    };
    for reader in oracle.readers() {
        let after = history.len();
        let whose = format!("{run:?}, reader {}, after {after} records", UserId(reader));
        let body = found.get(&reader).cloned().flatten();
        let as_of = body.as_ref().map_or(now, |body| body.as_of_ms);
        match (body, oracle.feed(reader, as_of, now)) {
            (Some(body), Some(expected)) => assert_feed_equals(&whose, &body, &expected),
            (None, None) => {}
            (found, expected) => panic!("{whose}: found {found:?}, expected {expected:?}"),
        }
    }
    Ok(())
}

fn start(history: &[Input], run: Run) -> Result<Driver> {
    let mut settings =
        FeedSettings { schemas: Arc::<Schemas>::default(), ..FeedSettings::default() };
    settings.remembers_shown = run.arms;
    if run.holds {
        settings.weights.limits.grid_ms = 1 << 40;
    }
    // A record that comes late must not come before its time.
    let began = match run.delayed {
        true => small_worlds::END,
        false => history.first().map_or(small_worlds::END, |first| first.arrived),
    };
    let setup = Driver::of(feed(&settings)?.topology)
        .partitions(run.partitions)
        .instances(run.instances)
        .began(Timestamp(began));
    let driver = match run.shuffled {
        true => setup.shuffled(run.seed).start(),
        false => setup.start(),
    }?;
    if run.arms {
        put(&driver, &Policy { version: 1, ..read_weights(ALL_ARMS) })?;
    }
    Ok(driver)
}

/// A set with every arm, for everybody.
pub const ALL_ARMS: &str = r#"
default = "all"
[sets.all]
id = 2
arms.smoothing.exposures = 20
arms.normalised_affinity = true
arms.trending_quota.every = 4
arms.explore = { every = 5, age_ms_max = 604800000, exposures_max = 1000 }
arms.author_memory = { decay = 0.9 }
arms.kinds = {}
arms.unseen = {}
"#;

/// What a file of weight sets says.
pub fn read_weights(text: &str) -> Policy {
    weights_file::read(text, &Policies::default()).unwrap()
}

/// Puts a version of weight sets into force.
pub fn put(driver: &Driver, policy: &Policy) -> Result<()> {
    let weights = driver.input::<Vec<u8>, Vec<u8>>("weights", Bytes, Bytes);
    let key = WeightsVersion(policy.version).to_bytes();
    weights.send_raw(Some(&key), Some(&policy.to_bytes()), driver.now())
}

/// Sends some of the records, when the last of them arrives.
fn play(
    driver: &mut Driver,
    history: &[Input],
    numbers: Range<usize>,
    format: Format,
) -> Result<()> {
    for number in numbers {
        let Some(input) = history.get(number) else { return Ok(()) };
        driver.advance_clock(Timestamp(input.arrived).since(driver.now()));
        send(driver, &in_format(record(input, number), format, number), input.arrived)?;
    }
    Ok(())
}
