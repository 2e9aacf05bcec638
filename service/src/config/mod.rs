//! What the process is told: defaults, then a TOML file, then the environment; the later wins.
//!
//! Reading finds every fault before it answers: a wrong type, a value out of its bounds, a URL that names no
//! server, a name that nobody knows, and what the command at hand lacks. Nothing is read anywhere else, and
//! [`Config::shown`] prints what holds and where each value came from, without what is secret.

mod admin;
mod auth;
mod clickhouse;
mod effect;
mod http;
mod live;
mod log;
mod reference;
mod registry;
mod reload;
mod settings;
mod slow_queries;
#[cfg(test)]
mod tests;
mod traces;
mod values;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytesize::ByteSize;
use connectors::{postgres, redis};
use millstream::MemoryPlan;
use schemas::read_time;
use topologies::suggestions::SuggestionWeights;
use topologies::trending::points::Formula;
use warp::http::Uri;

pub use admin::Admin;
pub use auth::{Algorithm, Auth, IssuerSettings, KeyPlace};
pub use clickhouse::ClickHouse;
pub use http::{Forwarded, HEAD_BYTES_HARD, HEADERS_HARD, Http, PerAddress, TlsFiles, Waits};
pub use live::{InForce, Live};
pub use log::{Level, Log, LogFormat};
pub use registry::Registry;
pub use reload::Reload;
pub use settings::Change;
use settings::Settings;
pub use slow_queries::SlowQueries;
pub use traces::Traces;
use values::{ConfigValues, KnownSettings};

/// The configuration file.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Where it is, for its faults.
    pub path: &'a Path,
    /// What it says.
    pub text: &'a str,
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its name.
    pub name: &'static str,
    /// What it should be and what it is.
    pub words: String,
}

/// Everything the process is told.
#[derive(Clone)]
pub struct Config {
    /// The application: the prefix of groups, internal topics and transactional ids.
    pub app: String,
    /// The cluster.
    pub kafka: Kafka,
    /// The worker.
    pub worker: Worker,
    /// What interactions are worth in lists of trending posts.
    pub trending: Formula,
    /// By which users are suggested to each other; none if they are not.
    pub suggestions: Option<SuggestionWeights>,
    /// Whether readers can mute words.
    pub mutes_words: bool,
    /// Whether it is remembered what readers were shown, for weight sets that ask.
    pub remembers_shown: bool,
    /// Redis, if there is one.
    pub redis: Option<Remote>,
    /// PostgreSQL, if there is one.
    pub postgres: Option<Remote>,
    /// ClickHouse, if there is one.
    pub clickhouse: Option<ClickHouse>,
    /// The schema registry, if records in Avro are read or written.
    pub registry: Option<Registry>,
    /// Whether events that come over HTTP are written in Avro.
    pub events_in_avro: bool,
    /// The listeners.
    pub http: Http,
    /// The listener of operators, if there is one.
    pub admin: Option<Admin>,
    /// Whom tokens of operators are for, wherever their listener is.
    pub admin_audience: String,
    /// Who callers are.
    pub auth: Auth,
    /// Reading state between instances.
    pub state: State,
    /// When a tier is left alone.
    pub breaker: Breaker,
    /// What is told of the process.
    pub log: Log,
    /// From when on a call to a server is told of.
    pub slow_queries: SlowQueries,
    /// Where traces go; none if nobody takes them.
    pub traces: Option<Traces>,
    settings: Settings,
    shown: String,
    known: KnownSettings,
}

/// The cluster.
#[derive(Clone)]
pub struct Kafka {
    /// `host:port`, separated by commas.
    pub bootstrap: String,
    /// Whether missing topics are created at start.
    pub create_topics: bool,
    /// Partitions of topics that are created.
    pub partitions: i32,
    /// How long a produced batch of events may wait for its acknowledgement.
    pub produce_wait: Duration,
    /// Options of the client by librdkafka's names, some of them secret: encryption, log-in, sizes.
    pub client: BTreeMap<String, String>,
}

/// The options of the client that may be set.
#[cfg(feature = "kafka")]
const CLIENT: &[&str] = millstream::broker::kafka::KafkaSettings::OVERRIDABLE;
#[cfg(not(feature = "kafka"))]
const CLIENT: &[&str] = &[];

/// The worker.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Where state lies.
    pub state_dir: PathBuf,
    /// Threads that process.
    pub threads: usize,
    /// Bytes for rows, blocks, queues and open transactions: see [`MemoryPlan`].
    pub memory: usize,
    /// Whether a start may begin stores empty that the application had not before.
    pub rebuild_stores: bool,
    /// Raised by hand when reader state is rebuilt from topics.
    pub feeds_epoch: u32,
    /// Raised by hand when the database was restored from a backup.
    pub cdc_epoch: u32,
    /// When it was restored, ms UTC, ascending: by these whoever reads the topics again tells records of before.
    pub cdc_restored_at_ms: Arc<[i64]>,
}

/// A server that a read asks.
#[derive(Clone)]
pub struct Remote {
    /// Its URL; secret, because it may hold a password.
    pub url: String,
    /// How long a read waits for its answer.
    pub wait: Duration,
}

/// Reading state between instances.
#[derive(Clone, Debug)]
pub struct State {
    /// The internal listeners of workers, `http://host:port`.
    pub workers: Vec<String>,
    /// The file with the secret that instances show each other.
    pub secret_file: Option<PathBuf>,
    /// Where the other instances reach this one's internal listener; at its own address unless told.
    pub advertise: Option<String>,
    /// How long a read waits for a worker.
    pub wait: Duration,
}

/// When a tier is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// So many failures
    pub failures: usize,
    /// within this time open it;
    pub window: Duration,
    /// after this one call tries again;
    pub open: Duration,
    /// and after this time without a failure it is closed.
    pub back: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failures: 5,
            window: Duration::from_secs(10),
            open: Duration::from_secs(30),
            back: Duration::from_secs(60),
        }
    }
}

impl Worker {
    /// How its memory is divided.
    pub fn memory_plan(&self) -> MemoryPlan {
        MemoryPlan::of(self.memory, self.threads)
    }
}

impl Config {
    /// Reads `file`, if given, and `environment` over it; else says every fault, one a line, and with them what
    /// `lacks` finds: what the command at hand needs and the configuration, well formed as it may be, does not give.
    pub fn read(
        file: Option<File<'_>>,
        environment: impl Iterator<Item = (String, String)>,
        lacks: impl FnOnce(&Self) -> Vec<Fault>,
    ) -> Result<Self, String> {
        Self::of(ConfigValues::new(file, environment), lacks)
    }

    fn of(mut from: ConfigValues, lacks: impl FnOnce(&Self) -> Vec<Fault>) -> Result<Self, String> {
        let http = Http::read(&mut from);
        let mut config = Self {
            app: from.name("app", "feedmill"),
            kafka: kafka(&mut from),
            worker: worker(&mut from),
            trending: trending(&mut from),
            suggestions: suggestions(&mut from),
            mutes_words: from.parsed("muted_words.enabled", true),
            remembers_shown: from.parsed("shown.remembered", false),
            redis: redis(&mut from),
            postgres: postgres(&mut from),
            clickhouse: ClickHouse::read(&mut from),
            registry: Registry::read(&mut from),
            events_in_avro: events_in_avro(&mut from),
            admin: Admin::read(&mut from, &http),
            admin_audience: from.filled("admin.audience", "feedmill-admin"),
            http,
            auth: Auth::read(&mut from),
            state: state(&mut from),
            breaker: breaker(&mut from),
            log: Log::read(&mut from),
            slow_queries: SlowQueries::read(&mut from),
            traces: Traces::read(&mut from),
            settings: Settings::default(),
            shown: String::new(),
            known: KnownSettings::new(),
        };
        let named = config.state.advertise.iter().chain(&config.state.workers);
        if named.clone().any(|url| url.starts_with("https:")) && config.http.internal_tls.is_none()
        {
            let words = "is needed where state.advertise or state.workers are https";
            from.fault("http.internal_tls_cert_file", words);
        }
        if config.state.advertise.as_ref().is_some_and(|url| url.starts_with("http:"))
            && config.http.internal_tls.is_some()
        {
            from.fault("state.advertise", "is https where http.internal_tls_cert_file is set");
        }
        if !config.http.internal_listen.ip().is_loopback() && config.state.secret_file.is_none() {
            from.fault("state.secret_file", "is needed where http.internal_listen is not loopback");
        }
        if config.admin.is_some() && config.admin_audience == config.auth.audience {
            from.fault(
                "admin.audience",
                "is auth.audience: a token of a user would be one of an operator",
            );
        }
        if config.events_in_avro && config.registry.is_none() {
            from.fault("registry.urls", "is needed where events.format is avro");
        }
        for Fault { name, words } in lacks(&config) {
            from.fault(name, &words);
        }
        (config.settings, config.known) = from.finish()?;
        config.shown = config.settings.shown();
        Ok(config)
    }

    /// The same for another application.
    pub fn of_app(&self, app: String) -> Self {
        Self { app, ..self.clone() }
    }

    /// Every setting with its value, where it came from, and whether a change of it takes effect at once, as TOML with dotted names.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The page that says of every setting what it means, as Markdown: `docs/configuration.md`.
    pub fn reference() -> Result<String, String> {
        reference::page(&Self::read(None, std::iter::empty(), |_| Vec::new())?.known)
    }
}

/// As it is printed, that is without what is secret.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn kafka(from: &mut ConfigValues) -> Kafka {
    Kafka {
        bootstrap: bootstrap(from),
        create_topics: from.parsed("kafka.create_topics", true),
        partitions: from.within("kafka.partitions", 12, 1..=1024),
        produce_wait: from.millis("kafka.produce_wait_ms", 3_000),
        client: from.table("kafka.client", CLIENT),
    }
}

fn bootstrap(from: &mut ConfigValues) -> String {
    let text = from.filled("kafka.bootstrap", "127.0.0.1:9092");
    let is_address = |address: &str| {
        address.rsplit_once(':').is_some_and(|(host, port)| {
            let fits = |c: char| c.is_ascii_alphanumeric() || "._-[]:%".contains(c);
            !host.is_empty()
                && host.chars().all(fits)
                && port.parse().is_ok_and(|port: u16| port > 0)
        })
    };
    if let Some(other) = text.split(',').map(str::trim).find(|address| !is_address(address)) {
        let words = "are addresses such as kafka-1:9092, separated by commas";
        from.fault("kafka.bootstrap", &format!("{words}, found {other:?}"));
    }
    text
}

fn worker(from: &mut ConfigValues) -> Worker {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = from.within("worker.threads", cores.min(256), 1..=256);
    from.by_default("worker.threads", "the machine's cores");
    Worker {
        state_dir: from.filled("worker.state_dir", "state").into(),
        threads,
        memory: from.size("worker.memory", ByteSize::gib(1), ByteSize::mib(64)..=ByteSize::tib(1)),
        rebuild_stores: from.parsed("worker.rebuild_stores", false),
        feeds_epoch: from.within("worker.feeds_epoch", 0, 0..=u32::MAX),
        cdc_epoch: from.within("worker.cdc_epoch", 0, 0..=u32::MAX),
        cdc_restored_at_ms: restored_at_ms(from),
    }
}

fn restored_at_ms(from: &mut ConfigValues) -> Arc<[i64]> {
    const NAME: &str = "worker.cdc_restored_at";
    let times: Vec<_> = from.list(NAME).into_iter().map(|text| (read_time(&text), text)).collect();
    if let Some((_, text)) = times.iter().find(|(time, _)| time.is_none()) {
        let words = "are times such as 2026-11-20T23:17:08Z, separated by commas";
        from.fault(NAME, &format!("{words}, found {text:?}"));
    }
    let mut times: Vec<_> = times.into_iter().filter_map(|(time, _)| time).collect();
    times.sort_unstable();
    times.into()
}

fn trending(from: &mut ConfigValues) -> Formula {
    let points_max = from.within("trending.points_per_person_max", 1, 1..=1_000);
    let people = ("people", Formula::People { points_max });
    from.choice("trending.score", ("interactions", Formula::Interactions), &[people])
}

fn suggestions(from: &mut ConfigValues) -> Option<SuggestionWeights> {
    let of = SuggestionWeights::default();
    let weights = SuggestionWeights {
        friends: from.within("suggestions.friends", of.friends, 0.0..=100.0),
        same_people: from.within("suggestions.same_people", of.same_people, 0.0..=100.0),
        affinity: from.within("suggestions.affinity", of.affinity, 0.0..=100.0),
        followed_max: from.within("suggestions.followed_max", of.followed_max, 1..=1_000),
        neighbours_max: from.within("suggestions.neighbours_max", of.neighbours_max, 1..=1_000),
    };
    from.parsed("suggestions.enabled", true).then_some(weights)
}

fn redis(from: &mut ConfigValues) -> Option<Remote> {
    let wait = from.millis("redis.wait_ms", 50);
    let url = from.secret("redis.url")?;
    if let Err(words) = redis::check_url(&url) {
        from.fault("redis.url", &format!("is a URL such as redis://127.0.0.1:6379: {words}"));
    }
    Some(Remote { url, wait })
}

fn postgres(from: &mut ConfigValues) -> Option<Remote> {
    let wait = from.millis("postgres.wait_ms", 500);
    let url = from.secret("postgres.url")?;
    if let Err(words) = postgres::check_url(&url) {
        let example = "postgres://user@127.0.0.1:5432/database";
        from.fault("postgres.url", &format!("is a URL such as {example}: {words}"));
    }
    Some(Remote { url, wait })
}

fn events_in_avro(from: &mut ConfigValues) -> bool {
    from.choice("events.format", ("json", false), &[("avro", true)])
}

fn breaker(from: &mut ConfigValues) -> Breaker {
    let default = Breaker::default();
    let mut millis = |name, default: Duration| {
        from.millis(name, u64::try_from(default.as_millis()).unwrap_or(u64::MAX))
    };
    let window = millis("breaker.window_ms", default.window);
    let open = millis("breaker.open_ms", default.open);
    let back = millis("breaker.back_ms", default.back);
    Breaker {
        failures: from.within("breaker.failures", default.failures, 1..=1000),
        window,
        open,
        back,
    }
}

fn state(from: &mut ConfigValues) -> State {
    let workers = from.urls("state.workers");
    if let Some(url) = workers.iter().find(|url| !is_http_server(url)) {
        let words = "are URLs such as http://127.0.0.1:9901, separated by commas";
        from.fault("state.workers", &format!("{words}, found {url:?}"));
    }
    let secret = from.text("state.secret_file", "");
    let advertise = Some(from.text("state.advertise", "")).filter(|url| !url.is_empty());
    if let Some(url) = advertise.as_ref().filter(|url| !is_http_server(url)) {
        let words = "is a URL such as http://worker-1:9901";
        from.fault("state.advertise", &format!("{words}, found {url:?}"));
    }
    State {
        workers,
        advertise,
        secret_file: (!secret.is_empty()).then(|| secret.into()),
        wait: from.millis("state.wait_ms", 200),
    }
}

/// Whether a path can be appended to `url` and asked for.
fn is_http_server(url: &str) -> bool {
    let parsed = url.parse::<Uri>();
    parsed.is_ok_and(|uri| {
        ["http", "https"].contains(&uri.scheme_str().unwrap_or_default())
            && uri.path() == "/"
            && uri.query().is_none()
            && uri.host().is_some_and(|host| !host.is_empty())
    })
}
