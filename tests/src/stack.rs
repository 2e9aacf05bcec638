//! Real servers for one test: what `script/stack` starts, on ports and in a folder of its own.
//!
//! Started, they answer; dropped, they are killed and their folder is deleted. `script/stack` watches the
//! test's process too, so a test that is killed leaves nothing behind either.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use crate::process::signal;
use crate::proxy::Proxy;

/// How often a stack is tried to be started.
const ATTEMPTS: usize = 3;

/// A server that can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// One broker that is its own controller, or the first of three.
    Kafka,
    /// The second of three brokers.
    Kafka2,
    /// The third of three brokers.
    Kafka3,
    /// Kafka Connect with Debezium; brings Kafka with it.
    Connect,
    /// PostgreSQL with logical replication and a database `feedmill`.
    Postgres,
    /// Redis, in memory only.
    Redis,
    /// The schema registry.
    Registry,
    /// ClickHouse.
    ClickHouse,
}

impl Part {
    /// As `script/stack` calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Kafka2 => "kafka2",
            Self::Kafka3 => "kafka3",
            Self::Connect => "connect",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Registry => "registry",
            Self::ClickHouse => "clickhouse",
        }
    }
}

/// What to start, before it is started.
#[derive(Debug, Default)]
pub struct Builder<'a> {
    parts: Vec<Part>,
    is_cluster: bool,
    properties: Vec<String>,
    registry_properties: Vec<String>,
    avro: bool,
    proxy: Option<&'a Proxy>,
    secured: Option<&'a Path>,
    is_lasting: bool,
}

impl<'a> Builder<'a> {
    /// Three brokers that replicate what they are told, where there is one else.
    pub fn cluster(mut self) -> Self {
        self.is_cluster = true;
        self
    }

    /// One more property of the broker.
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.push(format!("{name}={value}"));
        self
    }

    /// One more property of the registry, as Quarkus has them.
    pub fn registry_property(mut self, name: &str, value: &str) -> Self {
        self.registry_properties.push(format!("{name}={value}"));
        self
    }

    /// Has Connect write Avro where a connector does not say; wants [`Part::Registry`].
    pub fn avro(mut self) -> Self {
        self.avro = true;
        self
    }

    /// Lets clients that bootstrap at `proxy` reach Kafka through it only. [`Stack::kafka`] stays direct.
    pub fn behind(mut self, proxy: &'a Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Has Kafka listen where it speaks TLS alone, by the files `certificate` and `key` of this folder, and to the user
    /// `feedmill` alone, whose password is `secret`.
    pub fn secured(mut self, certified: &'a Path) -> Self {
        self.secured = Some(certified);
        self
    }

    /// Has JVMs get as fast as they can, which pays for a minute of work and more: for measures.
    pub fn lasting(mut self) -> Self {
        self.is_lasting = true;
        self
    }

    /// Starts it all and waits until it answers. A server that does not start is tried again on other ports: between
    /// the look for a free port and its use another process may take it.
    pub fn start(self) -> io::Result<Stack> {
        let mut outcome = self.try_start();
        for _ in 1..ATTEMPTS {
            if outcome.is_ok() {
                break;
            }
            outcome = self.try_start();
        }
        outcome
    }

    fn try_start(&self) -> io::Result<Stack> {
        let dir = TempDir::with_prefix("feedmill-")?;
        let mut stack = Stack { dir, env: BTreeMap::new() };
        let mut options = vec!["--while".to_owned(), std::process::id().to_string()];
        options.extend(["--port-base".to_owned(), free_ports()?.to_string()]);
        if !self.is_lasting {
            options.extend(["--brief", "yes"].map(str::to_owned));
        }
        if self.is_cluster {
            options.extend(["--kafka-brokers", "3"].map(str::to_owned));
        }
        for property in &self.properties {
            options.extend(["--kafka-property".to_owned(), property.clone()]);
        }
        for property in &self.registry_properties {
            options.extend(["--registry-property".to_owned(), property.clone()]);
        }
        if self.avro {
            options.extend(["--format", "avro"].map(str::to_owned));
        }
        if let Some(proxy) = self.proxy {
            options.extend(["--kafka-proxy".to_owned(), proxy.port().to_string()]);
        }
        if let Some(certified) = self.secured {
            options.extend(["--kafka-secured".to_owned(), certified.display().to_string()]);
        }
        if let Err(error) = stack.up(&self.parts, &options) {
            return Err(io::Error::other(format!("{error}{}", stack.log_tails())));
        }
        if let (Some(proxy), Some(to)) = (self.proxy, stack.env.get("KAFKA_BEHIND_PROXY")) {
            proxy.forward_to(to)?;
        }
        Ok(stack)
    }
}

/// Running servers. Dropping it kills them.
#[derive(Debug)]
pub struct Stack {
    dir: TempDir,
    env: BTreeMap<String, String>,
}

impl Stack {
    /// These parts, with nothing special about them yet.
    pub fn of<'a>(parts: &[Part]) -> Builder<'a> {
        Builder { parts: parts.to_vec(), ..Builder::default() }
    }

    /// Kafka's bootstrap address; empty if it was not started.
    pub fn kafka(&self) -> &str {
        self.address("KAFKA")
    }

    /// Where Kafka asks who is there; empty unless it was started so.
    pub fn kafka_secured(&self) -> &str {
        self.address("KAFKA_SECURED")
    }

    /// Connect's URL; empty if it was not started.
    pub fn connect(&self) -> &str {
        self.address("CONNECT")
    }

    /// PostgreSQL's URL, database included; empty if it was not started.
    pub fn postgres(&self) -> &str {
        self.address("POSTGRES")
    }

    /// Redis' URL; empty if it was not started.
    pub fn redis(&self) -> &str {
        self.address("REDIS")
    }

    /// The schema registry's URL; empty if it was not started.
    pub fn registry(&self) -> &str {
        self.address("REGISTRY")
    }

    /// ClickHouse's URL; empty if it was not started.
    pub fn clickhouse(&self) -> &str {
        self.address("CLICKHOUSE")
    }

    /// Where data and logs (`<part>.log`) live.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Stops a part cleanly; its data stays for [`Self::start`].
    pub fn stop(&self, part: Part) -> io::Result<()> {
        self.script(["down", part.name()]).map(drop)
    }

    /// `SIGKILL`s a part; its data stays for [`Self::start`].
    pub fn kill(&self, part: Part) -> io::Result<()> {
        self.script(["down", part.name(), "--kill"]).map(drop)
    }

    /// `SIGSTOP`s a part: it stands still, and its sockets stay open.
    pub fn pause(&self, part: Part) -> io::Result<()> {
        self.signal("STOP", part)
    }

    /// `SIGCONT`s a part.
    pub fn resume(&self, part: Part) -> io::Result<()> {
        self.signal("CONT", part)
    }

    /// Starts a stopped part again, at the same address and with its data, and waits until it answers.
    pub fn start(&mut self, part: Part) -> io::Result<()> {
        self.up(&[part], &[])
    }

    /// The last lines of every log, for whoever must find out why nothing started.
    fn log_tails(&self) -> String {
        let logs =
            ["kafka", "kafka2", "kafka3", "registry", "connect", "postgres", "redis", "clickhouse"]
                .map(|part| {
                    let text = std::fs::read_to_string(self.dir.path().join(format!("{part}.log")));
                    let text = text.unwrap_or_default();
                    let tail: Vec<_> = text.lines().rev().take(8).collect();
                    tail.into_iter()
                        .rev()
                        .map(|line| format!("{part}: {line}\n"))
                        .collect::<String>()
                });
        logs.concat()
    }

    fn signal(&self, name: &str, part: Part) -> io::Result<()> {
        let pid = std::fs::read_to_string(self.dir.path().join(format!("{}.pid", part.name())))?;
        signal(name, pid.trim())
    }

    fn address(&self, name: &str) -> &str {
        self.env.get(name).map_or("", String::as_str)
    }

    fn up(&mut self, parts: &[Part], options: &[String]) -> io::Result<()> {
        let parts = parts.iter().map(|part| part.name());
        let words = ["up"].into_iter().chain(parts).chain(options.iter().map(String::as_str));
        let printed = self.script(words)?;
        let pairs = printed.lines().filter_map(|line| line.split_once('='));
        self.env = pairs.map(|(name, at)| (name.to_owned(), at.to_owned())).collect();
        Ok(())
    }

    /// What `script/stack` printed; its complaints are the error.
    fn script<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> io::Result<String> {
        let mut command = Command::new(script());
        command.args(words).arg("--dir").arg(self.dir.path()).stdin(Stdio::null());
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(io::Error::other(said));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let _ = self.script(["down", "--kill"]);
        // As root, PostgreSQL's folder may be a link to one that its own user can reach.
        if let Ok(postgres) = self.dir.path().join("postgres").canonicalize() {
            let _ = std::fs::remove_dir_all(postgres);
        }
    }
}

/// `script/stack` of the checkout that the test runs in: checkouts that share a target directory may share
/// this code, so where it was compiled says nothing.
fn script() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let above = here.ancestors().map(|folder| folder.join("script/stack"));
    let compiled = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../script/stack");
    above.into_iter().find(|path| path.is_file()).unwrap_or_else(compiled)
}

/// How many ports in a row a stack takes at most.
const PORTS: u16 = 14;

/// The first of a row of ports that nobody listens on, below the range the system hands out itself.
/// Processes start at different rows, and the rows of one process never repeat.
fn free_ports() -> io::Result<u16> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    const ROWS: u16 = 850;
    let first = u16::try_from(std::process::id() % u32::from(ROWS)).unwrap_or(0);
    for _ in 0..ROWS {
        let row = (first + TAKEN.fetch_add(1, Ordering::Relaxed)) % ROWS;
        let base = 20_000 + row * PORTS;
        if (base..base + PORTS).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return Ok(base);
        }
    }
    Err(io::Error::other("no free ports in a row between 20000 and 32000"))
}
