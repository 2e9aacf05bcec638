//! State is rebuilt beside the live one, takes its place, gives it back and is removed, while feeds are read.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use millstream::broker::Broker;
use millstream::broker::kafka::{Kafka, KafkaSettings};
use schemas::RedisValue;
use serde_json::Value;
use tests::{Process, poll_until};
use uuid::Uuid;
use worlds::world::{Size, World as Generated};

use crate::curl::curl;
use crate::world::{LONG, World};

const SIZE: Size = Size { users: 300, follows: 5_000, posts: 1_000, events: 40_000 };
const SMALL: Size = Size { users: 60, follows: 600, posts: 120, events: 1_000 };
/// A slow machine is no reason for a read to fail.
const PATIENT: &[(&str, &str)] = &[("STATE__WAIT_MS", "3000"), ("REDIS__WAIT_MS", "1000")];
const REBUILT: &str = "feedmill-replay-1";

/// Loads, or verifies, the world of this size that ended at `until`.
fn load(world: &World, (size, until): (Size, u64), more: &[&str]) {
    let Size { users, follows, posts, events } = size;
    let until = until.to_string();
    let numbers = [users, follows, posts, events].map(|number| number.to_string());
    let names = ["--users", "--follows", "--posts", "--events"];
    let size = names.into_iter().zip(&numbers).flat_map(|(name, number)| [name, number]);
    let asked = ["load", "--verify", "20", "--until", &until].into_iter();
    let words: Vec<&str> = asked.chain(size).chain(more.iter().copied()).collect();
    let (equal, said) = world.run(&words);
    assert!(equal && said.contains("20 readers have the feeds that brute force expects"), "{said}");
}

/// Reads feeds, and why a post stands in them, which only state knows, until it is dropped.
struct Reading {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    thread: Option<thread::JoinHandle<Failed>>,
}

/// The reads that failed, by what was read.
#[derive(Debug, Default)]
struct Failed {
    feeds: Vec<String>,
    reasons: Vec<String>,
}

impl Reading {
    fn start(world: &World, readers: &[String]) -> Self {
        let (stop, made) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let asked = readers.iter().map(|reader| {
            let post = world.feed(reader).first().id().to_owned();
            (world.feed_url(), world.token(reader), post)
        });
        let asked: Vec<_> = asked.collect();
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&made));
        let thread = thread::spawn(move || {
            let mut failed = Failed::default();
            while !stopped.load(Ordering::Relaxed) {
                for (url, token, post) in &asked {
                    let (status, feed) = curl(&[url], Some(token), None);
                    if status != 200 || feed["fallback"] != false {
                        let at = count.load(Ordering::Relaxed);
                        failed.feeds.push(format!("read {at}: {status} {feed}"));
                    }
                    let (status, why) =
                        curl(&[&format!("{url}/explain/{post}")], Some(token), None);
                    if status != 200 {
                        let at = count.load(Ordering::Relaxed);
                        failed.reasons.push(format!("read {at}: {status} {why}"));
                    }
                    count.fetch_add(2, Ordering::Relaxed);
                }
            }
            failed
        });
        Self { stop, made, thread: Some(thread) }
    }

    fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Waits until so many more were made.
    fn go_on(&self, more: u64) {
        let until = self.made() + more;
        poll_until(LONG, || (self.made() >= until).then_some(())).expect("nobody reads");
    }

    /// The reads that failed.
    fn stop(&mut self) -> Failed {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn status(world: &World) -> Value {
    let (code, told, complained) = world.ended(&["replay", "status", "--json"]);
    assert_eq!(code, Some(0), "{complained}");
    serde_json::from_str(&told).unwrap()
}

/// How many records a rebuild has told to be done, and of how many, last.
fn told(log: &str) -> Option<(u64, u64)> {
    let line = log.lines().rev().find(|line| line.contains(" records, "))?;
    let mut words = line.strip_prefix("replay: ")?.split(' ');
    Some((words.next()?.parse().ok()?, words.nth(1)?.parse().ok()?))
}

/// Starts a rebuild, or goes on with it, with a state directory of its own.
fn start(world: &World) -> Process {
    let mut command = world.command(&["replay", "start", "--readers", "60"]);
    command.env("FEEDMILL_WORKER__STATE_DIR", "state-replay");
    command.env("FEEDMILL_HTTP__INTERNAL_LISTEN", "127.0.0.1:0");
    Process::spawn(&mut command, world.dir.path().join("replay.log")).unwrap()
}

/// Kills a rebuild half-way, and begins it again.
fn killed_half_way(world: &World) -> Process {
    let mut first = start(world);
    let half_way = || {
        let (done, all) = told(&first.output().unwrap())?;
        (done >= all / 4 && done < all).then_some(done)
    };
    let found = poll_until(LONG, half_way);
    let done = found.unwrap_or_else(|late| panic!("{late}: {}", first.output().unwrap()));
    first.kill().unwrap();
    let before = first.output().unwrap().len();
    let again = start(world);
    let goes_on = || told(again.output().unwrap().get(before..)?).map(|(done, _)| done);
    let went_on = poll_until(LONG, goes_on).expect("it does not go on");
    assert!(went_on >= done, "it went on at {went_on}, after {done}");
    again
}

fn is_live(world: &World, reading: &Reading, (app, epoch): (&str, u64)) {
    eprintln!("{app} is live after {} reads", reading.made());
    let now = status(world);
    assert_eq!((now["live"].as_str(), now["epoch"].as_u64()), (Some(app), Some(epoch)), "{now}");
}

/// Waits until Redis has the reader's feed under this epoch.
fn is_pushed(world: &World, reader: &str, epoch: u32) {
    world.poll("the live application pushes its feeds", || {
        let value = world.redis_value(&format!("feed:v1:{reader}"));
        (RedisValue::decode(&value).ok()?.version.feeds_epoch == epoch).then_some(())
    });
}

/// Some readers who have feeds: who is gone has none.
fn readers(world: &World, size: Size, until: u64) -> Vec<String> {
    let generated = Generated { seed: 7, size, days: 7, until: until as i64 };
    let readers = generated.readers(20).into_iter();
    let readers = readers.map(|reader| Uuid::from_bytes(reader).to_string());
    readers.filter(|of| !world.feed(of).is_empty()).take(4).collect()
}

fn is_found_equal(world: &World, replay: &Process) {
    let equal = || {
        let checked = status(world)["beside"]["checked"].clone();
        (checked["differ"] == 0 && checked["readers"].as_u64() > Some(20)).then_some(())
    };
    let found = poll_until(Duration::from_secs(300), equal);
    found.unwrap_or_else(|late| panic!("{late}: {}", replay.output().unwrap()));
}

/// The topics whose names begin so, and the members of the group of this name.
fn left(world: &World, names: &[&str], group: &str) -> (Vec<String>, usize) {
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let mut admin = kafka.admin().unwrap();
    let topics = admin.topics().unwrap().into_iter().map(|topic| topic.to_string());
    let its = topics.filter(|topic| names.iter().any(|name| topic.starts_with(name)));
    (its.collect(), admin.members(group).unwrap())
}

#[test]
fn a_rebuild_that_was_killed_goes_on_takes_over_gives_back_and_leaves_nothing_while_feeds_are_read()
{
    let world = World::with(PATIENT);
    let until = world.now_ms();
    load(&world, (SIZE, until), &[]);
    let readers = readers(&world, SIZE, until);
    let mut reading = Reading::start(&world, &readers);

    let mut replay = killed_half_way(&world);
    is_found_equal(&world, &replay);
    let (code, _, words) = world.ended(&["replay", "back"]);
    assert_eq!(code, Some(5), "{words}");

    let (is_done, said) = world.run(&["replay", "switch"]);
    assert!(is_done, "{said}");
    is_live(&world, &reading, (REBUILT, 1));
    readers.iter().for_each(|reader| is_pushed(&world, reader, 1));
    load(&world, (SIZE, until), &["--verify-only"]);
    // Nobody asks the former any more.
    reading.go_on(8);
    eprintln!("the former is stopped after {} reads", reading.made());
    world.stop_worker(0);
    reading.go_on(40);
    world.start_worker(0);
    world.poll("the former is ready to be live again", || {
        (world.component_of_worker(0, "engine")["up"] == true).then_some(())
    });

    let (is_done, said) = world.run(&["replay", "back"]);
    assert!(is_done, "{said}");
    is_live(&world, &reading, ("feedmill", 2));
    readers.iter().for_each(|reader| is_pushed(&world, reader, 2));
    reading.go_on(40);

    let (is_done, said) = world.run(&["replay", "abort"]);
    assert!(is_done, "{said}");
    assert!(replay.wait(LONG).unwrap().success(), "{}", replay.output().unwrap());
    assert_eq!(left(&world, &[REBUILT], REBUILT), (Vec::new(), 0));
    let state = world.dir.path().join("state-replay/replays");
    assert_eq!(fs::read_dir(state).unwrap().count(), 0);
    assert_eq!(status(&world)["beside"], Value::Null);
    reading.go_on(20);
    let (made, Failed { feeds, reasons }) = (reading.made(), reading.stop());
    let failed = [feeds, reasons].concat();
    assert!(failed.is_empty(), "{} of {made} reads failed: {failed:#?}", failed.len());
    eprintln!("{made} reads, none failed");
}

/// ClickHouse gets what the rebuilt application publishes as newer than all before, and no event twice.
fn is_pushed_to_clickhouse(world: &World, events: &str) {
    let is_so = |question: &str| world.ask_clickhouse(question) == "1";
    world.poll("feeds and lines of the rebuilt application are in ClickHouse", || {
        let feeds = is_so("SELECT count() > 0 FROM feeds WHERE feeds_epoch = 1");
        let lines = is_so("SELECT count() > 0 FROM post_lines WHERE version >= 1099511627776");
        (feeds && lines).then_some(())
    });
    assert_eq!(world.ask_clickhouse("SELECT count() FROM events"), events);
}

#[test]
fn the_workers_of_the_former_application_move_to_the_one_that_is_kept_and_nothing_of_it_stays() {
    let world = World::with_clickhouse(PATIENT);
    let until = world.now_ms();
    load(&world, (SMALL, until), &[]);
    let readers = readers(&world, SMALL, until);
    let mut replay = start(&world);
    is_found_equal(&world, &replay);
    let events = world.ask_clickhouse("SELECT count() FROM events");
    let (is_done, said) = world.run(&["replay", "switch"]);
    assert!(is_done, "{said}");
    is_pushed_to_clickhouse(&world, &events);
    let mut reading = Reading::start(&world, &readers);
    let (is_done, said) = world.run(&["replay", "keep"]);
    assert!(is_done, "{said}");
    let (topics, members) = left(&world, &["by-", "feeds", "feedmill-reader"], "feedmill");
    assert_eq!((topics, members), (Vec::new(), 0));
    world
        .poll("the worker runs what is kept", || (left(&world, &[], REBUILT).1 == 2).then_some(()));
    reading.go_on(40);
    assert!(!world.dir.path().join("state-0/feedmill").exists());
    // While tasks move, as whenever a worker joins, what only state knows may wait for its new owner.
    assert_eq!(reading.stop().feeds, [""; 0]);
    // It alone ranks from here on, also after a restart.
    replay.terminate().unwrap();
    assert!(replay.wait(LONG).unwrap().success(), "{}", replay.output().unwrap());
    world.stop_worker(0);
    world.start_worker(0);
    load(&world, (SMALL, until), &["--verify-only"]);
    let left_by_start = world.dir.path().join("state-replay/replays");
    assert_eq!(fs::read_dir(&left_by_start).unwrap().count(), 0);

    // There is a way back in the second rebuild too: the worker stays with what was kept.
    let mut replay = start(&world);
    is_found_equal(&world, &replay);
    for (verb, live, epoch) in [("switch", "feedmill-replay-2", 2), ("back", REBUILT, 3)] {
        let (is_done, said) = world.run(&["replay", verb]);
        assert!(is_done, "{verb}: {said}");
        let now = status(&world);
        assert_eq!((now["live"].as_str(), now["epoch"].as_u64()), (Some(live), Some(epoch)));
    }
    let (is_done, said) = world.run(&["replay", "abort"]);
    assert!(is_done, "{said}");
    assert!(replay.wait(LONG).unwrap().success(), "{}", replay.output().unwrap());
    assert_eq!(fs::read_dir(left_by_start).unwrap().count(), 0);
    assert!(!world.dir.path().join("state-0/feedmill-replay-2").exists());
    load(&world, (SMALL, until), &["--verify-only"]);
}
