//! The demonstration: the production process on a cluster inside itself, and a living world that flows through.
//!
//! In this order: a cluster (the embedded one, or Kafka), its topics, the server with worker and API, three
//! days of past, one reader's feed once it has come to rest, how to ask for it and where to watch it; then the present.
//! Ctrl-C ends it at any point. State, keys and everything else on disk lie in a directory that goes with the process.

mod casting;
mod page;
mod published;
pub mod world;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use connectors::postgres::Rows;
use millstream::broker::Broker;
use millstream::broker::embedded::Embedded;
use millstream::{Clock, SystemClock};
use schemas::{FeedItem, UserId};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use topologies::ranking::Policies;
use topologies::ranking::rerank::{Served, rerank};
use uuid::Uuid;

use crate::cli::Demo;
use crate::config::{Config, Remote};
use crate::http::cast::Cast;
use crate::http::feed_page::{self, FeedPage};
use crate::pour::{Captured, Database, Pour};
use crate::server::{Roles, Server};
use crate::{commands, token};
use page::{Door, Names, Reader};
use published::Published;
use world::World;

/// Partitions of the cluster inside: few, because a person waits for their tasks to open.
const PARTITIONS: i32 = 4;
const ITEMS_SHOWN: usize = 10;
const TOKEN_SECONDS: u64 = 86_400;
/// A feed that has not changed for this long is shown; on a real cluster commits are further apart.
const QUIET: Duration = Duration::from_secs(2);
const QUIET_ON_KAFKA: Duration = Duration::from_secs(6);
/// After this long it is shown as it is.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long Redis may take to answer when the demonstration starts.
const MEET_WAIT: Duration = Duration::from_secs(3);
/// How long a read waits for the state of this process.
const STATE_WAIT: Duration = Duration::from_secs(2);
/// How often the present is poured.
const TICK: Duration = Duration::from_millis(250);
const NEWS_EVERY: Duration = Duration::from_secs(15);

/// Opens the cluster that a configuration names.
pub type Cluster = fn(&Config) -> Result<Arc<dyn Broker>, String>;

/// Runs the demonstration; with `--once` until a feed is printed, else until Ctrl-C.
pub fn run(asked: &Demo, config: Config, cluster: Cluster) -> Result<(), String> {
    let runtime = Runtime::new().map_err(|e| format!("runtime: {e}"))?;
    // Before there is a directory: a signal that nobody hears would leave it behind.
    let stop = Arc::new(AtomicBool::new(false));
    stop_when_told(&runtime, &stop)?;
    let dir = tempfile::Builder::new().prefix("feedmill-demo-").tempdir();
    let dir = dir.map_err(|e| format!("a directory for the demo: {e}"))?;
    let config = settle(asked, config, dir.path());
    let broker = match asked.kafka {
        Some(_) => cluster(&config).map_err(|words| format!("kafka.client: {words}"))?,
        None => Arc::new(Embedded::new(Arc::new(SystemClock))),
    };
    commands::topics::ensure(&*broker, &config).map_err(|ended| ended.why)?;
    runtime.block_on(meet_redis(&config))?;
    let pour = Pour::open(&*broker, database(&config, &runtime)?)?;
    token::ensure_keys(&config.auth)?;
    let published = Published::follow(&*broker)?;
    let roles = Roles { worker: true, api: true };
    let cast = Arc::new(Cast::default());
    let shown = Some(FeedPage::with(Arc::clone(&cast)));
    let started = runtime.block_on(Server::start(&config, broker, roles, shown));
    let server = started.map_err(|ended| ended.why)?;
    let quiet = if asked.kafka.is_some() { QUIET_ON_KAFKA } else { QUIET };
    let world = World::new(asked.seed, asked.users as usize);
    let mut stage = Stage { config, runtime, server, world, pour, published, cast, stop, quiet };
    let played = stage.play(asked.once);
    let stopped = stage.runtime.block_on(stage.server.stop());
    played.and(stopped.map_err(|ended| ended.why))
}

/// The configuration with what was asked, what lies on disk below `dir`, and ports that are free.
fn settle(asked: &Demo, mut config: Config, dir: &Path) -> Config {
    config.worker.state_dir = dir.join("state");
    config.auth.key_file = dir.join("token.pub.pem");
    config.auth.signing_key_file = dir.join("token.pem");
    match &asked.kafka {
        Some(bootstrap) => config.kafka.bootstrap.clone_from(bootstrap),
        None => config.kafka.partitions = PARTITIONS,
    }
    let remote = |url: &Option<String>, wait_ms| {
        url.clone().map(|url| Remote { url, wait: Duration::from_millis(wait_ms) })
    };
    config.redis = remote(&asked.redis, 50);
    config.postgres = remote(&asked.postgres, 500);
    // No other tier answers where the machine is busy with other things too.
    config.state.wait = config.state.wait.max(STATE_WAIT);
    // Whoever tries things asks more often than a reader.
    config.http.user_per_minute = 0;
    config.http.listen = free(config.http.listen);
    config.http.internal_listen = free(config.http.internal_listen);
    config
}

/// The address, with any free port if its own is taken.
fn free(address: SocketAddr) -> SocketAddr {
    match TcpListener::bind(address) {
        Ok(_) => address,
        Err(_) => SocketAddr::new(address.ip(), 0),
    }
}

fn database(config: &Config, runtime: &Runtime) -> Result<Option<Database>, String> {
    let Some(Remote { url, .. }) = &config.postgres else { return Ok(None) };
    let open = async {
        let rows = Rows::open(url).await?;
        rows.create(include_str!("../../../schemas/sql/postgres.sql")).await?;
        Ok::<_, connectors::postgres::PostgresFault>(rows)
    };
    let rows = runtime.block_on(open).map_err(|e| e.to_string())?;
    Ok(Some(Database { rows, runtime: runtime.handle().clone(), captured: Captured::Here }))
}

/// A worker would wait for Redis as long as it takes; a person wants to hear that it is not there.
async fn meet_redis(config: &Config) -> Result<(), String> {
    let Some(Remote { url, .. }) = &config.redis else { return Ok(()) };
    let cache = connectors::redis::FeedCache::open(url, MEET_WAIT).map_err(|e| e.to_string())?;
    cache.ping().await.map_err(|e| e.to_string())
}

/// Everything that takes part.
struct Stage {
    config: Config,
    runtime: Runtime,
    server: Server,
    world: World,
    pour: Pour,
    published: Arc<Published>,
    cast: Arc<Cast>,
    stop: Arc<AtomicBool>,
    quiet: Duration,
}

impl Stage {
    fn play(&mut self, once: bool) -> Result<(), String> {
        let began = Instant::now();
        let acts = self.world.first(SystemClock.now().0);
        tell(&format!("a world of three days: {} things happened", acts.len()));
        casting::names(&self.cast, &acts);
        self.cast.read_by(casting::readers(&self.world, &self.config.auth)?);
        self.pour.acts(&acts)?;
        tell(&format!("poured in {:.1} s; ranking", began.elapsed().as_secs_f64()));
        let reader = self.world.reader().ok_or("nobody lives here")?;
        self.pour.read(reader, SystemClock.now().0)?;
        match self.show(reader)? {
            Some(shown) if !once => {
                self.tell_next(reader, shown.first())?;
                self.go_on(reader)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Prints the reader's feed once it has come to rest; answers what it printed, if it was let.
    fn show(&self, reader: UserId) -> Result<Option<Vec<FeedItem>>, String> {
        let held = self.published.settled(reader, (self.quiet, PATIENCE), &self.stop);
        if self.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let held = held.ok_or_else(|| {
            format!("no feed within {} s; RUST_LOG=info tells more", PATIENCE.as_secs())
        })?;
        let now = SystemClock.now().0;
        let mut served = rerank(&held.body, Policies::default().of_set(held.body.weight_set), now);
        served.truncate(ITEMS_SHOWN);
        print(&page::feed(self.reader(reader), &served, &Known(&self.world), now))?;
        if let Some(trending) = self.published.trending() {
            print(&page::trending(&trending, &Known(&self.world), now))?;
        }
        Ok(Some(served.into_iter().map(|Served { item, .. }| item).collect()))
    }

    fn tell_next(&self, reader: UserId, first: Option<&FeedItem>) -> Result<(), String> {
        let user = Uuid::from_bytes(reader.0);
        let token = token::sign(&self.config.auth, user, &[], TOKEN_SECONDS)?;
        let address = self.server.public.ok_or("nobody listens")?;
        // A container listens everywhere, and is asked by the machine that it runs on.
        let url = match address.ip().is_unspecified() {
            true => format!("http://localhost:{}", address.port()),
            false => format!("http://{address}"),
        };
        let door = Door { url: &url, page: feed_page::PATH, token: &token };
        print(&page::next(self.reader(reader), door, first))
    }

    /// Lets the world live on, and tells now and then what happened.
    fn go_on(&mut self, reader: UserId) -> Result<(), String> {
        let (mut last, mut happened) = (Instant::now(), 0);
        while !self.stop.load(Ordering::Relaxed) && self.server.is_running() {
            thread::sleep(TICK);
            let acts = self.world.next(SystemClock.now().0);
            casting::names(&self.cast, &acts);
            self.pour.acts(&acts)?;
            happened += acts.len();
            if last.elapsed() >= NEWS_EVERY {
                let version = self.published.version(reader);
                let name = self.reader(reader).username;
                tell(&format!(
                    "{happened} things happened; @{name}'s feed is at version {version}"
                ));
                (last, happened) = (Instant::now(), 0);
            }
        }
        Ok(())
    }

    fn reader(&self, id: UserId) -> Reader<'_> {
        Reader {
            id,
            username: self.world.username(id).unwrap_or("somebody"),
            favourite: self.world.favourite(id).unwrap_or("life"),
        }
    }
}

/// Sets `stop` once the process is told to end; from the return on no signal ends it by itself.
fn stop_when_told(runtime: &Runtime, stop: &Arc<AtomicBool>) -> Result<(), String> {
    let _inside = runtime.enter();
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    let stop = Arc::clone(stop);
    runtime.spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tell("ending");
        stop.store(true, Ordering::Relaxed);
    });
    Ok(())
}

/// The names of a world.
struct Known<'w>(&'w World);

impl Names for Known<'_> {
    fn username(&self, item: &FeedItem) -> String {
        let name = self.0.username(item.author);
        name.map_or_else(|| item.author.to_string(), str::to_owned)
    }

    fn content(&self, item: &FeedItem) -> String {
        let content = self.0.content(item.post);
        content.map_or_else(|| item.post.to_string(), str::to_owned)
    }
}

fn print(text: &str) -> Result<(), String> {
    stdout().write_all(text.as_bytes()).map_err(|e| format!("standard output: {e}"))
}

/// A word on what is going on, to whoever watches.
fn tell(words: &str) {
    let dim = if stderr().is_terminal() { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    // Nobody may be listening any more.
    let _ = writeln!(stderr(), "{}demo: {words}{}", dim.0, dim.1);
}
