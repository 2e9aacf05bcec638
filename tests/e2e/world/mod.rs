//! Servers and processes of one test: what a company has, on loopback.

mod clock;
mod redis;
mod stores;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Builder, Part, Process, Stack, poll_until};

use crate::curl::curl;
use crate::feed::Feed;
use crate::proofs;
pub use clock::SetClock;

/// How long anything may take on a slow machine.
pub const LONG: Duration = Duration::from_secs(120);

/// How many workers there may be at once.
const WORKERS_MAX: usize = 3;

/// Servers to be started; such as last, where something is measured.
pub fn servers<'a>(parts: &[Part]) -> Builder<'a> {
    let servers = Stack::of(parts);
    if proofs::is_whole() { servers.lasting() } else { servers }
}

/// A company's servers, worker processes and an API process.
pub struct World {
    stack: Stack,
    pub dir: TempDir,
    settings: Vec<(&'static str, &'static str)>,
    /// By which the processes go, if it is not the machine's.
    pub clock: Option<SetClock>,
    workers: RefCell<BTreeMap<usize, Process>>,
    api: Option<Process>,
    pub(crate) ports: Ports,
}

/// Where the processes listen.
pub(crate) struct Ports {
    public: u16,
    pub(crate) internal: u16,
    pub(crate) workers: [u16; WORKERS_MAX],
}

impl World {
    /// Everything, with Debezium capturing the tables.
    pub fn start() -> Self {
        Self::capturing(&[])
    }

    /// The same, with these settings beside those that every process gets.
    pub fn capturing(settings: &[(&'static str, &'static str)]) -> Self {
        let stack = Stack::of(&[Part::Kafka, Part::Connect, Part::Postgres, Part::Redis]).start();
        let world = Self::on(stack.unwrap(), settings);
        world.register_connector();
        world
    }

    /// Everything, with Debezium capturing the tables, and ClickHouse with its own.
    pub fn whole() -> Self {
        let parts = [Part::Kafka, Part::Connect, Part::Postgres, Part::Redis, Part::ClickHouse];
        let world = Self::on(Stack::of(&parts).start().unwrap(), &[]);
        world.register_connector();
        world
    }

    /// Everything, with Debezium writing Avro and a registry that has its schemas.
    pub fn in_avro() -> Self {
        let parts = [Part::Kafka, Part::Registry, Part::Connect, Part::Postgres, Part::Redis];
        let world = Self::on(Stack::of(&parts).avro().start().unwrap(), &[]);
        world.register_connector();
        world
    }

    /// With a registry and without Debezium, with these settings beside those that every process gets.
    pub fn with_registry(settings: &[(&'static str, &'static str)]) -> Self {
        let parts = [Part::Kafka, Part::Registry, Part::Postgres, Part::Redis];
        Self::on(Stack::of(&parts).start().unwrap(), settings)
    }

    /// With ClickHouse, whose tables are made, and without Debezium.
    pub fn with_clickhouse(settings: &[(&'static str, &'static str)]) -> Self {
        let parts = [Part::Kafka, Part::Postgres, Part::Redis, Part::ClickHouse];
        Self::on(Stack::of(&parts).start().unwrap(), settings)
    }

    /// Without Debezium.
    pub fn without_change_capture() -> Self {
        Self::with(&[])
    }

    /// Without Debezium, with these settings beside those that every process gets.
    pub fn with(settings: &[(&'static str, &'static str)]) -> Self {
        let stack = servers(&[Part::Kafka, Part::Postgres, Part::Redis]).start();
        Self::on(stack.unwrap(), settings)
    }

    /// On servers that are there, with these settings beside those that every process gets.
    pub fn on(stack: Stack, settings: &[(&'static str, &'static str)]) -> Self {
        Self::by_clock(stack, settings, None)
    }

    /// The same, and the processes go by this clock.
    pub fn by_clock(
        stack: Stack,
        settings: &[(&'static str, &'static str)],
        clock: Option<SetClock>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret"), "between-ourselves").unwrap();
        let sql = fs::read_to_string(repository().join("schemas/sql/postgres.sql")).unwrap();
        psql(&stack, &sql);
        let (settings, workers) = (settings.to_vec(), RefCell::default());
        let ports = free_ports();
        let mut world = Self { stack, dir, settings, clock, workers, api: None, ports };
        if !world.stack.clickhouse().is_empty() {
            let (is_done, said) = world.run(&["clickhouse", "migrate"]);
            assert!(is_done, "{said}");
        }
        world.start_worker(0);
        let api = world.start_role("serve", world.ports.internal, "state");
        wait_for(world.ports.internal, "/ready", &api);
        world.api = Some(api);
        world
    }

    /// The binary, configured as a process whose internal listener has this port.
    fn feedmill(&self, internal: u16, state: &str) -> Command {
        let stack = &self.stack;
        let urls = self.ports.workers.map(|port| format!("http://127.0.0.1:{port}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_feedmill"));
        command
            .current_dir(self.dir.path())
            .env("RUST_LOG", "info")
            .env("FEEDMILL_KAFKA__BOOTSTRAP", stack.kafka())
            .env("FEEDMILL_KAFKA__PARTITIONS", "3")
            .env("FEEDMILL_REDIS__URL", stack.redis())
            .env("FEEDMILL_POSTGRES__URL", stack.postgres())
            .env("FEEDMILL_WORKER__STATE_DIR", state)
            .env("FEEDMILL_STATE__SECRET_FILE", self.dir.path().join("secret"))
            .env("FEEDMILL_STATE__WORKERS", urls.join(","))
            .env("FEEDMILL_HTTP__LISTEN", format!("127.0.0.1:{}", self.ports.public))
            .env("FEEDMILL_HTTP__INTERNAL_LISTEN", format!("127.0.0.1:{internal}"))
            // Facts are polled for, and nobody stands before it who had to see that it goes.
            .env("FEEDMILL_LIMITS__USER_PER_MINUTE", "0")
            .env("FEEDMILL_HTTP__UNREADY_WAIT_MS", "0");
        if !stack.registry().is_empty() {
            command.env("FEEDMILL_REGISTRY__URLS", stack.registry());
        }
        if !stack.clickhouse().is_empty() {
            command.env("FEEDMILL_CLICKHOUSE__URL", stack.clickhouse());
            command.env("FEEDMILL_CLICKHOUSE__LINGER_MS", "200");
        }
        for (name, value) in &self.settings {
            command.env(format!("FEEDMILL_{name}"), value);
        }
        if let Some(clock) = &self.clock {
            clock.give(&mut command);
        }
        command
    }

    fn start_role(&self, role: &str, internal: u16, state: &str) -> Process {
        let mut command = self.feedmill(internal, state);
        command.arg(role);
        Process::spawn(&mut command, self.dir.path().join(format!("{role}.log"))).unwrap()
    }

    /// Starts the worker of this number, with the state that it had.
    pub fn start_worker(&self, number: usize) {
        let port = self.ports.workers[number];
        let worker = self.start_role("worker", port, &format!("state-{number}"));
        wait_for(port, "/health", &worker);
        self.workers.borrow_mut().insert(number, worker);
    }

    /// The same, with these settings beside those of the processes.
    pub fn start_worker_with(&self, number: usize, settings: &[(&str, &str)]) {
        let port = self.ports.workers[number];
        let mut command = self.feedmill(port, &format!("state-{number}"));
        command.arg("worker");
        command.envs(settings.iter().map(|(name, value)| (format!("FEEDMILL_{name}"), value)));
        let worker = Process::spawn(&mut command, self.dir.path().join("worker.log")).unwrap();
        wait_for(port, "/health", &worker);
        self.workers.borrow_mut().insert(number, worker);
    }

    /// The connector as users get it, with this stack's addresses.
    fn register_connector(&self) {
        let text = fs::read_to_string(repository().join("connectors/debezium/postgres.json"));
        let mut connector: Value = serde_json::from_str(&text.unwrap()).unwrap();
        let (host, port) = self.postgres().split_once(':').unwrap();
        connector["config"]["database.hostname"] = json!(host);
        connector["config"]["database.port"] = json!(port);
        connector["config"]["database.password"] = json!("");
        if !self.stack.registry().is_empty() {
            // Connect's own is that of Avro.
            let config = connector["config"].as_object_mut().unwrap();
            config.retain(|name, _| !name.contains(".converter"));
        }
        let url = format!("{}/connectors", self.stack.connect());
        let (status, body) = curl(&["-X", "POST", &url], None, Some(&connector));
        assert_eq!(status, 201, "{body}");
    }

    /// Waits until the connector reads the database's log: a row that comes and goes before its snapshot is never seen.
    pub fn wait_for_change_capture(&self) {
        let streams = "SELECT 'streams' FROM pg_replication_slots WHERE active";
        self.poll("the connector reads the log", || {
            let words = [self.stack.postgres(), "-qtA", "-c", streams];
            let output = Command::new("psql").args(words).output().unwrap();
            output.stdout.starts_with(b"streams").then_some(())
        });
    }

    /// Has a statement run again and again, as applications would.
    pub fn sql_again(&self, name: &str, statement: &str) -> Process {
        let file = self.dir.path().join(format!("{name}.sql"));
        fs::write(&file, format!("{statement} \\watch 0.02\n")).unwrap();
        let mut command = Command::new("psql");
        command.args([self.stack.postgres(), "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file);
        Process::spawn(&mut command, self.dir.path().join(format!("{name}.log"))).unwrap()
    }

    /// Has a statement run beside the test, for as long as it takes.
    pub fn sql_beside(&self, statement: &str) -> Process {
        let mut command = Command::new("psql");
        command.args([self.stack.postgres(), "-q", "-c", statement]);
        Process::spawn(&mut command, self.dir.path().join("beside.log")).unwrap()
    }

    /// What a server has written into its log.
    pub fn server_log(&self, part: Part) -> String {
        let name = format!("{part:?}.log").to_lowercase();
        fs::read_to_string(self.stack.dir().join(name)).unwrap()
    }

    /// The only value that PostgreSQL answers to a question, as text.
    pub fn sql_value(&self, question: &str) -> String {
        let words = [self.stack.postgres(), "-qtA", "-c", question];
        let output = Command::new("psql").args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What ClickHouse answers, as text with tabs.
    pub fn ask_clickhouse(&self, question: &str) -> String {
        let answer = self.asked_of_clickhouse(question);
        answer.unwrap_or_else(|words| panic!("{question}: {words}"))
    }

    /// The same; none if it does not.
    pub fn clickhouse(&self, question: &str) -> Option<String> {
        self.asked_of_clickhouse(question).ok()
    }

    fn asked_of_clickhouse(&self, question: &str) -> Result<String, String> {
        let url = format!("{}/?database=feedmill", self.stack.clickhouse());
        let words =
            ["-sS", "--fail-with-body", "--max-time", "20", &url, "--data-binary", question];
        let output = Command::new("curl").args(words).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
        if output.status.success() { Ok(text) } else { Err(text) }
    }

    /// Kafka's bootstrap address.
    pub fn kafka(&self) -> &str {
        self.stack.kafka()
    }

    /// Where PostgreSQL listens.
    pub fn postgres(&self) -> &str {
        let behind_user = self.stack.postgres().split('@').nth(1).unwrap();
        behind_user.split('/').next().unwrap()
    }

    /// The registry's URL; empty if there is none.
    pub fn registry(&self) -> &str {
        self.stack.registry()
    }

    /// Runs a statement as the application would.
    pub fn sql(&self, statement: &str) {
        psql(&self.stack, statement);
    }

    pub fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
    }

    /// A token of `user`, signed by the local key.
    pub fn token(&self, user: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_feedmill"));
        let output = command.args(["token", user]).current_dir(self.dir.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs a command as [`Self::run`] does; the code it ended with, what it told, and what it complained of.
    pub fn ended(&self, words: &[&str]) -> (Option<i32>, String, String) {
        ended(&mut self.command(words))
    }

    /// The same, with these settings beside those of the processes.
    pub fn ended_with(
        &self,
        settings: &[(&str, &str)],
        words: &[&str],
    ) -> (Option<i32>, String, String) {
        let mut command = self.command(words);
        command.envs(settings.iter().map(|(name, value)| (format!("FEEDMILL_{name}"), value)));
        ended(&mut command)
    }

    /// Runs a command of the binary to its end, configured as the processes are; whether it succeeded, and what it said.
    pub fn run(&self, words: &[&str]) -> (bool, String) {
        let output = self.command(words).output().unwrap();
        let said = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
        (output.status.success(), said)
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.feedmill(self.ports.internal, "state");
        command.args(words);
        command
    }

    /// Runs a command of the binary beside the test; its output goes to the log of this name.
    pub fn spawn(&self, name: &str, words: &[&str]) -> Process {
        self.spawn_with(name, &[], words)
    }

    /// The same, with these settings beside those of the processes.
    pub fn spawn_with(&self, name: &str, settings: &[(&str, &str)], words: &[&str]) -> Process {
        let log = self.dir.path().join(format!("{name}.log"));
        let mut command = self.command(words);
        command.envs(settings.iter().map(|(name, value)| (format!("FEEDMILL_{name}"), value)));
        Process::spawn(&mut command, log).unwrap()
    }

    /// Status and body of a request to the public routes.
    pub fn get(&self, path: &str, token: Option<&str>) -> (u16, Value) {
        curl(&[&format!("http://127.0.0.1:{}{path}", self.ports.public)], token, None)
    }

    pub fn post(&self, path: &str, token: &str, body: &Value) -> (u16, Value) {
        self.send("POST", path, token, body)
    }

    /// Status and body of a request with a body.
    pub fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}{path}", self.ports.public);
        curl(&["-X", method, &url], Some(token), Some(body))
    }

    /// Follows the feed of whoever has this token, from after an event; what comes is the process's output.
    pub fn follow(&self, name: &str, token: &str, last: Option<&str>) -> Process {
        let url = format!("http://127.0.0.1:{}/api/v1/feed/stream", self.ports.public);
        let mut command = Command::new("curl");
        command.args(["-sSN", &url, "-H", &format!("authorization: Bearer {token}")]);
        if let Some(last) = last {
            command.args(["-H", &format!("last-event-id: {last}")]);
        }
        Process::spawn(&mut command, self.dir.path().join(format!("{name}.sse"))).unwrap()
    }

    /// Posts one behaviour event of `user`.
    pub fn post_event(&self, user: &str, event: &Value) {
        let (status, body) =
            self.post("/api/v1/events", &self.token(user), &json!({"events": [event]}));
        assert_eq!((status, &body["accepted"]), (202, &json!(1)), "{body}");
    }

    /// The feed of `user` as it is.
    pub fn feed(&self, user: &str) -> Feed {
        let (status, body) = self.get("/api/v1/feed?explain=1", Some(&self.token(user)));
        assert_eq!(status, 200, "{body}");
        Feed::of(body)
    }

    /// The feed of `user` once it is so.
    pub fn feed_when(&self, user: &str, is_so: impl Fn(&Feed) -> bool) -> Feed {
        let mut last = None;
        let found = poll_until(LONG, || {
            let (status, body) = self.get("/api/v1/feed?explain=1", Some(&self.token(user)));
            let feed = (status == 200).then(|| Feed::of(body.clone()));
            last = Some((status, body));
            feed.filter(|feed| is_so(feed))
        });
        found.unwrap_or_else(|late| panic!("{late}: last {last:?}\n{}", self.logs()))
    }

    pub fn poll(&self, what: &str, check: impl FnMut() -> Option<()>) {
        poll_until(LONG, check).unwrap_or_else(|late| panic!("{what}: {late}\n{}", self.logs()));
    }

    /// Whether the API is ready, and what it says of its components.
    pub fn ready(&self) -> (bool, Value) {
        self.ready_for("")
    }

    pub fn ready_for(&self, what: &str) -> (bool, Value) {
        let url = format!("http://127.0.0.1:{}/ready{what}", self.ports.internal);
        let (status, body) = curl(&[&url], None, None);
        (status == 200, body)
    }

    pub fn component_is_up(&self, name: &str) -> bool {
        self.ready().1["components"][name]["up"].as_bool().unwrap_or(false)
    }

    pub fn stop_server(&self, part: Part) {
        self.stack.stop(part).unwrap();
    }

    pub fn kill_server(&self, part: Part) {
        self.stack.kill(part).unwrap();
    }

    pub fn pause_server(&self, part: Part) {
        self.stack.pause(part).unwrap();
    }

    pub fn resume_server(&self, part: Part) {
        self.stack.resume(part).unwrap();
    }

    pub fn start_server(&mut self, part: Part) {
        self.stack.start(part).unwrap();
    }

    /// `SIGTERM` to the worker of this number, and waits for a clean end.
    pub fn stop_worker(&self, number: usize) {
        let mut worker = self.workers.borrow_mut().remove(&number).unwrap();
        worker.terminate().unwrap();
        let status = worker.wait(LONG).unwrap();
        assert!(status.success(), "{status}: {}", worker.output().unwrap());
    }

    /// `SIGKILL` to the worker of this number.
    pub fn kill_worker(&self, number: usize) {
        self.workers.borrow_mut().remove(&number).unwrap().kill().unwrap();
    }

    /// What the worker of this number says of a component.
    pub fn component_of_worker(&self, number: usize, name: &str) -> Value {
        let url = format!("http://127.0.0.1:{}/ready", self.ports.workers[number]);
        curl(&[&url], None, None).1["components"][name].clone()
    }

    /// Where the worker of this number listens.
    pub fn worker_url(&self, number: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports.workers[number])
    }

    /// Whether the worker of this number still runs.
    pub fn is_worker_alive(&self, number: usize) -> bool {
        self.workers.borrow_mut().get_mut(&number).unwrap().is_alive().unwrap()
    }

    /// What the API process has of memory, KiB.
    pub fn api_memory_kib(&self) -> u64 {
        let id = self.api.as_ref().unwrap().id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Whether the API process has nothing to do for some time: what was sent to it has come.
    pub fn api_rests(&self) -> bool {
        let id = self.api.as_ref().unwrap().id();
        let ticks = || {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
            let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
            fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum::<u64>()
        };
        let before = ticks();
        let worked = poll_until(Duration::from_secs(1), || (ticks() > before + 2).then_some(()));
        worked.is_err()
    }

    /// A connection that follows the feed of whoever has this token, once its first event is there.
    pub fn connect_stream(&self, token: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.public)).unwrap();
        let head = "GET /api/v1/feed/stream HTTP/1.1\r\nhost: feedmill\r\nauthorization: Bearer";
        write!(stream, "{head} {token}\r\n\r\n").unwrap();
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        while !line.starts_with("event:") {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it ended");
        }
        lines
    }

    /// A folder for what else belongs to the test.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where the public routes are.
    pub fn public(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.public))
    }

    /// Where the caller's feed is.
    pub fn feed_url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/feed", self.ports.public)
    }

    /// All that the processes of this role have told.
    pub fn told(&self, role: &str) -> String {
        fs::read_to_string(self.dir.path().join(format!("{role}.log"))).unwrap_or_default()
    }

    /// The last lines of every process.
    pub fn logs(&self) -> String {
        let tail = |role: &str| {
            let text = self.told(role);
            let lines: Vec<_> = text.lines().rev().take(40).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        format!("--- worker\n{}\n--- serve\n{}", tail("worker"), tail("serve"))
    }
}

fn ended(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let [told, complained] =
        [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
    (output.status.code(), told, complained)
}

/// The checkout that the test runs in. Asked at run time: checkouts that share a target directory may share this program.
pub fn repository() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    package.parent().unwrap().to_owned()
}

fn free_ports() -> Ports {
    let listeners = [(); 2 + WORKERS_MAX].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [public, internal, workers @ ..] =
        listeners.map(|listener| listener.local_addr().unwrap().port());
    Ports { public, internal, workers }
}

fn psql(stack: &Stack, sql: &str) {
    let mut command = Command::new("psql");
    command.args([stack.postgres(), "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
}

fn wait_for(port: u16, path: &str, process: &Process) {
    let url = format!("http://127.0.0.1:{port}{path}");
    let answered = poll_until(LONG, || (curl(&[&url], None, None).0 == 200).then_some(()));
    answered.unwrap_or_else(|late| panic!("{url}: {late}\n{}", process.output().unwrap()));
}
