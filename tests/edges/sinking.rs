//! The sink's loop, from a topic to Redis: an outage holds it up and loses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use connectors::redis::{FeedCache, Progress, Sink, Sinking, run};
use millstream::broker::embedded::Embedded;
use millstream::broker::{
    Broker, Cleanup, OutRecord, Outgoing, TopicIndex, TopicSpec, headers, partition_of,
};
use millstream::{Header, Headers, SystemClock, Timestamp, Topic};
use schemas::topic::FEEDS;
use schemas::{FEEDS_EPOCH, FeedBody, FeedVersion, UserId, VERSION, Wire};
use tests::{Part, Stack, poll_until};
use tokio::runtime::Runtime;

const WAIT: Duration = Duration::from_secs(30);

fn publish(broker: &Embedded, user: u8, version: u64) {
    let version = FeedVersion { feeds_epoch: 0, version };
    let (epoch, sequence) = (version.epoch_header(), version.version_header());
    let encoded = headers(&[
        Header { name: FEEDS_EPOCH, value: Some(&epoch) },
        Header { name: VERSION, value: Some(&sequence) },
    ]);
    let body = FeedBody::default().to_bytes();
    let mut out = Outgoing::default();
    out.push(OutRecord {
        topic: TopicIndex(0),
        partition: partition_of(&[user; 16], 3),
        logged: false,
        timestamp: Timestamp(1),
        key: Some(&[user; 16]),
        value: Some(&body),
        headers: Headers::from_bytes(&encoded),
    });
    let mut producer = broker.producer(None, Arc::from([Topic::from(FEEDS.name)])).unwrap();
    producer.send(&out).unwrap();
    producer.flush(WAIT).unwrap();
}

/// Ends the sink also when a test fails: its thread would be waited for, for ever.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A cluster, and the name of the feeds' topic on it.
fn cluster() -> (Embedded, Topic) {
    let broker = Embedded::new(Arc::new(SystemClock));
    let name = Topic::from(FEEDS.name);
    let spec = TopicSpec { name: name.clone(), partitions: 3, cleanup: Cleanup::Compact };
    broker.admin().unwrap().create(&[spec]).unwrap();
    (broker, name)
}

/// A sink of that topic into the Redis at `url`; inside a Tokio runtime.
fn sinking<'a>(
    (broker, name): (&Embedded, Topic),
    url: &str,
    (progress, stop): (&'a Progress, &'a AtomicBool),
) -> Sinking<'a> {
    let consumer = broker.group_consumer("feedmill-redis", None, &[name]).unwrap();
    Sinking { consumer, sink: Sink::open(url).unwrap(), epoch: 0, progress, stop, tracer: None }
}

#[test]
fn what_is_published_during_an_outage_is_in_redis_after_it() {
    let mut stack = Stack::of(&[Part::Redis]).start().unwrap();
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    let (broker, name) = cluster();
    let (stop, progress) = (AtomicBool::new(false), Progress::default());
    let cache = FeedCache::open(stack.redis(), WAIT).unwrap();
    let version_of = |user: u8| {
        let feed = runtime.block_on(cache.feed(UserId([user; 16])));
        feed.ok().flatten().map(|feed| feed.version.version)
    };
    thread::scope(|scope| {
        let stopping = Stopping(&stop);
        let sinking = sinking((&broker, name), stack.redis(), (&progress, &stop));
        let running = scope.spawn(|| run(sinking, runtime.handle()));
        for user in 0..20 {
            publish(&broker, user, 1);
        }
        poll_until(WAIT, || (version_of(19) == Some(1)).then_some(())).unwrap();
        stack.kill(Part::Redis).unwrap();
        for user in 0..20 {
            publish(&broker, user, 2);
        }
        poll_until(WAIT, || progress.fault().map(drop)).unwrap();
        stack.start(Part::Redis).unwrap();
        for user in 0..20 {
            poll_until(WAIT, || (version_of(user) == Some(2)).then_some(())).unwrap();
        }
        drop(stopping);
        assert_eq!(running.join().unwrap(), Ok(()));
    });
    assert_eq!(progress.foreign.load(Ordering::Relaxed), 0);
}

#[test]
fn while_redis_refuses_its_words_are_told_and_what_waits_is_there_once_it_takes_it() {
    let stack = Stack::of(&[Part::Redis]).start().unwrap();
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    let (broker, name) = cluster();
    let mut owner = ::redis::Client::open(stack.redis()).unwrap().get_connection().unwrap();
    let mut password = |word: &str| {
        let mut command = ::redis::cmd("CONFIG");
        command.arg("SET").arg("requirepass").arg(word).exec(&mut owner).unwrap();
    };
    let (stop, progress) = (AtomicBool::new(false), Progress::default());
    password("open sesame");
    thread::scope(|scope| {
        let stopping = Stopping(&stop);
        let sinking = sinking((&broker, name), stack.redis(), (&progress, &stop));
        let running = scope.spawn(|| run(sinking, runtime.handle()));
        publish(&broker, 1, 1);
        let fault = poll_until(WAIT, || progress.fault()).unwrap();
        assert!(fault.starts_with("redis refuses: ") && fault.contains("NOAUTH"), "{fault}");
        password("");
        let written = || (progress.written.load(Ordering::Relaxed) == 1).then_some(());
        poll_until(WAIT, written).unwrap();
        drop(stopping);
        assert_eq!(running.join().unwrap(), Ok(()));
    });
    assert_eq!(progress.fault(), None);
}
