//! Where traces go, and how many.

use super::values::ConfigValues;

/// See the module.
#[derive(Clone, Debug)]
pub struct Traces {
    /// The URL of a collector that takes OTLP over HTTP.
    pub endpoint: String,
    /// The share of requests that begin a trace; one that comes with a trace is in it as that says.
    pub sample_ratio: f64,
}

impl Traces {
    pub(super) fn read(from: &mut ConfigValues) -> Option<Self> {
        let endpoint = from.text("traces.endpoint", "");
        let sample_ratio = from.within("traces.sample_ratio", 0.01, 0.0..=1.0);
        let is_url = ["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme));
        if !endpoint.is_empty() && !is_url {
            let words = format!("is a URL such as http://collector:4318, found {endpoint:?}");
            from.fault("traces.endpoint", &words);
        }
        (!endpoint.is_empty()).then_some(Self { endpoint, sample_ratio })
    }
}
