//! A request that is traced, followed by what a collector is sent: through Kafka, the topology and its timers to Redis.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;

use crate::curl::curl;
use crate::prometheus::Prometheus;
use crate::world::World;
use crate::{POST, READER, write_the_first_rows};

/// Takes spans as collectors do, by OTLP over HTTP.
struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let kept = Arc::clone(&spans);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                thread::spawn(move || take(&stream, &kept));
            }
        });
        Self { url, spans }
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

/// Every request of a connection.
fn take(stream: &TcpStream, kept: &Mutex<Vec<Span>>) -> Option<()> {
    let mut from = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while from.read_line(&mut line).ok()? > 2 {
            let name = "content-length:";
            if line.to_lowercase().starts_with(name) {
                length = line[name.len()..].trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body).ok()?;
        let sent = ExportTraceServiceRequest::decode(&*body).unwrap();
        let of_scopes = sent.resource_spans.into_iter().flat_map(|of| of.scope_spans);
        kept.lock().unwrap().extend(of_scopes.flat_map(|of| of.spans));
        let mut to = stream;
        to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// The names of the spans from the root to the first of this name, if all of them are there.
fn way_to(name: &str, spans: &[Span]) -> Option<Vec<String>> {
    let by_id: BTreeMap<_, _> = spans.iter().map(|span| (&span.span_id, span)).collect();
    let mut at = spans.iter().find(|span| span.name == name)?;
    let mut way = vec![at.name.clone()];
    while let Some(parent) = by_id.get(&at.parent_span_id) {
        at = parent;
        way.insert(0, at.name.clone());
    }
    let caller = [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31];
    (at.parent_span_id == caller).then_some(way)
}

#[test]
fn a_traced_event_is_one_trace_from_the_request_to_the_feed_that_redis_gets() {
    let collector = Collector::start();
    let settings =
        [("TRACES__ENDPOINT", &*collector.url.clone().leak()), ("TRACES__SAMPLE_RATIO", "0")];
    let world = World::capturing(&settings);
    write_the_first_rows(&world);
    world.feed_when(READER, |feed| feed.source() == "redis" && feed.has(POST));
    assert!(collector.spans().is_empty(), "nobody asked for a trace");

    let url = world.feed_url().replace("/feed", "/events");
    let header = format!("traceparent: 00-{TRACE}-b7ad6b7169203331-01");
    let viewed = json!({"post_id": POST, "action": "view", "event_time": world.now_ms()});
    let body = json!({"events": [viewed]});
    let token = world.token(READER);
    let (status, said) = curl(&["-X", "POST", "-H", &header, &url], Some(&token), Some(&body));
    assert_eq!(status, 202, "{said}");
    world.feed_when(READER, |feed| feed.source() == "redis" && !feed.has(POST));

    let mut way = Vec::new();
    world.poll("the trace has come to Redis", || {
        way = way_to("redis write", &collector.spans())?;
        Some(())
    });
    let spans = collector.spans();
    let is_ours = |span: &Span| {
        span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect::<String>() == TRACE
    };
    assert!(spans.iter().all(is_ours), "others were not asked for");
    // Ingest tells the reader of it, and so does engagement; whichever the reader's timer was set by last is on the way.
    assert!(way.starts_with(&["events", "ingest-events"].map(str::to_owned)), "{way:?}");
    assert!(way.ends_with(&["reader", "reader", "redis write"].map(str::to_owned)), "{way:?}");

    // Whoever looks at how long requests take finds it.
    let prometheus = Prometheus::start(&world);
    world.poll("the request is an exemplar", || {
        let traces = prometheus.traces("feedmill_http_request_seconds_bucket{route=\"events\"}");
        traces.contains(&TRACE.to_owned()).then_some(())
    });
}
