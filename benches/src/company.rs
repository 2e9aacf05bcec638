//! The product at work on real servers: Kafka, Redis, a worker process and an API process, and readers who
//! follow authors with posts. Rows are written as the change capture would write them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;
use tests::{Part, Process, Stack, poll_until};

use crate::http::Caller;
use crate::rows::{Writer, author, reader};
use crate::{Broken, Result};

const PARTITIONS: i32 = 3;
/// A reader follows all of them.
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
    worker: Process,
    worker_internal: SocketAddr,
    api: Process,
    address: SocketAddr,
    /// A token for each of the first readers.
    pub(crate) tokens: Vec<String>,
    /// How many rows were written.
    rows: u64,
}

/// Who reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readers {
    /// So many follow.
    pub(crate) all: usize,
    /// So many of them call, with tokens of their own.
    pub(crate) callers: usize,
}

impl Readers {
    /// So many, who all call.
    pub(crate) fn calling(all: usize) -> Self {
        Self { all, callers: all }
    }
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
    /// Starts it all; returns when those who call have their feeds in Redis.
    pub(crate) fn start(feedmill: &Path, readers: Readers) -> Result<Self> {
        let broken = |cause| Broken::while_doing("start servers", cause);
        let stack = Stack::of(&[Part::Kafka, Part::Redis]).lasting().start().map_err(broken)?;
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
                .env("FEEDMILL_LIMITS__USER_PER_MINUTE", "0")
                .env("FEEDMILL_HTTP__LISTEN", public.to_string())
                .env("FEEDMILL_HTTP__INTERNAL_LISTEN", internal.to_string());
            Process::spawn(&mut command, dir.path().join(format!("{role}.log"))).map_err(broken)
        };
        let worker = run("worker", worker_internal)?;
        listens(worker_internal, &worker)?;
        let api = run("serve", api_internal)?;
        listens(public, &api)?;
        let mut company = Self {
            stack,
            dir,
            worker,
            worker_internal,
            api,
            address: public,
            tokens: Vec::new(),
            rows: 0,
        };
        company.write_world(readers.all)?;
        company.tokens = (0..readers.callers)
            .map(|reader| company.token(feedmill, reader))
            .collect::<Result<_>>()?;
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

    /// The process id of the worker.
    pub(crate) fn worker(&self) -> u32 {
        self.worker.id()
    }

    /// A number in the worker's metrics; none if it has no such number yet.
    pub(crate) fn worker_metric(&self, name: &str) -> Result<Option<u64>> {
        let (status, body) = &Caller::connect(self.worker_internal, "")?
            .get("/metrics")
            .map(|(status, body)| (status, String::from_utf8_lossy(body).into_owned()))?;
        if *status != 200 {
            return Err(Broken(format!("metrics were answered with {status}")));
        }
        let value = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.and_then(|value| value.parse().ok()))
    }

    /// Who writes more: one at a time.
    pub(crate) fn writer(&self) -> Result<Writer> {
        Writer::open(self.stack.kafka(), PARTITIONS, self.rows)
    }

    fn token(&self, feedmill: &Path, reader: usize) -> Result<String> {
        let mut command = Command::new(feedmill);
        command.args(["token", &self::reader(reader)]).current_dir(self.dir.path());
        let output = command.output().map_err(|cause| Broken::while_doing("token", cause))?;
        if !output.status.success() {
            return Err(Broken::while_doing("token", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Users, who follows whom, posts; no two posts say the same, or a feed would show one of them.
    fn write_world(&mut self, readers: usize) -> Result<()> {
        let authors = (0..AUTHORS).map(author);
        let readers: Vec<_> = (0..readers).map(reader).collect();
        let mut writer = self.writer()?;
        writer.write(|rows| {
            for author in authors {
                rows.user(&author);
                for reader in &readers {
                    rows.follow(reader, &author);
                }
                for _ in 0..POSTS_PER_AUTHOR {
                    rows.post(&author);
                }
            }
            for reader in &readers {
                rows.user(reader);
            }
        })?;
        self.rows = writer.rows();
        Ok(())
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
