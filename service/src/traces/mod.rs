//! Traces of requests and of what comes of them, sent to a collector by OTLP: from a request by the headers of records through
//! the topology to the servers that sinks write to.
//!
//! There is one for the process, as there is one log. Where nobody takes traces, no header is looked at; of a request that is not
//! sampled nothing is kept. Nothing in a span says whose or what: routes, statuses, topics, sub-topologies, servers.

mod otlp;

use std::future::Future;
use std::sync::{Arc, OnceLock};

use millstream::{TraceContext, Tracer};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Status, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Instrument;
use warp::http::HeaderMap;
use warp::reply::Response;

use crate::config;
use otlp::Otlp;

static TRACES: OnceLock<Arc<Otlp>> = OnceLock::new();

tokio::task_local! {
    /// The request at hand, if it is traced.
    static AT_HAND: TraceContext;
}

/// Sends traces from now on, if somebody takes them.
pub fn start(config: Option<&config::Traces>) -> Result<(), String> {
    let Some(config) = config else { return Ok(()) };
    let otlp = Otlp::start(config)?;
    tracing::info!(endpoint = config.endpoint, ratio = config.sample_ratio, "traces are sent");
    // A process starts once.
    let _ = TRACES.set(Arc::new(otlp));
    Ok(())
}

/// Sends what is left, and nothing afterwards.
pub fn stop() {
    if let Some(otlp) = TRACES.get() {
        otlp.stop();
    }
}

/// Who is told of what is done with records; nobody where no traces are sent.
pub fn tracer() -> Option<Arc<dyn Tracer>> {
    TRACES.get().map(|otlp| Arc::clone(otlp) as Arc<dyn Tracer>)
}

/// Where the request at hand stands in its trace, if it is traced.
pub fn at_hand() -> Option<TraceContext> {
    TRACES.get()?;
    AT_HAND.try_with(|at_hand| *at_hand).ok()
}

/// The trace that a request's headers name, or that it may begin; none where no traces are sent.
pub fn named(headers: &HeaderMap) -> Option<Context> {
    TRACES.get()?;
    Some(TraceContextPropagator::new().extract_with_context(&Context::new(), &Of(headers)))
}

/// Answers a request as a span of such a trace.
pub async fn request(
    route: &'static str,
    parent: Option<Context>,
    answering: impl Future<Output = Response>,
) -> Response {
    let Some((otlp, parent)) = TRACES.get().zip(parent) else { return answering.await };
    let begun = SpanBuilder::from_name(route).with_kind(SpanKind::Server);
    let mut span = otlp.tracer().build_with_context(begun, &parent);
    let context = span.span_context().clone();
    if !context.is_sampled() {
        return answering.await;
    }
    let (trace, place) = (context.trace_id(), otlp::place(&context));
    let logged = tracing::info_span!("trace", trace_id = %trace);
    let answer = AT_HAND.scope(place, answering.instrument(logged)).await;
    let status = answer.status();
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    if status.is_server_error() {
        span.set_status(Status::error(status.as_str().to_owned()));
    }
    span.end();
    answer
}

/// Headers, as the propagator asks for them.
struct Of<'a>(&'a HeaderMap);

impl Extractor for Of<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}
