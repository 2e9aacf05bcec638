//! The edge from outside: bytes on a socket, whoever sends them, and what becomes of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Certificate;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;
use tests::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use warp::{Filter, Reply};

use super::{Bounds, Listener};
use crate::config::{Config, InForce};
use crate::metrics::Metrics;

/// What a configuration with these settings says, or what is wrong with it.
pub fn read(settings: &[(&str, &str)]) -> Result<Config, String> {
    let named = |(name, value): &(&str, &str)| {
        (format!("FEEDMILL_{}", name.to_uppercase().replace('.', "__")), (*value).to_owned())
    };
    Config::read(None, settings.iter().map(named), |_| Vec::new())
}

/// The same of one that is right.
pub fn config(settings: &[(&str, &str)]) -> Config {
    read(settings).unwrap()
}

/// A public listener with these settings, somewhere.
pub async fn listening(settings: &[(&str, &str)]) -> Listener {
    let bounds = Bounds::public(&InForce::new(config(settings))).unwrap();
    Listener::bind(([127, 0, 0, 1], 0).into(), "public", bounds).unwrap()
}

/// Short times, so that what is overdue is so soon.
const SOON: [(&str, &str); 5] = [
    ("http.first_byte_wait_ms", "300"),
    ("http.head_wait_ms", "300"),
    ("http.idle_wait_ms", "300"),
    ("http.write_wait_ms", "300"),
    ("http.drain_wait_ms", "20000"),
];

struct Served {
    address: SocketAddr,
    in_force: InForce,
    metrics: Arc<Metrics>,
    /// Lets `/slow` answer.
    go: Arc<Notify>,
    /// `/slow` is being worked on.
    began: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Served {
    async fn with(settings: &[(&str, &str)]) -> Self {
        let in_force = InForce::new(config(settings));
        let bounds = Bounds::public(&in_force).unwrap();
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), "public", bounds).unwrap();
        let address = listener.address().unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let (go, began) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let of = (Arc::clone(&go), Arc::clone(&began));
        let slow = warp::path!("slow").and(warp::any().map(move || of.clone())).then(
            |(go, began): (Arc<Notify>, Arc<Notify>)| async move {
                began.notify_one();
                go.notified().await;
                "slow".into_response()
            },
        );
        let fast = warp::path!("fast").map(|| "fast".into_response());
        let large = warp::path!("large").map(|| vec![b'x'; 64 << 20].into_response());
        let routes = fast.or(slow).unify().or(large).unify();
        let routes = routes.recover(|rejection| crate::http::recover(rejection, 0));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(listener.serve(routes, Arc::clone(&metrics), stopped));
        Self { address, in_force, metrics, go, began, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// What comes back until the other side closes.
    async fn raw(&self, bytes: &str) -> String {
        let mut stream = self.connect().await;
        // Who is refused at once may not take it.
        let _ = stream.write_all(bytes.as_bytes()).await;
        rest(stream).await
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(format!("http://{}{path}", self.address)).await.unwrap()
    }

    fn cut_off(&self, reason: &str) -> u64 {
        self.metrics.cut_off.with_label_values(&["public", reason]).get()
    }
}

/// Asks until there is an answer.
pub async fn until<T>(mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    loop {
        ticks.tick().await;
        if let Some(answer) = probe().await {
            return answer;
        }
    }
}

async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n")
}

#[tokio::test]
async fn silent_dribbling_and_idle_connections_are_cut_off_while_others_are_served() {
    let served = Served::with(&SOON).await;
    let silent = served.connect().await;
    let mut dribbling = served.connect().await;
    dribbling.write_all(b"GET /fast HTTP/1.1\r\nx: ").await.unwrap();
    let dribble = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while dribbling.write_all(b"y").await.is_ok() {
            ticks.tick().await;
        }
    });
    assert_eq!(served.get("/fast").await.status(), 200);
    assert_eq!(rest(silent).await, "");
    dribble.await.unwrap();
    let idle = served.raw(&get("/fast", "")).await;
    assert!(idle.starts_with("HTTP/1.1 200") && idle.ends_with("fast"), "{idle}");
    let reasons = ["no_first_byte", "slow_head", "idle"].map(|reason| served.cut_off(reason) > 0);
    assert_eq!(reasons, [true; 3]);
    assert_eq!(served.get("/fast").await.status(), 200);
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_cut_off() {
    let served = Served::with(&SOON).await;
    let mut stream = served.connect().await;
    stream.write_all(get("/large", "").as_bytes()).await.unwrap();
    until(async || (served.cut_off("slow_reader") == 1).then_some(())).await;
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_refused_in_the_one_form() {
    let served = Served::with(&[("http.headers_max", "8"), ("http.head_bytes_max", "1024")]).await;
    let many: String = (0..9).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(1024));
    for headers in [many, long] {
        let answer = served.raw(&get("/fast", &format!("connection: close\r\n{headers}"))).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431"), "{head}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["error"]["code"], "head_too_large");
        assert!(head.contains(body["request_id"].as_str().unwrap()), "{head}");
    }
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_one_that_ends_makes_room() {
    let served = Served::with(&[("http.connections_per_address_max", "2")]).await;
    // They are taken in the order in which they connected.
    let held = [served.connect().await, served.connect().await];
    let refused = served.raw(&get("/fast", "")).await;
    assert_eq!((refused.as_str(), served.cut_off("address")), ("", 1));
    drop(held);
    let asked = get("/fast", "connection: close\r\n");
    until(async || served.raw(&asked).await.starts_with("HTTP/1.1 200").then_some(())).await;
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_when_to_come_again() {
    let settings = [
        ("limits.address_per_second", "1"),
        ("http.forwarded", "x-forwarded-for"),
        ("http.trusted_proxies", "127.0.0.1"),
    ];
    let served = Served::with(&settings).await;
    let ask = async |client: &str| {
        let headers = format!("connection: close\r\nx-forwarded-for: {client}\r\n");
        served.raw(&get("/fast", &headers)).await
    };
    for _ in 0..5 {
        assert!(ask("203.0.113.7").await.starts_with("HTTP/1.1 200"));
    }
    let refused = ask("203.0.113.7").await;
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("retry-after: 1"), "{refused}");
    assert!(ask("203.0.113.8").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn more_requests_than_are_worked_on_at_once_are_told_to_come_again() {
    let served = Served::with(&[("http.requests_max", "1")]).await;
    let slow = format!("http://{}/slow", served.address);
    let slow = tokio::spawn(reqwest::get(slow));
    served.began.notified().await;
    let refused = served.get("/fast").await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (503, &HeaderValue::from_static("1"))
    );
    served.go.notify_one();
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    assert_eq!(served.get("/fast").await.status(), 200);
}

#[tokio::test]
async fn bounds_that_change_hold_for_whoever_asks_next() {
    let served = Served::with(&[]).await;
    let ask = async || {
        let headers = "origin: https://app.example.com\r\nconnection: close\r\n";
        let headers = format!("{headers}{}", "x: y\r\n".repeat(8));
        served.raw(&get("/fast", &headers)).await
    };
    let hold = |settings: &[(&str, &str)]| served.in_force.set(config(settings));
    assert!(ask().await.starts_with("HTTP/1.1 200"));
    hold(&[("http.headers_max", "8")]);
    assert!(ask().await.starts_with("HTTP/1.1 431"));
    hold(&[("http.cors_origins", "https://app.example.com")]);
    let answer = ask().await;
    assert!(answer.contains("access-control-allow-origin: https://app.example.com"), "{answer}");
    hold(&[("http.connections_per_address_max", "1")]);
    let held = served.connect().await;
    until(async || ask().await.is_empty().then_some(())).await;
    drop(held);
    hold(&[("limits.address_per_second", "1")]);
    until(async || ask().await.starts_with("HTTP/1.1 429").then_some(())).await;
    hold(&[]);
    assert!(ask().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_listener_that_is_full_takes_more_when_it_may() {
    let patient = ("http.first_byte_wait_ms", "600000");
    let served = Served::with(&[("http.connections_max", "1"), patient]).await;
    let _held = served.connect().await;
    until(async || {
        (served.metrics.connections.with_label_values(&["public"]).get() == 1).then_some(())
    })
    .await;
    let waiting = tokio::spawn(reqwest::get(format!("http://{}/fast", served.address)));
    served.in_force.set(config(&[("http.connections_max", "2"), patient]));
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn who_is_told_to_stop_finishes_what_is_in_hand_and_takes_nobody_new() {
    let served = Served::with(&[]).await;
    let idle = served.connect().await;
    let slow = tokio::spawn(reqwest::get(format!("http://{}/slow", served.address)));
    served.began.notified().await;
    served.stop.send(true).unwrap();
    until(async || TcpStream::connect(served.address).await.is_err().then_some(())).await;
    assert_eq!(rest(idle).await, "");
    served.go.notify_one();
    assert_eq!(slow.await.unwrap().unwrap().text().await.unwrap(), "slow");
    served.task.await.unwrap();
}

#[tokio::test]
async fn http_2_is_spoken_to_who_begins_with_it() {
    let served = Served::with(&[]).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let answer = client.get(format!("http://{}/fast", served.address)).send().await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 200));
}

#[tokio::test]
async fn a_certificate_is_shown_and_another_one_when_its_files_change() {
    let (first, second) = (Authority::new("first").unwrap(), Authority::new("second").unwrap());
    let (files, later) = (first.certify().unwrap(), second.certify().unwrap());
    let file = |name: &str| files.path().join(name);
    let (cert, key) = (file("certificate"), file("key"));
    let settings = [
        ("http.tls_cert_file", cert.to_str().unwrap()),
        ("http.tls_key_file", key.to_str().unwrap()),
    ];
    let served = Served::with(&settings).await;
    let url = format!("https://{}/fast", served.address);
    let ask = async |authority: &Authority| {
        let root = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
        client.get(&url).send().await
    };
    let answer = ask(&first).await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 200));
    assert!(ask(&second).await.is_err());
    // One file without the other is no pair: the old one stays.
    std::fs::copy(later.path().join("certificate"), &cert).unwrap();
    let of = crate::certificate::Certificate::read(&config(&settings).http.tls.unwrap());
    assert!(of.unwrap_err().contains("key"));
    assert!(ask(&first).await.is_ok());
    std::fs::copy(later.path().join("key"), &key).unwrap();
    until(async || ask(&second).await.ok()).await;
}

#[tokio::test]
async fn pages_of_listed_origins_may_call_and_read_also_what_is_refused() {
    let settings =
        [("http.cors_origins", "https://app.example.com"), ("limits.address_per_second", "1")];
    let served = Served::with(&settings).await;
    let client = reqwest::Client::new();
    let ask = async |method: reqwest::Method, origin: &str| {
        let asked = client.request(method, format!("http://{}/fast", served.address));
        let asked = asked.header("origin", origin).header("access-control-request-method", "PUT");
        asked.send().await.unwrap()
    };
    let allowed = |headers: &HeaderMap| headers.get("access-control-allow-origin").cloned();
    let listed = HeaderValue::from_static("https://app.example.com");
    let preflight = ask(reqwest::Method::OPTIONS, "https://app.example.com").await;
    assert_eq!(
        (preflight.status().as_u16(), allowed(preflight.headers())),
        (200, Some(listed.clone()))
    );
    let other = ask(reqwest::Method::GET, "https://evil.example.com").await;
    assert_eq!((other.status().as_u16(), allowed(other.headers())), (200, None));
    assert!(other.headers()["vary"].to_str().unwrap().contains("origin"));
    let refused = until(async || {
        let answer = ask(reqwest::Method::GET, "https://app.example.com").await;
        (answer.status() == 429).then_some(answer)
    })
    .await;
    assert_eq!(allowed(refused.headers()), Some(listed));
}
