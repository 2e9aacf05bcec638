//! The product at work on real servers: Kafka, Redis, a worker process and an API process, and readers who
//! follow authors with posts. Rows are written as the change capture would write them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millstream::broker::partition_of;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Part, Process, Stack, poll_until};

use crate::http::Caller;
use crate::raw::{Client, Message, Producer};
use crate::{Broken, Result};

const PARTITIONS: i32 = 3;
const AUTHORS: usize = 20;
const POSTS_PER_AUTHOR: usize = 25;
/// Posts that a reader's feed shows before it is ready.
const READY_ITEMS: usize = 40;
const LONG: Duration = Duration::from_secs(60);
/// The longest page there is.
pub(crate) const FEED: &str = "/api/v1/feed?limit=100";

/// Servers, processes, and who reads.
pub(crate) struct Company {
    stack: Stack,
    dir: TempDir,
    _worker: Process,
    api: Process,
    address: SocketAddr,
    /// A token for each reader.
    pub(crate) tokens: Vec<String>,
}

/// What is looked at in an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Feed {
    pub(crate) source: String,
    pub(crate) items: Vec<Item>,
}

/// A post in a feed.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) post_id: String,
}

impl Feed {
    /// The feed of who calls; none while no tier answers.
    pub(crate) fn of(caller: &mut Caller) -> Result<Option<Self>> {
        match caller.get(FEED)? {
            (200, body) => serde_json::from_slice(body)
                .map(Some)
                .map_err(|cause| Broken::while_doing("feed", cause)),
            (503, _) => Ok(None),
            (status, body) => {
                let said = String::from_utf8_lossy(body);
                Err(Broken(format!("a feed was answered with {status}: {said}")))
            }
        }
    }

    /// The copy of who calls' feed in Redis, once it has so many posts.
    pub(crate) fn cached(caller: &mut Caller, items_min: usize) -> Result<Self> {
        let mut last = None;
        let found = poll_until(LONG, || {
            let found = Self::of(caller).map(|feed| {
                feed.filter(|feed| feed.source == "redis" && feed.items.len() >= items_min)
            });
            match found {
                Ok(found) => found,
                Err(broken) => {
                    last = Some(broken);
                    None
                }
            }
        });
        found.map_err(|late| Broken(format!("no feed in Redis: {late}, {last:?}")))
    }

    /// Whether `post` is in it.
    pub(crate) fn has(&self, post: &str) -> bool {
        self.items.iter().any(|item| item.post_id == post)
    }
}

impl Company {
    /// Starts it all; returns when so many readers have their feeds in Redis.
    pub(crate) fn start(feedmill: &Path, readers: usize) -> Result<Self> {
        let broken = |cause| Broken::while_doing("start servers", cause);
        let stack = Stack::of(&[Part::Kafka, Part::Redis]).start().map_err(broken)?;
        let dir = tempfile::tempdir().map_err(broken)?;
        std::fs::write(dir.path().join("secret"), "between-ourselves").map_err(broken)?;
        let [public, api_internal, worker_internal] = free_ports()?;
        let run = |role: &str, internal: SocketAddr| {
            let mut command = Command::new(feedmill);
            command
                .arg(role)
                .current_dir(dir.path())
                .env("FEEDMILL_KAFKA__BOOTSTRAP", stack.kafka())
                .env("FEEDMILL_KAFKA__PARTITIONS", PARTITIONS.to_string())
                .env("FEEDMILL_REDIS__URL", stack.redis())
                // Whoever asks shares the machine with who answers: a tier must not be given up for that.
                .env("FEEDMILL_REDIS__WAIT_MS", "1000")
                .env("FEEDMILL_STATE__SECRET_FILE", dir.path().join("secret"))
                .env("FEEDMILL_STATE__WORKERS", format!("http://{worker_internal}"))
                .env("FEEDMILL_HTTP__LISTEN", public.to_string())
                .env("FEEDMILL_HTTP__INTERNAL_LISTEN", internal.to_string());
            Process::spawn(&mut command, dir.path().join(format!("{role}.log"))).map_err(broken)
        };
        let worker = run("worker", worker_internal)?;
        listens(worker_internal, &worker)?;
        let api = run("serve", api_internal)?;
        listens(public, &api)?;
        let mut company =
            Self { stack, dir, _worker: worker, api, address: public, tokens: Vec::new() };
        company.write_rows(readers)?;
        company.tokens =
            (0..readers).map(|reader| company.token(feedmill, reader)).collect::<Result<_>>()?;
        company.await_feeds()?;
        Ok(company)
    }

    /// A connection of the reader with this number.
    pub(crate) fn caller(&self, reader: usize) -> Result<Caller> {
        let token = self.tokens.get(reader).map_or("", String::as_str);
        Caller::connect(self.address, token)
    }

    /// The process id of the API.
    pub(crate) fn api(&self) -> u32 {
        self.api.id()
    }

    fn token(&self, feedmill: &Path, reader: usize) -> Result<String> {
        let mut command = Command::new(feedmill);
        command.args(["token", &id('c', reader)]).current_dir(self.dir.path());
        let output = command.output().map_err(|cause| Broken::while_doing("token", cause))?;
        if !output.status.success() {
            return Err(Broken::while_doing("token", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Users, who follows whom, posts; no two posts say the same, or a feed would show one of them.
    fn write_rows(&self, readers: usize) -> Result<()> {
        let mut rows = Rows { at: now_ms(), lsn: 0, records: Vec::new() };
        let authors = (0..AUTHORS).map(|author| id('a', author));
        let readers: Vec<_> = (0..readers).map(|reader| id('c', reader)).collect();
        for author in authors {
            rows.keyed("users", &author, json!({"username": author}));
            for reader in &readers {
                rows.follow(reader, &author);
            }
            for _ in 0..POSTS_PER_AUTHOR {
                let post = id('d', rows.records.len());
                rows.keyed("posts", &post, json!({"user_id": author, "content": post}));
            }
        }
        for reader in &readers {
            rows.keyed("users", reader, json!({"username": reader}));
        }
        rows.send(self.stack.kafka())
    }

    fn await_feeds(&self) -> Result<()> {
        for reader in 0..self.tokens.len() {
            let mut caller = self.caller(reader)?;
            Feed::cached(&mut caller, READY_ITEMS).map_err(|broken| {
                let log = std::fs::read_to_string(self.dir.path().join("worker.log"));
                Broken(format!("reader {reader}: {broken}\n{}", log.unwrap_or_default()))
            })?;
        }
        Ok(())
    }
}

/// Rows as the change capture writes them.
struct Rows {
    at: u64,
    lsn: u64,
    records: Vec<(&'static str, String, String)>,
}

impl Rows {
    fn keyed(&mut self, table: &'static str, id: &str, mut row: Value) {
        if let Value::Object(columns) = &mut row {
            columns.insert("id".into(), json!(id));
        }
        self.push(table, format!(r#"{{"id":"{id}"}}"#), row);
    }

    fn follow(&mut self, follower: &str, followee: &str) {
        let key = format!(r#"{{"follower_id":"{follower}","followee_id":"{followee}"}}"#);
        self.push("follows", key, json!({"follower_id": follower, "followee_id": followee}));
    }

    fn push(&mut self, table: &'static str, key: String, mut row: Value) {
        self.lsn += 1;
        if let Value::Object(columns) = &mut row {
            columns.insert("created_at".into(), json!(self.at));
        }
        let value = json!({
            "before": null,
            "after": row,
            "source": {
                "connector": "postgresql", "name": "cdc", "ts_ms": self.at, "snapshot": "false",
                "db": "feedmill", "schema": "public", "table": table, "lsn": self.lsn,
            },
            "op": "c",
            "ts_ms": self.at,
        });
        self.records.push((table, key, value.to_string()));
    }

    fn send(&self, bootstrap: &str) -> Result<()> {
        let mut producer = Producer::open(Client::new(bootstrap).set("linger.ms", "5"))?;
        for table in ["users", "posts", "follows"] {
            let topic = producer.topic(&format!("cdc.{table}"))?;
            let of_table = self.records.iter().filter(|(of, _, _)| *of == table);
            let messages = of_table.map(|(_, key, value)| {
                let partition = partition_of(key.as_bytes(), PARTITIONS);
                Message::new(partition, key.as_bytes(), value.as_bytes())
            });
            producer.send_copies(&topic, messages)?;
        }
        producer.flush(LONG)
    }
}

/// The id of this number, of a kind told by a letter.
fn id(kind: char, number: usize) -> String {
    format!("{kind}0000000-0000-4000-8000-{number:012}")
}

/// The time of day, in ms UTC.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}

fn free_ports() -> Result<[SocketAddr; 3]> {
    let mut found = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); 3];
    let mut held = Vec::new();
    for address in &mut found {
        let broken = |cause| Broken::while_doing("find a port", cause);
        let listener = TcpListener::bind(*address).map_err(broken)?;
        *address = listener.local_addr().map_err(broken)?;
        held.push(listener);
    }
    Ok(found)
}

fn listens(address: SocketAddr, process: &Process) -> Result<()> {
    let connected = poll_until(LONG, || std::net::TcpStream::connect(address).ok());
    connected.map(drop).map_err(|late| {
        let log = process.output().unwrap_or_default();
        Broken::while_doing("wait for a process to listen", format!("{late}\n{log}"))
    })
}
