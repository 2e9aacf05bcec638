//! R7: what callers get while something that the service depends on is away, slow, full or empty, and how soon it is as it was.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Part, Process, Proxy, Stack, Who, poll_until};

use super::answers::Answers;
use super::tell;
use crate::client::Asking;
use crate::readers::{self, tokens};
use crate::world::{LONG, World};

const PER_SECOND: u32 = 200;
const READERS: usize = 40;
/// Before it begins.
const BEFORE: Duration = Duration::from_secs(3);
/// How soon all must be as before.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// What is late counts as not yet as before.
const SOON: Duration = Duration::from_millis(500);
const LATE: Duration = Duration::from_secs(2);

/// The service, with something between it and each server that can fail.
struct Scene {
    world: World,
    redis: Proxy,
    postgres: Proxy,
    clickhouse: Proxy,
    registry: Proxy,
    kafka: Proxy,
    /// What holds connections of PostgreSQL.
    held: Vec<Process>,
}

/// Something that happens, and how it ends.
struct Outage {
    what: &'static str,
    begin: fn(&mut Scene),
    end: fn(&mut Scene),
    /// Which share of requests must be answered, in percent.
    answered: f64,
}

const OUTAGES: [Outage; 17] = [
    outage("redis is away", |of| of.redis.go_away(), |of| of.redis.come_back().unwrap(), 99.9),
    outage("redis is slow", |of| of.redis.slow(LATE), |of| of.redis.heal(), 99.9),
    outage("redis stands still", |of| of.redis.stall(Who::Everyone), |of| of.redis.heal(), 99.9),
    outage("redis is wiped", |of| of.world.flush_redis(), |_| {}, 100.0),
    outage("redis fails over to an empty one", Scene::replace_redis, |_| {}, 99.9),
    outage("redis is full", |of| of.set_redis("2mb"), |of| of.set_redis("0"), 100.0),
    outage(
        "postgres is away",
        |of| of.postgres.go_away(),
        |of| of.postgres.come_back().unwrap(),
        100.0,
    ),
    outage("postgres is slow", |of| of.postgres.slow(LATE), |of| of.postgres.heal(), 100.0),
    outage("postgres has no connection left", Scene::hold_connections, |of| of.held.clear(), 100.0),
    outage(
        "redis and postgres are away",
        |of| {
            of.redis.go_away();
            of.postgres.go_away();
        },
        |of| {
            of.redis.come_back().unwrap();
            of.postgres.come_back().unwrap();
        },
        99.9,
    ),
    outage(
        "clickhouse is away",
        |of| of.clickhouse.go_away(),
        |of| of.clickhouse.come_back().unwrap(),
        100.0,
    ),
    outage("clickhouse is slow", |of| of.clickhouse.slow(LATE), |of| of.clickhouse.heal(), 100.0),
    outage(
        "the registry is away",
        |of| of.registry.go_away(),
        |of| of.registry.come_back().unwrap(),
        100.0,
    ),
    outage("kafka is away", |of| of.kafka.go_away(), |of| of.kafka.come_back().unwrap(), 100.0),
    outage("kafka stands still", |of| of.kafka.stall(Who::Everyone), |of| of.kafka.heal(), 100.0),
    outage("kafka is slow", |of| of.kafka.slow(LATE / 10), |of| of.kafka.heal(), 100.0),
    outage(
        "a worker is killed",
        |of| of.world.kill_worker(0),
        |of| of.world.start_worker(0),
        100.0,
    ),
];

const fn outage(
    what: &'static str,
    begin: fn(&mut Scene),
    end: fn(&mut Scene),
    answered: f64,
) -> Outage {
    Outage { what, begin, end, answered }
}

impl Scene {
    fn start() -> Self {
        let parts = [Part::Kafka, Part::Registry, Part::Postgres, Part::Redis, Part::ClickHouse];
        let kafka = Proxy::bind().unwrap();
        let stack = Stack::of(&parts).behind(&kafka).start().unwrap();
        // What stands between "//" and the path is where the server listens.
        let before = |url: &str| {
            let proxy = Proxy::bind_plain().unwrap();
            let server = url.split(['/', '@']).find(|part| part.contains("127.0.0.1:")).unwrap();
            proxy.forward_to(server).unwrap();
            let through = &*url.replace(server, &proxy.address()).leak();
            (proxy, through)
        };
        let (redis, redis_url) = before(stack.redis());
        let (postgres, postgres_url) = before(stack.postgres());
        let (clickhouse, clickhouse_url) = before(stack.clickhouse());
        let (registry, registry_url) = before(stack.registry());
        let settings = [
            ("KAFKA__BOOTSTRAP", &*kafka.address().leak()),
            ("REDIS__URL", redis_url),
            ("POSTGRES__URL", postgres_url),
            ("CLICKHOUSE__URL", clickhouse_url),
            ("REGISTRY__URLS", registry_url),
        ];
        let world = World::on(stack, &settings);
        Self { world, redis, postgres, clickhouse, registry, kafka, held: Vec::new() }
    }

    fn replace_redis(&mut self) {
        self.world.kill_server(Part::Redis);
        self.world.start_server(Part::Redis);
    }

    /// As much as it may hold; 0 is no bound.
    fn set_redis(&mut self, memory: &str) {
        self.world.redis(format!("CONFIG SET maxmemory {memory}\r\n").as_bytes());
    }

    /// Until the server takes no more.
    fn hold_connections(&mut self) {
        let free =
            "SELECT current_setting('max_connections')::int - count(*) FROM pg_stat_activity";
        let free: usize = self.world.sql_value(free).parse().unwrap();
        self.held.extend((0..free).map(|_| self.world.sql_beside("SELECT pg_sleep(600)")));
    }
}

/// How long each lasts.
fn span() -> Duration {
    let seconds = std::env::var("RELIABILITY_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(10))
}

/// What an outage came to; why it does not pass, if it does not.
fn suffer(scene: &mut Scene, tokens: &[String], outage: &Outage) -> Option<String> {
    readers::warm_up(&scene.world, tokens);
    let span = span();
    let all = BEFORE + span + 2 * BACK_WITHIN;
    let started = Instant::now();
    let asking = Asking::start(scene.world.feed_url(), tokens.to_vec(), PER_SECOND, all);
    let pass = |until: Duration| {
        poll_until(LONG + until, || (started.elapsed() >= until).then_some(())).unwrap();
    };
    pass(BEFORE);
    let began = Instant::now();
    (outage.begin)(scene);
    pass(BEFORE + span);
    (outage.end)(scene);
    let ended = Instant::now();
    let asked = asking.finish();

    let before = Answers::of(asked.iter().filter(|one| one.at < began));
    let during = Answers::of(asked.iter().filter(|one| (began..ended).contains(&one.at)));
    let after = asked.iter().filter(|one| one.at >= ended);
    let since = |one: &crate::client::Asked| one.at + one.took - ended;
    let is_as_before = |one: &&crate::client::Asked| one.status == 200 && one.took < SOON;
    let back = after.clone().filter(|one| !is_as_before(one)).map(since).max().unwrap_or_default();
    let tier = after.filter(|one| one.source != "redis").map(since).max().unwrap_or_default();

    let passes = during.percent() >= outage.answered && back <= BACK_WITHIN;
    let words = format!(
        "{:<33} {during}; back after {:.1} s, in redis after {:.1} s",
        outage.what,
        back.as_secs_f64(),
        tier.as_secs_f64()
    );
    let figures = json!({
        "outage": outage.what, "seconds": span.as_secs(), "before": before.figures(),
        "during": during.figures(), "back_s": back.as_secs_f64(), "redis_again_s": tier.as_secs_f64(),
    });
    tell("R7", passes, &words, figures);
    (!passes).then_some(words)
}

#[test]
#[ignore = "minutes: script/reliability R7"]
fn callers_are_answered_whatever_is_away_slow_full_or_empty() {
    let mut scene = Scene::start();
    readers::write(&scene.world, READERS);
    let tokens = tokens(&scene.world, READERS);
    let named = std::env::var("RELIABILITY_OUTAGE").unwrap_or_default();
    let outages = OUTAGES.iter().filter(|outage| outage.what.contains(&named));
    let failed: Vec<_> = outages.filter_map(|outage| suffer(&mut scene, &tokens, outage)).collect();
    assert!(failed.is_empty(), "\n{}\n{}", failed.join("\n"), scene.world.logs());
}
