//! The public routes as bytes on a socket: what a client may send that a library would not.
//!
//! A table of what was tried, each row with the status it gets and stays at.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tokio::sync::watch;

use super::world::{ME, NOW, World, held};
use crate::edge::tests::listening;
use crate::http::public;

const POST: &str = "d0000000-0000-4000-8000-000000000001";

/// A world whose routes are served; what it needs besides to stay so.
struct Served {
    world: World,
    address: SocketAddr,
    _stop: watch::Sender<bool>,
}

impl Served {
    async fn start() -> Self {
        let world = World::new();
        world.hold(ME, held(1));
        let listener = listening(&[]).await;
        let address = listener.address().unwrap();
        let (stop, stopped) = watch::channel(false);
        let routes = public(&Arc::clone(&world.api));
        tokio::spawn(listener.serve(routes, Arc::clone(&world.metrics), stopped));
        Self { world, address, _stop: stop }
    }

    /// Sends bytes, and reads until the other side has closed.
    async fn raw(&self, bytes: Vec<u8>) -> String {
        let address = self.address;
        let exchange = move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            // Who refuses early does not read the rest.
            let _ = stream.write_all(&bytes);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::task::spawn_blocking(exchange).await.unwrap()
    }

    /// The head of a request with a token, which closes the connection after its answer.
    fn head(&self, line: &str, more: &str) -> String {
        let token = self.world.token(ME, &[]);
        format!(
            "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {token}\r\n{more}\r\n"
        )
    }

    /// A batch as it is, with these headers more.
    async fn post(&self, headers: &str, body: &[u8]) -> String {
        let head = self
            .head("POST /api/v1/events", &format!("content-type: application/json\r\n{headers}"));
        self.raw([head.as_bytes(), body].concat()).await
    }
}

fn status(answer: &str) -> u16 {
    let line = answer.split(' ').nth(1).unwrap_or_default();
    line.parse().unwrap_or_else(|_| panic!("no answer: {answer:?}"))
}

fn batch(more: &str) -> String {
    format!(r#"{{"events":[{{"post_id":"{POST}","action":"view","event_time":{NOW}{more}}}]}}"#)
}

fn sized(body: &str) -> String {
    format!("content-length: {}\r\n", body.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_has_the_headers_of_get_and_no_body() {
    let served = Served::start().await;
    let get = served.raw(served.head("GET /api/v1/feed", "").into()).await;
    let head = served.raw(served.head("HEAD /api/v1/feed", "").into()).await;
    assert_eq!((status(&get), status(&head)), (200, 200));
    let (_, body) = head.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "");
    let names = |answer: &str| -> Vec<String> {
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        head.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
    };
    assert_eq!(names(&head), names(&get));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunked_body_is_taken_within_the_limit() {
    let served = Served::start().await;
    let body = batch("");
    let (first, second) = body.split_at(20);
    let chunks =
        format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
    let chunked = "transfer-encoding: chunked\r\n";
    assert_eq!(status(&served.post(chunked, chunks.as_bytes()).await), 202);
    let huge = format!("{:x}\r\n{}\r\n0\r\n\r\n", 70_000, " ".repeat(70_000));
    let refused = served.post(chunked, huge.as_bytes()).await;
    assert_eq!(status(&refused), 413);
    assert!(refused.contains("connection: close"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_announced_too_long_is_refused_at_once_and_the_connection_closed() {
    let served = Served::start().await;
    let head = served.head("POST /api/v1/events", "content-length: 99999999999\r\n");
    let refused = served.raw(head.into_bytes()).await;
    assert_eq!(status(&refused), 413);
    assert!(refused.contains("connection: close"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_a_route_does_not_have_is_answered_with_those_that_it_has() {
    let served = Served::start().await;
    let rows = [
        ("DELETE /api/v1/feed", "GET, HEAD"),
        ("POST /api/v1/feed/trending", "GET, HEAD"),
        ("GET /api/v1/events", "POST"),
    ];
    for (line, allowed) in rows {
        let refused = served.raw(served.head(line, "").into_bytes()).await;
        assert_eq!(status(&refused), 405, "{line}");
        assert!(refused.contains(&format!("allow: {allowed}\r\n")), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_tried_on_requests_stays_right() {
    let served = Served::start().await;
    let token = served.world.token(ME, &[]);
    let line =
        |head: &str| format!("{head}\r\nconnection: close\r\nauthorization: {token}\r\n\r\n");
    let rows = [
        ("no host", line("GET /api/v1/feed HTTP/1.1"), 400),
        ("two hosts", line("GET /api/v1/feed HTTP/1.1\r\nhost: x\r\nhost: y"), 400),
        ("HTTP/1.0 without a host", line("GET /api/v1/feed HTTP/1.0"), 200),
        ("no such method", line("BREW /api/v1/feed HTTP/1.1\r\nhost: x"), 405),
        (
            "a header that is no text",
            line("GET /api/v1/feed HTTP/1.1\r\nhost: x").replace("Bearer", "B\u{e9}arer"),
            400,
        ),
        ("no such route", line("GET /api/v1/fee HTTP/1.1\r\nhost: x"), 404),
        ("no HTTP at all", "hello\r\n\r\n".to_owned(), 400),
        (
            "a huge header",
            line(&format!("GET /api/v1/feed HTTP/1.1\r\nhost: x\r\na: {}", "b".repeat(20_000))),
            431,
        ),
        (
            "many headers",
            line(&format!("GET /api/v1/feed HTTP/1.1\r\nhost: x{}", "\r\na: b".repeat(100))),
            431,
        ),
    ];
    for (what, request, expected) in rows {
        assert_eq!(status(&served.raw(request.into_bytes()).await), expected, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_tried_on_bodies_stays_right() {
    let served = Served::start().await;
    let deep = format!(r#"{{"events":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    let rows = [
        ("an event", batch(""), 202),
        ("an hour ahead", batch("").replace(&NOW.to_string(), &(NOW + 3_600_000).to_string()), 400),
        ("of 1970", batch("").replace(&NOW.to_string(), "5"), 400),
        ("in seconds", batch("").replace(&NOW.to_string(), &(NOW / 1_000).to_string()), 400),
        ("dwell without a time", batch("").replace("view", "dwell"), 400),
        ("dwell", batch(r#","dwell_ms":5"#).replace("view", "dwell"), 202),
        ("a byte order mark", format!("\u{feff}{}", batch("")), 400),
        ("truncated", batch("").split_at(30).0.to_owned(), 400),
        ("the same key twice", batch(r#","action":"like""#), 400),
        ("deep", deep, 400),
        ("a surplus field of the batch", batch("").replacen('{', r#"{"more":1,"#, 1), 400),
        ("no JSON", "events=1".to_owned(), 400),
    ];
    for (what, body, expected) in rows {
        let answer = served.post(&sized(&body), body.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{what}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_one_go_are_answered_in_their_order() {
    let served = Served::start().await;
    let token = served.world.token(ME, &[]);
    let one =
        |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\n\r\n");
    let last = served.head("GET /api/v1/feed", "");
    let answer =
        served.raw([one("/api/v1/feed"), one("/nowhere"), last].concat().into_bytes()).await;
    let statuses: Vec<_> = answer.split("HTTP/1.1 ").skip(1).map(|part| &part[..3]).collect();
    assert_eq!(statuses, ["200", "404", "200"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_does_not_choose_how_it_is_judged() {
    let served = Served::start().await;
    let token = served.world.token(ME, &[]);
    let [_, claims, signature] =
        <[&str; 3]>::try_from(token["Bearer ".len()..].split('.').collect::<Vec<_>>()).unwrap();
    let encode = |header: serde_json::Value| URL_SAFE_NO_PAD.encode(header.to_string());
    let rows = [
        format!("{}.{claims}.", encode(json!({"alg": "none"}))),
        format!("{}.{claims}.{signature}", encode(json!({"alg": "none"}))),
        format!("{}.{claims}.{signature}", encode(json!({"alg": "HS256"}))),
        format!("{}.{claims}.{signature}", encode(json!({"alg": "RS256"}))),
        format!("{}.{claims}.{signature}x", encode(json!({"alg": "EdDSA"}))),
        "a.b.c".to_owned(),
        String::new(),
    ];
    for forged in rows {
        let head = format!(
            "GET /api/v1/feed HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {forged}\r\n\r\n"
        );
        assert_eq!(status(&served.raw(head.into_bytes()).await), 401, "{forged}");
    }
}
