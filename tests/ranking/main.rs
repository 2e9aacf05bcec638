//! The ranking by ClickHouse is the ranking: generated worlds go through the feed's topology on the engine, what it reads and
//! writes goes through the sink into a real ClickHouse, and what that ranks is what brute force expects.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../feed/comparison.rs"]
mod comparison;
#[path = "../feed/records.rs"]
mod records;
#[path = "../feed/small_worlds.rs"]
#[allow(dead_code, reason = "worlds are not delayed here")]
mod small_worlds;

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use connectors::clickhouse::{
    ClickHouseSettings, Letters, Limits, Migrator, Progress, Ranking, RankingNumbers, Reading,
    Sink, Sinking, run,
};
use millstream::broker::embedded::Embedded;
use millstream::broker::{Broker, Isolation, Join};
use millstream::testing::Driver;
use millstream::{Bytes, Timestamp, Topic, TopicPartition};
use schemas::{FeedBody, FeedItem, NoRegistry, UserId, topic};
use tests::{Part, Stack, poll_until};
use tokio::runtime::Runtime;
use topologies::feed::{FeedSettings, feed};
use topologies::ranking::Weights;
use topologies::ranking::rerank::rerank;
use worlds::history::Input;
use worlds::oracle::Oracle;

use comparison::assert_feed_equals;
use records::record;
use small_worlds::Random;

const LONG: Duration = Duration::from_secs(120);
const GROUP: &str = "feedmill-clickhouse";
/// How many worlds are ranked unless `RANKED_WORLDS` says otherwise.
const WORLDS: u64 = 12;

/// Plays a world to rest.
fn played(history: &[Input], partitions: i32) -> Driver {
    let topology = feed(&FeedSettings::default()).unwrap().topology;
    let began = Timestamp(history[0].arrived);
    let mut driver = Driver::of(topology).partitions(partitions).began(began).start().unwrap();
    for (number, input) in history.iter().enumerate() {
        driver.advance_clock(Timestamp(input.arrived).since(driver.now()));
        let record = record(input, number);
        let to = driver.input::<Vec<u8>, Vec<u8>>(record.topic, Bytes, Bytes);
        let value = Some(&*record.value);
        to.send_raw(record.key.as_deref(), value, Timestamp(input.arrived)).unwrap();
    }
    driver.settle().unwrap();
    driver.advance(Timestamp(small_worlds::END).since(driver.now())).unwrap();
    // A minute for the lines, two seconds for the parts that trend, two for the lists.
    for seconds in [70, 2, 2] {
        driver.advance(Duration::from_secs(seconds)).unwrap();
    }
    driver
}

/// A database whose rows stay: the worlds lie in the past.
fn database(stack: &Stack, runtime: &Runtime, name: &str) -> ClickHouseSettings {
    let (url, database) = (stack.clickhouse().to_owned(), name.to_owned());
    let settings = ClickHouseSettings { url, database, login: None };
    runtime.block_on(Migrator::new(&settings).migrate("a test")).unwrap();
    let http = reqwest::blocking::Client::new();
    let tables = [
        "events",
        "post_lines",
        "lines_by_author",
        "trending",
        "user_author_90d",
        "feeds",
        "feedback",
    ];
    for table in tables {
        let url = format!("{}/?database={name}", settings.url);
        let answer = http.post(url).body(format!("ALTER TABLE {table} REMOVE TTL")).send().unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().unwrap());
    }
    settings
}

/// Runs the sink until the group stands at the end of everything that it reads.
fn sink(broker: &Embedded, app: &str, settings: &ClickHouseSettings, runtime: &Runtime) {
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    let join = Join {
        group: GROUP.into(),
        topic: format!("{app}-tasks").into(),
        instance: "one".into(),
        session_timeout: Duration::from_secs(10),
    };
    let reading =
        Reading { schemas: Arc::new(NoRegistry), cdc_epoch: 0, record_bytes_max: 1 << 20 };
    let letters = Arc::from([Topic::from(format!("{app}-dead-letters"))]);
    let sinking = Sinking {
        membership: broker.membership(&join).unwrap(),
        consumer: broker.consumer(GROUP, Isolation::ReadCommitted).unwrap(),
        admin: broker.admin().unwrap(),
        letters: Letters::new(broker.producer(None, letters).unwrap(), 1),
        sink: Sink::new(settings, reading),
        limits: Limits {
            records_max: 10_000,
            bytes_max: 8 << 20,
            linger: Duration::from_millis(20),
            held_bytes_max: 64 << 20,
        },
        progress: &progress,
        stop: &stop,
    };
    thread::scope(|scope| {
        let running = scope.spawn(|| run(sinking, runtime.handle()));
        let done = poll_until(LONG, || is_at_the_end(broker).then_some(()));
        stop.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|late| panic!("{late}: {progress:?}"));
        assert_eq!(running.join().unwrap(), Ok(()));
    });
    assert_eq!(progress.dead_letters.load(Ordering::Relaxed), 0);
}

fn is_at_the_end(broker: &Embedded) -> bool {
    let mut consumer = broker.consumer(GROUP, Isolation::ReadCommitted).unwrap();
    let read = ["cdc.", "events", "feedback", "feeds", "posts-live", "trending"];
    let topics = topic::ALL.iter().map(|of| of.name);
    let topics: Vec<_> = topics
        .filter(|name| *name != topic::TRENDING_PARTS.name)
        .filter(|name| read.iter().any(|begin| name.starts_with(begin)))
        .map(Topic::from)
        .collect();
    let counts = broker.admin().unwrap().partitions(&topics).unwrap();
    let places = topics.iter().zip(counts).flat_map(|(topic, count)| {
        (0..count.unwrap_or(0)).map(|number| TopicPartition::new(topic.clone(), number))
    });
    places.collect::<Vec<_>>().iter().all(|of| {
        let end = consumer.bounds(of).unwrap().end;
        let committed = consumer.committed(std::slice::from_ref(of)).unwrap().remove(0);
        end.0 == 0 || committed == Some(end)
    })
}

fn numbers() -> RankingNumbers {
    let Weights { id, freshness, engagement, affinity, decay_per_hour, points, limits, .. } =
        Weights::v1();
    RankingNumbers {
        weight_set: id,
        weights: [freshness, engagement, affinity],
        decay_per_hour,
        points: [points.like, points.comment, points.share],
        follow: (limits.follow_age_ms_max, limits.follow_posts_max as u64),
        affinity: (
            limits.affinity_age_ms_max,
            limits.affinity_posts_per_author_max as u64,
            limits.affinity_posts_max as u64,
        ),
        affinity_days: limits.affinity_days,
        seen_ms: limits.seen_ms,
        hidden_ms: limits.hidden_ms,
        less_days: limits.less_days,
    }
}

/// A body as it is served: in order, spaced, and cut.
fn served(body: &FeedBody) -> FeedBody {
    let items = rerank(body, &Weights::v1(), body.as_of_ms).into_iter();
    let items = items.map(|served| FeedItem { rule: served.rule, ..served.item }).collect();
    FeedBody { items, ..body.clone() }
}

#[test]
fn what_clickhouse_ranks_is_what_brute_force_expects() {
    let stack = Stack::of(&[Part::ClickHouse]).start().unwrap();
    let runtime = Runtime::new().unwrap();
    let worlds = env::var("RANKED_WORLDS").map_or(WORLDS, |count| count.parse().unwrap());
    let mut compared = 0;
    for seed in 0..worlds {
        let mut random = Random::of(seed ^ 0xc11c);
        let history = small_worlds::world(seed, 3 + random.below(6), 60 + random.below(200));
        let driver = played(&history, 1 + random.below(3) as i32);
        let settings = database(&stack, &runtime, &format!("world_{seed}"));
        sink(driver.broker(), "feed", &settings, &runtime);
        let ranking = Ranking::new(&settings, numbers(), Duration::from_secs(10));
        let (oracle, now) = (Oracle::of(&history), driver.now().0);
        for reader in oracle.readers() {
            let Some(expected) = oracle.feed(reader, now, now) else { continue };
            let body = runtime.block_on(ranking.feed(UserId(reader), now)).unwrap();
            let whose = format!("world {seed}, reader {}", UserId(reader));
            assert_feed_equals(&whose, &served(&body), &expected);
            compared += 1;
        }
    }
    assert!(compared > worlds, "{compared} readers in {worlds} worlds");
}
