//! A process whose file is edited while it runs: what takes effect, what waits for a restart, and what is faulty.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Part, Process, Stack, poll_until};

use crate::READER;
use crate::curl::curl;
use crate::world::LONG;

/// A process with worker and API that is told everything by a file.
struct Told {
    process: Process,
    dir: TempDir,
    bootstrap: String,
    ports: [u16; 2],
    _stack: Stack,
}

impl Told {
    /// One whose file also says this.
    fn by(more: &str) -> Self {
        let (stack, dir) =
            (Stack::of(&[Part::Kafka]).start().unwrap(), tempfile::tempdir().unwrap());
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.map(|listener| listener.local_addr().unwrap().port());
        let bootstrap = stack.kafka().to_owned();
        fs::write(dir.path().join("mill.toml"), text(&bootstrap, ports, more)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_feedmill"));
        command.current_dir(dir.path()).args(["run", "--config", "mill.toml"]);
        command.env_remove("RUST_LOG");
        let process = Process::spawn(&mut command, dir.path().join("log")).unwrap();
        let told = Self { process, dir, bootstrap, ports, _stack: stack };
        told.poll("it is ready", || (told.ready().0 == 200).then_some(()));
        told
    }

    /// Its file says this from now on.
    fn edit(&self, more: &str) {
        let file = self.file();
        let next = file.with_extension("next");
        fs::write(&next, text(&self.bootstrap, self.ports, more)).unwrap();
        fs::rename(next, file).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("mill.toml")
    }

    fn ready(&self) -> (u16, Value) {
        curl(&[&format!("http://127.0.0.1:{}/ready", self.ports[1])], None, None)
    }

    /// The rate by which readers are bounded, as they are told.
    fn rate(&self, token: &str) -> String {
        let url = format!("http://127.0.0.1:{}/api/v1/feed", self.ports[0]);
        let header = format!("authorization: Bearer {token}");
        let told = "%header{ratelimit-policy}";
        let words = ["-sS", "-o", "/dev/null", "-w", told, "-H", &header, &url];
        let output = Command::new("curl").args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn metric(&self, name: &str) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.ports[1]);
        let output = Command::new("curl").args(["-sS", &url]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}: {text}")).to_owned()
    }

    fn poll(&self, what: &str, check: impl FnMut() -> Option<()>) {
        let log = || self.process.output().unwrap();
        poll_until(LONG, check).unwrap_or_else(|late| panic!("{what}: {late}\n{}", log()));
    }
}

fn text(bootstrap: &str, [public, internal]: [u16; 2], more: &str) -> String {
    format!(
        "kafka.bootstrap = '{bootstrap}'\nkafka.partitions = 1\nhttp.listen = '127.0.0.1:{public}'\n\
         http.internal_listen = '127.0.0.1:{internal}'\n{more}"
    )
}

#[test]
fn a_file_that_is_edited_takes_effect_as_far_as_it_can_and_a_faulty_one_not_at_all() {
    let told = Told::by("limits.user_per_minute = 1000");
    let mut sign = Command::new(env!("CARGO_BIN_EXE_feedmill"));
    let signed = sign.args(["token", READER]).current_dir(told.dir.path()).output().unwrap();
    let token = String::from_utf8(signed.stdout).unwrap().trim().to_owned();
    assert_eq!(told.rate(&token), "\"user\";q=1000;w=60");
    assert_eq!(told.ready().1["config"], Value::Null);

    // Seen by itself, and what needs a restart is told and changes nothing.
    told.edit("limits.user_per_minute = 2000\nredis.wait_ms = 70");
    told.poll("the new limit", || (told.rate(&token) == "\"user\";q=2000;w=60").then_some(()));
    let waits = json!({"restart_needed": [
        {"setting": "redis.wait_ms", "in_force": "50", "told": "70"}
    ]});
    told.poll("what waits", || (told.ready() == (200, with_config(&told, &waits))).then_some(()));
    assert_eq!(told.metric("feedmill_config_restart_needed"), "1");

    // At once when asked; each fault is named, and the old limit holds.
    told.edit("limits.user_per_minute = 'many'\nnobody = 1");
    told.process.hang_up().unwrap();
    told.poll("the faults", || told.ready().1["config"]["faults"].is_array().then_some(()));
    let (status, ready) = told.ready();
    assert_eq!((status, named(&ready)), (200, vec!["limits.user_per_minute", "nobody"]));
    assert_eq!(told.rate(&token), "\"user\";q=2000;w=60");
    assert_eq!(told.metric("feedmill_config_last_reload_successful"), "0");
    assert_ne!(told.metric("feedmill_config_reload_failures_total"), "0");
    let log = told.process.output().unwrap();
    let line = log.lines().find(|line| line.contains("what is in force stays")).unwrap();
    assert!(line.contains("limits.user_per_minute: ") && line.contains("nobody: "), "{line}");

    // It is well, and whoever kills what is not must be told so.
    let mut health = Command::new(env!("CARGO_BIN_EXE_feedmill"));
    health.current_dir(told.dir.path()).args(["health", "--config", "mill.toml"]);
    let health = health.output().unwrap();
    assert!(health.status.success(), "{}", String::from_utf8_lossy(&health.stderr));

    // Mended: all is as the file says, and more is told than before.
    told.edit("limits.user_per_minute = 3000\nlog.level = 'debug'");
    told.process.hang_up().unwrap();
    told.poll("the mended limit", || (told.rate(&token) == "\"user\";q=3000;w=60").then_some(()));
    told.poll("nothing to tell", || told.ready().1["config"].is_null().then_some(()));
    assert_eq!(told.metric("feedmill_config_last_reload_successful"), "1");
    told.poll("debug", || told.process.output().unwrap().contains(" DEBUG ").then_some(()));
}

/// What readiness says now, if of its configuration it says this.
fn with_config(told: &Told, config: &Value) -> Value {
    let mut ready = told.ready().1;
    ready["config"] = config.clone();
    ready
}

fn named(ready: &Value) -> Vec<&str> {
    let faults = ready["config"]["faults"].as_array().unwrap().iter();
    faults.filter_map(|fault| fault.as_str()?.split(": ").next()).collect()
}
