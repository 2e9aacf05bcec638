//! What goes through HTTP: events in, feeds out, and how many clients there may be at once.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::broker::{Broker, Isolation};
use millstream::{Offset, TopicPartition};
use serde_json::json;
use tests::poll_until;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::{Instant, interval_at};

use super::answers::Answers;
use super::{is_whole, sized, tell};
use crate::client::Asked;
use crate::readers::{self, reader, tokens};
use crate::world::{LONG, World};

/// The most events of a request.
pub const EVENTS: u64 = 100;
const CONNECTIONS: u64 = 64;
const READERS: usize = 20;

/// One kept connection.
pub struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    pub async fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// What became of a request; `body` makes it a POST.
    pub async fn ask(&mut self, path: &str, token: &str, body: Option<String>) -> Asked {
        let at = std::time::Instant::now();
        let request = if body.is_some() { Request::post(path) } else { Request::get(path) };
        let request = request
            .header("host", "feedmill")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"));
        let request = request.body(Full::from(body.unwrap_or_default())).unwrap();
        let mut asked =
            Asked { caller: 0, at, took: Duration::ZERO, status: 0, source: "feedmill".into() };
        if self.0.ready().await.is_ok()
            && let Ok(answer) = self.0.send_request(request).await
        {
            asked.status = answer.status().as_u16();
            let _ = answer.into_body().collect().await;
        }
        asked.took = at.elapsed();
        asked
    }
}

/// The records that a topic of three partitions has, once there are `count`.
pub fn values(kafka: &Kafka, topic: &str, count: u64) -> Vec<Vec<u8>> {
    let mut consumer = kafka.consumer("test", Isolation::ReadCommitted).unwrap();
    let from: Vec<_> =
        (0..3).map(|partition| (TopicPartition::new(topic, partition), Offset(0))).collect();
    consumer.assign(&from).unwrap();
    let mut found = Vec::new();
    let _ = poll_until(LONG, || {
        let polled = consumer.poll(Duration::from_millis(500)).unwrap().batches;
        let before = found.len();
        let records = polled.iter().flat_map(|batch| batch.iter());
        found.extend(records.map(|record| record.value.unwrap_or_default().to_vec()));
        // Whether there are too many shows when nothing comes any more.
        (found.len() as u64 >= count && found.len() == before).then_some(())
    });
    found
}

/// The name of the event of this number.
pub fn event_id(number: u64) -> String {
    format!("e0000000-0000-4000-8000-{number:012}")
}

/// The events from this number on, each of its own name.
pub fn events(first: u64, now: u64) -> String {
    let event = |number: u64| {
        json!({
            "event_id": event_id(number), "action": "view",
            "post_id": format!("d0000000-0000-4000-8000-{:012}", number % 1_000), "event_time": now,
        })
    };
    json!({"events": (first..first + EVENTS).map(event).collect::<Vec<_>>()}).to_string()
}

#[test]
fn no_event_that_is_taken_over_http_is_lost() {
    let (per_second, seconds) = (sized(500, 10_000), sized(4, 30));
    let requests = per_second * seconds / EVENTS;
    let world = World::without_change_capture();
    let (token, to, now) = (world.token(&reader(0)), world.public(), world.now_ms());
    let posted: Vec<_> = Runtime::new().unwrap().block_on(async {
        let every = Duration::from_millis(1_000 * EVENTS / per_second * CONNECTIONS);
        let posting = (0..CONNECTIONS).map(|connection| {
            let token = token.clone();
            tokio::spawn(async move {
                let mut open = Connection::open(to).await;
                let mut due = interval_at(
                    Instant::now() + every * connection as u32 / CONNECTIONS as u32,
                    every,
                );
                let mut posted = Vec::new();
                for number in (connection..requests).step_by(CONNECTIONS as usize) {
                    due.tick().await;
                    let body = events(number * EVENTS, now);
                    posted.push(open.ask("/api/v1/events", &token, Some(body)).await);
                }
                posted
            })
        });
        join_all(posting).await.into_iter().flat_map(Result::unwrap).collect()
    });
    let taken = posted.iter().filter(|one| one.status == 202).count() as u64 * EVENTS;
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let found = values(&kafka, "events", taken).len() as u64;
    let span =
        posted.iter().map(|one| one.at + one.took).max().zip(posted.iter().map(|one| one.at).min());
    let span = span.map_or(Duration::ZERO, |(last, first)| last - first);
    let rate = taken as f64 / span.as_secs_f64();
    let all = taken == requests * EVENTS;
    let passes = all && found == taken && span.as_secs() <= seconds + 1;
    let words = format!(
        "{per_second} events/s for {seconds} s: {taken} taken at {rate:.0}/s, {found} in Kafka"
    );
    let took = Answers::of(&posted).figures();
    tell(
        "events",
        passes,
        &words,
        json!({"taken": taken, "kept": found, "per_second": rate, "took": took}),
    );
    assert!(all && found == taken, "{words}\n{}", world.logs());
    assert!(passes || !is_whole(), "{words}");
}

#[test]
fn clients_by_the_thousand_are_answered_at_once() {
    let (clients, rounds) = (sized(200, 10_000), 3);
    // Each has an end here too.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let world = World::with(&[("HTTP__CONNECTIONS_MAX", "20000"), ("REDIS__WAIT_MS", "2000")]);
    readers::write(&world, READERS);
    let tokens = tokens(&world, READERS);
    readers::warm_up(&world, &tokens);
    let to = world.public();
    let asked: Vec<_> = Runtime::new().unwrap().block_on(async {
        // Everybody stays connected, and asks once in ten seconds, each in turn.
        let every = Duration::from_secs(sized(1, 10));
        let asking = (0..clients).map(|client| {
            let token = tokens[client as usize % READERS].clone();
            tokio::spawn(async move {
                let mut due = interval_at(Instant::now() + every * client / clients, every);
                due.tick().await;
                // Who connects and says nothing is closed.
                let mut open = Connection::open(to).await;
                let mut asked = vec![open.ask("/api/v1/feed", &token, None).await];
                for _ in 1..rounds {
                    due.tick().await;
                    asked.push(open.ask("/api/v1/feed", &token, None).await);
                }
                asked
            })
        });
        let asking: Vec<_> = asking.collect();
        join_all(asking).await.into_iter().flat_map(Result::unwrap).collect()
    });
    let answers = Answers::of(&asked);
    let passes = answers.percent() == 100.0;
    let words = format!("{clients} clients at once: {answers}");
    tell("clients", passes, &words, json!({"clients": clients, "answers": answers.figures()}));
    assert!(passes, "{words}");
}

/// Closed loop: what is told is what this machine can, the callers on it included.
#[test]
fn feeds_are_read_as_fast_as_connections_ask() {
    let span = Duration::from_secs(sized(2, 20));
    let world = World::with(&[("REDIS__WAIT_MS", "2000")]);
    readers::write(&world, READERS);
    let tokens = tokens(&world, READERS);
    readers::warm_up(&world, &tokens);
    let to = world.public();
    let asked: Vec<_> = Runtime::new().unwrap().block_on(async {
        let asking = (0..CONNECTIONS).map(|connection| {
            let token = tokens[connection as usize % READERS].clone();
            tokio::spawn(async move {
                let (mut open, began) = (Connection::open(to).await, Instant::now());
                let mut asked = Vec::new();
                while began.elapsed() < span {
                    asked.push(open.ask("/api/v1/feed", &token, None).await);
                }
                asked
            })
        });
        let asking: Vec<_> = asking.collect();
        join_all(asking).await.into_iter().flat_map(Result::unwrap).collect()
    });
    let (answers, rate) = (Answers::of(&asked), asked.len() as f64 / span.as_secs_f64());
    let passes = answers.percent() == 100.0;
    let words = format!("{rate:.0} feeds/s of 10,000 by {CONNECTIONS} connections: {answers}");
    tell(
        "reads",
        passes && rate >= 10_000.0,
        &words,
        json!({"per_second": rate, "answers": answers.figures()}),
    );
    assert!(passes, "{words}");
}
