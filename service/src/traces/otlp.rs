//! What sends spans: OpenTelemetry's own pieces, by batches, from a thread of their own.

use std::time::Duration;

use millstream::{Step, TraceContext, Tracer};
use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, Span as SdkSpan,
};

use crate::config;

/// How long spans wait for others.
const LINGER: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Otlp {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Otlp {
    /// Sends to the collector that is configured; it need not be there yet.
    pub fn start(config: &config::Traces) -> Result<Self, String> {
        let endpoint = format!("{}/v1/traces", config.endpoint.trim_end_matches('/'));
        let exporter = SpanExporter::builder().with_http().with_endpoint(endpoint).build();
        let exporter = exporter.map_err(|fault| format!("traces.endpoint: {fault}"))?;
        let batches = BatchConfigBuilder::default().with_scheduled_delay(LINGER).build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let root = Sampler::TraceIdRatioBased(config.sample_ratio);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(root)))
            .with_resource(Resource::builder().with_service_name("feedmill").build())
            .build();
        Ok(Self { tracer: provider.tracer("feedmill"), provider })
    }

    /// What makes spans.
    pub fn tracer(&self) -> &SdkTracer {
        &self.tracer
    }

    /// Sends what is left.
    pub fn stop(&self) {
        if let Err(fault) = self.provider.shutdown() {
            tracing::warn!(%fault, "the last traces are not sent");
        }
    }
}

/// A place in a trace, as records bear it.
pub fn place(of: &SpanContext) -> TraceContext {
    TraceContext { trace: of.trace_id().to_bytes(), span: of.span_id().to_bytes() }
}

impl Tracer for Otlp {
    fn begin(
        &self,
        name: &str,
        parent: TraceContext,
        of: &[(&'static str, &str)],
    ) -> Box<dyn Step> {
        let parent = SpanContext::new(
            TraceId::from_bytes(parent.trace),
            SpanId::from_bytes(parent.span),
            TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        let attributes = of.iter().map(|(name, value)| KeyValue::new(*name, (*value).to_owned()));
        let begun = SpanBuilder::from_name(name.to_owned())
            .with_kind(SpanKind::Consumer)
            .with_attributes(attributes);
        let parent = Context::new().with_remote_span_context(parent);
        Box::new(Going(self.tracer.build_with_context(begun, &parent)))
    }
}

/// A step whose span ends when it is dropped.
struct Going(SdkSpan);

impl Step for Going {
    fn context(&self) -> TraceContext {
        place(self.0.span_context())
    }
}
