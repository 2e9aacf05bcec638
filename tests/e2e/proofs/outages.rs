//! R7: what callers get while something that the service depends on is away, slow, full or empty, and how soon it is as it was.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tests::{Part, Proxy, Who, poll_until};

use super::answers::Answers;
use super::tell;
use crate::client::{Asked, Asking};
use crate::readers::{self, tokens};
use crate::world::{LONG, World, servers};

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
    /// Connections that PostgreSQL has no more of.
    held: Vec<TcpStream>,
    /// The disk of the worker's state, where one can be made.
    disk: Option<Disk>,
}

/// Something that happens, and how it ends.
struct Outage {
    what: &'static str,
    begin: fn(&mut Scene),
    end: fn(&mut Scene),
    /// Which share of requests must be answered, in percent.
    answered: f64,
}

const OUTAGES: [Outage; 18] = [
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
    outage("the disk of state is full", |of| of.disk().fill(), |of| of.disk().free(), 100.0),
    outage("a worker is killed", Scene::kill_worker, Scene::start_worker, 100.0),
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
        let stack = servers(&parts).behind(&kafka).start().unwrap();
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
        let (held, disk) = (Vec::new(), Disk::mount());
        let mut scene = Self { world, redis, postgres, clickhouse, registry, kafka, held, disk };
        scene.kill_worker();
        scene.start_worker();
        scene
    }

    fn kill_worker(&mut self) {
        self.world.kill_worker(0);
    }

    /// On its disk, if it has one.
    fn start_worker(&mut self) {
        let state = self.disk.as_ref().map(Disk::state);
        let state = state.as_ref().map(|state| ("WORKER__STATE_DIR", state.to_str().unwrap()));
        self.world.start_worker_with(0, state.as_slice());
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
        let words = b"user\0postgres\0database\0feedmill\0\0";
        let length = u32::try_from(8 + words.len()).unwrap();
        // Protocol 3.0; nobody is asked for a password.
        let hello = [&length.to_be_bytes()[..], &196_608_u32.to_be_bytes(), words].concat();
        self.held.extend((0..free).map(|_| {
            let mut stream = TcpStream::connect(self.world.postgres()).unwrap();
            stream.write_all(&hello).unwrap();
            stream
        }));
    }

    fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("outages of the disk are left out where there is none")
    }
}

/// A small disk of its own.
struct Disk(TempDir);

impl Disk {
    /// None where this user may not mount one.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256m", "tmpfs"]).arg(dir.path());
        mount.status().is_ok_and(|status| status.success()).then_some(Self(dir))
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    fn fill(&self) {
        let mut file = File::create(self.0.path().join("filler")).unwrap();
        let block = [1; 64 << 10];
        while file.write_all(&block).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.0.path().join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(self.0.path()).status();
    }
}

/// How long each lasts.
pub fn span() -> Duration {
    let seconds = std::env::var("RELIABILITY_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(10))
}

/// The end of the last second in which more than one in a hundred were not so.
fn last_second(asked: &[&Asked], from: Instant, is_so: impl Fn(&Asked) -> bool) -> Duration {
    let mut seconds = BTreeMap::<u64, (usize, usize)>::new();
    for one in asked {
        let (all, odd) = seconds.entry((one.at - from).as_secs()).or_default();
        *all += 1;
        *odd += usize::from(!is_so(one));
    }
    let odd = seconds.iter().rfind(|(_, (all, odd))| odd * 100 > *all);
    odd.map_or(Duration::ZERO, |(second, _)| Duration::from_secs(second + 1))
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
    let after: Vec<_> = asked.iter().filter(|one| one.at >= ended).collect();
    let back = last_second(&after, ended, |one| one.status == 200 && one.took < SOON);
    let tier = last_second(&after, ended, |one| one.source == "redis");

    let passes = during.percent() >= outage.answered && back <= BACK_WITHIN;
    let words = format!(
        "{:<33} {during}; back after {} s, in redis after {} s",
        outage.what,
        back.as_secs(),
        tier.as_secs()
    );
    let figures = json!({
        "outage": outage.what, "seconds": span.as_secs(), "before": before.figures(),
        "during": during.figures(), "back_s": back.as_secs(), "redis_again_s": tier.as_secs(),
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
    let has_disk = scene.disk.is_some();
    let is_meant =
        |of: &&Outage| of.what.contains(&named) && (has_disk || !of.what.contains("disk"));
    let outages = OUTAGES.iter().filter(is_meant);
    let failed: Vec<_> = outages.filter_map(|outage| suffer(&mut scene, &tokens, outage)).collect();
    assert!(failed.is_empty(), "\n{}\n{}", failed.join("\n"), scene.world.logs());
}
