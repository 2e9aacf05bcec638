//! An application goes on under this version over what another one left: its topics, its positions, its state on disk.
//!
//! `tests/fixtures/upgrade/<version>` has what each released version left; its README says how it was captured.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod cluster;
#[path = "../feed/records.rs"]
mod records;
mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millstream::broker::embedded::Embedded;
use millstream::store::rocks::RocksStores;
use millstream::testing::{Driver, Setup};
use millstream::{Bytes, Counter, ManualClock, Result, Timestamp};
use schemas::{FeedBody, Wire};
use serde::{Deserialize, Serialize};
use topologies::feed::{Feed, FeedSettings, feed};

use cluster::Partition;
use world::{BEGAN, Log, SeenFeed};

const PARTITIONS: i32 = 2;
const STORES_BYTES: usize = 64 << 20;

/// What was so when it was left.
#[derive(Deserialize, Serialize)]
struct Left {
    now_ms: i64,
    feeds: Vec<SeenFeed>,
}

/// What one version left.
struct Fixture(PathBuf);

impl Fixture {
    fn all() -> Vec<Self> {
        let folder = fixtures();
        let found = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = found.filter(|path| path.is_dir()).map(Self).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert!(!found.is_empty(), "{}", folder.display());
        found
    }

    fn left(&self) -> Left {
        serde_json::from_slice(&fs::read(self.0.join("left.json")).unwrap()).unwrap()
    }

    /// A driver on its topics, not started.
    fn setup(&self, feed: &Feed) -> Setup {
        let clock = Arc::new(ManualClock::at(Timestamp(self.left().now_ms)));
        let broker = Embedded::new(clock.clone());
        let partitions: Vec<Partition> = cluster::read(&self.0.join("topics.jsonl.zst"));
        cluster::load(&broker, &partitions, feed.topology.app());
        assert!(cluster::dump(&broker, &feed.topology).iter().all(|of| partitions.contains(of)));
        Driver::of(feed.topology.clone()).partitions(PARTITIONS).on(clock, broker)
    }
}

fn fixtures() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    package.join("../tests/fixtures/upgrade")
}

fn today() -> Feed {
    feed(&FeedSettings::default()).unwrap()
}

/// On disk, as a worker has it.
fn on_disk(setup: Setup, folder: &Path) -> Result<Driver> {
    let folder = folder.to_owned();
    setup.stores(move |_| Arc::new(RocksStores::new(&folder, STORES_BYTES))).start()
}

/// The feeds are as they were, what was published is read, and what happens now is seen.
fn goes_on(mut driver: Driver, feed: &Feed, left: &Left) -> Result<()> {
    driver.settle()?;
    assert_eq!(driver.stopped_tasks(), []);
    assert_eq!(world::ranked(&driver, feed, left.now_ms), left.feeds);
    let published = driver.output::<Vec<u8>, Vec<u8>>("feeds", Bytes, Bytes).rows()?;
    assert!(!published.is_empty());
    for row in published {
        row.value.map(|value| FeedBody::decode(&value).unwrap());
    }
    assert!(
        driver.output::<Vec<u8>, Vec<u8>>(&driver.dead_letters(), Bytes, Bytes).rows()?.is_empty()
    );

    let mut log = Log::after(10_000, &mut driver);
    log.post(0x60, 2)?;
    log.like(6, 0x40)?;
    driver.advance(Duration::from_secs(5))?;
    let now = driver.now().0;
    let seen = world::ranked(&driver, feed, now).swap_remove(0);
    let likes = |post| seen.items.iter().find(|(of, _)| *of == post).map(|(_, counts)| counts[0]);
    let before =
        left.feeds[0].items.iter().find(|(of, _)| *of == 0x40).map(|(_, counts)| counts[0]);
    assert_eq!((likes(0x60), likes(0x40)), (Some(0), before.map(|likes| likes + 1)), "{seen:?}");
    Ok(())
}

#[test]
fn state_that_a_released_version_left_on_disk_is_gone_on_with() -> Result<()> {
    for fixture in Fixture::all() {
        let (feed, folder) = (today(), tempfile::tempdir().unwrap());
        cluster::unpack(&fixture.0.join("state.jsonl.zst"), folder.path());
        let mut driver = on_disk(fixture.setup(&feed), folder.path())?;
        driver.settle()?;
        assert_eq!(driver.counted(Counter::Restored), 0, "it is read from the disk");
        goes_on(driver, &feed, &fixture.left())?;
    }
    Ok(())
}

#[test]
fn state_is_restored_from_the_changelogs_of_a_released_version() -> Result<()> {
    for fixture in Fixture::all() {
        let feed = today();
        let mut driver = fixture.setup(&feed).start()?;
        driver.settle()?;
        assert!(driver.counted(Counter::Restored) > 0);
        goes_on(driver, &feed, &fixture.left())?;
    }
    Ok(())
}

#[test]
#[ignore = "captures what this version leaves, into the folder that FEEDMILL_CAPTURE names"]
fn this_version_leaves_what_a_later_one_must_read() -> Result<()> {
    let folder = PathBuf::from(std::env::var_os("FEEDMILL_CAPTURE").expect("FEEDMILL_CAPTURE"));
    fs::create_dir_all(&folder).unwrap();
    let (feed, state) = (today(), tempfile::tempdir().unwrap());
    let setup = Driver::of(feed.topology.clone()).partitions(PARTITIONS).began(Timestamp(BEGAN));
    let mut driver = on_disk(setup, state.path())?;
    Log::after(0, &mut driver).live()?;
    let now_ms = driver.now().0;
    let left = Left { now_ms, feeds: world::ranked(&driver, &feed, now_ms) };
    let broker = driver.broker().clone();
    driver.kill(0);
    cluster::write(&folder.join("topics.jsonl.zst"), &cluster::dump(&broker, &feed.topology));
    cluster::pack(state.path(), &folder.join("state.jsonl.zst"));
    fs::write(folder.join("left.json"), serde_json::to_string_pretty(&left).unwrap() + "\n")
        .unwrap();
    Ok(())
}
