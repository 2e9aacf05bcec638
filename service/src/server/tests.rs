//! A whole process on a cluster inside the test: rows and events go in, the API answers with a feed.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use millstream::broker::embedded::Embedded;
use millstream::broker::{
    Admin, Broker, Call, Code, Consumer, Failure, GroupConsumer, Isolation, Join, Membership,
    OutRecord, Outgoing, Producer, TopicIndex, partition_of,
};
use millstream::store::rocks::RocksStores;
use millstream::store::{Checkpoint, Column, StateChanges, Stores};
use millstream::{Clock, Headers, SystemClock, TaskId, Topic};
use serde_json::{Value, json};
use tests::poll_until;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{Roles, Server};
use crate::commands::topics;
use crate::config::Config;
use crate::token;

const READER: Uuid = Uuid::from_bytes([1; 16]);
const AUTHOR: Uuid = Uuid::from_bytes([2; 16]);
const POST: Uuid = Uuid::from_bytes([3; 16]);

fn config(dir: &std::path::Path) -> Config {
    let set = |name: &str, value: String| (format!("FEEDMILL_{name}"), value);
    let path = |name: &str| dir.join(name).display().to_string();
    let environment = [
        set("KAFKA__PARTITIONS", "2".to_owned()),
        set("KAFKA__CREATE_TOPICS", "false".to_owned()),
        set("WORKER__STATE_DIR", path("state")),
        set("AUTH__KEY_FILE", path("token.pub.pem")),
        set("AUTH__SIGNING_KEY_FILE", path("token.pem")),
        // What is asked until it is so is asked often on a slow machine.
        set("LIMITS__USER_PER_MINUTE", "0".to_owned()),
        set("HTTP__LISTEN", "127.0.0.1:0".to_owned()),
        set("HTTP__INTERNAL_LISTEN", "127.0.0.1:0".to_owned()),
        // Facts are polled for, on slow machines for long.
        set("LIMITS__USER_PER_MINUTE", "0".to_owned()),
    ];
    Config::read(None, environment.into_iter(), |_| Vec::new()).unwrap()
}

fn pour(broker: &Embedded, table: &str, key: &Value, row: &Value) {
    let now = SystemClock.now();
    let lsn = 1 + i64::from(row["deleted_at"].is_number());
    let envelope = json!({"before": null, "after": row, "op": "c", "ts_ms": now.0,
        "source": {"lsn": lsn, "ts_ms": now.0, "snapshot": "false", "schema": "public", "table": table}});
    let (key, value) = (key.to_string(), envelope.to_string());
    let mut out = Outgoing::default();
    out.push(OutRecord {
        topic: TopicIndex(0),
        partition: partition_of(key.as_bytes(), 2),
        logged: false,
        timestamp: now,
        key: Some(key.as_bytes()),
        value: Some(value.as_bytes()),
        headers: Headers::default(),
    });
    let topic = Topic::from(format!("cdc.{table}"));
    let mut producer = broker.producer(None, Arc::from([topic])).unwrap();
    producer.send(&out).unwrap();
    producer.flush(Duration::from_secs(5)).unwrap();
}

async fn get(url: String, token: &str) -> (StatusCode, Value) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let request = Request::get(url).header("authorization", format!("Bearer {token}"));
    let answer = client.request(request.body(Empty::new()).unwrap()).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

#[test]
fn a_followees_post_is_in_the_feed_that_the_api_answers() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let config = config(dir.path());
    let broker = Embedded::new(Arc::new(SystemClock));
    topics::create_all(&broker, &config).unwrap();
    token::ensure_keys(&config.auth).unwrap();
    let both = Roles { worker: true, api: true };
    let starting = Server::start(&config, Arc::new(broker.clone()), both, None);
    let server = runtime.block_on(starting).unwrap();
    let now = SystemClock.now().0;
    let [reader, author, post] = [READER, AUTHOR, POST].map(|id| id.to_string());
    for id in [&reader, &author] {
        let row = json!({"id": id, "username": "u", "created_at": now});
        pour(&broker, "users", &json!({"id": id}), &row);
    }
    let key = json!({"follower_id": reader, "followee_id": author});
    let row = json!({"follower_id": reader, "followee_id": author, "created_at": now});
    pour(&broker, "follows", &key, &row);
    let row = json!({"id": post, "user_id": author, "content": "hello", "created_at": now});
    pour(&broker, "posts", &json!({"id": post}), &row);

    let token = token::sign(&config.auth, READER, &[], 60).unwrap();
    let (public, internal) = (server.public.unwrap(), server.internal);
    let asked = || {
        let (_, feed) = runtime.block_on(get(format!("http://{public}/api/v1/feed"), &token));
        (feed["items"][0]["post_id"] == post.as_str()).then_some(feed)
    };
    let feed = poll_until(Duration::from_secs(60), asked).unwrap();
    assert_eq!(
        (&feed["source"], &feed["items"][0]["sources"]),
        (&json!("state"), &json!(["follow"]))
    );
    let ready = || {
        let (status, said) = runtime.block_on(get(format!("http://{internal}/ready"), &token));
        let is_engine_up = said["components"]["engine"]["up"] == json!(true);
        (status == StatusCode::OK && is_engine_up).then_some(())
    };
    poll_until(Duration::from_secs(30), ready).unwrap();
    let why = |token: &str, of: &str| {
        let url = format!("http://{public}/api/v1/feed/explain/{of}");
        runtime.block_on(get(url, token))
    };
    why_it_is_there(&why(&token, &post), &author);
    let (status, nobody) = why(&token, &AUTHOR.to_string());
    assert_eq!((status, &nobody["dropped"]["stage"]), (StatusCode::OK, &json!("unknown")));
    let of_author = token::sign(&config.auth, AUTHOR, &[], 60).unwrap();
    let (_, own) = why(&of_author, &post);
    assert_eq!(
        (&own["in_feed"], &own["dropped"]["words"]),
        (&json!(false), &json!("the reader wrote it"))
    );
    let row = json!({"id": post, "user_id": author, "content": "hello", "created_at": now, "deleted_at": now});
    pour(&broker, "posts", &json!({"id": post}), &row);
    let deleted = || (why(&token, &post).1["dropped"]["stage"] == "deleted").then_some(());
    poll_until(Duration::from_secs(60), deleted).unwrap();
    let (status, refused) = why(&token, "me");
    assert_eq!(
        (status, &refused["error"]["fields"][0]["field"]),
        (StatusCode::BAD_REQUEST, &json!("post_id"))
    );
    assert_eq!(runtime.block_on(server.stop()), Ok(()));
}

fn why_it_is_there((status, why): &(StatusCode, Value), author: &str) {
    assert_eq!(
        (*status, &why["in_feed"], &why["source"]),
        (StatusCode::OK, &json!(true), &json!("state"))
    );
    let placed = &why["placed"];
    assert_eq!((&placed["position"], &placed["rank"]), (&json!(1), &json!(1)));
    assert_eq!(placed["sources"], json!([{"source": "follow", "author_id": author}]));
    assert_eq!(placed["terms"]["freshness"]["weight"], 0.3);
}

#[test]
fn a_port_that_somebody_else_has_starts_no_engine() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(dir.path());
    config.http.internal_listen = taken.local_addr().unwrap();
    token::ensure_keys(&config.auth).unwrap();
    let broker = Embedded::new(Arc::new(SystemClock));
    topics::create_all(&broker, &config).unwrap();
    let both = Roles { worker: true, api: true };
    let refused =
        runtime.block_on(Server::start(&config, Arc::new(broker), both, None)).err().unwrap();
    assert!(refused.why.starts_with("the internal listener cannot have 127.0.0.1:"), "{refused}");
    assert!(!config.worker.state_dir.exists(), "an engine claims its state directory first");
}

/// A cluster that can be away: then nobody answers a call that asks at once, or one that joins a group.
struct Cluster {
    inner: Embedded,
    is_away: AtomicBool,
    refuses_members: AtomicBool,
}

impl Cluster {
    fn with_topics(config: &Config) -> Arc<Self> {
        let inner = Embedded::new(Arc::new(SystemClock));
        topics::create_all(&inner, config).unwrap();
        Arc::new(Self { inner, is_away: false.into(), refuses_members: false.into() })
    }

    fn answers(&self, call: Call) -> Result<(), Failure> {
        match self.is_away.load(Ordering::Relaxed) {
            true => Err(Failure::new(call, Code::Transport, "nobody answers")),
            false => Ok(()),
        }
    }
}

impl Broker for Cluster {
    fn transaction_timeout(&self) -> Duration {
        self.inner.transaction_timeout()
    }

    fn consumer(&self, group: &str, isolation: Isolation) -> Result<Box<dyn Consumer>, Failure> {
        self.inner.consumer(group, isolation)
    }

    fn producer(
        &self,
        id: Option<&str>,
        topics: Arc<[Topic]>,
    ) -> Result<Box<dyn Producer>, Failure> {
        self.inner.producer(id, topics)
    }

    fn membership(&self, join: &Join) -> Result<Box<dyn Membership>, Failure> {
        if self.refuses_members.swap(false, Ordering::Relaxed) {
            return Err(Failure::new(Call::Poll, Code::Transport, "nobody answers"));
        }
        self.inner.membership(join)
    }

    fn group_consumer(
        &self,
        group: &str,
        instance: Option<&str>,
        topics: &[Topic],
    ) -> Result<Box<dyn GroupConsumer>, Failure> {
        self.inner.group_consumer(group, instance, topics)
    }

    fn admin(&self) -> Result<Box<dyn Admin>, Failure> {
        self.answers(Call::Admin)?;
        self.inner.admin()
    }
}

/// What readiness says of a component, once it is as `wanted`.
fn seen(runtime: &Runtime, server: &Server, component: &str, wanted: bool) -> Value {
    let url = format!("http://{}/ready", server.internal);
    let look = || {
        let (_, said) = runtime.block_on(get(url.clone(), ""));
        let seen = said["components"][component].clone();
        (seen["up"] == json!(wanted)).then_some(seen)
    };
    poll_until(Duration::from_secs(30), look).unwrap()
}

#[test]
fn a_process_starts_while_kafka_is_away_says_so_and_ranks_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let config = config(dir.path());
    token::ensure_keys(&config.auth).unwrap();
    let cluster = Cluster::with_topics(&config);
    cluster.is_away.store(true, Ordering::Relaxed);
    let both = Roles { worker: true, api: true };
    let server = runtime.block_on(Server::start(&config, cluster.clone(), both, None)).unwrap();
    let fault = seen(&runtime, &server, "engine", false)["fault"].to_string();
    assert!(fault.contains("nobody answers"), "{fault}");
    let token = token::sign(&config.auth, READER, &[], 60).unwrap();
    let url = format!("http://{}/api/v1/feed", server.public.unwrap());
    let (status, answer) = runtime.block_on(get(url, &token));
    assert_eq!((status.as_u16(), &answer["error"]["code"]), (503, &json!("unavailable")));
    cluster.is_away.store(false, Ordering::Relaxed);
    seen(&runtime, &server, "engine", true);
    seen(&runtime, &server, "state", true);
    assert_eq!(runtime.block_on(server.stop()), Ok(()));
}

#[test]
fn a_process_that_waits_for_kafka_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let config = config(dir.path());
    let cluster = Cluster::with_topics(&config);
    cluster.is_away.store(true, Ordering::Relaxed);
    let worker = Roles { worker: true, api: false };
    let server = runtime.block_on(Server::start(&config, cluster, worker, None)).unwrap();
    assert!(server.is_running());
    assert_eq!(runtime.block_on(server.stop()), Ok(()));
}

#[test]
fn a_worker_that_ends_because_kafka_went_away_is_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let config = config(dir.path());
    let cluster = Cluster::with_topics(&config);
    cluster.refuses_members.store(true, Ordering::Relaxed);
    let worker = Roles { worker: true, api: false };
    let server = runtime.block_on(Server::start(&config, cluster.clone(), worker, None)).unwrap();
    seen(&runtime, &server, "engine", true);
    assert!(!cluster.refuses_members.load(Ordering::Relaxed), "nobody was refused");
    assert_eq!(runtime.block_on(server.stop()), Ok(()));
}

/// Writes what no build can read to where a task keeps its stream time.
fn damage(config: &Config, task: &TaskId) {
    let stores = RocksStores::new(config.worker.state_dir.join(&config.app), 8 << 20);
    let columns = ["user-rows".into(), format!("{}-task", task.sub_topology).into()];
    let mut store = stores.open(task, &columns).unwrap();
    let mut changes = StateChanges::default();
    changes.push(Column(1), b"stream-time", Some(b"?"));
    store.restore(&changes, &Checkpoint::default()).unwrap();
    store.close().unwrap();
}

#[test]
fn a_task_that_cannot_be_opened_is_named_in_readiness_and_metrics_and_the_process_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let config = config(dir.path());
    let broker = Embedded::new(Arc::new(SystemClock));
    topics::create_all(&broker, &config).unwrap();
    damage(&config, &TaskId { sub_topology: "ingest-users".into(), partition: 0 });
    let worker = Roles { worker: true, api: false };
    let starting = Server::start(&config, Arc::new(broker), worker, None);
    let server = runtime.block_on(starting).unwrap();
    let internal = server.internal;
    let engine = || {
        let (_, said) = runtime.block_on(get(format!("http://{internal}/ready"), ""));
        let engine = &said["components"]["engine"];
        let fault = engine["fault"].as_str().filter(|fault| fault.contains("stopped"))?;
        Some((engine["up"].clone(), fault.to_owned()))
    };
    let (up, fault) = poll_until(Duration::from_secs(30), engine).unwrap();
    assert!(fault.starts_with("task ingest-users_0 was stopped: "), "{fault}");
    assert_eq!((up, server.is_running()), (json!(false), true));
    let counted = runtime.block_on(text(format!("http://{internal}/metrics")));
    assert!(counted.lines().any(|line| line == "millstream_stopped_tasks_total 1"), "{counted}");
    assert_eq!(runtime.block_on(server.stop()), Ok(()));
}

async fn text(url: String) -> String {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let answer = client.request(Request::get(url).body(Empty::new()).unwrap()).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8_lossy(&body).into_owned()
}
