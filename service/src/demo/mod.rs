//! The demonstration: the production process on a cluster inside itself, and a living world that flows through.
//!
//! In this order: a cluster (the embedded one, or Kafka), its topics, the server with worker and API, three
//! days of past, one reader's feed once it has come to rest, how to ask for it; then the present, until
//! Ctrl-C. State, keys and everything else on disk lie in a directory that goes with the process.

mod envelope;
mod page;
mod pour;
mod published;
mod world;

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
use topologies::ranking::Weights;
use topologies::ranking::reread::{Served, reread};
use uuid::Uuid;

use crate::cli::Demo;
use crate::config::{Config, Remote};
use crate::jobs::serve::{Roles, Server};
use crate::{jobs, token};
use page::{Door, Names, Reader};
use pour::{Database, Pour};
use published::Published;
use world::World;

/// Partitions of the cluster inside: few, because a person waits for their tasks to open.
const PARTITIONS: i32 = 4;
const ITEMS_SHOWN: usize = 10;
const TOKEN_SECONDS: u64 = 86_400;
/// A feed that has not changed for this long is shown.
const QUIET: Duration = Duration::from_secs(2);
/// After this long it is shown as it is.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often the present is poured.
const TICK: Duration = Duration::from_millis(250);
const NEWS_EVERY: Duration = Duration::from_secs(15);

/// Opens the cluster that a configuration names.
pub type Cluster = fn(&Config) -> Result<Arc<dyn Broker>, String>;

/// Runs the demonstration; with `--once` until a feed is printed, else until Ctrl-C.
pub fn run(asked: &Demo, config: Config, cluster: Cluster) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| format!("a directory for the demo: {e}"))?;
    let config = settle(asked, config, dir.path());
    let runtime = Runtime::new().map_err(|e| format!("runtime: {e}"))?;
    let broker = match asked.kafka {
        Some(_) => cluster(&config)?,
        None => Arc::new(Embedded::new(Arc::new(SystemClock))),
    };
    let mut admin = broker.admin().map_err(|e| e.to_string())?;
    let made = jobs::topics::create(&mut *admin, &config.app, config.kafka.partitions);
    made.map_err(|e| e.to_string())?;
    let pour = Pour::open(&*broker, database(&config, &runtime)?)?;
    token::ensure_keys(&config.auth)?;
    let published = Published::follow(&*broker)?;
    let roles = Roles { worker: true, api: true };
    let server =
        runtime.block_on(Server::start(&config, broker, roles)).map_err(|ended| ended.why)?;
    let world = World::new(asked.seed, asked.users as usize);
    let mut stage = Stage { config, runtime, server, world, pour, published };
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
    Ok(Some(Database { rows, runtime: runtime.handle().clone() }))
}

/// Everything that takes part.
struct Stage {
    config: Config,
    runtime: Runtime,
    server: Server,
    world: World,
    pour: Pour,
    published: Arc<Published>,
}

impl Stage {
    fn play(&mut self, once: bool) -> Result<(), String> {
        let began = Instant::now();
        let acts = self.world.first(SystemClock.now().0);
        tell(&format!("a world of three days: {} things happened", acts.len()));
        self.pour.acts(&acts)?;
        tell(&format!("poured in {:.1} s; ranking", began.elapsed().as_secs_f64()));
        let reader = self.world.reader().ok_or("nobody lives here")?;
        self.pour.read(reader, SystemClock.now().0)?;
        let shown = self.show(reader)?;
        if once {
            return Ok(());
        }
        self.tell_next(reader, shown.first())?;
        self.go_on(reader)
    }

    /// Prints the reader's feed once it has come to rest; answers what it printed.
    fn show(&self, reader: UserId) -> Result<Vec<FeedItem>, String> {
        let held = self.published.settled(reader, QUIET, PATIENCE);
        let held = held.ok_or_else(|| {
            format!("no feed within {} s; RUST_LOG=info tells more", PATIENCE.as_secs())
        })?;
        let now = SystemClock.now().0;
        let mut served = reread(&held.body, &Weights::v1(), now);
        served.truncate(ITEMS_SHOWN);
        print(&page::feed(self.reader(reader), &served, &Known(&self.world), now))?;
        Ok(served.into_iter().map(|Served { item, .. }| item).collect())
    }

    fn tell_next(&self, reader: UserId, first: Option<&FeedItem>) -> Result<(), String> {
        let user = Uuid::from_bytes(reader.0);
        let token = token::sign(&self.config.auth, user, &[], TOKEN_SECONDS)?;
        let address = self.server.public.ok_or("nobody listens")?;
        let url = format!("http://{address}");
        print(&page::next(self.reader(reader), Door { url: &url, token: &token }, first))
    }

    /// Lets the world live on, and tells now and then what happened.
    fn go_on(&mut self, reader: UserId) -> Result<(), String> {
        let stop = Arc::new(AtomicBool::new(false));
        self.runtime.spawn(stopped(Arc::clone(&stop)));
        let (mut last, mut happened) = (Instant::now(), 0);
        while !stop.load(Ordering::Relaxed) && self.server.is_running() {
            thread::sleep(TICK);
            let acts = self.world.next(SystemClock.now().0);
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
        tell("ending");
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

/// Sets `stop` once the process is told to end.
async fn stopped(stop: Arc<AtomicBool>) {
    // Without a handler the signal ends the process by itself.
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    stop.store(true, Ordering::Relaxed);
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
